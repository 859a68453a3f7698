"""What the answers of all providers share: how they ended, when, and counts that add up."""

from datetime import UTC, datetime
from typing import Any

from training.importers.tokens import whole
from training.log_values import shown

_FINISHES = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"), "length"),
    **dict.fromkeys(("content_filter", "refusal", "safety", "recitation", "blocklist"), "content_filter"),
    **dict.fromkeys(("prohibited_content", "spii", "image_safety", "language"), "content_filter"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call"), "tool_calls"),
}


def finish_reason(word: Any) -> Any:
    """Return how an answer ended: stop, length, content_filter, tool_calls; any other word as the provider gives it."""
    return _FINISHES.get(word.lower(), word) if isinstance(word, str) else word


def moment(value: Any) -> datetime | str | None:
    """Return a time given as seconds since 1970 or as a text; what is none comes back as a text, to be refused."""
    if value is None or isinstance(value, str):
        return value
    try:
        return datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return shown(value)


def added(*counts: Any) -> Any:
    """Return the sum of the counts that are there, None where none is; what is no count comes back, to be refused."""
    given = [count for count in counts if count is not None]
    wrong = [count for count in given if whole(count) is None]
    return wrong[0] if wrong else sum(whole(count) or 0 for count in given) if given else None


def at(record: Any, *path: str) -> Any:
    """Return what stands at a path of keys of parsed JSON, None where nothing does."""
    for key in path:
        record = record.get(key) if isinstance(record, dict) else None
    return record
