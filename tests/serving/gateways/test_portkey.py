"""Portkey's webhook: what it sends, what it is sent back, and that nothing of ours ever stops a request."""

import json

import pytest

from contract.errors import BodyTooLarge, InternalError, NotFound, Overloaded, StoreDown
from serving.gateways.portkey import error_of, read, reply, status_of
from serving.gateways.thinking import merged, sets_thinking
from serving.schemas import Answer, Expected, Probabilities

BODY = {
    "model": "gpt-5.1",
    "messages": [{"role": "user", "content": "What is 1 + 9900?"}],
    "temperature": 0.3,
    "max_tokens": 500,
    "metadata": {"team": "é"},
    "tools": [{"type": "function", "function": {"name": "f"}}],
}
SENT = {
    "request": {"json": BODY, "text": "What is 1 + 9900?", "isStreamingRequest": False, "isTransformed": False},
    "response": {"json": {}, "text": "", "statusCode": None, "isTransformed": False},
    "provider": "openai",
    "requestType": "chatComplete",
    "metadata": {"_user": "u", "request_id": "req-1"},
    "eventType": "beforeRequestHook",
}


def sent(headers=None, **keys):
    return read(json.dumps({**SENT, **keys}).encode(), headers or {})


def answer(params, arm="direct"):
    return Answer(
        decision_id="d-1", request_id=None, verdict="avoid", thinking_budget=0, effort="none",
        probabilities=Probabilities(use=0.0, maybe=0.1, avoid=0.9), expected=Expected(gain=0.0, extra_tokens=1.0, net_benefit=-0.1), task="t",
        familiarity=1.0, model_known=False, truncated=False, profile="balanced", reasons=[], arm=arm, p_reasoning=0.0, params=params,
        revision="r",
    )  # fmt: skip


def replied(webhook, params, arm="direct"):
    told = reply(webhook, answer(params, arm)).model_dump(exclude_none=True)
    assert told["verdict"] is True
    return told


def test_the_whole_body_comes_back_with_the_parameters():
    webhook = sent()
    told = replied(webhook, {"reasoning_effort": "none"})
    assert told["transformedData"] == {"request": {"json": {**BODY, "reasoning_effort": "none"}}}
    assert told["data"] | {"decision_id": "d-1", "applied": True, "arm": "direct"} == told["data"]
    request = webhook.request
    assert (request.model, request.provider, request.max_output_tokens) == ("gpt-5.1", "openai", 500)
    assert (request.messages, request.tools, request.request_id) == (BODY["messages"], BODY["tools"], "req-1")


@pytest.mark.parametrize(
    ("keys", "headers", "provider"),
    [
        ({"provider": "azure-openai"}, {}, "openai"),
        ({"provider": "anthropic"}, {}, "anthropic"),
        ({"provider": "vertex-ai", "requestType": "messages"}, {}, "anthropic"),
        ({"provider": "openai"}, {"x-portkey-provider": "deepseek"}, "deepseek"),
        ({"provider": "groq"}, {}, None),
        ({"provider": None}, {}, None),
    ],
)
def test_the_provider_is_portkeys(keys, headers, provider):
    webhook = sent(headers, **keys)
    assert webhook.request.provider == provider
    assert ("transformedData" in replied(webhook, {"x": 1})) is (provider is not None)


@pytest.mark.parametrize(
    "own",
    [
        {"reasoning_effort": "high"},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"reasoning": {"max_tokens": 0}},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
        {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
    ],
)
def test_thinking_that_the_caller_set_stays(own):
    webhook = sent(request={"json": {**BODY, **own}})
    assert sets_thinking({**BODY, **own})
    told = replied(webhook, {"reasoning_effort": "none"})
    assert "transformedData" not in told
    assert told["data"]["why"] == "the caller set thinking itself"
    assert told["data"]["decision_id"] == "d-1"


@pytest.mark.parametrize(
    "own", [{}, {"reasoning_effort": None}, {"extra_body": {"top_k": 3}}, {"generationConfig": None}]
)
def test_a_caller_that_says_nothing_of_thinking(own):
    assert not sets_thinking({**BODY, **own})


@pytest.mark.parametrize("params", [None, {}])
def test_without_parameters_the_request_goes_on_as_it_was(params):
    told = replied(sent(), params)
    assert "transformedData" not in told
    assert told["data"]["why"]


