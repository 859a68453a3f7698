import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from training.collect.libraries import litellm
from training.collect.prices import Prices
from training.collect.providers import Failed, Provider, _retry_after, final_answer, without_secrets
from training.importers.call import Usage


@pytest.mark.parametrize(
    ("text", "answer", "thought"),
    [
        ("It is 4.", "It is 4.", False), ("<think>2+2</think>\n\nIt is 4.", "It is 4.", True),
        ("<think>\n\n</think>\n\nIt is 4.", "It is 4.", False), ("2+2</think>It is 4.", "It is 4.", True),
        ("<think>2+2 is", "", True), ("<thinking>a</thinking>It<think>b</think> is 4.", "It is 4.", True), ("", "", False),
        ("half \ud800", "half ?", False),
    ],
)  # fmt: skip
def test_final_answer(text, answer, thought):
    assert final_answer(text) == (answer, thought)


def test_retry_after():
    assert _retry_after({"retry-after": "1.5"}) == 1.5
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 30 < _retry_after({"retry-after": soon}) <= 60
    assert [_retry_after({"retry-after": text}) for text in ("", "soon", "-3")] == [None, None, 0.0]
    assert _retry_after({}) is None


def test_secrets_of_the_environment_are_not_repeated(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-12345678")
    assert without_secrets("wrong key: sk-12345678!") == "wrong key: ***!"


def ask(url, *, model="m", parameters=None, timeout_s=2.0, prices=None):
    async def scenario():
        provider = Provider(
            model, base_url=url, key=None, timeout_s=timeout_s, prices=prices or Prices(model, given=None, known=False)
        )
        try:
            return await provider.ask([{"role": "user", "content": "What is 1 + 2?"}], parameters or {}, None)
        finally:
            await litellm().close_litellm_async_clients()

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("how", "reason", "again", "billed"),
    [
        ("429", "429 RateLimitError", True, False), ("500", "500 InternalServerError", True, False),
        ("400", "400 BadRequestError", False, False), ("401", "401 AuthenticationError", False, False),
        ("404", "404 NotFoundError", False, False), ("drop", "connection lost", True, True),
        ("hang half-way", "no byte in time", True, True), ("not JSON", "malformed body", True, True),
    ],
)  # fmt: skip
def test_failures_say_whether_to_ask_again_and_whether_they_may_be_billed(llm, how, reason, again, billed):
    llm.always = how
    with pytest.raises(Failed) as caught:
        ask(llm.url, timeout_s=0.5)
    failure = caught.value
    assert (failure.reason, failure.again, failure.billed) == (reason, again, billed)
    assert failure.wait_s == (1.0 if how == "429" else None)


def test_a_server_that_asks_to_be_left_alone_for_long_is_not_waited_for(llm, monkeypatch):
    monkeypatch.setattr("training.collect.providers.LONGEST_WAIT_S", 0.5)
    llm.always = "429"
    with pytest.raises(Failed, match="429 RateLimitError, to be asked again after more than") as caught:
        ask(llm.url)
    assert not caught.value.again


def test_an_address_that_nobody_listens_at(llm):
    with pytest.raises(Failed) as caught:
        ask("http://127.0.0.1:9/v1")
    assert (caught.value.reason, caught.value.again) == ("connection lost", True)


def test_a_model_that_nobody_knows_is_not_asked_again():
    with pytest.raises(Failed, match="400 BadRequestError") as caught:
        ask(None, model="nobody/knows")
    assert not caught.value.again


