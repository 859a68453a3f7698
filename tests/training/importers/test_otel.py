"""OTLP spans of every instrumentation's dialect: what is a call, what it says, and tokens counted once."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from contract.errors import InvalidInput
from training.importers.arms import arm_of
from training.importers.call import Broken, Call, Mark, Options, Other, Place
from training.importers.otel import read

NANOSECONDS = "1793520000000000000"  # 2026-11-01T08:00:00Z
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "model-a"}
ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
WHY = [{"role": "user", "content": "Why?"}]


def value(plain):
    """Return a plain value as an AnyValue of OTLP JSON."""
    if isinstance(plain, list):
        return {"arrayValue": {"values": [value(item) for item in plain]}}
    if isinstance(plain, dict):
        return {"kvlistValue": {"values": pairs(plain)}}
    kind = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}[type(plain)]
    return {kind: str(plain) if kind == "intValue" else plain}


def pairs(attributes):
    return [{"key": key, "value": value(plain)} for key, plain in attributes.items()]


def span(attributes, *, events=(), **more):
    events = [{"name": name, "timeUnixNano": NANOSECONDS, "attributes": pairs(found)} for name, found in events]
    return {"traceId": "1" * 32, "spanId": "2" * 16, "attributes": pairs(attributes), "events": events, **more}


def traces(*spans):
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def logs(*attributes, **more):
    records = [{"attributes": pairs(found), **more} for found in attributes]
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}


@pytest.fixture
def imported(tmp_path):
    """Return what imports files given by name as a list of lines, objects or texts."""

    def go(**files):
        places = []
        for name, lines in files.items():
            path = tmp_path / f"{name}.jsonl"
            path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
            places.append(str(path))
        return list(read(places, Options()))

    return go


@pytest.fixture
def only(imported):
    """Return what imports one span and gives its record."""

    def go(attributes, **more):
        (record,) = imported(traces=[traces(span(attributes, **more))])
        return record

    return go


def test_a_span_of_the_conventions(only, tmp_path):
    found = {
        **CHAT,
        "gen_ai.response.model": "model-a-2026",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["length"],
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.conversation.id": "conversation-1",
        "gen_ai.input.messages": ASKED,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 70,
        "gen_ai.usage.reasoning.output_tokens": 60,
        "thinkworth.decision_id": "decision-1",
        "thinkworth.p_reasoning": 0.25,
    }
    call = only(found, startTimeUnixNano=NANOSECONDS, endTimeUnixNano="1793520001250000000", status={"code": 1})
    assert call.place == Place(str(tmp_path / "traces.jsonl"), 1)
    assert (call.model, call.request_id, call.conversation_id) == ("model-a-2026", "chatcmpl-1", "conversation-1")
    assert call.messages == [{"role": "system", "content": "Be brief."}, *WHY]
    assert (call.started, call.ended) == (
        datetime(2026, 11, 1, 8, tzinfo=UTC),
        datetime(2026, 11, 1, 8, 0, 1, 250000, tzinfo=UTC),
    )
    assert (call.usage.input_tokens, call.usage.output_tokens, call.usage.thinking_tokens) == (9, 70, 60)
    assert (call.usage.cached_tokens, call.usage.cost_usd) == (None, None)
    assert (call.finish_reason, call.failed, call.attempt_of) == ("length", False, None)
    assert (call.decision_id, call.p_reasoning) == ("decision-1", 0.25)
    assert arm_of(call.parameters, thinking_tokens=60).arm == "reasoning"


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ({"gen_ai.operation.name": "generate_content", "gen_ai.request.model": "m"}, None),
        ({"gen_ai.operation.name": "text_completion", "gen_ai.request.model": "m"}, None),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"}, "embeddings"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "m"}, "invoke_agent"),
        ({"llm.request.type": "completion", "gen_ai.request.model": "m"}, None),
        ({"llm.request.type": "rerank", "gen_ai.request.model": "m"}, "rerank"),
        ({"traceloop.span.kind": "workflow"}, "workflow"),
        ({"openinference.span.kind": "RETRIEVER"}, "retriever"),
        ({"openinference.span.kind": "LLM", "llm.model_name": "m"}, None),
        ({"gen_ai.request.model": "m"}, None),
        ({"db.system": "postgresql"}, "span of another kind"),
        ({"gen_ai.operation.name": "What is the meaning of all this?"}, "span of another kind"),
        ({**CHAT, "litellm.cache_hit": True}, "answered from a cache"),
    ],
)
def test_what_is_a_call(only, found, kind):
    record = only(found)
    assert (record.kind if isinstance(record, Other) else None) == kind


@pytest.mark.parametrize(
    "event",
    [
        ("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps([{"role": "user", "content": "Why?"}])}),
        ("gen_ai.client.inference.operation.details", {"gen_ai.input.messages": ASKED}),
        ("gen_ai.user.message", {"content": "Why?"}),
    ],
)
def test_the_conversation_may_stand_in_an_event(only, event):
    assert only(CHAT, events=[event]).messages == WHY


def test_without_content_there_are_no_messages(only):
    assert only(CHAT).messages is None


def test_messages_cut_off_at_the_exporters_limit_are_broken(only):
    record = only({**CHAT, "gen_ai.input.messages": json.dumps(ASKED)[:30]})
    assert isinstance(record, Broken)
    assert record.rule == record.reason == "messages are cut off"


@pytest.mark.parametrize(
    ("found", "setting", "budget"),
    [
        ({"gen_ai.request.reasoning.level": "low"}, "reasoning.effort=low", None),
        ({"gen_ai.request.reasoning_effort": "none"}, "reasoning_effort=none", None),
        ({"gen_ai.openai.request.reasoning_effort": "high"}, "reasoning_effort=high", None),
        ({"gen_ai.request.thinking.type": "enabled", "gen_ai.request.thinking.budget_tokens": 2048}, None, 2048),
        ({"gen_ai.request.thinking": '{"type": "enabled", "budget_tokens": 2048}'}, None, 2048),
        ({"gen_ai.request.thinking": {"type": "enabled", "budget_tokens": 2048}}, None, 2048),
        ({"gen_ai.request.thinking_budget": "0"}, "thinking_budget=0", None),
        ({"llm.invocation_parameters": '{"extra_body": {"enable_thinking": false}}'}, "enable_thinking=false", None),
        ({"thinkworth.reasoning_effort": "medium"}, "reasoning_effort=medium", None),
    ],
)
def test_the_parameters_say_the_arm(only, found, setting, budget):
    read_setting = arm_of(only({**CHAT, **found}).parameters, thinking_tokens=None)
    assert read_setting.thinking_setting == (setting or "thinking=enabled budget_tokens=2048")
    assert read_setting.thinking_budget == budget


def test_parameters_of_http_are_none_of_the_models(only):
    assert only({**CHAT, "http.request.header.thinking": "enabled"}).parameters == {"model": "model-a"}


@pytest.mark.parametrize("status", [{"code": 2}, {"code": "STATUS_CODE_ERROR"}])
def test_an_error_is_a_failed_call(only, status):
    assert only(CHAT, status=status).failed


@pytest.mark.parametrize(
    ("nanoseconds", "expected"), [("0", None), (None, None), ("soon", "soon"), ("9" * 30, "9" * 30)]
)
def test_a_time_that_is_none(only, nanoseconds, expected):
    assert only(CHAT, startTimeUnixNano=nanoseconds).started == expected


def test_evaluations_on_the_span_and_in_its_events(only):
    found = {**CHAT, "gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.label": "relevant"}
    judged = {"gen_ai.evaluation.name": "correctness", "gen_ai.evaluation.score.value": 0.5}
    call = only(found, events=[("gen_ai.evaluation.result", judged)])
    assert call.marks == (Mark("relevance", "relevant"), Mark("correctness", 0.5))


def test_evaluations_in_a_file_of_logs_are_joined_by_span_or_response(imported):
    judged = {"gen_ai.evaluation.name": "correctness", "gen_ai.evaluation.score.value": 1.0}
    answered = {**CHAT, "gen_ai.response.id": "chatcmpl-1"}
    records = imported(
        traces=[traces(span(answered))],
        logs=[
            logs(judged, {**judged, "gen_ai.evaluation.name": "tone"}, spanId="2" * 16),
            logs({**judged, "gen_ai.response.id": "chatcmpl-1"}),
            logs(judged, spanId="9" * 16),
            logs({"event.name": "start"}),
            "{",
        ],
    )
    calls = [record for record in records if isinstance(record, Call)]
    assert [mark.name for mark in calls[0].marks] == ["correctness", "tone", "correctness"]
    assert [record.kind for record in records if isinstance(record, Other)] == [
        "log record",
        "evaluation of no span that is a call",
    ]
    assert [record.rule for record in records if isinstance(record, Broken)] == ["not a JSON object"]


def test_what_is_no_span_is_broken_and_the_rest_is_read(imported):
    records = imported(
        traces=["{", traces(span(CHAT)), {"resourceMetrics": []}, '{"resourceSpans": [[], {"scopeSpans": 1}]}']
    )
    assert [type(record) for record in records] == [Broken, Call, Broken, Broken, Broken]
    assert [record.rule for record in records[2:]] == ["no OTLP spans", *["a span or log record is no object"] * 2]


def test_what_is_no_object_is_counted(imported):
    odd = {"resourceSpans": [None, {}, {"scopeSpans": 5}, {"scopeSpans": [{"spans": [7, span(CHAT)]}, "x"]}]}
    records = imported(
        traces=[odd], logs=[{"resourceLogs": [{"scopeLogs": [{"logRecords": [None]}, {"logRecords": None}]}]}]
    )
    assert [type(record) for record in records] == [Broken, Broken, Broken, Broken, Call, Broken]


def test_a_span_of_odd_shapes_says_nothing(imported):
    odd = {
        "attributes": [
            {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
            {"key": "gen_ai.prompt", "value": {}},
            {"key": "gen_ai.usage.output_tokens", "value": {"intValue": 7}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "seven"}},
            {"key": "gen_ai.response.finish_reasons", "value": {"arrayValue": {}}},
            {"value": {"stringValue": "no key"}},
            "no pair",
        ],
        "events": "none",
        "status": None,
    }
    (call,) = imported(traces=[traces(odd)])
    assert (call.model, call.messages, call.request_id, call.finish_reason) == ("m", None, None, None)
    assert (call.usage.output_tokens, call.usage.input_tokens) == (7, "seven")


@pytest.mark.parametrize("name", ["traces.json", "traces.json.gz"])
@pytest.mark.parametrize("indent", [None, 2])
def test_one_big_object(tmp_path, name, indent):
    text = json.dumps(traces(span(CHAT), span(CHAT)), indent=indent).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert [type(record) for record in read([str(tmp_path / name)], Options())] == [Call, Call]


def test_the_collectors_lines_in_a_json_file(tmp_path):
    (tmp_path / "traces.json").write_text(f"{json.dumps(traces(span(CHAT)))}\n" * 3)
    records = list(read([str(tmp_path / "traces.json")], Options()))
    assert [record.place.line for record in records] == [1, 2, 3]


def test_another_json_is_refused(imported):
    with pytest.raises(InvalidInput, match="is no OTLP JSON"):
        imported(other=[{"messages": []}])


def test_logs_alone_are_refused(imported):
    with pytest.raises(InvalidInput, match="no file holds spans"):
        imported(logs=[logs({"event.name": "start"})])
