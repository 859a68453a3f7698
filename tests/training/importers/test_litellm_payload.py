"""What the story of the fixtures does not tell of LiteLLM's StandardLoggingPayload."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contract.errors import InvalidInput
from training.importers import litellm_payload
from training.importers.arms import arm_of
from training.importers.blocks import Told
from training.importers.call import Broken, Call, Options, Other, Record
from training.importers.run import import_log

PAYLOAD = {
    "id": "chatcmpl-1",
    "trace_id": "trace-1",
    "litellm_call_id": "call-1",
    "session_id": "",
    "call_type": "acompletion",
    "cache_hit": None,
    "status": "success",
    "custom_llm_provider": "openai",
    "startTime": 1793520000.125,
    "endTime": 1793520001.625,
    "response_time": 0.2,
    "model": "openai/gpt-x",
    "model_group": "fast",
    "metadata": {
        "usage_object": {
            "completion_tokens_details": {"reasoning_tokens": 40},
            "prompt_tokens_details": {"cached_tokens": 4},
        },
        "requester_metadata": {"thinkworth": {"decision_id": "d-1"}},
        "spend_logs_metadata": {"thinkworth": {"p_reasoning": 0.25}},
    },
    "response_cost": 0.002,
    "prompt_tokens": 20,
    "completion_tokens": 60,
    "messages": [{"role": "user", "content": "Why?"}],
    "response": {"choices": [{"finish_reason": "stop"}]},
    "model_parameters": {"stream": True, "reasoning_effort": "low"},
}


@pytest.fixture
def read(read_by: Any) -> Any:
    """A function that returns the record of a payload with some fields changed."""

    def record(**changed: Any) -> Record:
        (only,) = read_by(litellm_payload, {**PAYLOAD, **changed})
        return only

    return record


def test_a_payload_is_a_call(read: Any) -> None:
    call = read()
    assert call.model == "gpt-x"
    assert call.messages == [{"role": "user", "content": "Why?"}]
    assert (call.usage.output_tokens, call.usage.thinking_tokens) == (60, 40)
    assert (call.usage.input_tokens, call.usage.cached_tokens, call.usage.cost_usd) == (20, 4, 0.002)
    assert call.started == datetime(2026, 11, 1, 8, 0, 0, 125_000, tzinfo=UTC)
    assert call.ended == datetime(2026, 11, 1, 8, 0, 1, 625_000, tzinfo=UTC)
    assert (call.request_id, call.conversation_id, call.finish_reason) == ("chatcmpl-1", "trace-1", "stop")
    assert (call.decision_id, call.p_reasoning) == ("d-1", 0.25)
    assert arm_of(call.parameters, thinking_tokens=40).thinking_setting == "reasoning_effort=low"


def test_hidden_tokens_that_only_the_total_counts(read: Any) -> None:
    call = read(completion_tokens=9, total_tokens=617, metadata={"usage_object": {}})
    assert (call.usage.output_tokens, call.usage.thinking_tokens) == (597, None)


@pytest.mark.parametrize(
    "changed",
    [{"custom_llm_provider": "vertex_ai"}, {"metadata": {"usage_object": {"cache_creation_input_tokens": 588}}}],
)
def test_input_that_only_the_total_counts_is_no_output(read: Any, changed: dict[str, Any]) -> None:
    """Google's tools feed back tokens that LiteLLM counts into the total alone; older versions of it did so with Bedrock's cache."""
    call = read(**{"completion_tokens": 9, "total_tokens": 617, "metadata": {"usage_object": {}}, **changed})
    assert call.usage.output_tokens == 9


def test_the_instructions_of_the_responses_api_come_first(read: Any) -> None:
    call = read(call_type="aresponses", model_parameters={"instructions": "Be brief.", "reasoning": {"effort": "none"}})
    assert [message["content"] for message in call.messages] == ["Be brief.", "Why?"]
    assert arm_of(call.parameters, thinking_tokens=0).arm == "direct"


@pytest.mark.parametrize(
    "messages", ["redacted-by-litellm", [{"role": "user", "content": "redacted-by-litellm"}], None, [], {}]
)
def test_without_a_stored_prompt_there_are_no_messages(read: Any, messages: Any) -> None:
    assert read(messages=messages, model_parameters={"instructions": "redacted-by-litellm"}).messages is None


def test_tries_of_one_request_share_what_they_ask_and_their_trace(read: Any) -> None:
    failed = read(id="call-0", status="failure", response={}, completion_tokens=0)
    assert failed.failed
    assert failed.attempt_of == read().attempt_of is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"trace_id": "trace-2"},
        {"messages": [{"role": "user", "content": "And why not?"}]},
        {"model_parameters": {"reasoning_effort": "none"}},
        {"model_group": "slow"},
    ],
)
def test_other_requests_of_a_session_are_no_tries(read: Any, changed: dict[str, Any]) -> None:
    assert read(**changed).attempt_of != read().attempt_of


def test_without_a_trace_nothing_tells_tries_apart(read: Any) -> None:
    assert read(trace_id=None).attempt_of is None


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"call_type": "aembedding"}, "aembedding"),
        ({"call_type": "a kind\nwith a prompt in it"}, "call of another kind"),
        ({"cache_hit": True}, "answered from a cache"),
        ({"classifier_input": {"messages": []}}, "LiteLLM's own call: autorouter_classifier"),
    ],
)
def test_what_is_no_attempt_is_counted_by_its_kind(read: Any, changed: dict[str, Any], kind: str) -> None:
    assert read(**changed) == Other(read().place, kind)


def test_a_time_that_is_none_is_left_to_the_rules(read: Any) -> None:
    assert isinstance(read(startTime=float("nan")).started, str)
    assert isinstance(read(startTime=1e300).started, str)


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    for number, name in enumerate(("2026-11-02/a.json", "2026-11-01/b.json", "2026-11-01/notes.txt", "c.jsonl")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({**PAYLOAD, "id": f"{number}"}))
    calls = [record for record in litellm_payload.read([str(tmp_path)], Options()) if isinstance(record, Call)]
    assert [call.request_id for call in calls] == ["1", "0", "3"]
    assert [Path(call.place.file).name for call in calls] == ["b.json", "a.json", "c.jsonl"]


def test_a_folder_without_a_log_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no JSON file in this folder"):
        list(litellm_payload.read([str(tmp_path)], Options()))


def test_a_record_of_another_format_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(f'{{"request_id": "chatcmpl-1", "startTime": "2026-11-01"}}\n{json.dumps(PAYLOAD)}\n{{"id": "cut')
    broken, call, cut = litellm_payload.read([str(path)], Options())
    assert isinstance(broken, Broken)
    assert broken.rule == "not a StandardLoggingPayload"
    assert isinstance(call, Call)
    assert isinstance(cut, Broken)


def test_bad_values_are_quarantined_and_good_ones_beside_them_are_not(tmp_path: Path) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "out.parquet"
    rows = [
        PAYLOAD,
        {**PAYLOAD, "response_cost": float("nan"), "id": "1"},
        {**PAYLOAD, "completion_tokens": -1, "id": "2"},
        {**PAYLOAD, "completion_tokens": 30, "id": "3"},
        {**PAYLOAD, "startTime": "yesterday", "id": "4"},
        {**PAYLOAD, "endTime": PAYLOAD["startTime"], "startTime": PAYLOAD["endTime"], "id": "5"},
        PAYLOAD,
    ]
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    report = import_log(litellm_payload, [str(log)], out, Told(source="litellm"))
    assert report.imported == 1
    assert report.quarantined == {
        "cost_usd is not a finite number": 1,
        "output_tokens is under 0": 1,
        "thinking_tokens is over output_tokens": 1,
        "started is not a timestamp": 1,
        "ended before it started": 1,
        "duplicate": 1,
    }
