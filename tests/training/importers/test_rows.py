import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from contract.records import Arm
from training.importers.call import Call, Place, Usage
from training.importers.rows import CALL_COLUMNS, failure_of, row_of
from training.log_values import Fault

PLACE = Place("log.jsonl", 1)
USER = {"role": "user", "content": "Hello there."}


def call(**changes):
    return Call(
        **{"place": PLACE, "model": "m", "messages": [USER], "parameters": {"reasoning_effort": "none"}, **changes}
    )


def row(**changes):
    answer = row_of(call(**changes), {})
    assert isinstance(answer, dict), answer
    return answer


def fault(default_arms=None, **changes):
    answer = row_of(call(**changes), default_arms or {})
    assert isinstance(answer, Fault)
    return answer


def test_a_row_has_the_columns_of_a_call():
    assert set(row()) == set(CALL_COLUMNS)


def test_ids_that_are_whole_numbers_are_texts():
    ids = row(request_id=7, conversation_id=0, decision_id=10**20)
    assert (ids["request_id"], ids["conversation_id"], ids["decision_id"]) == ("7", "0", "1" + "0" * 20)
    assert row(request_id=True)["request_id"] is True  # refused by its column


def test_one_user_turn_of_plain_text_is_a_prompt():
    assert (row()["prompt"], row()["messages"]) == ("Hello there.", None)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "Be brief."}, USER],
        [{"role": "system", "content": "Be brief."}],
        [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url"}]}],
    ],
)
def test_anything_else_is_messages(messages):
    made = row(messages=messages)
    assert made["prompt"] is None
    assert json.loads(made["messages"]) == messages


@pytest.mark.parametrize("messages", [None, []])
def test_no_text(messages):
    assert fault(messages=messages).rule == "no text"


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"extra_body": {"previous_response_id": "resp_1"}}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"), ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"cachedContent": "cachedContents/1"}, "cachedContent"), ({"config": {"cached_content": "c"}}, "cached_content"),
        ({"prompt": {"id": "pmpt_1", "variables": {}}}, "prompt.id"),
        ({"extra_body": {"google": {"cached_content": "c"}}}, "cached_content"),
    ],
    ids=str,
)  # fmt: skip
def test_a_prompt_of_which_the_provider_keeps_a_part_is_none(parameters, name):
    found = fault(parameters={"reasoning_effort": "none", **parameters})
    assert found.rule == "earlier turns not in the log"
    assert found.reason.startswith(f"{name} names what the provider keeps")


@pytest.mark.parametrize(
    "parameters",
    [
        {"metadata": {"conversation": "conv_42", "prompt": {"id": "greet"}}},
        {"previous_response_id": None}, {"conversation": "support-7"}, {"conversation": None}, {"prompt": "p"}, {"cachedContent": ""}],
    ids=str,
)  # fmt: skip
def test_names_that_keep_nothing(parameters):
    assert row(parameters={"reasoning_effort": "none", **parameters})["arm"] == "direct"


def test_the_arm_is_read_or_declared_never_guessed():
    assert (row()["arm"], row()["thinking_setting"]) == ("direct", "reasoning_effort=none")
    assert fault(parameters={}).rule == "arm undecidable"
    for declared in ({"m": Arm.REASONING}, {"*": Arm.REASONING}, {"m": Arm.REASONING, "*": Arm.DIRECT}):
        made = row_of(call(parameters={}), declared)
        assert (made["arm"], made["thinking_setting"]) == ("reasoning", "declared default")
    assert fault({"other": Arm.DIRECT}, parameters={}).rule == "arm undecidable"


def test_hidden_tokens_overrule_a_parameter_even_as_a_text():
    assert "780" in fault(usage=Usage(thinking_tokens="780")).reason


def test_tokens_are_recorded_where_they_are():
    assert row(usage=Usage(output_tokens=3))["tokens_are"] == "recorded"
    assert row()["tokens_are"] is None


@pytest.mark.parametrize(
    "started",
    [
        "2026-11-01T08:00:00Z",
        "2026-11-01T09:30:00+01:30",
        "2026-11-01T03:00:00-05:00",
        "2026-11-01 08:00:00+00",
        "2026-11-01T08:00:00",
        "2026-11-01T08:00:00.000000000Z",
        datetime(2026, 11, 1, 8),
        datetime(2026, 11, 1, 10, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_start_in_any_zone_is_utc(started):
    assert row(started=started)["timestamp"] == datetime(2026, 11, 1, 8, tzinfo=UTC)


def test_latency_is_from_start_to_end_whatever_their_zones():
    made = row(started="2026-11-01T10:00:00+02:00", ended="2026-11-01T08:00:01.5Z", latency_s=99)
    assert made["latency_s"] == 1.5
    assert row(started="2026-11-01T08:00:00Z", latency_s=2)["latency_s"] == 2
    assert row(ended="2026-11-01T08:00:00Z", latency_s=2)["latency_s"] == 2
    assert row(started="2026-11-01T08:00:00Z", ended="2026-11-01T08:00:00Z")["latency_s"] == 0


def test_an_end_before_the_start():
    made = fault(started="2026-11-01T08:00:03Z", ended="2026-11-01T08:00:00Z")
    assert made == Fault("ended before it started", "ended 3 s before it started")


@pytest.mark.parametrize("wrong", ["soon", "", "1793520000", 1793520000, "9999-12-31T23:59:59-23:59"])
def test_a_time_that_is_none(wrong):
    assert fault(started=wrong).rule == "started is not a timestamp"
    assert fault(ended=wrong).rule == "ended is not a timestamp"


def test_what_a_failed_call_adds():
    failure = failure_of(
        call(
            failed=True,
            messages=None,
            parameters={},
            usage=Usage(output_tokens="40", thinking_tokens=30, cost_usd=0.5),
            started="1970-01-01T00:00:10Z",
            ended="1970-01-01T00:00:12Z",
        )
    )
    assert failure.usage == (40, 30, 0.5)
    assert (failure.started, failure.ended) == (10, 12)


def test_a_failed_call_without_anything():
    failure = failure_of(call(failed=True))
    assert all(map(math.isnan, (*failure.usage, failure.started, failure.ended)))


def test_hidden_tokens_of_an_unknown_total_add_nothing():
    assert math.isnan(failure_of(call(failed=True, usage=Usage(thinking_tokens=30))).usage[1])


@pytest.mark.parametrize(
    ("usage", "rule"),
    [
        (Usage(output_tokens=-1), "output_tokens is under 0"),
        (Usage(cost_usd=math.nan), "cost_usd is not a finite number"),
        (Usage(output_tokens=1, thinking_tokens=2), "thinking_tokens is over output_tokens"),
    ],
)
def test_a_failed_call_with_an_impossible_value(usage, rule):
    assert failure_of(call(failed=True, usage=usage)).rule == rule
