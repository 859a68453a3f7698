"""A call as a raw row of the log table, or the fault that keeps it from being one."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from contract.records import Arm
from training.importers.answers import at
from training.importers.arms import Undecidable, arm_of, layers
from training.importers.call import Call
from training.importers.conversation import HELD
from training.log_values import Fault, ask, shown

NO_TEXT = "no text"
UNDECIDABLE = "arm undecidable"
ANY_MODEL = "*"
USAGE = ("output_tokens", "thinking_tokens", "input_tokens", "cached_tokens", "cost_usd")
ADDED = ("output_tokens", "thinking_tokens", "cost_usd")
"""What the retries of a request add up, in the order of `Failure.usage`: its input is the prompt's, however often sent."""
CALL_COLUMNS = (
    *("prompt", "messages", *USAGE, "model", "arm", "thinking_setting", "thinking_budget", "tokens_are", "timestamp"),
    *("latency_s", "request_id", "finish_reason", "conversation_id", "decision_id", "p_reasoning", "task"),
)
"""The columns that `row_of` gives."""


def row_of(call: Call, default_arms: Mapping[str, Arm]) -> dict[str, Any] | Fault:
    """Return the columns of a call that did not fail, but for source and score; the table's rules come after.

    Args:
        call: what was logged.
        default_arms: by model (or `*`), the arm of calls whose parameters do not say it.
    """
    if not call.messages:
        return Fault(NO_TEXT, "no text of the prompt was stored")
    if held := _held(call.parameters):
        return Fault(HELD, f"{held} names what the provider keeps: a part of the prompt is not in the log")
    try:
        default = default_arms.get(str(call.model), default_arms.get(ANY_MODEL))
        setting = arm_of(call.parameters, thinking_tokens=_whole(call.usage.thinking_tokens), default=default)
    except Undecidable as error:
        return Fault(UNDECIDABLE, str(error))
    times = _times(call)
    if isinstance(times, Fault):
        return times
    return {
        **_content(call),
        **{name: getattr(call.usage, name) for name in USAGE},
        "model": call.model,
        "arm": setting.arm.value,
        "thinking_setting": setting.thinking_setting,
        "thinking_budget": setting.thinking_budget,
        "tokens_are": None if call.usage.output_tokens is None else "recorded",
        "timestamp": times.started,
        "latency_s": times.latency_s,
        "request_id": _id(call.request_id),
        "finish_reason": call.finish_reason,
        "conversation_id": _id(call.conversation_id),
        "decision_id": _id(call.decision_id),
        "p_reasoning": call.p_reasoning,
        "task": call.task,
    }


class Failure(NamedTuple):
    """What a failed call adds to the attempt that it belongs to; NaN is not known."""

    usage: tuple[float, ...]
    started: float
    ended: float


def failure_of(call: Call) -> Failure | Fault:
    """Return tokens, money and times (seconds since 1970) of a failed call, or the value that breaks a rule."""
    usage = {name: ask(name, getattr(call.usage, name)) for name in ADDED}
    times = _times(call)
    for value in (*usage.values(), times):
        if isinstance(value, Fault):
            return value
    output, thinking = usage["output_tokens"], usage["thinking_tokens"]
    if thinking is not None and output is not None and thinking > output:
        rule = "thinking_tokens is over output_tokens"
        return Fault(rule, f"thinking_tokens {thinking} is over output_tokens {output}")
    if output is None:  # a part of an unknown whole
        usage["thinking_tokens"] = None
    assert isinstance(times, _Times)
    started = math.nan if times.started is None else times.started.timestamp()
    latency = ask("latency_s", times.latency_s)
    ended = started + latency if isinstance(latency, float) else math.nan
    return Failure(tuple(math.nan if value is None else float(value) for value in usage.values()), started, ended)


def _held(parameters: Mapping[str, Any]) -> str | None:
    """Return the parameter by which a request names turns, a prompt or a cache that the provider keeps; None where none does."""
    for layer in layers(parameters):
        for name in ("previous_response_id", "cachedContent", "cached_content"):
            if layer.get(name):
                return name
        conversation = at(layer, "conversation", "id") or layer.get("conversation")
        if isinstance(conversation, str) and conversation.startswith("conv_"):
            return "conversation"
        if at(layer, "prompt", "id"):
            return "prompt.id"
    return None


def _content(call: Call) -> dict[str, Any]:
    """Return a single user turn of plain text as prompt, anything else as messages."""
    messages = call.messages or ()
    only = messages[0] if len(messages) == 1 else {}
    if only.get("role") == "user" and isinstance(only.get("content"), str):
        return {"prompt": only["content"], "messages": None}
    return {"prompt": None, "messages": json.dumps(list(messages), ensure_ascii=False, default=str)}


class _Times(NamedTuple):
    started: datetime | None
    latency_s: Any


def _times(call: Call) -> _Times | Fault:
    """Return the start in UTC and the seconds to the end: of the two times where both are known."""
    started, ended = _moment("started", call.started), _moment("ended", call.ended)
    if isinstance(started, Fault):
        return started
    if isinstance(ended, Fault):
        return ended
    if started is None or ended is None:
        return _Times(started, call.latency_s)
    seconds = (ended - started) / timedelta(seconds=1)
    if seconds < 0:
        return Fault("ended before it started", f"ended {-seconds:g} s before it started")
    return _Times(started, seconds)


def _moment(name: str, value: datetime | str | None) -> datetime | Fault | None:
    """Return a time in UTC; one without a zone is taken for UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if moment is None:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, AttributeError):
        return Fault(f"{name} is not a timestamp", f"{name} {shown(value)} is not a timestamp (ISO 8601)")


def _id(value: Any) -> Any:
    """Return an id that was logged as a whole number as a text; any other value as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _whole(value: Any) -> int | None:
    """Return a number of tokens, of a text too; None where it is none (the check of its column then says why)."""
    answer = ask("thinking_tokens", value)
    return answer if isinstance(answer, int) else None
