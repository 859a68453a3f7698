"""What the story of the fixtures does not tell of LiteLLM's spend logs."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from contract.errors import InvalidInput
from training.importers import litellm_spend
from training.importers.arms import arm_of
from training.importers.blocks import Told
from training.importers.call import Broken, Call, Options, Other, Record
from training.importers.run import import_log

ROW = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "spend": 0.002,
    "prompt_tokens": 20,
    "completion_tokens": 60,
    "startTime": "2026-11-01T08:00:00.125Z",
    "endTime": "2026-11-01T08:00:01.625Z",
    "model": "openai/gpt-x",
    "custom_llm_provider": "openai",
    "metadata": {"usage_object": {"completion_tokens_details": {"reasoning_tokens": 40}}},
    "cache_hit": "None",
    "messages": {},
    "response": {"choices": [{"finish_reason": "length"}]},
    "session_id": "conversation-1",
    "status": "success",
    "proxy_server_request": {"messages": [{"role": "user", "content": "Why?"}], "reasoning_effort": "low"},
}


@pytest.fixture
def read(read_by: Any) -> Any:
    """A function that returns the record of a row with some columns changed."""

    def record(**changed: Any) -> Record:
        (only,) = read_by(litellm_spend, {**ROW, **changed})
        return only

    return record


def body(**parameters: Any) -> dict[str, Any]:
    return {"proxy_server_request": {"messages": [{"role": "user", "content": "Why?"}], **parameters}}


def test_hidden_tokens_that_only_the_total_counts(read: Any) -> None:
    call = read(completion_tokens=9, total_tokens="617", metadata={})
    assert (call.usage.output_tokens, call.usage.thinking_tokens) == (597, None)


def test_a_row_is_a_call(read: Any) -> None:
    call = read()
    assert call.model == "gpt-x"
    assert call.messages == [{"role": "user", "content": "Why?"}]
    assert (call.usage.output_tokens, call.usage.thinking_tokens, call.usage.input_tokens) == (60, 40, 20)
    assert call.usage.cost_usd == 0.002
    assert (call.request_id, call.conversation_id, call.finish_reason) == ("chatcmpl-1", "conversation-1", "length")
    assert (call.failed, call.attempt_of) == (False, None)


@pytest.mark.parametrize("kind", ["aembedding", "image_generation", "arerank", "_arealtime", "pass_through_endpoint"])
def test_a_call_that_is_not_for_text_is_counted_by_its_kind(read: Any, kind: str) -> None:
    assert read(call_type=kind) == Other(read().place, kind)


@pytest.mark.parametrize("kind", ["completion", "atext_completion", "aresponses", "anthropic_messages", "", None])
def test_a_call_for_text_is_taken(read: Any, kind: str | None) -> None:
    assert isinstance(read(call_type=kind), Call)


def test_what_a_cache_answered_is_no_attempt(read: Any) -> None:
    assert read(cache_hit="True").kind == "answered from a cache"
    assert isinstance(read(cache_hit="False"), Call)


def test_a_call_that_litellm_made_for_itself_is_no_attempt(read: Any) -> None:
    metadata = {**ROW["metadata"], "internal_call_origin": "shadow_eval_judge"}
    assert read(metadata=metadata).kind == "LiteLLM's own call: shadow_eval_judge"


@pytest.mark.parametrize("changed", [{"status": "failure"}, {"status": None, "metadata": {"status": "failure"}}])
def test_a_failed_request_needs_no_text(read: Any, changed: dict[str, Any]) -> None:
    call = read(**changed, proxy_server_request={"messages": "no conversation at all"})
    assert call.failed
    assert call.messages is None


@pytest.mark.parametrize(
    ("parameters", "arm", "setting", "budget"),
    [
        ({"reasoning_effort": "none"}, "direct", "reasoning_effort=none", None),
        ({"reasoning": {"effort": "high"}}, "reasoning", "reasoning.effort=high", None),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "reasoning", "thinking=enabled budget_tokens=1024", 1024),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, "direct", "enable_thinking=false", None),
    ],
)  # fmt: skip
def test_the_arm_is_what_the_client_asked_for(
    read: Any, parameters: dict[str, Any], arm: str, setting: str, budget: int | None
) -> None:
    found = arm_of(read(**body(**parameters)).parameters, thinking_tokens=None)
    assert (found.arm, found.thinking_setting, found.thinking_budget) == (arm, setting, budget)


@pytest.mark.parametrize(
    "asked", [{}, {"reasoning_effort": "low"}, {"thinking": {"type": "disabled"}}, {"reasoning": {"effort": "low"}}]
)
def test_an_effort_that_the_auto_router_set_takes_the_place_of_the_clients(read: Any, asked: dict[str, Any]) -> None:
    metadata = {"routing_decision": {"tier": "use", "tier_litellm_params": {"reasoning_effort": "high"}}}
    found = arm_of(read(**body(**asked), metadata=metadata).parameters, thinking_tokens=None)
    assert (found.arm, found.thinking_setting) == ("reasoning", "reasoning_effort=high")


def test_what_else_the_auto_router_set_leaves_the_clients_effort(read: Any) -> None:
    metadata = {"routing_decision": {"tier_litellm_params": {"max_tokens": 100}}}
    assert arm_of(read(metadata=metadata).parameters, thinking_tokens=None).thinking_setting == "reasoning_effort=low"


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ({"system": "Be brief.", "messages": [{"role": "user", "content": "Why?"}]}, ["Be brief.", "Why?"]),
        ({"instructions": "Be brief.", "input": "Why?"}, ["Be brief.", "Why?"]),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Why?"}]}]}, ["Why?"]),
        ({"prompt": "Why?"}, ["Why?"]),
        ({"contents": [{"role": "user", "parts": [{"text": "Why?"}]}]}, ["Why?"]),
    ],
)
def test_the_prompt_is_found_whatever_api_was_called(read: Any, stored: dict[str, Any], said: list[str]) -> None:
    assert [message["content"] for message in read(proxy_server_request=stored).messages] == said


def test_older_versions_store_the_messages_in_their_own_column(read: Any) -> None:
    call = read(messages=[{"role": "user", "content": "Wherefore?"}], proxy_server_request={})
    assert call.messages == [{"role": "user", "content": "Wherefore?"}]


@pytest.mark.parametrize("stored", [{}, None, {"model": "gpt-x"}, {"messages": []}])
def test_without_a_stored_prompt_there_are_no_messages(read: Any, stored: Any) -> None:
    assert read(proxy_server_request=stored).messages is None


@pytest.mark.parametrize(
    "text",
    [
        "A long begin... (litellm_truncated skipped 7954 chars. Truncation is a DB storage safeguard. Full, untruncated "
        "data is logged to logging callbacks (OTEL, Datadog, etc.).) ...and its end",
        "A long begin... (litellm_truncated skipped 7954 chars) ...and its end",
        "A long begin... (truncated 7954 chars)",
    ],
)
@pytest.mark.parametrize("wrap", [lambda text: text, lambda text: [{"type": "text", "text": text}]])
def test_a_prompt_that_litellm_shortened_is_none(read: Any, text: str, wrap: Any) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": wrap(text)}]
    broken = read(proxy_server_request={"messages": messages, "reasoning_effort": "low"})
    assert isinstance(broken, Broken)
    assert broken.rule == "prompt was shortened by LiteLLM"
    assert "MAX_STRING_LENGTH_PROMPT_IN_DB" in broken.reason
    assert "begin" not in broken.reason


def test_a_prompt_that_speaks_of_shortened_texts_is_a_prompt(read: Any) -> None:
    text = 'Why does it print "... (truncated 5 chars)" there?'
    assert read(proxy_server_request={"messages": [{"role": "user", "content": text}]}).messages[0]["content"] == text


@pytest.mark.parametrize("cost", [0, 0.0, "0", "0.0"])
def test_a_cost_of_nothing_is_not_known(read: Any, cost: Any) -> None:
    assert read(spend=cost).usage.cost_usd is None


@pytest.mark.parametrize(
    "changed",
    [
        {"metadata": {"usage_object": None, "additional_usage_values": {"completion_tokens_details": {"reasoning_tokens": 7}}}},
        {"metadata": {}, "response": {"usage": {"completion_tokens_details": {"reasoning_tokens": 7}}}},
    ],
)  # fmt: skip
def test_hidden_tokens_are_found_where_older_versions_keep_them(read: Any, changed: dict[str, Any]) -> None:
    assert read(**changed).usage.thinking_tokens == 7


def test_hidden_tokens_that_nobody_counted_are_not_known(read: Any) -> None:
    assert read(metadata={"usage_object": {"completion_tokens_details": None}}).usage.thinking_tokens is None


def test_what_thinkworth_left_is_read_from_the_request_and_from_spend_logs_metadata(read: Any) -> None:
    call = read(**body(metadata={"thinkworth": {"decision_id": "d-1", "p_reasoning": 0.25}}))
    assert (call.decision_id, call.p_reasoning) == ("d-1", 0.25)
    call = read(metadata={"spend_logs_metadata": {"thinkworth": {"decision_id": "d-2", "task": "maths"}}})
    assert (call.decision_id, call.task) == ("d-2", "maths")


def test_json_columns_may_be_texts_as_in_an_export(read: Any) -> None:
    texts = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in ROW.items()}
    assert read(**texts) == read()


def test_a_csv_export_gives_what_jsonl_gives(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(ROW)
        writer.writerow([json.dumps(value) if isinstance(value, dict) else value for value in ROW.values()])
    (call,) = litellm_spend.read([str(path)], Options())
    assert isinstance(call, Call)
    assert (call.messages, call.parameters) == (read().messages, read().parameters)
    assert call.usage.output_tokens == "60"  # the rules of the table read a number in a text


def test_no_conversation_is_broken_and_names_the_rule(read: Any) -> None:
    broken = read(proxy_server_request={"messages": [{"role": "oracle", "content": "Why?"}]})
    assert isinstance(broken, Broken)
    assert "role" in broken.rule


def test_a_record_of_another_format_is_broken(read: Any, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(f'{{"id": "chatcmpl-1", "startTime": 1793520000.0, "model": "m"}}\n{json.dumps(ROW)}\n')
    broken, call = litellm_spend.read([str(path)], Options())
    assert isinstance(broken, Broken)
    assert broken.rule == "not a row of LiteLLM_SpendLogs"
    assert isinstance(call, Call)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such file"):
        list(litellm_spend.read([str(tmp_path / "rows.jsonl")], Options()))


def test_bad_values_are_quarantined_and_good_ones_beside_them_are_not(tmp_path: Path) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "out.parquet"
    rows = [
        ROW,
        {**ROW, "spend": float("nan"), "request_id": "1"},
        {**ROW, "completion_tokens": -1, "request_id": "2"},
        {**ROW, "completion_tokens": 30, "request_id": "3"},
        {**ROW, "startTime": "yesterday", "request_id": "4"},
        {**ROW, "endTime": ROW["startTime"], "startTime": ROW["endTime"], "request_id": "5"},
        ROW,
    ]
    log.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    report = import_log(litellm_spend, [str(log)], out, Told(source="litellm"))
    assert report.imported == 1
    assert report.quarantined == {
        "cost_usd is not a finite number": 1,
        "output_tokens is under 0": 1,
        "thinking_tokens is over output_tokens": 1,
        "started is not a timestamp": 1,
        "ended before it started": 1,
        "duplicate": 1,
    }
