"""Whether a request's other parameters clash with thinking that the hook sets: a temperature, say, or a tool that is forced.

LiteLLM is asked what it would send of the caller's parameters with and without ours: it knows OpenAI's rules, and drops or changes some
rather than have them refused. Of Claude it passes everything on, so that rule is here, for Claude at any host.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from .deployments import made_of
from .thinking import arm_said

NAMES = ("temperature", "top_p", "top_k", "tool_choice", "logprobs", "top_logprobs")
"""Parameters that some provider refuses beside thinking."""

SENT = (*NAMES, "topP", "topK", "responseLogprobs")
"""The same as hosts call them."""

FREE_CHOICES = ("auto", "none")
"""Values of tool_choice that force no tool."""

LEAST_TOP_P = 0.95
"""What Claude takes beside thinking, up to 1."""

MOST = 4096

Clash = Literal["refused", "changed"]
"""`refused`: beside thinking alone, so who answers such a request did not think. `changed`: LiteLLM would send another value."""


def clash_of(attempt: Mapping[str, Any], put: Mapping[str, Any]) -> Clash | None:
    """Return how an attempt's other parameters clash with thinking parameters of ours in it; None: they do not."""
    info = attempt.get("model_info")
    base = str(info.get("base_model") or "") if isinstance(info, Mapping) else ""
    of_claude = "claude" in f"{attempt.get('model')} {base}".lower()
    callers = (*_kinds(attempt), *(_schema(attempt) if of_claude else ()))
    if not callers:
        return None
    import litellm

    drops = attempt.get("drop_params") in (True, "true", "True") or litellm.drop_params is True
    allowed = tuple(sorted(str(name) for name in attempt.get("allowed_openai_params") or () if name in put))
    asked = {name: value for name, value in put.items() if name in ("reasoning_effort", "thinking")}
    claude = of_claude and arm_said(put) == "reasoning"
    ours = json.dumps(asked, sort_keys=True, default=str)
    return _clash(
        str(attempt.get("model") or ""), attempt.get("custom_llm_provider"), ours, callers, drops, allowed, claude
    )


def _kinds(attempt: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the parameters that could clash, each with a value that stands for its like: few, so that answers are remembered."""
    wrapped = attempt.get("extra_body")
    given = {**(wrapped if isinstance(wrapped, Mapping) else {}), **attempt}
    dropped = attempt.get("additional_drop_params") or ()
    found = ((name, _kind(name, given.get(name))) for name in NAMES if name not in dropped)
    return tuple((name, kind) for name, kind in found if kind is not None)


def _schema(attempt: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the schema of an answer, if one is asked for: of older Claudes LiteLLM makes a forced tool of it, beside thinking a free one."""
    format_ = attempt.get("response_format")
    kind = format_.get("type") if isinstance(format_, Mapping) else "json_schema" if isinstance(format_, type) else None
    return (("response_format", kind),) if kind == "json_schema" else ()


def _kind(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "tool_choice":
        word = value.get("type") if isinstance(value, Mapping) else value
        return None if word is None or word in FREE_CHOICES else "required"
    if name == "logprobs":
        return bool(value)
    if name == "top_logprobs":
        return 2 if value else 0
    if name == "top_k":
        return 40
    if value == 1:
        return 1
    near = name == "top_p" and isinstance(value, int | float) and LEAST_TOP_P <= value < 1
    return LEAST_TOP_P if near else 0.5


@lru_cache(MOST)
def _clash(
    model: str, provider: str | None, ours: str, callers: tuple[tuple[str, Any], ...], drops: bool, allowed: tuple[str, ...], claude: bool
) -> Clash | None:  # fmt: skip
    alone = _sent(model, provider, dict(callers), drops, allowed)
    both = _sent(model, provider, {**dict(callers), **json.loads(ours)}, drops, allowed)
    if both is None:
        return "refused"
    if alone is None:
        return None  # it passes with ours only: OpenAI's models that think by default take a temperature at effort none
    if (claude and _refused_by_claude(alone)) or alone.keys() - both.keys():
        return "refused"
    return "changed" if any(both[name] != value for name, value in alone.items()) else None


def _sent(
    model: str, provider: str | None, parameters: Mapping[str, Any], drops: bool, allowed: tuple[str, ...]
) -> dict[str, Any] | None:
    """Return what LiteLLM would send of the parameters of SENT; None where it would refuse the request."""
    given = dict(parameters)
    if "tool_choice" in given:
        given["tools"] = [_TOOL]
    if "response_format" in given:
        given["response_format"] = _SCHEMA
    sent = made_of(model, provider, given, drop_params=drops, allowed_openai_params=list(allowed))
    return None if sent is None else {name: sent[name] for name in SENT if sent.get(name) is not None}


_SCHEMA = {"type": "json_schema", "json_schema": {"name": "f", "schema": {"type": "object", "properties": {}}}}
_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def _refused_by_claude(sent: Mapping[str, Any]) -> bool:
    """Return whether Claude refuses parameters beside thinking: a temperature other than 1, a low top_p, any top_k, a forced tool."""
    top_p = sent.get("top_p", sent.get("topP", 1))
    return sent.get("temperature", 1) != 1 or top_p < LEAST_TOP_P or "top_k" in sent or "tool_choice" in sent
