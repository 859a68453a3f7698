"""The outcome of an answer, from LiteLLM's log of it. Pure."""

from collections.abc import Mapping
from typing import Any


def outcome_of(
    log: Mapping[str, Any], response: Any, *, decision_id: str, arm: str, meant: str | None
) -> dict[str, Any] | str:
    """Return the outcome to post, or a word on why there is none.

    Args:
        log: LiteLLM's standard_logging_object of a success.
        response: LiteLLM's answer; its finish_reason is read, and whether thoughts are in it.
        decision_id: that was answered.
        arm: that was answered.
        meant: the arm that the parameters which were really sent ask for; None where they leave it open.
    """
    if log.get("cache_hit"):
        return "cached"  # the tokens were spent, and told, when the answer was made
    output_tokens, hidden = _whole(log.get("completion_tokens")), _hidden(log)
    if hidden is not None and output_tokens is not None and hidden > output_tokens:
        hidden = None  # counts that contradict each other are unknown
    done = "reasoning" if hidden or _thoughts(response) else meant
    if done is None:
        return "undecidable"
    cost, start, end = log.get("response_cost"), log.get("startTime"), log.get("endTime")
    outcome = {
        "decision_id": decision_id, "arm": done, "overridden": meant != arm or done != arm, "output_tokens": output_tokens,
        "thinking_tokens": hidden, "input_tokens": _whole(log.get("prompt_tokens")), "latency_s": _seconds(start, end),
        # LiteLLM writes 0 for a model whose price it does not know
        "cost_usd": float(cost) if isinstance(cost, int | float) and 0 < cost <= 1_000_000 else None,
        "finish_reason": _finish_reason(response),
    }  # fmt: skip
    told = {name: value for name, value in outcome.items() if value is not None}
    return told if told.keys() & {"output_tokens", "input_tokens", "latency_s", "finish_reason"} else "empty"


def metadata_of(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata of a call, from where LiteLLM keeps it at the moment."""
    inner = kwargs.get("litellm_params")
    for place in (kwargs, inner if isinstance(inner, Mapping) else {}):
        for name in ("litellm_metadata", "metadata"):
            found = place.get(name)
            if isinstance(found, Mapping) and "thinkworth" in found:
                return found
    return {}


def _hidden(log: Mapping[str, Any]) -> int | None:
    """Return the thinking tokens of a call; None where the provider tells none."""
    found: Any = log
    for name in ("metadata", "usage_object", "completion_tokens_details"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return _whole(found.get("reasoning_tokens")) if isinstance(found, Mapping) else None


def _finish_reason(response: Any) -> str | None:
    try:
        reason = response.choices[0].finish_reason
    except (AttributeError, IndexError, KeyError, TypeError):
        return None
    return reason if isinstance(reason, str) and 0 < len(reason) <= 200 else None


def _thoughts(response: Any) -> bool:
    """Return whether thoughts came with an answer; many providers count no thinking tokens."""
    try:
        message = response.choices[0].message
    except (AttributeError, IndexError, KeyError, TypeError):
        return False
    return any(getattr(message, name, None) for name in ("reasoning_content", "thinking_blocks"))


def _seconds(start: Any, end: Any) -> float | None:
    both = all(isinstance(time, int | float) for time in (start, end))
    return round(end - start, 6) if both and 0 <= end - start <= 10_000_000 else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000_000 else None
