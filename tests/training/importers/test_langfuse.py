"""Langfuse's exports: in every shape, scores of observations and of traces, tokens counted once."""

import csv
import json

import pytest

from contract.errors import InvalidInput
from training.importers.arms import arm_of
from training.importers.call import Broken, Call, Mark, Options, Other
from training.importers.langfuse import read

ASKED = [{"role": "user", "content": "Why?"}]


def observation(name="o1", **more):
    """Return a generation as the API gives it."""
    return {
        "id": name,
        "traceId": "t1",
        "type": "GENERATION",
        "startTime": "2026-11-01T08:00:00.000Z",
        "endTime": "2026-11-01T08:00:01.500Z",
        "level": "DEFAULT",
        "model": "model-a",
        "modelParameters": {"reasoning_effort": "high"},
        "input": ASKED,
        "usageDetails": {"input": 9, "output": 12, "total": 21},
        **more,
    }


def score(value, name="s1", *, kind="NUMERIC", observation="o1", trace="t1", **more):
    return {
        "id": name,
        "name": "correctness",
        "source": "EVAL",
        "dataType": kind,
        "value": value,
        "traceId": trace,
        "observationId": observation,
        **more,
    }


@pytest.fixture
def imported(tmp_path):
    """Return what imports files given by name (its last part the suffix) as a list of records or texts."""

    def go(**files):
        places = []
        for name, rows in files.items():
            path = tmp_path / name.replace("_", ".")
            if path.suffix == ".json":
                path.write_text(json.dumps({"data": rows, "meta": {}}))
            else:
                path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
            places.append(str(path))
        return list(read(places, Options()))

    return go


def calls(records):
    return [record for record in records if isinstance(record, Call)]


def kinds(records):
    return [record.kind for record in records if isinstance(record, Other)]


def rules(records):
    return [record.rule for record in records if isinstance(record, Broken)]


@pytest.fixture
def only(imported):
    """Return what imports one observation and gives its record."""

    def go(**more):
        (record,) = imported(observations_jsonl=[observation(**more)])
        return record

    return go


def test_a_generation_of_the_api(only):
    found = {
        "sessionId": "session-1",
        "costDetails": {"input": 0.01, "output": 0.02, "total": 0.03},
        "metadata": {"thinkworth": {"decision_id": "decision-1", "p_reasoning": 0.25, "task": "why"}},
    }
    call = only(**found)
    assert (call.request_id, call.model, call.conversation_id) == ("o1", "model-a", "session-1")
    assert call.messages == ASKED
    assert (call.started, call.ended) == ("2026-11-01T08:00:00.000Z", "2026-11-01T08:00:01.500Z")
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.thinking_tokens) == (9, 12, None)
    assert (call.usage.cost_usd, call.failed, call.marks, call.attempt_of) == (0.03, False, (), None)
    assert (call.decision_id, call.p_reasoning, call.task) == ("decision-1", 0.25, "why")
    assert arm_of(call.parameters, thinking_tokens=None).thinking_setting == "reasoning_effort=high"


def test_a_generation_of_a_csv_export(tmp_path):
    row = {
        "id": "o1",
        "trace_id": "t1",
        "type": "GENERATION",
        "start_time": "2026-11-01 08:00:00.000",
        "level": "ERROR",
        "provided_model_name": "model-a",
        "model_parameters": json.dumps({"thinking": json.dumps({"type": "enabled", "budget_tokens": 2048})}),
        "input": json.dumps({"messages": ASKED}),
        "usage_details": json.dumps({"input": 9, "output": 32, "output_reasoning_tokens": 780, "total": 821}),
        "cost_details": "{}",
        "total_cost": "0",
        "metadata": json.dumps({"thinkworth": json.dumps({"decision_id": "decision-1"})}),
        "session_id": "",
    }
    with (tmp_path / "observations.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, row)
        writer.writeheader()
        writer.writerow(row)
    (call,) = read([str(tmp_path / "observations.csv")], Options())
    assert (call.model, call.messages, call.failed, call.conversation_id) == ("model-a", ASKED, True, None)
    assert (call.usage.output_tokens, call.usage.thinking_tokens, call.usage.cost_usd) == (812, 780, None)
    assert arm_of(call.parameters, thinking_tokens=780).thinking_budget == 2048
    assert call.decision_id == "decision-1"


@pytest.mark.parametrize(
    "stored",
    [
        ASKED,
        json.dumps(ASKED),
        {"messages": ASKED, "tools": []},
        {"role": "user", "content": "Why?"},
        {"input": "Why?"},
        {"prompt": "Why?"},
        "Why?",
    ],
)
def test_whatever_the_input_is(only, stored):
    assert only(input=stored).messages == ASKED


def test_instructions_of_the_responses_api_come_first(only):
    messages = only(input={"instructions": "Be brief.", "input": ASKED}).messages
    assert messages == [{"role": "system", "content": "Be brief."}, *ASKED]


@pytest.mark.parametrize("stored", [None, "", [], {}])
def test_without_input_there_are_no_messages(only, stored):
    assert only(input=stored).messages is None


def test_the_input_of_a_function_is_no_conversation(only):
    record = only(input={"args": ["Why?"], "kwargs": {}})
    assert isinstance(record, Broken)
    assert "Why?" not in record.reason


def test_tokens_that_do_not_say_how_they_add_up_are_broken(only):
    record = only(usageDetails={"input": 20, "output": 812, "output_reasoning_tokens": 780})
    assert (type(record), record.rule) == (Broken, "tokens undecidable")
    assert "812" in record.reason


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "EMBEDDING", "TOOL", "AGENT"])
def test_other_observations_are_counted(only, kind):
    assert only(type=kind).kind == kind.lower()


