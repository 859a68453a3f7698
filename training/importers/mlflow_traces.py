"""Traces of MLflow, read live from a tracking server: the spans of language models, and the feedback on them.

MLflow keeps a call's request and response whole, as the span's inputs and outputs; they say the parameters and the hidden
tokens, for which MLflow has no key of its own (mlflow#23000). One call may be several spans, one around the other, where a
framework and a provider's SDK are both traced: the innermost is the call. Nothing tells which spans are retries of another.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from contract.errors import InvalidInput
from contract.progress import progress
from training.importers import otel
from training.importers.answers import at, finish_reason
from training.importers.bodies import asked, ended, id_of, parameters_of, usage_of
from training.importers.call import Broken, Call, Mark, Options, Other, Place, Record, Usage, own_marks
from training.importers.jsonl import json_text
from training.importers.mlflow_server import address, traces
from training.importers.otlp import moment
from training.importers.tokens import all_input, has_unnamed

NAME = "mlflow"
ABOUT = "MLflow traces, read from a tracking server (http://...) or its database (sqlite:///...)"
NO_TEXT = (
    "trace the inputs of model calls: mlflow.openai.autolog() and its like do, a span of your own needs set_inputs"
)
TAKES = ("experiment", "score", "default_arm")

_MODELS = ("LLM", "CHAT_MODEL")
_SESSION = "mlflow.trace.session"
_SCORER = "mlflow.trace.sourceScorer"


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the calls of all traces, oldest first, of one experiment or of all.

    Raises:
        InvalidInput: a place is no tracking server, cannot be reached or refuses, or has no such experiment or no traces.
    """
    for uri in places:
        shown, number = address(uri), 0
        for number, trace in enumerate(progress(traces(uri, options.experiment), "reading traces"), 1):
            yield from _trace(Place(shown, number), trace)
        if not number:
            where = "no experiment has" if options.experiment is None else f"experiment {options.experiment!r} has no"
            raise InvalidInput(f"{shown}: {where} traces", field="experiment")


def _trace(place: Place, trace: Any) -> Iterator[Record]:
    spans = trace.data.spans
    if _SCORER in trace.info.tags:
        yield Other(place, "trace of a scorer")
    elif not (models := [span for span in spans if span.span_type in _MODELS]):
        yield Other(place, "trace without a model's call")
    else:
        around = _around(spans, models)
        calls = [span for span in models if span.span_id not in around]
        yield from (Other(place, "span around a call") for _ in range(len(models) - len(calls)))
        yield from (_record(place, trace.info, span, alone=len(calls) == 1) for span in calls)


def _around(spans: Sequence[Any], models: Sequence[Any]) -> set[str]:
    """Return the ids of the spans that others of models stand in."""
    parents = {span.span_id: span.parent_id for span in spans}
    around: set[str] = set()
    for span in models:
        above = span.parent_id
        while above is not None and above not in around:
            around.add(above)
            above = parents.get(above)
    return around


def _record(place: Place, info: Any, span: Any, *, alone: bool) -> Record:
    """Return the call of a span; what is said of the whole trace is said of it where it is `alone`."""
    found, request, answer = span.attributes, span.inputs, span.outputs
    if found.get("cache_hit") is True:  # LiteLLM's
        return Other(place, "answered from a cache")
    if span.name.endswith("count_tokens"):
        return Other(place, "count of tokens")
    try:
        messages = asked(request)
    except ValueError as error:
        return Broken(place, str(error), str(error))
    of_trace = {**info.trace_metadata, **info.tags} if alone else {}
    parameters = _parameters(found, request, answer)
    answer_id = id_of(answer) or found.get("gen_ai.response.id") or f"{info.trace_id}/{span.span_id}"
    return Call(
        place=place,
        model=found.get("mlflow.llm.model") or at(answer, "model") or parameters.get("model"),
        messages=messages,
        parameters=parameters,
        usage=_usage(found, answer, of_trace),
        request_id=(info.client_request_id if alone else None) or answer_id,
        answer_id=answer_id,
        started=moment(span.start_time_ns),
        ended=moment(span.end_time_ns),
        finish_reason=finish_reason(ended(answer)),
        failed=span.status.status_code.value == "ERROR",
        marks=_marks(info.assessments, span.span_id, alone=alone),
        conversation_id=info.trace_metadata.get(_SESSION) or found.get("session.id"),
        **{**own_marks(at(request, "metadata")), **own_marks({**of_trace, **found})},
    )


def _parameters(found: Mapping[str, Any], request: Any, answer: Any) -> dict[str, Any]:
    """Return the parameters of the request's body, and those that an integration kept in the span's attributes."""
    kept = {name: value for name, value in found.items() if not name.startswith("mlflow.")}
    invoked = kept.pop("invocation_params", None)  # LangChain's
    layers = (kept, otel.parameters_of(found), invoked, request)
    sent = {name: value for layer in layers if isinstance(layer, Mapping) for name, value in layer.items()}
    return parameters_of(sent, answer)


def _usage(found: Mapping[str, Any], answer: Any, of_trace: Mapping[str, str]) -> Usage:
    """Return the usage that the response says or OpenTelemetry's attributes; else what MLflow made of it.

    MLflow leaves Gemini's hidden tokens out of the output, and says them nowhere.
    """
    usage, counts = usage_of(answer), found.get("mlflow.chat.tokenUsage")
    usage = otel.usage_of(found) if usage.output_tokens is None else usage
    costs = (
        at(found.get("mlflow.llm.cost"), "total_cost"),
        at(json_text(of_trace.get("mlflow.trace.cost")), "total_cost"),
        found.get("response_cost"),  # LiteLLM's
        usage.cost_usd,
    )
    usage = replace(usage, cost_usd=next((cost for cost in costs if cost is not None), None))
    if usage.output_tokens is not None:
        return usage
    output, spent, total = (at(counts, f"{name}_tokens") for name in ("output", "input", "total"))
    output = None if has_unnamed(output, spent, total) else output
    cached = at(counts, "cache_read_input_tokens")
    return replace(usage, output_tokens=output, input_tokens=all_input(spent, cached), cached_tokens=cached)


def _marks(assessments: Sequence[Any], span_id: str, *, alone: bool) -> tuple[Mark, ...]:
    """Return the feedback on a span, and on its whole trace where it is `alone`; not what failed or was overridden."""
    overridden = {assessment.overrides for assessment in assessments}
    return tuple(
        Mark(assessment.name, assessment.feedback.value, assessment.source.source_type)
        for assessment in assessments
        if assessment.feedback is not None
        and assessment.feedback.error is None
        and assessment.valid is not False
        and assessment.assessment_id not in overridden
        and isinstance(assessment.feedback.value, bool | int | float | str)
        and (assessment.span_id == span_id or (alone and not assessment.span_id))
    )
