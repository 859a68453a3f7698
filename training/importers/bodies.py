"""The bodies of a request and its response, where a log kept them whole and does not say of whose API they are."""

from collections.abc import Mapping
from typing import Any

from training.importers import anthropic_jsonl, gemini_jsonl, openai_jsonl
from training.importers.answers import at
from training.importers.call import Usage
from training.importers.conversation import Message, beside, chat
from training.importers.jsonl import json_text

_CONTENT = ("messages", "input", "contents", "prompt")
_SYSTEM = ("instructions", "system", "systemInstruction", "system_instruction")
_CONFIG = ("config", "generationConfig", "generation_config")


def asked(request: Any) -> list[Message] | None:
    """Return the conversation of a request: of its body, or of the bare messages; None where no text was stored.

    Raises:
        ValueError: it is no conversation; the text is the rule that it breaks.
    """
    if not isinstance(request, Mapping):
        return chat(request)
    name = next((name for name in _CONTENT if name in request), None)
    if name is None:
        return None if "model" in request else chat(request)
    layers = [request, *(request[key] for key in _CONFIG if isinstance(request.get(key), Mapping))]
    system = next((layer[key] for layer in layers for key in _SYSTEM if layer.get(key)), None)
    return chat(json_text(request[name]), system=json_text(system))


def parameters_of(request: Mapping[str, Any], response: Any) -> dict[str, Any]:
    """Return what a request's body says beside its conversation, and the effort that a response says it took."""
    sent = beside(request, (*_CONTENT, *_SYSTEM))
    taken = at(response, "reasoning")
    return sent if sent.get("reasoning") or not isinstance(taken, Mapping) else {**sent, "reasoning": taken}


def usage_of(response: Any) -> Usage:
    """Return the usage of a response: OpenAI's (Chat, Responses, and those like it), Anthropic's or Gemini's."""
    for name in ("usageMetadata", "usage_metadata"):
        if at(response, name) is not None:
            return gemini_jsonl.usage_of(at(response, name))
    usage = at(response, "usage")
    if at(response, "type") == "message" or at(usage, "cache_read_input_tokens") is not None:
        return anthropic_jsonl.usage_of(usage)
    return openai_jsonl.usage_of(usage)


def ended(response: Any) -> Any:
    """Return how a response ended, in the provider's word."""
    choices = at(response, "choices") or at(response, "candidates")
    first = choices[0] if isinstance(choices, list) and choices else None
    words = (
        *(at(first, name) for name in ("finish_reason", "finishReason")),
        at(response, "incomplete_details", "reason"),
        *(at(response, name) for name in ("stop_reason", "status")),
    )
    return next((word for word in words if word), None)


def id_of(response: Any) -> Any:
    """Return the provider's id of a response."""
    return next((at(response, name) for name in ("id", "response_id", "responseId") if at(response, name)), None)
