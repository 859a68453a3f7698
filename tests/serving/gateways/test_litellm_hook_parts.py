"""Parts of the hook, each alone: what is asked, which model is meant, the breaker, posts, settings, the thread beside the proxy's."""

import asyncio
import json
import re
import sys
import threading
from collections import Counter
from dataclasses import fields
from types import SimpleNamespace

import pytest

from contract.prompt import Prompt
from serving.dialects.calls import earlier
from serving.gateways.litellm_hook import Away, Declined, HookSettings, ThinkworthHook
from serving.gateways.litellm_hook.aside import Aside
from serving.gateways.litellm_hook.asking import request_of
from serving.gateways.litellm_hook.breaker import Breaker
from serving.gateways.litellm_hook.decision import decision_of
from serving.gateways.litellm_hook.deployments import Deployments
from serving.gateways.litellm_hook.outbox import Outbox
from serving.gateways.litellm_hook.settings import settings_of
from serving.gateways.litellm_hook.thinking import parameters_of
from serving.schemas import PredictRequest

from .test_litellm_hook import ANSWER, PAGE, Clock, Predictor, chat, pytestmark  # noqa: F401 - the marks are for this file too


def test_what_is_asked():
    settings = settings_of({"profile": "balanced"})
    message = {
        "role": "user",
        "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:..."}}],
        "name": "x",
    }
    data = chat(
        messages=[message], tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}], max_tokens=900, max_completion_tokens=700,
        litellm_session_id="s-1", metadata={"session_id": "s-2", "cached_tokens": 64}, temperature=1,
    )  # fmt: skip
    body = request_of(data, model="openai/x", settings=settings)
    assert body == {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url"}]}], "model": "openai/x",
        "provider": "litellm", "profile": "balanced", "tools": [{"type": "function"}], "max_output_tokens": 700, "conversation_id": "s-1",
        "cached_tokens": 64, "request_id": "call-1",
    }  # fmt: skip
    PredictRequest.model_validate(body)


def test_the_conversation_of_a_header():
    settings = settings_of({"conversation_header": "X-Thread"})
    data = chat(litellm_session_id="s-1", proxy_server_request={"headers": {"x-thread": "t-1"}})
    assert request_of(data, model="m", settings=settings)["conversation_id"] == "t-1"
    assert "conversation_id" not in request_of(chat(litellm_session_id="s-1"), model="m", settings=settings)


@pytest.mark.parametrize(
    ("most", "kept"),
    [(100, ["system", "a" * 30, "b" * 30, "c" * 30]), (65, ["b" * 30, "c" * 30]), (30, ["c" * 30]), (29, None)],
)
def test_of_a_long_conversation_the_oldest_turns_are_left_out(most, kept):
    turns = [("system", "system"), ("user", "a" * 30), ("assistant", "b" * 30), ("user", "c" * 30)]
    data = chat(messages=[{"role": role, "content": text} for role, text in turns])
    body = request_of(data, model="m", settings=settings_of({"max_characters": most}))
    assert (body and [message["content"] for message in body["messages"]]) == kept


THOUGHT = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    "thinking_blocks": [{"type": "thinking", "thinking": "secret", "signature": "s"}],
    "reasoning_content": "secret",
}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "17"}


def test_that_a_turn_was_thought_is_told_and_not_what():
    parts = [
        {"type": "thinking", "thinking": "secret"},
        {"type": "reasoning", "text": "secret"},
        {"type": "text", "text": "so"},
    ]
    messages = [{"role": "user", "content": "q"}, THOUGHT, RESULT, {"role": "assistant", "content": parts}]
    body = request_of(chat(messages=messages), model="m", settings=settings_of({}))
    told = body["messages"]
    assert (told[1]["thinking_blocks"], told[1]["reasoning_content"]) == ([{"type": "thinking"}], True)
    assert told[3]["content"] == [{"type": "thinking"}, {"type": "reasoning"}, {"type": "text", "text": "so"}]
    assert "secret" not in json.dumps(body)
    assert earlier(told) == earlier(messages)
    whole, slim = Prompt.from_messages(messages), Prompt.from_messages(PredictRequest.model_validate(body).messages)
    assert (whole.digest, whole.ask) == (slim.digest, slim.ask)