def test_an_arm_whose_parameter_the_provider_does_not_take_is_an_error_and_not_dropped(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with pytest.raises(Failed, match="400 UnsupportedParamsError"):
        ask(None, model="gpt-4o", parameters={"reasoning_effort": "none"})


def test_any_provider_by_its_name_with_its_own_parameters_and_prices(llm, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", llm.url)
    prices = Prices("gpt-5.1", given=None, known=True)
    reply = ask(None, model="gpt-5.1", parameters={"reasoning_effort": "medium"}, prices=prices)
    assert llm.calls[0]["body"]["reasoning_effort"] == "medium"
    assert reply.usage.output_tokens == 100
    price = litellm().model_cost["gpt-5.1"]
    expected = 16 * price["input_cost_per_token"] + 4 * price["cache_read_input_token_cost"]
    assert reply.usage.cost_usd == pytest.approx(expected + 100 * price["output_cost_per_token"])


def usage(output, thinking=None, *, total=None, prompt=20, cached=None):
    """A usage as a server sends it."""
    return lambda call: {
        "prompt_tokens": prompt, "completion_tokens": output, "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": thinking}, "prompt_tokens_details": {"cached_tokens": cached},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("visible", "hidden", "total", "billed"),
    [
        (100, 90, 120, 100), (10, 90, 120, 100), (50, 40, 110, 90), (50, 40, None, 50), (10, 90, 30, 100),
        (10, 90, None, 100), (9, None, 3029, 3009),
    ],
)  # fmt: skip
def test_hidden_tokens_are_counted_once(llm, visible, hidden, total, billed):
    llm.told = usage(visible, hidden, total=total)
    found = ask(llm.url, prices=Prices("m", given=(1, 2), known=False)).usage
    assert (found.output_tokens, found.thinking_tokens) == (billed, hidden)
    assert found.cost_usd == pytest.approx((20 + 2 * billed) / 1e6)


def test_hidden_tokens_beside_the_output_cost_what_they_cost(llm, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", llm.url)
    llm.told = usage(10, 90, total=120)
    found = ask(None, model="gpt-5.1", prices=Prices("gpt-5.1", given=None, known=True)).usage
    price = litellm().model_cost["gpt-5.1"]
    assert found.cost_usd == pytest.approx(20 * price["input_cost_per_token"] + 100 * price["output_cost_per_token"])


@pytest.mark.parametrize("nothing", [0, None])
def test_no_count_beside_an_answer_is_unknown_and_not_zero(llm, nothing):
    llm.told = usage(nothing, 0, total=nothing, prompt=nothing, cached=0)
    assert ask(llm.url, prices=Prices("m", given=(1, 2), known=False)).usage == Usage()
    llm.told = usage(nothing, 0, total=20)
    assert ask(llm.url).usage == Usage(input_tokens=20)


@pytest.mark.parametrize(("delta", "output"), [({"content": ""}, 0), ({"reasoning_content": "hm"}, None)])
def test_zero_output_is_zero_where_nothing_was_said_and_unknown_beside_thinking(llm, monkeypatch, delta, output):
    answer = llm.handler.event
    monkeypatch.setattr(
        llm.handler, "event", lambda self, given, **more: answer(self, delta if given.get("content") else given, **more)
    )
    llm.told = usage(0, total=20)
    reply = ask(llm.url)
    assert (reply.answer, reply.usage.output_tokens, reply.usage.input_tokens) == ("", output, 20)


def test_what_no_column_can_hold_is_unknown(llm):
    llm.always = "odd finish"
    llm.told = usage(10**30, 10**30, total=2 * 10**30, prompt=10**30, cached=10**30)
    reply = ask(llm.url, prices=Prices("m", given=(1, 2), known=False))
    assert (reply.answer, reply.finish_reason, reply.usage) == ("It is 3.", None, Usage())


def test_an_answer_that_is_no_text_is_a_failure(llm, monkeypatch):
    answer, number = llm.handler.event, {"role": "assistant", "content": 7}
    monkeypatch.setattr(
        llm.handler, "event", lambda self, given, **more: answer(self, number if given else given, **more)
    )
    with pytest.raises(Failed, match="error TypeError") as caught:
        ask(llm.url)
    assert caught.value.usage.output_tokens == 100


def test_an_answer_that_loops_is_an_answer(llm):
    llm.always = "loop"
    reply = ask(llm.url, timeout_s=30.0)
    assert (reply.answer, reply.finish_reason) == ("It is 3." + " and again" * 200, "length")


def test_thinking_that_is_shown_and_not_counted_stays_unknown(llm, monkeypatch):
    llm.told = lambda call: {"prompt_tokens": 20, "completion_tokens": 30, "total_tokens": 50}
    handler = llm.handler
    answer = handler.event

    def event(self, delta, **more):
        answer(self, {**delta, "reasoning_content": "hm, let me see"} if delta.get("content") else delta, **more)

    monkeypatch.setattr(handler, "event", event)
    reply = ask(llm.url)
    assert (reply.usage.output_tokens, reply.usage.thinking_tokens, reply.thought) == (30, None, True)


def test_unknown_prices_are_none_and_never_zero():
    assert Prices("nobody/knows", given=None, known=True).of(10, 10) is None
    assert Prices("gpt-5.1", given=None, known=False).of(10, 10) is None
    assert Prices("x", given=(1.0, 2.0), known=False).of(10, None) is None
    assert Prices("x", given=(1.0, 2.0), known=False).worst(1_000_000, 500_000).usd == pytest.approx(2.0)


def test_litellm_is_quiet_and_drops_nothing():
    module = litellm()
    assert (module.suppress_debug_info, module.drop_params, module.success_callback) == (True, False, [])
    assert json.dumps(module.callbacks) == "[]"


def test_warming_up_asks_nothing(llm):
    provider = Provider("m", base_url=llm.url, key=None, timeout_s=1, prices=Prices("m", given=None, known=False))
    asyncio.run(provider.warm_up())
    assert llm.calls == []
