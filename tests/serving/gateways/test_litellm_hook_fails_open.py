"""Whatever a service does, the request goes on as it came: a real server that misbehaves, and the hook in front of it."""

import asyncio
import copy
import json
import logging

import pytest

from serving.gateways.litellm_hook import Away, Declined, ThinkworthHook

SECRET = "my prompt is nobody's business"
ANSWER = {
    "decision_id": "01a22791-2ea5-7110-956c-e6865d142c00", "verdict": "avoid", "arm": "direct", "effort": "none", "thinking_budget": 0,
    "p_reasoning": 0.0, "params": None, "enforced": True, "revision": "thinkworth/1", "reasons": [],
}  # fmt: skip


def reply(body, status="200 OK", headers=""):
    text = body if isinstance(body, str) else json.dumps(body)
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(text.encode())}\r\n\r\n{text}".encode()


async def hang(_):
    await asyncio.sleep(60)


async def drip(writer):
    """Head and body a byte a moment: each step is quick, and it never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.002)


AWAY = {
    "408": reply({"error": {}}, "408 Request Timeout"),
    "500": reply({"error": {}}, "500 Internal Server Error"),
    "401": reply({"error": {}}, "401 Unauthorized"),
    "404": reply({"error": {}}, "404 Not Found"),
    "429": reply({"error": {}}, "429 Too Many Requests", "Retry-After: 7\r\n"),
    "429, a date": reply({"error": {}}, "429 Too Many Requests", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"),
    "elsewhere": reply("", "302 Found", "Location: /\r\n"),
    "no JSON": reply("<html>welcome</html>"),
    "half of it": reply(json.dumps(ANSWER)[:40]),
    "deep": reply("[" * 100_000),
    "no object": reply([ANSWER]),
    "null": reply("null"),
    "empty": reply({}),
    "an unknown verdict": reply({**ANSWER, "verdict": "perhaps"}),
    "an unknown arm": reply({**ANSWER, "arm": ["direct"]}),
    "no effort": reply({**ANSWER, "effort": {}}),
    "a budget in words": reply({**ANSWER, "thinking_budget": "many"}),
    "a budget below zero": reply({**ANSWER, "thinking_budget": -1}),
    "p out of range": reply({**ANSWER, "p_reasoning": 2}),
    "p is NaN": reply({**ANSWER, "p_reasoning": float("nan")}),
    "params is a list": reply({**ANSWER, "params": ["reasoning_effort"]}),
    "an id too long": reply({**ANSWER, "decision_id": "x" * 37}),
    "another protocol": b"220 mail.example.org ESMTP\r\n",
    "closes": b"",
    "breaks off": reply(ANSWER)[:-20],
    "hangs": hang,
    "drips": drip,
}


class Misbehaving:
    """A server that answers each request by `behaviour`: bytes, then it closes, or a coroutine. Keeps the requests it read."""

    def __init__(self, behaviour):
        self.behaviour, self.requests, self.tasks = behaviour, [], set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")
            )
            self.requests.append((head, json.loads(await reader.readexactly(length))))
            if callable(self.behaviour):
                await self.behaviour(writer)
            else:
                writer.write(self.behaviour)
                await writer.drain()
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def data(**parameters):
    return {
        "model": "m",
        "messages": [{"role": "user", "content": SECRET}],
        "metadata": {"team": "a"},
        "litellm_call_id": "call-1",
        **parameters,
    }


async def before(hook, sent):
    return await asyncio.wait_for(hook.async_pre_call_hook(None, None, sent, "acompletion"), 60)


def decided(sent):
    return "thinkworth" in sent["metadata"]


def run(behaviour, *asked, **settings):
    """Send requests through a hook in front of a server; gives what they became, the hook and the requests that arrived."""

    async def main():
        async with Misbehaving(behaviour) as server:
            hook = ThinkworthHook(url=server.url, **{"timeout_s": 5.0, **settings})
            try:
                return [await before(hook, sent) for sent in asked], hook, server.requests
            finally:
                await hook.close()

    return asyncio.run(main())


@pytest.mark.parametrize("behaviour", AWAY)
def test_the_request_goes_on_as_it_came(behaviour, caplog):
    came = data(temperature=0)
    slow = callable(AWAY[behaviour])
    with caplog.at_level(logging.DEBUG, logger="thinkworth.litellm"):
        went, hook, requests = run(
            AWAY[behaviour],
            *(copy.deepcopy(came) for _ in range(4)),
            breaker_failures=3,
            timeout_s=0.05 if slow else 20.0,
        )
    assert went == [came] * 4
    assert (hook.counts["away"], hook.counts["skipped"], hook.counts["errors"]) == (3, 1, 0)
    assert slow or len(requests) == 3  # within so short a time one may not even be read
    (line,) = [record.getMessage() for record in caplog.records]  # one, as the breaker opens
    assert "Requests go on without it" in line
    assert SECRET not in line


def test_nobody_listens():
    async def main():
        async with Misbehaving(b"") as server:
            pass
        hook = ThinkworthHook(url=server.url, timeout_s=20)
        went = await before(hook, data())
        await hook.close()
        return went, hook

    went, hook = asyncio.run(main())
    assert (went, hook.counts["away"]) == (data(), 1)


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Content Too Large", "422 Unprocessable Content"])
def test_what_the_service_declines_is_no_failure_of_it(status):
    went, hook, _ = run(reply({"error": {}}, status), *(data() for _ in range(4)), breaker_failures=2)
    assert went == [data()] * 4
    assert (hook.counts["declined"], hook.counts["skipped"], hook.breaker.open) == (4, 0, False)


def test_the_service_is_told_the_deadline_and_shown_the_key():
    _, _, [(head, body)] = run(reply(ANSWER), data(), timeout_s=7.5, api_key="a-key")
    assert "x-request-timeout-ms: 7500" in head.lower()
    assert "authorization: bearer a-key" in head.lower()
    assert body["request_id"] == "call-1"


def test_retry_after_is_kept():
    _, hook, _ = run(AWAY["429"], data(), breaker_failures=1, breaker_cooldown_s=0)
    assert hook.breaker.open
    assert not hook.breaker.allows()  # 7 seconds; without them the cooldown of 0 would be over


def test_the_breaker_closes_when_the_service_is_back(caplog):
    async def main():
        async with Misbehaving(AWAY["500"]) as server:
            hook = ThinkworthHook(url=server.url, timeout_s=20, breaker_failures=1, breaker_cooldown_s=0)
            for _ in range(3):
                assert not decided(await before(hook, data()))
            server.behaviour = reply(ANSWER)
            went = [await before(hook, data()) for _ in range(2)]
            await hook.close()
            return went, hook

    with caplog.at_level(logging.DEBUG, logger="thinkworth.litellm"):
        went, hook = asyncio.run(main())
    assert [decided(sent) for sent in went] == [True, True]
    assert not hook.breaker.open
    opened, closed = [record.getMessage() for record in caplog.records]  # not one for each try between
    assert ("go on without it" in opened, "answers again" in closed) == (True, True)


def test_a_caller_that_goes_away_does_not_keep_the_breaker_open():
    async def main():
        async with Misbehaving(AWAY["500"]) as server:
            hook = ThinkworthHook(url=server.url, timeout_s=20, breaker_failures=1, breaker_cooldown_s=0)
            await before(hook, data())
            server.behaviour = hang
            gone = asyncio.create_task(before(hook, data()))  # the one that tries
            while len(server.requests) < 2:
                await asyncio.sleep(0.001)
            skipped = await before(hook, data())
            gone.cancel()
            with pytest.raises(asyncio.CancelledError):
                await gone
            server.behaviour = reply(ANSWER)
            went = await before(hook, data())
            await hook.close()
            return skipped, went

    skipped, went = asyncio.run(main())
    assert (decided(skipped), decided(went)) == (False, True)


class Broken:
    """A predictor in the same process, with any exception in it."""

    def __init__(self, error):
        self.error = error

    async def predict(self, request):
        raise self.error

    async def outcomes(self, outcomes):
        raise self.error


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), KeyError(SECRET), MemoryError(), Declined(SECRET), RecursionError()]
)
def test_a_predictor_of_the_program_may_break_too(error, caplog):
    hook = ThinkworthHook(predictor=Broken(error), breaker_failures=1)
    assert asyncio.run(before(hook, data())) == data()
    assert SECRET not in caplog.text


def test_a_predictor_of_the_program_has_the_same_deadline():
    class Slow(Broken):
        async def predict(self, request):
            await asyncio.sleep(60)

    hook = ThinkworthHook(predictor=Slow(None), timeout_s=0.01)
    assert asyncio.run(before(hook, data())) == data()
    assert hook.counts["away"] == 1


SHORT, LONG = "a" * 10, "a" * 5000


class Late(Broken):
    """Is late for what `late` names: raises that, or gives no answer; notes the characters that it was asked about."""

    def __init__(self, late, error=None):
        self.late, self.error, self.asked = late, error, []

    async def predict(self, request):
        text = request["messages"][-1]["content"]
        self.asked.append(len(text))
        if text not in self.late:
            return ANSWER
        if self.error:
            raise self.error
        await asyncio.sleep(60)
        return None


def asked_for(predictor, *texts, **settings):
    async def main():
        hook = ThinkworthHook(predictor=predictor, **{"timeout_s": 20, "breaker_failures": 2, **settings})
        for text in texts:
            await before(hook, data(messages=[{"role": "user", "content": text}]))
        await hook.close()
        return hook

    return asyncio.run(main())


@pytest.mark.parametrize("error", [TimeoutError(), Away("status 408", late=True)])
def test_long_prompts_that_are_late_leave_short_ones_asked_about(error, caplog):
    predictor = Late([LONG], error)
    hook = asked_for(predictor, LONG, LONG, LONG, SHORT, SHORT, LONG)
    assert predictor.asked == [5000, 5000, 10, 10]
    assert (hook.counts["away"], hook.counts["skipped"], hook.counts["answered"]) == (2, 2, 2)
    (line,) = [record.getMessage() for record in caplog.records]
    assert "Prompts of more than 1600 characters go on without it" in line


def test_short_prompts_that_are_late_speak_of_long_ones_too():
    predictor = Late([SHORT, LONG], TimeoutError())
    assert asked_for(predictor, SHORT, SHORT, LONG, SHORT).counts["skipped"] == 2
    assert len(predictor.asked) == 2


def test_what_hangs_costs_so_many_deadlines_a_length():
    predictor = Late(["a" * n for n in (10, 1000, 5000)])
    asked_for(predictor, *["a" * 5000] * 5, *["a" * 1000] * 5, *["a" * 10] * 5, timeout_s=0.02)
    assert predictor.asked == [5000] * 2 + [1000] * 2 + [10] * 2


def test_a_long_prompt_that_is_answered_speaks_of_short_ones_too():
    predictor = Late([SHORT], TimeoutError())
    # the second short one would otherwise be the second in a row
    hook = asked_for(predictor, SHORT, LONG, SHORT, LONG, SHORT)
    assert (hook.counts["away"], hook.counts["answered"], hook.counts["skipped"]) == (3, 2, 0)


@pytest.mark.parametrize(
    "odd",
    [
        {}, {"messages": None}, {"messages": "text"}, {"messages": [None]}, {"messages": []}, {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": [None, {"type": "image_url"}]}], "metadata": None}, {"messages": [{}], "tools": "all"},
        {"messages": [{"role": "user", "content": "\ud800"}]}, {"messages": [{"role": "user", "content": "hi"}], "metadata": []},
        {"messages": [{"role": "user", "content": "hi"}], "metadata": {"spend_logs_metadata": "text"}},
        {"messages": [{"role": "user", "content": "hi", "tool_calls": [object()]}], "model": None},
    ],
)  # fmt: skip
def test_odd_requests_are_the_proxys_to_refuse(odd):
    (went,), _, _ = run(reply(ANSWER), copy.copy(odd))
    assert {name: went[name] for name in odd if name != "metadata"} == {
        name: odd[name] for name in odd if name != "metadata"
    }


def test_events_without_a_decision_are_passed_over():
    async def main():
        hook = ThinkworthHook(predictor=Broken(ValueError()))
        for kwargs in (
            {},
            {"litellm_params": None},
            {"litellm_params": {"metadata": {"thinkworth": "?"}}},
            {"metadata": {"thinkworth": {}}},
            None,
        ):
            await hook.async_log_success_event(kwargs, None, None, None)
            await hook.async_log_failure_event(kwargs, None, None, None)
            await hook.async_pre_call_deployment_hook(kwargs, None)
            await hook.async_post_call_response_headers_hook(kwargs, None, None)
        return hook

    hook = asyncio.run(main())
    assert hook.counts["errors"] == 4  # all of None, and nothing of them reached the caller