@pytest.mark.parametrize("most", [100_000, 40, 10])
def test_a_turn_that_is_cut_keeps_that_it_began_with_thinking(most):
    call = {key: value for key, value in THOUGHT.items() if key in ("role", "content", "tool_calls")}
    long = RESULT | {"content": "1" * 9}
    loop = [{"role": "user", "content": "q" * 30}, THOUGHT, *[long, call] * 3, long]
    for messages in (loop, [*loop[:1], call, *loop[2:]]):
        body = request_of(chat(messages=messages), model="m", settings=settings_of({"max_characters": most}))
        told = PredictRequest.model_validate(body).messages
        assert (earlier(told).mid_thought, earlier(told).prefilled) == (messages is loop, False)
        assert ("last_call" in earlier(told).unthought) == (messages is not loop)
        assert Prompt.from_messages(told).turns[-1].text == "1" * 9


@pytest.fixture
def router(monkeypatch):
    """A real router of LiteLLM's where the proxy keeps its own."""
    from litellm import Router

    def deployment(name, model, **info):
        return {"model_name": name, "litellm_params": {"model": model, "api_key": "none"}, "model_info": info}

    router = Router(
        [
            deployment("one", "openai/gpt-5"), deployment("two", "openai/gpt-5"), deployment("two", "azure/gpt-5"), deployment("mixed", "openai/gpt-5"),
            deployment("mixed", "openai/gpt-4o"), deployment("named", "azure/my-own-name", base_model="azure/gpt-5"), deployment("openai/*", "openai/*"),
        ]
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "litellm.proxy.proxy_server", SimpleNamespace(llm_router=router))
    return router


def test_the_model_behind_a_name(router):
    deployments = Deployments({"mine": "qwen3-8b"})
    names = ("mine", "one", "two", "mixed", "named", "openai/gpt-5.1", "nobody")
    assert [deployments.model_of(name) for name in names] == [
        "qwen3-8b", "openai/gpt-5", "azure/gpt-5", "mixed", "azure/gpt-5", "openai/gpt-5.1", "nobody",
    ]  # fmt: skip


def test_a_changed_model_list_is_seen(router):
    from litellm import Deployment

    clock = Clock()
    deployments = Deployments({}, clock)
    assert deployments.model_of("later") == "later"
    router.add_deployment(Deployment(model_name="later", litellm_params={"model": "openai/gpt-5", "api_key": "none"}))
    assert deployments.model_of("later") == "later"
    clock.now = 60.0
    assert deployments.model_of("later") == "openai/gpt-5"


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try():
    clock = Clock()
    breaker = Breaker(failures=2, cooldown_s=10, clock=clock)
    assert [breaker.failed(), breaker.succeeded(), breaker.failed(), breaker.open] == [False, False, False, False]
    assert (breaker.failed(), breaker.allows()) == (True, False)
    assert breaker.failed() is False  # began before it opened: the cooldown is not lengthened
    clock.now = 10.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    assert (breaker.failed(), breaker.allows()) == (False, False)
    clock.now = 20.0
    assert breaker.allows()
    breaker.undecided()
    assert breaker.allows()
    assert (breaker.succeeded(), breaker.allows(), breaker.allows()) == (True, True, True)


@pytest.mark.parametrize(("asked", "until"), [(None, 10), (3.0, 10), (30.0, 30), (1e9, 60)])
def test_a_server_may_ask_for_a_longer_pause_but_not_for_ever(asked, until):
    clock = Clock()
    breaker = Breaker(failures=1, cooldown_s=10, clock=clock)
    breaker.failed(asked)
    clock.now = until - 0.1
    assert not breaker.allows()
    clock.now = until
    assert breaker.allows()


class Post:
    """Takes posts of outcomes, or fails as the script says."""

    def __init__(self, *script):
        self.script, self.posts = list(script), []

    async def __call__(self, outcomes):
        self.posts.append([one["n"] for one in outcomes])
        if self.script and (error := self.script.pop(0)):
            raise error


