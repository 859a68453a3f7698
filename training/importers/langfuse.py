"""Exports of Langfuse: observations and scores, from the blob storage (snake_case), the API (camelCase) or the UI.

Langfuse keeps usage in parts that do not overlap: `output` leaves out `output_reasoning_tokens`, `input` leaves out
`input_cached_tokens`, and `total` is their sum (https://langfuse.com/docs/observability/features/token-and-cost-tracking).
Its own SDKs write it so; a client that writes plain keys may not, so the total is asked, and where it does not tell either
the record is quarantined. A wrong total of Langfuse's own, summed over parts that overlapped, cannot be noticed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from contract.errors import InvalidInput
from training.importers.bodies import asked
from training.importers.call import Broken, Call, Mark, Options, Other, Place, Record, own_marks
from training.importers.jsonl import json_text, records
from training.importers.langfuse_usage import Undecidable, usage_of
from training.importers.marks import Marks

NAME = "langfuse"
ABOUT = "Langfuse observations and scores, exported as JSONL, JSON or CSV: give the files of both"
NO_TEXT = "export the observations with their input (the API leaves it out unless asked: fields=core,basic,time,io,model,usage)"
TAKES = ("score", "default_arm")

_OBSERVATIONS, _SCORES = "observations", "scores"
_NOT_SCORED = "score of no single call"
_JUDGE = "langfuse-llm-as-a-judge"
"""The environment that Langfuse keeps the calls of its evaluators in."""
_WORDS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield each observation of the files, with the scores that the files of scores give it.

    A score of a trace belongs to the trace's generation where it has exactly one; else it is left out, and counted.

    Raises:
        InvalidInput: a file is missing, empty or no export of Langfuse, or none holds observations.
    """
    kinds = {place: _kind(place) for place in places}
    observed = [place for place, kind in kinds.items() if kind == _OBSERVATIONS]
    if not observed:
        raise InvalidInput("no file holds observations, only scores; give the exported observations too")
    marks = Marks()
    for place in (place for place, kind in kinds.items() if kind == _SCORES):
        yield from _scores(place, marks)
    generations = _generations(observed, marks)
    for place in observed:
        for item in records(place):
            yield item if isinstance(item, Broken) else _observation(item[0], _named(item[1]), marks, generations)
    yield from marks.left_over(_NOT_SCORED)


def _kind(place: str) -> str:
    """Return what a file holds, by its first readable record."""
    for item in records(place):
        if not isinstance(item, Broken):
            record = _named(item[1])
            if "dataType" in record:
                return _SCORES
            if "type" in record:
                return _OBSERVATIONS
            raise InvalidInput(
                f"{place} holds neither observations nor scores of Langfuse: its first record has no type and no dataType"
            )
    return _OBSERVATIONS


@cache
def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with the API's names, whatever export it is from."""
    return {_camel(name): value for name, value in record.items()}


def _scores(place: str, marks: Marks) -> Iterator[Record]:
    """Take the scores of a file; yield what is none, or none of a call."""
    for item in records(place):
        if isinstance(item, Broken):
            yield item
            continue
        where, score = item[0], _named(item[1])
        target = _target(score)
        if target is None:
            yield Other(where, _NOT_SCORED)
            continue
        mark = _mark(score)
        if isinstance(mark, Mark):
            marks.add(*target, where, mark, identity=score.get("id"))
        else:
            yield Broken(where, mark, mark) if mark else Other(where, "score that is a text")


def _target(score: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return what a score is of, an observation or a trace, and its id; None for a session or an experiment."""
    subject = json_text(score.get("subject"))  # the API from v3 on
    if isinstance(subject, Mapping):
        kind, target = subject.get("kind"), subject.get("id")
        return (str(kind), str(target)) if kind in ("observation", "trace") and target else None
    for kind in ("observation", "trace"):
        if target := score.get(f"{kind}Id"):
            return kind, str(target)
    return None


def _mark(score: Mapping[str, Any]) -> Mark | str | None:
    """Return a score, what is wrong with it, or None for a text."""
    kind, value, text = score.get("dataType"), score.get("value"), score.get("stringValue")
    if kind == "CATEGORICAL":
        value = text if text is not None else value
    elif kind == "BOOLEAN":
        value = _WORDS.get(str(value if value is not None else text).lower())
    elif kind == "NUMERIC":
        value = _number(value)
    else:
        return None if kind in ("TEXT", "CORRECTION") else "a score's data type is not known"
    if value is None:
        return f"a {kind} score has no such value"
    source = score.get("source")
    return Mark(str(score.get("name") or "score"), value, None if source is None else str(source))


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _generations(places: Sequence[str], marks: Marks) -> dict[str, set[str]]:
    """Return the ids of the generations of traces that are scored as a whole; nothing is read where none is."""
    found: dict[str, set[str]] = {}
    for place in places if marks.of_any("trace") else ():
        for item in records(place):
            record = {} if isinstance(item, Broken) else _named(item[1])
            trace = str(record.get("traceId"))
            if record.get("type") == "GENERATION" and marks.of("trace", trace):
                found.setdefault(trace, set()).add(str(record.get("id")))
    return found


def _observation(place: Place, found: Mapping[str, Any], marks: Marks, generations: Mapping[str, set[str]]) -> Record:
    kind = found.get("type")
    if not isinstance(kind, str):
        return Broken(place, "not an observation", "not an observation: it has no type")
    if kind != "GENERATION":
        return Other(place, kind.lower() if re.fullmatch(r"[A-Z_]{1,40}", kind) else "observation of another kind")
    if found.get("environment") == _JUDGE:
        return Other(place, "call of an evaluator")
    try:
        messages = asked(json_text(found.get("input")))
        usage = usage_of(found)
    except ValueError as error:
        rule = "tokens undecidable" if isinstance(error, Undecidable) else str(error)
        return Broken(place, rule, str(error))
    trace = str(found.get("traceId"))
    parameters = json_text(found.get("modelParameters"))
    return Call(
        place=place,
        model=found.get("providedModelName") or found.get("model"),
        messages=messages,
        parameters=parameters if isinstance(parameters, Mapping) else {},
        usage=usage,
        request_id=found.get("id"),
        started=found.get("startTime"),
        ended=found.get("endTime"),
        latency_s=found.get("latency"),
        failed=found.get("level") == "ERROR",
        marks=(
            *marks.take("observation", str(found.get("id"))),
            *(marks.take("trace", trace) if len(generations.get(trace, ())) == 1 else ()),
        ),
        conversation_id=found.get("sessionId"),
        **own_marks(json_text(found.get("metadata"))),
    )
