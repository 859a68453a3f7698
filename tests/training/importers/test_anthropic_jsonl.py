"""Anthropic's message batches and logs: what the story's fixture does not hold."""

import json
from functools import partial

import pytest

from training.importers import anthropic_jsonl
from training.importers.call import Broken, Usage

MESSAGES = [{"role": "user", "content": "Why?"}]
REQUEST = {"model": "m", "max_tokens": 100, "messages": MESSAGES}


def message(**more):
    content = [{"type": "text", "text": "So."}]
    return {
        "id": "msg_1",
        "type": "message",
        "model": "m-20261101",
        "content": content,
        "stop_reason": "end_turn",
        **more,
    }


@pytest.fixture
def read(read_by):
    return partial(read_by, anthropic_jsonl)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"input_tokens": 11, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 9, "output_tokens": 300, "output_tokens_details": {"thinking_tokens": 290}},
            Usage(output_tokens=300, thinking_tokens=290, input_tokens=60, cached_tokens=40),
        ),
        ({"input_tokens": 11, "output_tokens": 36}, Usage(output_tokens=36, input_tokens=11)),
        (
            {"input_tokens": 11, "cache_read_input_tokens": None, "cache_creation_input_tokens": None, "output_tokens": 36},
            Usage(output_tokens=36, input_tokens=11),
        ),
        ({"cache_read_input_tokens": 40, "output_tokens": 36}, Usage(output_tokens=36, cached_tokens=40)),
        (
            {"input_tokens": 11, "cache_read_input_tokens": -3, "output_tokens": float("nan")},
            Usage(output_tokens=pytest.approx(float("nan"), nan_ok=True), input_tokens=-3, cached_tokens=-3),
        ),
        (None, Usage()),
    ],
)  # fmt: skip
def test_input_includes_what_the_cache_gave_and_took(read, usage, expected):
    [call] = read({"request": REQUEST, "response": message(usage=usage)})
    assert call.usage == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_how_an_answer_ended(read, word, reason):
    [call] = read({"request": REQUEST, "response": message(stop_reason=word)})
    assert (call.finish_reason, call.failed) == (reason, False)


@pytest.mark.parametrize(
    "result",
    [
        {"type": "errored", "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}},
        {"type": "canceled"},
        {"type": "expired"},
    ],
)
def test_a_request_without_an_answer_failed(read, result):
    [call] = read({"custom_id": "a", "result": result}, {"custom_id": "a", "params": REQUEST})
    assert call.failed
    assert (call.request_id, call.model, call.messages) == ("a", "m", MESSAGES)


@pytest.mark.parametrize(
    "record",
    [
        {"request": REQUEST, "response": {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}},
        {"request": REQUEST, "response": None, "error": {"type": "overloaded_error"}},
    ],
)
def test_a_failure_in_a_one_file_log(read, record):
    [call] = read(record)
    assert call.failed


def test_the_model_is_the_one_that_answered(read):
    [call] = read(
        {"custom_id": "a", "params": REQUEST}, {"custom_id": "a", "result": {"type": "succeeded", "message": message()}}
    )
    assert (call.model, call.request_id) == ("m-20261101", "a")


def test_a_one_file_log_may_hold_json_texts_and_no_id(read):
    [call] = read({"request": json.dumps(REQUEST), "response": json.dumps(message())})
    assert (call.request_id, call.attempt_of, call.messages) == ("msg_1", None, MESSAGES)


def test_a_system_prompt_as_text_or_blocks_stands_first(read):
    systems = "Be brief.", [{"type": "text", "text": "Be brief."}]
    calls = read(*({"request": {**REQUEST, "system": system}, "response": message()} for system in systems))
    assert [list(call.messages) for call in calls] == [[{"role": "system", "content": "Be brief."}, *MESSAGES]] * 2


def test_messages_that_are_none_break_a_rule(read):
    [broken] = read({"request": {**REQUEST, "messages": [{"role": "user", "content": 7}]}, "response": message()})
    assert isinstance(broken, Broken)


def test_another_format_is_told_from_this_one(read):
    openai = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": MESSAGES}}
    [broken] = read(openai)
    assert broken.rule == "not of the format"
