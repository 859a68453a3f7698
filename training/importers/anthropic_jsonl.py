"""Anthropic's Message Batches, requests and results, and one-file logs of the same requests and messages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.importers.answers import added, at, finish_reason, moment
from training.importers.call import Broken, Call, Options, Record, Usage, own_marks
from training.importers.conversation import chat
from training.importers.jsonl import json_text
from training.importers.pairs import Half, Pair, pairs

NAME = "anthropic-jsonl"
ABOUT = "Anthropic Message Batches (requests and results) or a log of requests and responses of the Messages API."
NO_TEXT = "log the request's `messages`: a response alone does not say what was asked"
TAKES = ("default_arm",)


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the calls of message batches, joined by custom_id, or of one-file logs.

    Raises:
        InvalidInput: a file is missing, empty, or cannot be read.
    """
    return pairs(places, _half, _record)


def _half(record: Mapping[str, Any]) -> Half:
    request, response = (_mapping(record.get(name)) for name in ("request", "response"))
    name = next((record[key] for key in ("custom_id", "request_id", "id") if record.get(key) is not None), None)
    if request is not None:
        return Half(name, request, {} if response is None and record.get("error") else response)
    return Half(record.get("custom_id"), _mapping(record.get("params")), _mapping(record.get("result")))


def _mapping(value: Any) -> Mapping[str, Any] | None:
    value = json_text(value)
    return value if isinstance(value, Mapping) else None


def _record(pair: Pair) -> Record:
    request = pair.request
    message = pair.response.get("message", pair.response)
    try:
        messages = chat(request.get("messages"), system=request.get("system"))
    except ValueError as error:
        return Broken(pair.place, str(error), str(error))
    return Call(
        place=pair.place,
        model=at(message, "model") or request.get("model"),
        messages=messages,
        parameters={name: value for name, value in request.items() if name not in ("messages", "system")},
        usage=usage_of(at(message, "usage")),
        request_id=pair.id if pair.id is not None else at(message, "id"),
        answer_id=pair.answer_id(at(message, "id")),
        attempt_of=pair.attempt_of(request),
        started=moment(at(message, "created_at")),
        finish_reason=finish_reason(at(message, "stop_reason")),
        failed=at(message, "stop_reason") is None,
        **own_marks(request.get("metadata")),
    )


def usage_of(usage: Any) -> Usage:
    """Return the counts of a message's `usage`, whose input_tokens leave out what was read from the cache and written to it."""
    fresh, cached = at(usage, "input_tokens"), at(usage, "cache_read_input_tokens")
    return Usage(
        output_tokens=at(usage, "output_tokens"),
        thinking_tokens=at(usage, "output_tokens_details", "thinking_tokens"),
        input_tokens=None if fresh is None else added(fresh, cached, at(usage, "cache_creation_input_tokens")),
        cached_tokens=cached,
    )
