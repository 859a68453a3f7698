"""Messages that tools make up: valid in both formats, nearly valid, and neither; through all that reads them, but HTTP."""

import json
import os
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.errors import InvalidRequest
from contract.locate import ROOT
from contract.prompt import Prompt
from contract.scorer import Scorer
from serving.gateways import portkey
from serving.parsing import parse, read_object
from serving.router import Router
from serving.schemas import PredictRequest
from serving.systemone import protocol
from serving.systemone.schemas import SystemOneRequest

from .test_service import same

EXAMPLES = 5000 if os.environ.get("SOAK") == "full" else 40
bounded = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

TEXTS = [
    "What is 1 + 9900?", "yes, do it", "and for 2023?", "thanks!", "", " \n", "Shall I prove it?", "a\x00b", "\u202eabc", "?", "今天天气怎么样？",
    "1. Add a test.\n2. Fix the code.", "the second one", "You are a translator. Translate what you are sent.", "<document>x</document>",
]  # fmt: skip
texts = st.sampled_from(TEXTS) | st.text(max_size=40)
pieces = st.lists(st.tuples(st.just("text"), texts) | st.just(("image", "")), min_size=1, max_size=3)
calls = st.lists(texts, min_size=1, max_size=3)
spoken = st.lists(
    st.tuples(st.just("user"), pieces) | st.tuples(st.sampled_from(["system", "assistant"]), texts)
    | st.tuples(st.just("called"), st.tuples(texts, calls)),
    min_size=1, max_size=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def router():
    return Router(Scorer.load(ROOT / "models" / "default"), remembers=4096)


def openai(turns):
    """The turns as OpenAI's chat has them."""
    for role, said in turns:
        if role == "user":
            yield {
                "role": role,
                "content": [
                    _part(kind, text, {"type": "image_url", "image_url": {"url": "data:"}}) for kind, text in said
                ],
            }
        elif role == "called":
            text, results = said
            asked = [
                {"id": str(i), "type": "function", "function": {"name": "f", "arguments": "{}"}}
                for i in range(len(results))
            ]
            yield {"role": "assistant", "content": text or None, "tool_calls": asked}
            yield from ({"role": "tool", "tool_call_id": str(i), "content": result} for i, result in enumerate(results))
        else:
            yield {"role": role, "content": said}


def anthropic(turns):
    """The same turns as Anthropic's messages have them."""
    for role, said in turns:
        if role == "user":
            source = {"type": "base64", "media_type": "image/png", "data": "AA=="}
            yield {
                "role": role,
                "content": [_part(kind, text, {"type": "image", "source": source}) for kind, text in said],
            }
        elif role == "called":
            text, results = said
            asked = [{"type": "tool_use", "id": str(i), "name": "f", "input": {}} for i in range(len(results))]
            yield {"role": "assistant", "content": [*([_part("text", text, {})] if text else []), *asked]}
            yield {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": str(i), "content": result}
                    for i, result in enumerate(results)
                ],
            }
        else:
            yield {"role": role, "content": said or [_part("text", said, {})]}


def _part(kind, text, image):
    return {"type": "text", "text": text} if kind == "text" else image


def answered(router, raw):
    try:
        return same(router.answer(parse(PredictRequest, raw)).model_dump())
    except InvalidRequest as error:
        return {"refused": error.status, "type": error.type}


@bounded
@given(turns=spoken)
def test_a_conversation_is_answered_the_same_in_both_formats(router, turns):
    one, other = list(openai(turns)), list(anthropic(turns))
    answer = answered(router, json.dumps({"messages": one}).encode())
    assert answered(router, json.dumps({"messages": other}).encode()) == answer
    if "refused" not in answer:
        assert Prompt.from_messages(one) == Prompt.from_messages(other)
    else:  # all that is missing is a text
        assert answer == {"refused": 400, "type": "empty_prompt"}


@bounded
@given(turns=spoken, seed=st.integers(0, 2**32), model=st.sampled_from([None, "gpt-5", "claude-sonnet-4-5"]))
def test_neither_the_order_of_keys_nor_space_changes_an_answer(router, turns, seed, model):
    rng = Random(seed)

    def shuffled(value):
        if isinstance(value, dict):
            return {key: shuffled(value[key]) for key in rng.sample(list(value), len(value))}
        return [shuffled(one) for one in value] if isinstance(value, list) else value

    request = {"messages": list(openai(turns)), "model": model, "tools": [{"type": "function"}], "explain": True}
    plain = json.dumps(request, separators=(",", ":")).encode()
    spaced = json.dumps(shuffled(request), indent=rng.randint(0, 3), ensure_ascii=False).encode("utf-8", "replace")
    assert answered(router, spaced) == answered(router, plain)


