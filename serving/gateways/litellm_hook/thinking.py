"""Thinking parameters of a chat completion as LiteLLM takes it: the caller's, read, and a decision's, made. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from .decision import Decision

SWITCHES = (
    "enable_thinking",
    "thinking_budget",
    "thinking_token_budget",
    "thinking_config",
    "thinkingConfig",
    "include_reasoning",
)
NAMES = ("reasoning_effort", "thinking", "reasoning", "output_config", *SWITCHES)
"""Parameters that speak of thinking, whoever sent them, and that an answer's `params` may set."""

WRAPPERS = (
    "extra_body", "chat_template_kwargs", "generationConfig", "generation_config", "google", "additionalModelRequestFields",
    "additional_model_request_fields",
)  # fmt: skip
"""Objects that carry such parameters beside others, one in the other."""

TEMPLATE = ("enable_thinking", "thinking", "thinking_budget", "thinking_mode")
"""Names that speak of thinking in a chat template."""

EFFORTS_DOWN = ("max", "xhigh", "high", "medium", "low")

LEAST_BUDGET = 1024
"""Thinking tokens that Claude takes at least."""

_BESIDE = ("include_reasoning", "output_config")
"""What goes with thinking and does not switch it."""

_OFF = ("none", "disable", "disabled", "off", False)
_ON = ("low", "medium", "high", "xhigh", "max", "enabled", "adaptive", "on", True)


def said(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that speak of thinking, wrapped as they were; of a wrapper only these."""
    found: dict[str, Any] = {}
    for name, value in parameters.items():
        if name == "output_config":
            if isinstance(value, Mapping) and value.get("effort") is not None:
                found[name] = value  # it may ask for a format of the answer alone
        elif name in NAMES and value is not None:
            found[name] = value
        elif name in WRAPPERS and isinstance(value, Mapping):
            template = name == "chat_template_kwargs"
            inner = {key: one for key, one in value.items() if key in TEMPLATE} if template else said(value)
            if inner:
                found[name] = inner
    return found


def arm_said(parameters: Mapping[str, Any]) -> str | None:
    """Return the arm that thinking parameters ask for; None where they leave it open, or disagree."""
    words = set(_words(parameters))
    return "direct" if words == {False} else "reasoning" if words == {True} else None


def _words(value: Any) -> list[bool]:
    """Return what each parameter says, on or off, as importers of logs read it: tokens are on unless 0, -1 being Gemini's own choice."""
    if isinstance(value, Mapping):
        if value.get("type") in ("disabled", "enabled", "adaptive"):
            return [value["type"] != "disabled"]  # the budget beside it says no more
        return [word for name, one in value.items() if name not in _BESIDE for word in _words(one)]
    if isinstance(value, int) and not isinstance(value, bool):
        return [value != 0]
    if isinstance(value, str | bool):
        return [True] if value in _ON else [False] if value in _OFF else []
    return []


def parameters_of(
    decision: Decision, *, say: Literal["effort", "budget"] | None, max_output_tokens: int | None
) -> dict[str, Any]:
    """Return what to send for a decision: the answer's own `params` where it has them, else effort or budget, or nothing as `say` has it.

    Of `params` only what speaks of thinking is taken. A budget stays below max_output_tokens and is LEAST_BUDGET at
    least; where both cannot be, thinking is switched off.
    """
    if decision.params is not None:
        return said(decision.params)
    if say is None:
        return {}  # the service does not know how to steer the model
    direct = decision.arm == "direct"
    if say == "budget":
        room = max_output_tokens - 1 if max_output_tokens is not None else decision.thinking_budget
        budget = max(LEAST_BUDGET, min(decision.thinking_budget, room))
        off = direct or (max_output_tokens is not None and budget >= max_output_tokens)
        return {"thinking": {"type": "disabled"} if off else {"type": "enabled", "budget_tokens": budget}}
    if direct:
        return {"reasoning_effort": "none"}
    return {"reasoning_effort": "low" if decision.effort == "none" else decision.effort}


def applied(parameters: Mapping[str, Any], gone: Mapping[str, Any], put: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without those that are gone, and with those that are put in."""
    kept = without(parameters, gone)
    return kept | {name: merged(kept.get(name), value) for name, value in put.items()}


def merged(old: Any, new: Any) -> Any:
    """Return a parameter with another's values put in; what is no object is replaced."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return {**old, **{name: merged(old.get(name), value) for name, value in new.items()}}
    return new


def without(parameters: Mapping[str, Any], gone: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters without those that `said` found among them; wrappers keep what else they hold."""
    kept: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in WRAPPERS and isinstance(value, Mapping) and isinstance(gone.get(name), Mapping):
            rest = without(value, gone[name])
            if rest:
                kept[name] = rest
        elif name not in gone:
            kept[name] = value
    return kept
