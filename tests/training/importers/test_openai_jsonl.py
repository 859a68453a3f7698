"""OpenAI batch files and logs: what the story's fixture does not hold."""

import json
from datetime import UTC, datetime
from functools import partial

import pandas as pd
import pytest

from contract.records import Arm
from training.importers import importer, openai_jsonl
from training.importers.arms import Undecidable, arm_of
from training.importers.blocks import Told
from training.importers.call import Broken, Call, Other, Usage
from training.importers.run import import_log
from training.importers.scores import Scale

MESSAGES = [{"role": "user", "content": "Why?"}]


def completion(**more):
    choice = {"index": 0, "message": {"role": "assistant", "content": "So."}, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice], **more}


def response(**more):
    return {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": [], **more}


def logged(answer, request=None):
    return {"request": {"model": "m", "messages": MESSAGES, **(request or {})}, "response": answer}


@pytest.fixture
def read(read_by):
    return partial(read_by, openai_jsonl)


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (
            completion(usage={"prompt_tokens": 20, "completion_tokens": 812, "total_tokens": 832, "completion_tokens_details": {"reasoning_tokens": 780}, "prompt_tokens_details": {"cached_tokens": 16}}),
            Usage(output_tokens=812, thinking_tokens=780, input_tokens=20, cached_tokens=16),
        ),
        (
            response(usage={"input_tokens": 20, "output_tokens": 812, "total_tokens": 832, "output_tokens_details": {"reasoning_tokens": 780}, "input_tokens_details": {"cached_tokens": 16}}),
            Usage(output_tokens=812, thinking_tokens=780, input_tokens=20, cached_tokens=16),
        ),
        # xAI, and Gemini's compatible endpoint: hidden tokens beside completion_tokens, inside total_tokens
        (
            completion(usage={"prompt_tokens": 20, "completion_tokens": 32, "total_tokens": 832, "completion_tokens_details": {"reasoning_tokens": 780}}),
            Usage(output_tokens=812, thinking_tokens=780, input_tokens=20),
        ),
        # without a total, OpenAI's convention
        (
            completion(usage={"prompt_tokens": 20, "completion_tokens": 812, "completion_tokens_details": {"reasoning_tokens": 780}}),
            Usage(output_tokens=812, thinking_tokens=780, input_tokens=20),
        ),
        # an endpoint that names its hidden tokens nowhere but in the total
        (
            completion(usage={"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 3017}),
            Usage(output_tokens=3009, input_tokens=8),
        ),
        (
            completion(usage={"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 3017, "completion_tokens_details": {"reasoning_tokens": 0}}),
            Usage(output_tokens=3009, thinking_tokens=0, input_tokens=8),
        ),
        # what is over the sum is the cache, or tells nothing
        (
            completion(usage={"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 57, "prompt_tokens_details": {"cached_tokens": 40}}),
            Usage(output_tokens=9, input_tokens=48, cached_tokens=40),
        ),
        # Anthropic's counts behind a gateway: what was read from the cache and written to it stands beside the prompt
        (
            completion(usage={"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 6052, "cache_read_input_tokens": 5000, "cache_creation_input_tokens": 1000}),
            Usage(output_tokens=40, input_tokens=6012, cached_tokens=5000),
        ),
        (
            completion(usage={"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 52, "prompt_tokens_details": {"cached_tokens": 5000}}),
            Usage(output_tokens=40, input_tokens=5012, cached_tokens=5000),
        ),
        # what tools fed back
        (
            completion(usage={"prompt_tokens": 12, "completion_tokens": 40, "total_tokens": 4052, "prompt_tokens_details": {"tool_use_tokens": 4000}}),
            Usage(output_tokens=40, input_tokens=12),
        ),
        (
            completion(usage={"prompt_tokens": 8, "completion_tokens": 9, "total_tokens": 57, "completion_tokens_details": {"reasoning_tokens": 7}}),
            Usage(output_tokens=9, thinking_tokens=7, input_tokens=8),
        ),
        # DeepSeek, OpenRouter
        (
            completion(usage={"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "prompt_cache_hit_tokens": 12, "prompt_cache_miss_tokens": 8}),
            Usage(output_tokens=9, input_tokens=20, cached_tokens=12),
        ),
        (
            completion(usage={"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29, "cost": 0.00042}),
            Usage(output_tokens=9, input_tokens=20, cost_usd=0.00042),
        ),
        # absence is not zero, and what is no count is left for the table to refuse
        (completion(), Usage()),
        (completion(usage=None), Usage()),
        (completion(usage={"prompt_tokens": "many", "completion_tokens": -1, "total_tokens": float("nan")}), Usage(output_tokens=-1, input_tokens="many")),
    ],
)  # fmt: skip
def test_hidden_tokens_are_counted_once(read, answer, usage):
    [call] = read(logged(answer))
    assert call.usage == usage


def test_all_choices_of_a_request_are_one_attempt(read):
    choices = [
        {"index": n, "message": {"content": "So."}, "finish_reason": reason}
        for n, reason in enumerate(["length", "stop"])
    ]
    [call] = read(logged(completion(choices=choices, usage={"prompt_tokens": 5, "completion_tokens": 300}), {"n": 2}))
    assert (call.usage.output_tokens, call.finish_reason, call.failed) == (300, "length", False)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion(), "stop"),
        (completion(choices=[{"finish_reason": "length"}]), "length"),
        (completion(choices=[{"finish_reason": "content_filter"}]), "content_filter"),
        (completion(choices=[{"finish_reason": "function_call"}]), "tool_calls"),
        (completion(choices=[{"finish_reason": "eos_token"}]), "eos_token"),
        (completion(choices=[{"finish_reason": None}]), None),
        (response(), "stop"),
        (response(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (response(status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
    ],
)
def test_how_an_answer_ended(read, answer, reason):
    [call] = read(logged(answer))
    assert (call.finish_reason, call.failed) == (reason, False)


@pytest.mark.parametrize(
    "output",
    [
        {"response": None, "error": {"code": "batch_expired", "message": "This request could not be executed."}},
        {"response": {"status_code": 400, "request_id": "r", "body": {"error": {"message": "no"}}}, "error": None},
        {"response": {"status_code": 200, "body": completion(choices=[])}, "error": None},
        {
            "response": {"status_code": 200, "body": response(status="failed", error={"code": "server_error"})},
            "error": None,
        },
        {"response": {"status_code": 200, "body": response(status="cancelled")}, "error": None},
        {"response": {"status_code": 500, "body": None}, "error": None},
    ],
)
def test_a_request_without_an_answer_failed(read, output):
    request = {
        "custom_id": "a",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": MESSAGES},
    }
    [call] = read({"id": "batch_req_1", "custom_id": "a", **output}, request)
    assert call.failed
    assert (call.request_id, call.model, call.messages) == ("a", "m", MESSAGES)


def test_a_request_that_failed_in_one_batch_and_answered_in_the_next_is_one_attempt(tmp_path):
    body = {"model": "m", "messages": MESSAGES, "reasoning_effort": "low"}
    request = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    failed = {"custom_id": "a", "response": None, "error": {"code": "batch_expired"}}
    answered = {"custom_id": "a", "response": {"status_code": 200, "body": completion(usage={"completion_tokens": 9})}}
    files = {"requests": request, "errors": failed, "again": request, "output": answered}
    for name, record in files.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(record))
    told = Told(source="batches", scale=Scale())
    places = [str(tmp_path / f"{name}.jsonl") for name in files]
    report = import_log(importer("openai-jsonl"), places, tmp_path / "logs.parquet", told)
    assert (report.imported, report.failed, report.retries, report.quarantined) == (1, 1, 1, {})
    assert pd.read_parquet(tmp_path / "logs.parquet")["request_id"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/v1/embeddings", "embeddings"),
        ("/v1/moderations", "moderations"),
        ("/v1/images/generations", "images/generations"),
        ("https://host.example/openai/v1/embeddings?api-version=1", "embeddings"),
        ("http://[", "http://["),
    ],
)
def test_other_endpoints_are_no_attempts(read, url, kind):
    request = {"custom_id": "e", "method": "POST", "url": url, "body": {"model": "m", "input": "Why?"}}
    output = {"custom_id": "e", "response": {"status_code": 200, "body": {"object": "list", "data": []}}, "error": None}
    [other] = read(request, output)
    assert isinstance(other, Other)
    assert other.kind == kind


@pytest.mark.parametrize(
    "url",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "https://h.example/openai/deployments/m/chat/completions?api-version=1",
        None,
    ],
)
def test_where_a_chat_was_sent_to_does_not_matter(read, url):
    request = {"custom_id": "a", "body": {"model": "m", "messages": MESSAGES}} | ({"url": url} if url else {})
    [call] = read(request, {"custom_id": "a", "response": {"status_code": 200, "body": completion()}, "error": None})
    assert isinstance(call, Call)


def test_an_embedding_in_a_one_file_log_is_no_attempt(read):
    [other] = read({"request": {"model": "m", "input": "Why?"}, "response": {"object": "list", "data": []}})
    assert isinstance(other, Other)


@pytest.mark.parametrize(
    "record",
    [
        logged(completion()),
        {"request": {"method": "POST", "body": {"model": "m", "messages": MESSAGES}}, "response": {"status_code": 200, "body": completion()}},
        {name: json.dumps(value) for name, value in logged(completion()).items()},
        {"request": {"model": "m", "prompt": "Why?"}, "response": completion(object="text_completion")},
        {"request": {"model": "m", "input": "Why?"}, "response": response()},
    ],
)  # fmt: skip
def test_one_file_logs_with_and_without_envelopes(read, record):
    [call] = read(record)
    assert (call.model, list(call.messages), call.failed) == ("m", MESSAGES, False)
    assert call.request_id in ("chatcmpl-1", "resp_1")
    assert call.attempt_of is None


def test_the_responses_api_says_which_effort_it_took_by_default(read):
    took = {"effort": "none", "summary": None}
    [default, asked, cannot] = read(
        logged(response(reasoning=took)),
        logged(response(reasoning={"effort": "high"}), {"reasoning": {"effort": "high", "summary": None}}),
        logged(response(reasoning={"effort": None, "summary": None})),
    )
    assert arm_of(default.parameters, thinking_tokens=0).arm is Arm.DIRECT
    assert arm_of(asked.parameters, thinking_tokens=9).thinking_setting == "reasoning.effort=high"
    with pytest.raises(Undecidable, match="no thinking parameter"):
        arm_of(cannot.parameters, thinking_tokens=0)


def test_parameters_in_an_extra_body(read):
    [call] = read(logged(completion(), {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}))
    assert arm_of(call.parameters, thinking_tokens=None).thinking_setting == "enable_thinking=false"


def test_times_ids_and_marks(read):
    marks = {"thinkworth": json.dumps({"decision_id": "d", "p_reasoning": 0.25, "task": "maths"})}
    [chat, responses] = read(
        logged(completion(created=1793520000), {"metadata": marks}),
        logged(response(created_at=1793520000.5, completed_at=1793520002.0, conversation={"id": "conv_1"})),
    )
    assert (chat.started, chat.ended) == (datetime(2026, 11, 1, 8, tzinfo=UTC), None)
    assert (chat.decision_id, chat.p_reasoning, chat.task) == ("d", 0.25, "maths")
    assert (responses.ended - responses.started).total_seconds() == 1.5
    assert responses.conversation_id == "conv_1"


@pytest.mark.parametrize("created", [float("nan"), 1e30, "yesterday", [1]])
def test_a_time_that_is_none_is_left_to_be_refused(read, created):
    [call] = read(logged(completion(created=created)))
    assert isinstance(call.started, str)


@pytest.mark.parametrize(
    "request_", [{"messages": None}, {"messages": []}, {"messages": None, "prompt": {"id": "pmpt_1"}}]
)
def test_without_text(read, request_):
    [call] = read(logged(completion(), request_))
    assert call.messages is None


def test_messages_that_are_none_break_a_rule(read):
    [broken] = read(logged(completion(), {"messages": [{"role": "narrator", "content": "a secret"}]}))
    assert isinstance(broken, Broken)
    assert broken.rule.startswith("a message's role is not one of")
    assert "secret" not in broken.reason
