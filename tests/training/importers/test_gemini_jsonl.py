"""Gemini's batch files and Vertex AI's: what the story's fixture does not hold."""

from functools import partial

import pytest

from training.importers import gemini_jsonl
from training.importers.arms import arm_of
from training.importers.call import Broken, Other, Usage

REQUEST = {"contents": [{"role": "user", "parts": [{"text": "Why?"}]}]}
MESSAGES = [{"role": "user", "content": "Why?"}]


def answer(**more):
    candidate = {"content": {"parts": [{"text": "So."}], "role": "model"}, "finishReason": "STOP"}
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r-1", **more}


@pytest.fixture
def read(read_by):
    return partial(read_by, gemini_jsonl)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"promptTokenCount": 50, "cachedContentTokenCount": 40, "toolUsePromptTokenCount": 10, "candidatesTokenCount": 10, "thoughtsTokenCount": 290, "totalTokenCount": 360},
            Usage(output_tokens=300, thinking_tokens=290, input_tokens=60, cached_tokens=40),
        ),
        (
            {"prompt_token_count": 50, "candidates_token_count": 10, "thoughts_token_count": 290, "total_token_count": 350},
            Usage(output_tokens=300, thinking_tokens=290, input_tokens=50),
        ),
        ({"promptTokenCount": 50, "candidatesTokenCount": 10}, Usage(output_tokens=10, input_tokens=50)),
        # a total that leaves no room for thoughts
        (
            {"promptTokenCount": 50, "toolUsePromptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 70},
            Usage(output_tokens=10, thinking_tokens=0, input_tokens=60),
        ),
        ({"promptTokenCount": 50, "candidatesTokenCount": 10, "totalTokenCount": 90}, Usage(output_tokens=10, input_tokens=50)),
        # cut off in its thoughts: no candidates, but a total
        (
            {"promptTokenCount": 50, "thoughtsTokenCount": 290, "totalTokenCount": 340},
            Usage(output_tokens=290, thinking_tokens=290, input_tokens=50),
        ),
        (
            {"promptTokenCount": 50, "toolUsePromptTokenCount": 10, "thoughtsTokenCount": 290, "totalTokenCount": 350},
            Usage(output_tokens=290, thinking_tokens=290, input_tokens=60),
        ),
        # absence is not zero, and what is no count is left for the table to refuse
        ({"promptTokenCount": 50, "thoughtsTokenCount": 290}, Usage(thinking_tokens=290, input_tokens=50)),
        ({"promptTokenCount": 50, "candidatesTokenCount": -7, "thoughtsTokenCount": 9}, Usage(output_tokens=-7, thinking_tokens=9, input_tokens=50)),
        ({"promptTokenCount": "50", "candidatesTokenCount": "10", "thoughtsTokenCount": "5"}, Usage(output_tokens=15, thinking_tokens="5", input_tokens=50)),
        (None, Usage()),
    ],
)  # fmt: skip
def test_thoughts_stand_beside_the_candidates_and_are_counted_once(read, usage, expected):
    [call] = read({"request": REQUEST, "response": answer(usageMetadata=usage)})
    assert call.usage == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("SPII", "content_filter"),
        ("OTHER", "OTHER"),
    ],
)
def test_how_an_answer_ended(read, word, reason):
    [camel, snake] = read(
        *(
            {"request": REQUEST, "response": answer(candidates=[{name: word}])}
            for name in ("finishReason", "finish_reason")
        )
    )
    assert camel.finish_reason == snake.finish_reason == reason
    assert not camel.failed


@pytest.mark.parametrize(
    "record",
    [
        {"request": REQUEST, "response": {"promptFeedback": {"blockReason": "SAFETY"}}},
        {"request": REQUEST, "response": answer(candidates=[])},
        {"status": "Bad Request: {\"error\": {\"code\": 400}}", "request": REQUEST, "response": {}},
        {"status": "Internal error", "request": REQUEST},
        {"key": "a", "request": REQUEST, "error": {"code": 3, "message": "no"}},
    ],
)  # fmt: skip
def test_a_request_without_an_answer_failed(read, record):
    [call] = read(record)
    assert (call.failed, call.messages) == (True, MESSAGES)


def test_an_error_in_the_file_of_responses(read):
    [call] = read({"key": "a", "request": REQUEST}, {"key": "a", "error": {"code": 3, "message": "no"}})
    assert (call.failed, call.request_id) == (True, "a")


@pytest.mark.parametrize(
    ("request_model", "answered", "model"),
    [
        ("models/gemini-y", "gemini-x", "gemini-x"),
        ("models/gemini-y", None, "gemini-y"),
        ("publishers/google/models/gemini-y", None, "gemini-y"),
        (None, None, None),
    ],
)
def test_the_model_is_the_one_that_answered(read, request_model, answered, model):
    [call] = read({"request": {**REQUEST, "model": request_model}, "response": answer(modelVersion=answered)})
    assert (call.model, call.request_id, call.attempt_of) == (model, "r-1", None)


@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
def test_the_system_instruction_stands_first(read, name):
    system = {"parts": [{"text": "Be brief."}]}
    calls = read(
        {"request": {**REQUEST, name: system}, "response": answer()},
        {"request": {**REQUEST, "config": {name: "Be brief."}}, "response": answer()},
    )
    assert [list(call.messages) for call in calls] == [[{"role": "system", "content": "Be brief."}, *MESSAGES]] * 2


@pytest.mark.parametrize(
    ("more", "setting"),
    [
        ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, "thinkingBudget=0"),
        ({"generation_config": {"thinking_config": {"thinking_level": "low"}}}, "thinking_level=low"),
        ({"config": {"thinking_config": {"thinking_budget": -1}}}, "thinking_budget=-1"),
    ],
)
def test_the_parameters_are_the_request_s_own(read, more, setting):
    [call] = read({"request": {**REQUEST, **more}, "response": answer()})
    assert arm_of(call.parameters, thinking_tokens=None).thinking_setting == setting


def test_an_embedding_is_no_attempt(read):
    embedding = {"key": "e", "request": {"content": {"parts": [{"text": "Why?"}]}}}
    [other] = read(embedding, {"key": "e", "response": {"embedding": {"values": [0.5]}}})
    assert isinstance(other, Other)


def test_contents_that_are_none_break_a_rule(read):
    [broken] = read({"request": {"contents": [7]}, "response": answer()})
    assert isinstance(broken, Broken)


def test_another_format_is_told_from_this_one(read):
    [broken] = read({"custom_id": "a", "params": {"messages": MESSAGES}})
    assert broken.rule == "not of the format"
