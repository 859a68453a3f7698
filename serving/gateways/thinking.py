"""Parameters of a model's request: whether a caller set its thinking, and how ours are put beside its own."""

from collections.abc import Mapping
from typing import Any

OF_THINKING = (
    "reasoning_effort", "reasoning", "thinking", "thinking_budget", "thinking_config", "thinkingConfig", "enable_thinking", "output_config",
    "thinking_token_budget", "include_reasoning",
)  # fmt: skip
"""Keys that set thinking, in the bodies of the providers that thinkworth has dialects of."""

NESTS = ("extra_body", "chat_template_kwargs", "generationConfig", "generation_config", "additionalModelRequestFields",
         "additional_model_request_fields", "config")  # fmt: skip
"""Keys that hold further parameters, these among them."""

REFUSED_BESIDE: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("temperature", "top_p", "top_k", "tool_choice"), "openai": ("temperature", "top_p", "logprobs", "top_logprobs"),
}  # fmt: skip
"""Keys of a body that an API refuses beside thinking, by the dialect: OpenAI's for models that can do without, which take these there alone."""

FREE_CHOICES = ("auto", "none")
"""Values of tool_choice that force no tool."""


def sets_thinking(body: Mapping[str, Any]) -> bool:
    """Return whether a request says itself how much is to be thought; null says nothing."""
    if any(body.get(key) is not None for key in OF_THINKING):
        return True
    return any(sets_thinking(inner) for key in NESTS if isinstance(inner := body.get(key), Mapping))


def refused_beside(body: Mapping[str, Any], dialect: str | None) -> str | None:
    """Return the key of a request that would be refused if thinking were switched on in it; None where none is known."""
    return next((key for key in REFUSED_BESIDE.get(dialect or "", ()) if _says(key, body.get(key))), None)


def _says(key: str, value: object) -> bool:
    """Return whether a value is another than the default, which passes."""
    if key == "tool_choice":
        kind = value.get("type") if isinstance(value, Mapping) else value
        return kind is not None and kind not in FREE_CHOICES
    return value is True or not (value is None or value is False or value == 1)


def merged(body: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request with parameters put in: objects are merged key by key, every other key of the request is kept as it is."""
    together = dict(body)
    for key, value in params.items():
        mine = together.get(key)
        together[key] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return together