def posted(post, numbers, **settings):
    counts = Counter()

    async def main():
        outbox = Outbox(
            post, counts=counts, aside=aside, **{"limit": 10, "linger_s": 0, "pause_s": 0, "timeout_s": 20, **settings}
        )
        for n in numbers:
            outbox.put({"n": n})
        assert await outbox.drained(20)

    aside = Aside()
    asyncio.run(main())
    aside.close()
    return counts


def test_outcomes_go_together_and_what_finds_no_room_is_counted():
    post = Post()
    assert posted(post, range(12)) == {"outcomes_told": 10, "outcomes_dropped": 2}
    assert post.posts == [list(range(10))]


def test_outcomes_wait_while_the_service_is_away():
    post = Post(Away("status 503"), OSError())
    assert posted(post, range(3)) == {"outcomes_told": 3, "posts_failed": 2}
    assert post.posts == [[0, 1, 2]] * 3


def test_one_bad_outcome_does_not_hold_up_the_others():
    post = Post(Declined(""), None, Declined(""), Away(""))
    assert posted(post, range(4)) == {"outcomes_told": 3, "outcomes_declined": 1, "posts_failed": 1}
    assert post.posts == [[0, 1, 2, 3], [0], [1], [2], [2, 3]]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"time_out_s": 1}, "time_out_s is no setting of the hook; there are url"),
        ({"url": "localhost:3000"}, "url is 'localhost:3000'"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"timeout_s": True}, "timeout_s is True"),
        ({"breaker_failures": "5"}, "breaker_failures is '5'"),
        ({"say": "tokens"}, "say is 'tokens'"),
        ({"only": "gpt"}, "only is the text 'gpt'"),
        ({"models": ["a"]}, "models is no mapping"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(given, why):
    with pytest.raises(ValueError, match=why):
        ThinkworthHook(**given)


def test_a_key_is_sent_and_never_shown():
    hook = ThinkworthHook(api_key="secret-key")
    assert "secret-key" not in repr(hook.settings)


def test_a_program_needs_no_server():
    program = re.findall(r"```python\n(.*?)```", PAGE.split("## Without a server")[1], re.DOTALL)[0]
    assert "timeout_s=0.05" in program
    names = {}
    exec(program.replace("timeout_s=0.05", "timeout_s=60"), names)
    hook = names["hook"]

    async def main(**parameters):
        return await hook.async_pre_call_hook(None, None, chat(**parameters), "acompletion")

    sent = asyncio.run(main())
    assert sent["metadata"]["thinkworth"]["verdict"] == "avoid"
    bad = asyncio.run(main(messages=[{"role": "nobody", "content": "hi"}]))
    assert ("thinkworth" in bad["metadata"], hook.counts["declined"], hook.counts["away"]) == (False, 1, 0)
    asyncio.run(hook.close())


def test_the_page_has_every_setting():
    table = PAGE.split("## Settings")[1].split("\n## ")[0]
    named = {name for row in re.findall(r"^\| ([a-z_, ]+) \|", table, re.MULTILINE) for name in row.split(", ")}
    assert named == {"setting", *(field.name for field in fields(HookSettings))}


def test_a_thread_that_blocks_is_not_waited_for(monkeypatch):
    class Blocking(Predictor):
        async def predict(self, request):
            over.wait(60)  # no await: the hook's thread stands still
            return ANSWER

    over = threading.Event()
    monkeypatch.setattr("serving.gateways.litellm_hook.aside.GRACE_S", 0.05)
    hook = ThinkworthHook(predictor=Blocking(), timeout_s=0.01)
    assert asyncio.run(hook.async_pre_call_hook(None, None, chat(metadata={}), "acompletion")) == chat(metadata={})
    assert hook.counts["away"] == 1
    over.set()
    asyncio.run(hook.close())


def test_a_decision_is_read_from_an_answer_of_the_service():
    decision = decision_of({**ANSWER, "expected": {}, "new": 1})
    assert parameters_of(decision, say="effort", max_output_tokens=None) == {"reasoning_effort": "medium"}
    assert decision.marks()["decision_id"] == "d1"