@pytest.mark.parametrize(
    ("provider", "own", "key"),
    [
        ("openai", {"temperature": 0.3}, "temperature"),
        ("openai", {"temperature": 0}, "temperature"),
        ("azure-openai", {"temperature": 1, "top_p": 0.9}, "top_p"),
        ("openai", {"temperature": None, "logprobs": True}, "logprobs"),
        ("anthropic", {"temperature": 0.3}, "temperature"),
        ("anthropic", {"temperature": 1, "top_k": 40}, "top_k"),
        ("anthropic", {"temperature": 1, "tool_choice": {"type": "tool", "name": "f"}}, "tool_choice"),
        ("anthropic", {"temperature": 1, "tool_choice": "required"}, "tool_choice"),
        ("openai", {"temperature": 1, "logprobs": False, "tool_choice": "required"}, None),
        ("anthropic", {"temperature": 1.0, "tool_choice": {"type": "auto"}}, None),
        ("openrouter", {"temperature": 0.3}, None),
    ],
)
def test_thinking_is_not_switched_on_beside_what_is_refused_there(provider, own, key):
    webhook = sent(provider=provider, request={"json": {**BODY, **own}})
    assert webhook.obeys is (key is None)
    told = replied(webhook, {"x": 1}, "reasoning")
    assert ("transformedData" in told) is (key is None)
    assert key is None or told["data"]["why"] == f"the provider refuses the request's {key} beside thinking"
    assert "transformedData" in replied(webhook, {"x": 1}, "direct"), "beside no thinking it is accepted"


def test_an_arm_is_drawn_only_where_it_is_the_one_that_is_used():
    assert sent(request={"json": {**BODY, "temperature": 1}}).obeys
    assert not sent(request={"json": {**BODY, "temperature": 1, "reasoning_effort": "low"}}).obeys
    assert not sent(provider="groq", request={"json": {**BODY, "temperature": 1}}).obeys


def test_objects_are_merged_and_nothing_is_dropped():
    body = {"a": 1, "nest": {"keep": 1, "deep": {"x": [1]}}, "n": None}
    params = {"nest": {"deep": {"y": 2}, "new": 3}, "b": 2}
    before = json.dumps(body)
    assert merged(body, params) == {
        "a": 1,
        "b": 2,
        "n": None,
        "nest": {"keep": 1, "new": 3, "deep": {"x": [1], "y": 2}},
    }
    assert json.dumps(body) == before


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        ({"prompt": "hi"}, {"prompt": "hi"}),
        ({"prompt": ["hi"]}, {"prompt": "hi"}),
        (
            {"system": "Be brief.", "messages": [{"role": "user", "content": "hi"}]},
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]},
        ),
        (
            {"system": [{"type": "text", "text": "a"}], "messages": [{"role": "user", "content": "hi"}]},
            {
                "messages": [
                    {"role": "system", "content": [{"type": "text", "text": "a"}]},
                    {"role": "user", "content": "hi"},
                ]
            },
        ),
    ],
)
def test_other_bodies(body, asks):
    request = sent(request={"json": body}).request
    assert request.model_dump(exclude_unset=True) | asks == request.model_dump(exclude_unset=True)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"[" * 99 + b"]" * 99, b"{}", b'{"request": 3}', b'{"request": {"json": null}}',
        json.dumps({**SENT, "eventType": "afterRequestHook"}).encode(),
        json.dumps({**SENT, "request": {"json": {"messages": "x"}}}).encode(),
        json.dumps({**SENT, "request": {"json": {"messages": [3]}}}).encode(),
        json.dumps({**SENT, "request": {"json": {"prompt": ["a", "b"]}}}).encode(),
        json.dumps({**SENT, "metadata": 3, "request": {"json": {**BODY, "model": 3, "tools": 4, "max_tokens": True}}}).encode(),
    ],
)  # fmt: skip
def test_whatever_is_sent_reading_never_fails(raw):
    webhook = read(raw, {})
    assert webhook.request is None or webhook.request.model is None
    if webhook.request is None:
        assert webhook.why


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InternalError("x"), 200),
        (Overloaded("x"), 200),
        (BodyTooLarge("x"), 200),
        (StoreDown("x"), 200),
        (NotFound("x"), 404),
    ],
)
def test_trouble_of_ours_lets_the_request_pass_and_a_wrong_set_up_is_told(error, status):
    assert status_of(error) == status
    if status == 200:
        assert error_of(error) == {"verdict": True, "data": {"applied": False, "why": "x"}, "transformedData": None}
    else:
        assert error_of(error) == error.body()
