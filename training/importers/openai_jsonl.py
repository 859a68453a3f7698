"""OpenAI's batch files, and one-file logs of the same requests and responses: Chat Completions and Responses.

DashScope, DeepSeek, vLLM, OpenRouter and others write the same shape, with parameters of their own. Several choices
(n > 1) make one attempt: tokens are logged of all of them together, so they are that attempt's, and it ended as the
first did.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.importers.answers import at, finish_reason, moment
from training.importers.call import Broken, Call, Options, Other, Record, Usage, own_marks
from training.importers.conversation import beside, chat
from training.importers.jsonl import json_text
from training.importers.pairs import Half, Pair, pairs
from training.importers.tokens import all_input, billed_of_total, named_inputs, whole

NAME = "openai-jsonl"
ABOUT = "OpenAI batch files (requests, outputs, errors) or a log of requests and responses: Chat and Responses."
NO_TEXT = "log the request's `messages` or `input`: a stored prompt or a response alone does not say what was asked"
TAKES = ("default_arm",)

_CONTENT = ("messages", "input", "instructions", "prompt")
_ANSWERED = ("/completions", "/responses")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
_WRITTEN = ("cache_creation_input_tokens", "cache_creation_tokens", "cache_write_tokens")
_UNANSWERED = ("failed", "cancelled", "in_progress", "queued")


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the calls of batch files, joined by custom_id, or of one-file logs.

    Raises:
        InvalidInput: a file is missing, empty, or cannot be read.
    """
    return pairs(places, _half, _record)


def _half(record: Mapping[str, Any]) -> Half:
    request, answered = json_text(record.get("request")), bool({"response", "error"} & record.keys())
    name = next((record[key] for key in ("custom_id", "request_id", "id") if record.get(key) is not None), None)
    if isinstance(request, Mapping):
        return Half(name, request, record if answered else None)
    if answered:
        return Half(record.get("custom_id"), None, record)
    return Half(record.get("custom_id"), record if "body" in record else None, None)


def _body(envelope: Any) -> Mapping[str, Any]:
    """Return the body of a request or response, which may stand in an envelope of url, status and the like."""
    envelope = json_text(envelope)
    body = json_text(envelope.get("body", envelope)) if isinstance(envelope, Mapping) else None
    return body if isinstance(body, Mapping) else {}


def _record(pair: Pair) -> Record:
    request, answer = _body(pair.request), _body(pair.response.get("response"))
    if (kind := _other_kind(pair.request.get("url"), answer)) is not None:
        return Other(pair.place, kind)
    try:
        messages = chat(_asked(request), system=request.get("instructions"))
    except ValueError as error:
        return Broken(pair.place, str(error), str(error))
    status = at(json_text(pair.response.get("response")), "status_code")
    return _call(
        pair, request, answer, messages, refused=bool(pair.response.get("error")) or (whole(status) or 0) >= 400
    )


def _asked(request: Mapping[str, Any]) -> Any:
    """Return the messages of a request; of a prompt stored at the provider only its id was sent."""
    prompt = request.get("prompt")
    return request.get("messages") or request.get("input") or (prompt if isinstance(prompt, str) else None)


def _call(
    pair: Pair,
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]] | None,
    *,
    refused: bool,
) -> Call:
    choices = answer.get("choices")
    status = answer.get("status")
    first = choices[0] if isinstance(choices, list) and choices else None
    answered = status not in _UNANSWERED if isinstance(answer.get("output"), list) else first is not None
    ended = at(first, "finish_reason") or at(answer, "incomplete_details", "reason") or status
    conversation = answer.get("conversation") or request.get("conversation")
    return Call(
        place=pair.place,
        model=answer.get("model") or request.get("model"),
        messages=messages,
        parameters=_parameters(request, answer),
        usage=usage_of(answer.get("usage")),
        request_id=pair.id if pair.id is not None else answer.get("id"),
        answer_id=pair.answer_id(answer.get("id")),
        attempt_of=pair.attempt_of(request),
        started=moment(answer.get("created", answer.get("created_at"))),
        ended=moment(answer.get("completed_at")),
        finish_reason=finish_reason(ended),
        failed=refused or not answered,
        conversation_id=conversation if isinstance(conversation, str) else at(conversation, "id"),
        **own_marks(request.get("metadata")),
    )


def _other_kind(url: Any, answer: Mapping[str, Any]) -> str | None:
    """Return the kind of a record that is no call of a model for an answer in text."""
    if isinstance(url, str) and url:
        path = f"/{url.split('?')[0].strip('/')}"
        return None if path.endswith(_ANSWERED) else path.split("/v1/")[-1].strip("/")
    return "embeddings" if answer.get("object") == "list" else None


def _parameters(request: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sent, with the effort of the Responses API, which says in its answer what it took by default."""
    sent = beside(request, _CONTENT)
    taken, asked = answer.get("reasoning"), json_text(sent.get("reasoning"))
    if isinstance(taken, Mapping) and isinstance(asked, Mapping | None):
        given = {name: value for name, value in (asked or {}).items() if value is not None}
        sent["reasoning"] = {**taken, **given}
    return sent


def usage_of(usage: Any) -> Usage:
    """Return the counts of an answer's `usage`; the names are Chat's, Responses', and of the cache also DeepSeek's and Anthropic's."""
    output, prompt = (
        _one_of(usage, "completion_tokens", "output_tokens"),
        _one_of(usage, "prompt_tokens", "input_tokens"),
    )
    hidden = at(_one_of(usage, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    parts, total = named_inputs(usage), at(usage, "total_tokens")
    cached, written = _one_of(parts, *_CACHED), _one_of(parts, *_WRITTEN)
    return Usage(
        output_tokens=billed_of_total(output, hidden, prompt=prompt, inputs=list(parts.values()), total=total),
        thinking_tokens=hidden,
        input_tokens=all_input(prompt, cached, written),
        cached_tokens=cached,
        cost_usd=at(usage, "cost"),
    )


def _one_of(usage: Any, *names: str) -> Any:
    return next((found for name in names if (found := at(usage, name)) is not None), None)
