"""A repeated prompt is answered from memory, with what the graphs would say again; nothing of it is kept as text."""

import pickle

import pytest

from contract.locate import ROOT
from contract.prompt import Prompt
from contract.scorer import Scorer
from serving.cache import Readings, key_of
from serving.router import Router, prompt_of
from serving.schemas import PredictRequest

SUM, SECRET = "What is 1 + 9900?", "heliotrope-77-marmalade"


@pytest.fixture(scope="module")
def router():
    return Router(Scorer.load(ROOT / "models" / "default"))


@pytest.fixture
def counting(router, monkeypatch):
    """A router that remembers two prompts, and how often it called its graphs."""
    counted = Router(router.scorer, remembers=2)
    calls = []
    score = counted.scorer.score
    monkeypatch.setattr(counted.scorer, "score", lambda *given, **more: calls.append(1) or score(*given, **more))
    return counted, calls


def answered(router, **request):
    request = PredictRequest(**request)
    prompt = Prompt.from_text(request.prompt)
    reading = router.recall(prompt, request.model) or router.read(prompt, request.model)
    return router.decide_on(request, prompt, reading).answer.model_dump(exclude={"decision_id"})


def test_a_repeated_prompt_calls_no_graph_and_is_answered_alike(counting, router):
    counted, calls = counting
    first = answered(counted, prompt=SUM)
    again = answered(counted, prompt=SUM)
    assert first == again == router.answer(PredictRequest(prompt=SUM)).model_dump(exclude={"decision_id"})
    assert len(calls) == 1 + 1  # the last one is that of the router without memory, on the same scorer


def test_policy_is_not_remembered(counting):
    counted, calls = counting
    free = answered(counted, prompt=SUM, profile="quality_critical")
    capped = answered(counted, prompt=SUM, profile="latency_critical", max_thinking_tokens=0)
    assert len(calls) == 1
    assert free["profile"] != capped["profile"]
    assert capped["thinking_budget"] == 0


def test_the_prompt_asked_for_longest_ago_is_forgotten(counting):
    counted, calls = counting
    for prompt in ("a", "b", "a", "c", "a"):
        answered(counted, prompt=prompt)
    assert len(calls) == 3
    assert len(counted.readings) == 2
    answered(counted, prompt="b")
    assert len(calls) == 4


def test_none_is_remembered_where_none_is_wanted(router):
    none = Readings(0)
    none.put(b"key", Router(router.scorer).read(Prompt.from_text(SUM), None))
    assert none.get(b"key") is None


PROMPTS = [
    (Prompt.from_text(SUM), None),
    (Prompt.from_text(SUM + " "), None),
    (Prompt.from_text(SUM), "some-model"),
    (Prompt.from_text(SUM), "None"),
    (Prompt.from_text(SUM, tools=1), None),
    (Prompt.from_messages([{"role": "system", "content": SUM}]), None),
    (Prompt.from_messages([{"role": "user", "content": SUM}, {"role": "user", "content": SUM}]), None),
    (Prompt.from_messages([{"role": "user", "content": [{"type": "text", "text": SUM}, {"type": "image_url"}]}]), None),
    (Prompt.from_text("\ud800"), None),
    (Prompt.from_text("?"), None),
]


def test_what_differs_has_another_key():
    assert len({key_of(*prompt) for prompt in PROMPTS}) == len(PROMPTS)


def test_one_model_under_two_names_has_one_key():
    prompt = Prompt.from_text(SUM)
    assert key_of(prompt, "vendor/Known-7-20260101") == key_of(prompt, "known-7")


def test_nothing_of_a_text_is_kept(router):
    counted = Router(router.scorer, remembers=8)
    counted.read(Prompt.from_text(f"{SECRET} is what?"), f"model-{SECRET}")
    assert SECRET.encode() not in pickle.dumps(dict(counted.readings._known))


def test_the_ask_of_a_remembered_prompt_is_not_looked_for_again(counting, monkeypatch):
    """It takes up to seconds of a long prompt, and what is remembered is answered on the event loop."""
    counted, _ = counting
    messages = [{"role": "user", "content": [{"type": "text", "text": SUM}, {"type": "image_url"}]}]
    request = PredictRequest(messages=messages)
    reading = counted.read(prompt_of(request), None)
    first = counted.decide_on(request, prompt_of(request), reading).answer
    assert any("not read" in reason for reason in first.reasons)

    def looked_for(turns):
        raise AssertionError("the ask was looked for")

    monkeypatch.setattr("contract.prompt.wanted", looked_for)
    prompt = prompt_of(request)
    again = counted.decide_on(request, prompt, counted.recall(prompt, None)).answer
    assert again.reasons == first.reasons
