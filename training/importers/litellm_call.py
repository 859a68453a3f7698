"""What LiteLLM's spend logs and its logging payloads have in common."""

import re
from collections.abc import Mapping
from typing import Any

from training.importers.answers import at, finish_reason
from training.importers.call import Usage
from training.importers.tokens import all_input, billed_of_total, named_inputs

_TEXT_CALLS = frozenset(
    f"{way}{call}"
    for way in ("", "a")
    for call in (
        "completion", "text_completion", "responses", "anthropic_messages", "generate_content", "generate_content_stream",
    )
)  # fmt: skip
_KNOWN_TO_LITELLM = ("anthropic", "bedrock", "vertex", "gemini", "google")
_HIDDEN = ("completion_tokens_details", "reasoning_tokens")
_CACHED = ("prompt_tokens_details", "cached_tokens")
_WORD = re.compile(r"[\w .:-]{1,60}")


def other_kind(row: Mapping[str, Any], origin: Any) -> str | None:
    """Return what a record is that is no attempt, or None where it may be one.

    Args:
        row: with call_type and cache_hit.
        origin: the feature of LiteLLM's own that made the call, where one did.
    """
    call_type = row.get("call_type")
    if call_type and not (isinstance(call_type, str) and call_type in _TEXT_CALLS):
        return call_type if isinstance(call_type, str) and _WORD.fullmatch(call_type) else "call of another kind"
    if str(row.get("cache_hit")).lower() == "true":
        return "answered from a cache"
    if origin:
        return f"LiteLLM's own call: {origin}"
    return None


def model_of(row: Mapping[str, Any]) -> Any:
    """Return the model's name without LiteLLM's prefix, which is the provider that it was reached by."""
    model, provider = row.get("model"), row.get("custom_llm_provider")
    if isinstance(model, str) and provider:
        return model.removeprefix(f"{provider}/") or model
    return model


def usage_of(row: Mapping[str, Any], cost: Any, *objects: Any) -> Usage:
    """Return the tokens of a call: LiteLLM counts hidden ones into completion_tokens, whatever the provider does.

    It knows those of Anthropic, Bedrock and Google; another endpoint may count them into its total alone.

    Args:
        row: with prompt_tokens, completion_tokens, total_tokens and custom_llm_provider.
        cost: dollars; LiteLLM writes 0 where it knows no price, so that 0 says nothing.
        objects: where the details may stand; the first that has some counts.
    """
    details = [(at(one, *_HIDDEN), at(one, *_CACHED)) for one in objects]
    hidden, cached = next((found for found in details if found != (None, None)), (None, None))
    output, prompt, total = (row.get(f"{name}_tokens") for name in ("completion", "prompt", "total"))
    if not str(row.get("custom_llm_provider")).startswith(_KNOWN_TO_LITELLM):
        parts = {name: count for one in objects for name, count in named_inputs(one).items()}
        output = billed_of_total(output, hidden, prompt=prompt, inputs=list(parts.values()), total=total)
    return Usage(
        output_tokens=output,
        thinking_tokens=hidden,
        input_tokens=all_input(prompt, cached),
        cached_tokens=cached,
        cost_usd=None if str(cost) in ("0", "0.0") else cost,
    )


def ended_as(response: Any) -> Any:
    """Return why the answer ended; LiteLLM logs a chat's choices, of the Responses API the provider's own answer."""
    choices = at(response, "choices")
    if isinstance(choices, list) and choices:
        return finish_reason(at(choices[0], "finish_reason"))
    return finish_reason(at(response, "incomplete_details", "reason") or at(response, "status"))