odd = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, -1, 1.5, 2**70, "", "text", "user", "\ud800"]) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "role", "content", "x"]), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
KEYS = ["role", "content", "type", "text", "tool_calls", "refusal", "audio", "name", "\ud800"]


@st.composite
def nearly(draw, value):
    """A value with something in it changed for something odd, taken out, or put in."""
    value = json.loads(json.dumps(draw(value)))
    for _ in range(draw(st.integers(1, 3))):
        node = value
        while isinstance(node, dict | list) and node:
            key = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[key], dict | list) or not node[key] or draw(st.booleans()):
                how = draw(st.sampled_from(["odd", "gone", "more"]))
                if how == "gone":
                    del node[key]
                elif how == "more" and isinstance(node, dict):
                    node[draw(st.sampled_from(KEYS))] = draw(odd)
                else:
                    node[key] = draw(odd)
                break
            node = node[key]
    return value


messages = spoken.map(lambda turns: list(openai(turns))) | spoken.map(lambda turns: list(anthropic(turns)))


@bounded
@given(
    body=nearly(
        st.fixed_dictionaries({"messages": messages, "tools": st.just([{"type": "function"}]), "request_id": texts})
    )
)
def test_nearly_valid_messages_are_answered_or_refused(router, body):
    answer = answered(router, json.dumps(body).encode())
    assert answer.get("refused", 400) == 400
    json.dumps(answer, allow_nan=False)


QUESTIONS = {
    "thinking_helps": {"type": "noul"},
    "tier": {"type": "choice", "criteria": dict.fromkeys(["use", "maybe", "avoid"])},
}


@bounded
@given(
    body=nearly(
        st.fixed_dictionaries({
            "model": st.sampled_from(["", "balanced", "thinkworth/balanced/gpt-5", "x\x00"]), "questions": st.just(QUESTIONS),
            "state": texts | messages | messages.map(lambda spoken: {"messages": spoken}), "images": odd, "audio": odd,
        })
    )
)  # fmt: skip
def test_a_nearly_valid_question_of_system_one_is_answered_or_refused(router, body):
    try:
        asked = parse(SystemOneRequest, json.dumps(body).encode())
        answer = router.answer(protocol.request_of(asked, router.manifest.profiles))
        told = protocol.answer_of(asked, answer, 1).model_dump()
    except InvalidRequest as error:
        told = {**protocol.error_of(error), "status": protocol.status_of(error)}
    assert told.get("status", 422) == 422
    json.dumps(told, allow_nan=False)


@bounded
@given(
    body=nearly(
        st.fixed_dictionaries({
            "request": st.fixed_dictionaries({"json": st.fixed_dictionaries({
                "messages": messages, "model": st.sampled_from(["gpt-5", "claude-sonnet-4-5"]), "max_tokens": st.just(4096), "system": texts,
                "reasoning": odd, "thinking": odd, "extra_body": odd,
            })}),
            "provider": st.sampled_from(["openai", "anthropic", "x"]), "metadata": odd, "requestType": odd, "eventType": st.just(portkey.BEFORE),
        })
    ),
    headers=st.dictionaries(st.sampled_from([portkey.PROFILE_HEADER, portkey.PROVIDER_HEADER]), texts),
)  # fmt: skip
def test_whatever_a_webhook_brings_the_request_goes_on(router, body, headers):
    raw = json.dumps(body).encode()
    webhook = portkey.read(raw, headers)
    if webhook.request is None:
        assert webhook.why
        return
    try:
        reply = portkey.reply(webhook, router.answer(webhook.request))
    except InvalidRequest as error:
        reply = portkey.PortkeyReply(**portkey.error_of(error))
    assert reply.verdict is True
    if reply.transformedData:
        sent = read_object(raw)["request"]["json"]  # a lone surrogate is a question mark by now
        assert reply.transformedData["request"]["json"].get("messages") == sent.get("messages")
