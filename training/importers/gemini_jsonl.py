"""Gemini's batch files, requests and responses joined by key, and Vertex AI's, which hold both on one line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.importers.answers import added, at, finish_reason, moment
from training.importers.call import Broken, Call, Options, Other, Record, Usage, own_marks
from training.importers.conversation import chat
from training.importers.jsonl import json_text
from training.importers.pairs import Half, Pair, pairs
from training.importers.tokens import whole

NAME = "gemini-jsonl"
ABOUT = "Gemini batch files (requests and responses by key) or Vertex AI's batch output (both on a line)."
NO_TEXT = "log the request's `contents`: a response alone does not say what was asked"
TAKES = ("default_arm",)


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the calls of batch files, joined by key, or of one-file logs.

    Raises:
        InvalidInput: a file is missing, empty, or cannot be read.
    """
    return pairs(places, _half, _record)


def _half(record: Mapping[str, Any]) -> Half:
    request, response = json_text(record.get("request")), json_text(record.get("response"))
    name = next((record[key] for key in ("key", "custom_id", "id") if record.get(key) is not None), None)
    failed = bool(record.get("error") or record.get("status"))
    answer = response if isinstance(response, Mapping) else {} if failed else None
    return Half(name, request if isinstance(request, Mapping) else None, answer)


def _named(record: Any, name: str) -> Any:
    """Return a field by its camelCase name or its snake_case one: REST has the first, the SDKs' dumps the second."""
    found = at(record, name)
    return at(record, re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)) if found is None else found


def _record(pair: Pair) -> Record:
    request, response = pair.request, pair.response
    if "contents" not in request and "content" in request:
        return Other(pair.place, "embeddings")
    system = _named(request, "systemInstruction") or _named(request.get("config"), "systemInstruction")
    try:
        messages = chat(request.get("contents"), system=system)
    except ValueError as error:
        return Broken(pair.place, str(error), str(error))
    candidates = response.get("candidates")
    model = _named(response, "modelVersion") or request.get("model")
    return Call(
        place=pair.place,
        model=model.rsplit("/", 1)[-1] if isinstance(model, str) else model,
        messages=messages,
        parameters={name: value for name, value in request.items() if name != "contents"},
        usage=usage_of(_named(response, "usageMetadata")),
        request_id=pair.id if pair.id is not None else _named(response, "responseId"),
        answer_id=pair.answer_id(_named(response, "responseId")),
        attempt_of=pair.attempt_of(request),
        started=moment(_named(response, "createTime")),
        finish_reason=finish_reason(
            _named(candidates[0], "finishReason") if isinstance(candidates, list) and candidates else None
        ),
        failed=not candidates,
        **own_marks(request.get("labels")),
    )


def usage_of(usage: Any) -> Usage:
    """Return the counts of a response's `usageMetadata`: candidates leave out the thoughts, and what tools fed back is input."""
    prompt, tools = _named(usage, "promptTokenCount"), _named(usage, "toolUsePromptTokenCount")
    thoughts, total = _named(usage, "thoughtsTokenCount"), _named(usage, "totalTokenCount")
    candidates, inputs = _named(usage, "candidatesTokenCount"), added(prompt, tools)
    if thoughts is None and None not in (prompt, candidates) and whole(total) == added(inputs, candidates):
        thoughts = 0  # the total leaves no room for any
    return Usage(
        output_tokens=_output(candidates, thoughts, total, inputs),
        thinking_tokens=thoughts,
        input_tokens=None if prompt is None else inputs,
        cached_tokens=_named(usage, "cachedContentTokenCount"),
    )


def _output(candidates: Any, thoughts: Any, total: Any, inputs: Any) -> Any:
    """Return all output tokens; where the answer was cut off in its thoughts, candidates are absent and the total tells."""
    if candidates is not None:
        return added(candidates, thoughts)
    whole_total, whole_inputs = whole(total), whole(inputs)
    return None if whole_total is None or whole_inputs is None else whole_total - whole_inputs