def test_the_calls_of_langfuses_own_judge_are_none_of_the_operators(only):
    assert only(environment="langfuse-llm-as-a-judge").kind == "call of an evaluator"


@pytest.mark.parametrize(
    ("given", "mark"),
    [
        (score(0.75), Mark("correctness", 0.75, "EVAL")),
        (score("0.75"), Mark("correctness", 0.75, "EVAL")),
        (score(1, kind="BOOLEAN", stringValue="True"), Mark("correctness", True, "EVAL")),
        (score(0, kind="BOOLEAN"), Mark("correctness", False, "EVAL")),
        (score(False, kind="BOOLEAN"), Mark("correctness", False, "EVAL")),
        (score(0, kind="CATEGORICAL", stringValue="good"), Mark("correctness", "good", "EVAL")),
        (score("good", kind="CATEGORICAL"), Mark("correctness", "good", "EVAL")),
    ],
)
def test_a_score_of_an_observation_in_any_order_of_files(imported, given, mark):
    (call,) = imported(observations_jsonl=[observation()], scores_jsonl=[given])
    assert call.marks == (mark,)
    (call,) = imported(scores_json=[given], observations_json=[observation()])
    assert call.marks == (mark,)


def test_a_score_of_the_v3_api_names_its_subject(imported):
    given = score(0.5, observation=None, trace=None)
    of_observation = {**given, "subject": {"kind": "observation", "id": "o1", "traceId": "t1"}}
    of_session = {**given, "id": "s2", "subject": {"kind": "session", "id": "session-1"}}
    records = imported(scores_json=[of_observation, of_session], observations_json=[observation()])
    assert calls(records)[0].marks == (Mark("correctness", 0.5, "EVAL"),)
    assert kinds(records) == ["score of no single call"]


def test_a_score_of_a_trace_is_its_only_generations(imported):
    records = imported(
        scores_jsonl=[score(1, "s1", observation=None, trace="t1"), score(0, "s2", observation="", trace="t2")],
        observations_jsonl=[
            observation("o1", traceId="t1"),
            observation("o2", traceId="t2"),
            observation("o3", traceId="t2"),
            observation("o4", traceId="t1", type="SPAN"),
        ],
    )
    assert [call.marks for call in calls(records)] == [(Mark("correctness", 1.0, "EVAL"),), (), ()]
    assert kinds(records) == ["span", "score of no single call"]


def test_a_generation_exported_twice_keeps_the_score_of_its_trace(imported):
    records = imported(scores_jsonl=[score(1, observation=None)], observations_jsonl=[observation(), observation()])
    assert [mark.value for call in calls(records) for mark in call.marks] == [1, 1]
    assert kinds(records) == []


def test_a_score_exported_again_replaces_its_older_state(imported):
    (call,) = imported(scores_jsonl=[score(0), score(1), score(0.5, "s2")], observations_jsonl=[observation()])
    assert [mark.value for mark in call.marks] == [1, 0.5]


def test_scores_that_are_none(imported):
    records = imported(
        scores_jsonl=[
            score("Reads well.", "s1", kind="TEXT"),
            score("x", "s2", kind="CORRECTION"),
            score("high", "s3"),
            score(None, "s4", kind="CATEGORICAL"),
            score(2, "s5", kind="BOOLEAN"),
            score(1, "s6", kind="STARS"),
            "{",
        ],
        observations_jsonl=[observation()],
    )
    assert calls(records)[0].marks == ()
    assert kinds(records) == ["score that is a text"] * 2
    assert rules(records) == [
        "a NUMERIC score has no such value",
        "a CATEGORICAL score has no such value",
        "a BOOLEAN score has no such value",
        "a score's data type is not known",
        "not a JSON object",
    ]


def test_a_record_without_a_type_is_broken_and_the_rest_is_read(imported):
    records = imported(observations_jsonl=["{", observation("o1"), {"id": "t1", "name": "trace"}, observation("o2")])
    assert [call.request_id for call in calls(records)] == ["o1", "o2"]
    assert rules(records) == ["not a JSON object", "not an observation"]


def test_traces_are_refused(imported):
    with pytest.raises(InvalidInput, match="neither observations nor scores"):
        imported(traces_jsonl=[{"id": "t1", "timestamp": "2026-11-01T08:00:00Z", "name": "trace", "input": "Why?"}])


def test_scores_alone_are_refused(imported):
    with pytest.raises(InvalidInput, match="no file holds observations"):
        imported(scores_jsonl=[score(1)])
