"""Traces of OpenTelemetry: OTLP JSON with the GenAI attributes, of the conventions or of the instrumentations before them.

The conventions: https://github.com/open-telemetry/semantic-conventions-genai. By them `gen_ai.usage.output_tokens` includes
the hidden tokens and `gen_ai.usage.input_tokens` the cached ones, and a span covers all retries of its request: nothing
ties the spans of two calls together, and attempts are never summed here. Some instrumentations leave Gemini's hidden tokens
out of the output; where a total is logged it shows, and is followed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.errors import InvalidInput
from training.importers.answers import finish_reason
from training.importers.call import Broken, Call, Mark, Options, Other, Place, Record, Usage, own_marks
from training.importers.conversation import chat
from training.importers.jsonl import json_text, records
from training.importers.marks import Marks
from training.importers.otel_content import stored_messages
from training.importers.otlp import LOGS, SPANS, attributes, inside, moment, nested, objects
from training.importers.tokens import all_input, billed_output, has_unnamed, whole

NAME = "otel"
ABOUT = "OpenTelemetry traces with GenAI attributes: OTLP JSON files, as the collector's file exporter writes them"
NO_TEXT = "record content on spans: OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY (OpenLLMetry: TRACELOOP_TRACE_CONTENT=true)"
TAKES = ("score", "default_arm")

_CALLS = ("chat", "generate_content", "text_completion")
_OLDER_CALLS = ("llm", "chat", "completion")
_OLDER_KINDS = ("openinference.span.kind", "llm.request.type", "traceloop.span.kind")
_FOREIGN = "span of another kind"
_NO_OBJECT = "a span or log record is no object"
_WORD = re.compile(r"[\w.:-]{1,40}")
_PARAMETER = re.compile(r"(?:(?:gen_ai|llm|openai|anthropic|azure|aws|gcp)\.(?:[\w.]+\.)?request|thinkworth)\.(.+)")
_MODEL = ("gen_ai.response.model", "gen_ai.request.model", "llm.response.model", "llm.model_name")
_ID = ("gen_ai.response.id", "gen_ai.response_id")
_CONVERSATION = ("gen_ai.conversation.id", "session.id", "traceloop.association.properties.session_id")
_COST = ("gen_ai.usage.cost", "gen_ai.cost.total_cost", "llm.cost.total")
_INPUT = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
)
_OUTPUT = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
)
_HIDDEN = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.thoughts_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
)
_CACHED = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cached_tokens",
    "llm.token_count.prompt_details.cache_read",
)
_WRITTEN = (
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm.token_count.prompt_details.cache_write",
)
_TOTAL = ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total", "ai.usage.totalTokens")


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield each span of the files; evaluations that were exported as log records are joined to the spans they judge.

    Raises:
        InvalidInput: a file is missing, empty or no OTLP JSON, or none holds spans.
    """
    signals = {place: _signal(place) for place in places}
    if SPANS not in signals.values():
        raise InvalidInput("no file holds spans, only log records; give the exported traces too")
    marks = Marks()
    for place in (place for place, signal in signals.items() if signal == LOGS):
        yield from _evaluations(place, marks)
    for place in (place for place, signal in signals.items() if signal == SPANS):
        for item in records(place):
            if isinstance(item, Broken):
                yield item
            elif SPANS not in item[1]:
                yield Broken(item[0], "no OTLP spans", "no OTLP spans: resourceSpans is missing")
            else:
                yield from (_span(item[0], span, marks) for span in inside(item[1], SPANS))
    yield from marks.left_over("evaluation of no span that is a call")


def _signal(place: str) -> str:
    """Return what a file holds, by its first readable record: one file holds one signal."""
    for item in records(place):
        if not isinstance(item, Broken):
            signal = next((signal for signal in (SPANS, LOGS) if signal in item[1]), None)
            if signal is None:
                raise InvalidInput(f"{place} is no OTLP JSON: its first record has neither {SPANS} nor {LOGS}")
            return signal
    return SPANS


def _evaluations(place: str, marks: Marks) -> Iterator[Record]:
    """Take the evaluations among the log records of a file; yield the rest."""
    for item in records(place):
        if isinstance(item, Broken):
            yield item
            continue
        for record in inside(item[1], LOGS):
            if record is None:
                yield Broken(item[0], _NO_OBJECT, _NO_OBJECT)
                continue
            found = attributes(record.get("attributes"))
            judged = (("span", record.get("spanId")), ("response", _first(found, _ID)))
            kind, target = next(((kind, target) for kind, target in judged if target), ("", None))
            if "gen_ai.evaluation.name" in found and target:
                marks.add(kind, str(target), item[0], _mark(found))
            else:
                yield Other(item[0], "log record")


def _span(place: Place, span: Mapping[str, Any] | None, marks: Marks) -> Record:
    if span is None:
        return Broken(place, _NO_OBJECT, _NO_OBJECT)
    found = attributes(span.get("attributes"))
    kind = _other(found)
    if kind is not None:
        return Other(place, kind)
    events = [(event.get("name"), attributes(event.get("attributes"))) for event in objects(span.get("events"))]
    for name, more in events:
        if name in ("gen_ai.client.inference.operation.details", "gen_ai.content.prompt"):
            found = {**more, **found}
    try:
        messages = chat(stored_messages(found, events), system=json_text(found.get("gen_ai.system_instructions")))
    except ValueError as error:
        return Broken(place, str(error), str(error))
    status = span.get("status")
    response_id, span_id = _first(found, _ID), span.get("spanId") or None
    judged = [more for _, more in events if "gen_ai.evaluation.name" in more]
    return Call(
        place=place,
        model=_first(found, _MODEL),
        messages=messages,
        parameters=parameters_of(found),
        usage=usage_of(found),
        request_id=response_id or span_id,
        started=moment(span.get("startTimeUnixNano")),
        ended=moment(span.get("endTimeUnixNano")),
        finish_reason=finish_reason(_ended(found, events)),
        failed=(status.get("code") if isinstance(status, Mapping) else None) in (2, "2", "STATUS_CODE_ERROR"),
        marks=(
            *(_mark(one) for one in ([found] if "gen_ai.evaluation.name" in found else []) + judged),
            *marks.take("span", str(span_id)),
            *marks.take("response", str(response_id)),
        ),
        conversation_id=_first(found, _CONVERSATION),
        **own_marks(found),
    )


def _other(found: Mapping[str, Any]) -> str | None:
    """Return the kind of a span that is no call of a model, or None where it is one."""
    if found.get("litellm.cache_hit") is True:
        return "answered from a cache"
    kind, calls = found.get("gen_ai.operation.name"), _CALLS
    if kind is None:
        kind, calls = _first(found, _OLDER_KINDS), _OLDER_CALLS
    if kind is None:
        return None if _first(found, _MODEL) else _FOREIGN
    kind = str(kind).lower()
    return None if kind in calls else kind if _WORD.fullmatch(kind) else _FOREIGN


def parameters_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's parameters: the end of each attribute's name, `thinking.type` nested.

    The conventions name the effort `gen_ai.request.reasoning.level`.
    """
    dotted = {match[1]: value for key, value in found.items() if (match := _PARAMETER.fullmatch(key))}
    if "reasoning.level" in dotted:
        dotted.setdefault("reasoning.effort", dotted.pop("reasoning.level"))
    invoked = json_text(found.get("llm.invocation_parameters"))
    return {**(invoked if isinstance(invoked, dict) else {}), **nested(dotted)}


def usage_of(found: Mapping[str, Any]) -> Usage:
    """Return the usage that the attributes of a span say."""
    given = {name: _first(found, keys) for name, keys in zip("iohcwt", _TOKENS, strict=True)}
    count = {name: whole(value) for name, value in given.items()}
    output, spent, total = given["o"], count["i"], count["t"]
    most = None if spent is None else spent + (count["c"] or 0) + (count["w"] or 0)
    if count["o"] is not None:
        decided = billed_output(count["o"], count["h"] or 0, total=total, inputs=(spent, most))
        output = decided if decided is not None else output
        if given["h"] is None and has_unnamed(output, most, total):
            output = None
    return Usage(
        output_tokens=output,
        thinking_tokens=given["h"],
        input_tokens=all_input(given["i"], given["c"], given["w"]),
        cached_tokens=given["c"],
        cost_usd=_first(found, _COST),
    )


_TOKENS = (_INPUT, _OUTPUT, _HIDDEN, _CACHED, _WRITTEN, _TOTAL)


def _ended(found: Mapping[str, Any], events: Sequence[tuple[Any, Mapping[str, Any]]]) -> Any:
    reasons = json_text(_first(found, ("gen_ai.response.finish_reasons", "gen_ai.completion.0.finish_reason")))
    if isinstance(reasons, list):
        return reasons[0] if reasons else None
    return reasons or next((more.get("finish_reason") for name, more in events if name == "gen_ai.choice"), None)


def _mark(found: Mapping[str, Any]) -> Mark:
    value = found.get("gen_ai.evaluation.score.value")
    value = found.get("gen_ai.evaluation.score.label") if value is None else value
    return Mark(str(found["gen_ai.evaluation.name"]), value)


def _first(found: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)
