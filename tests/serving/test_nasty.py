"""Much of anything, a megabyte in `make soak`: answered or refused in one shape, the same each time and in each format, and read as text alone."""

import os

import pytest

from contract.errors import InvalidRequest
from contract.locate import ROOT
from contract.prompt import Prompt
from contract.scorer import Scorer
from serving.parsing import parse
from serving.router import Router, prompt_of
from serving.schemas import PredictRequest
from serving.systemone.envelope import RECENT, SYSTEM, messages_of

from .nasty import UNITS, bodies, body, filled, largest
from .test_service import assert_refused, same

FULL = os.environ.get("SOAK") == "full"
LIMIT = 1_000_000 if FULL else 40_000
SPECIAL = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")


@pytest.fixture(scope="module")
def router():
    return Router(Scorer.load(ROOT / "models" / "default"))


def answered(router, raw):
    """What is answered, and what is refused, but for the decision's id."""
    try:
        return same(router.answer(parse(PredictRequest, raw)).model_dump())
    except InvalidRequest as error:
        return error.type


@pytest.mark.parametrize("name", UNITS)
def test_much_of_anything_has_one_answer(router, name):
    text = largest(UNITS[name], LIMIT)
    one = answered(router, body(text))
    spoken = body(None, messages=[{"content": [{"text": text, "type": "text"}], "role": "user"}])
    if FULL or text.isspace():  # else to be read as the same prompt is enough: a reading costs a quarter of a second
        assert answered(router, spoken) == one
    else:
        assert prompt_of(parse(PredictRequest, spoken)) == prompt_of(parse(PredictRequest, body(text)))
    if text.isspace():
        assert one == "empty_prompt"
    else:
        assert one["truncated"]


@pytest.mark.parametrize("name", UNITS)
def test_no_text_becomes_a_mark_of_the_encoder(router, name):
    encoder = router.scorer.encoder
    vocabulary = encoder._tokenizer.get_vocab()
    for text in (UNITS[name], filled(UNITS[name], 700), "What is 2 + 2?" + filled(UNITS[name], 90)):
        ids, _ = encoder.window(text)
        assert not {vocabulary[mark] for mark in SPECIAL} & set(ids[1:-1])


@pytest.mark.parametrize("name", UNITS)
def test_a_conversation_of_anything_keeps_its_parts(name):
    text = filled(UNITS[name], 20_000)
    turns = [("system", text), ("user", text), ("assistant", text), ("user", "yes, do it"), ("user", text[:79])]
    prompt = Prompt.from_messages([{"role": role, "content": content} for role, content in turns])
    assert prompt.ask
    assert [(turn.role, turn.text) for turn in prompt.turns] == turns
    for state in (text, SYSTEM + text, RECENT + text, SYSTEM + text + "\n" + RECENT + "[1] " + text):
        assert all(message["content"] in state for message in messages_of(state))


@pytest.mark.parametrize("name", bodies(1000))
@pytest.mark.parametrize("path", ["/predict", "/predict_batch", "/outcomes", "/v1/systemone", "/gateways/portkey"])
def test_wide_deep_and_endless_bodies_are_answered_or_refused(http, path, name):
    raw = bodies(LIMIT)[name]
    if path == "/gateways/portkey":
        raw = f'{{"request": {{"json": {raw}}}, "provider": "openai"}}'
    answer = http.post(path, content=raw)
    if path == "/gateways/portkey":
        assert answer.status_code == 200
        assert answer.json()["verdict"] is True
    elif answer.status_code == 200:
        assert "decision_id" in answer.text
    elif path == "/v1/systemone":
        assert answer.status_code == 422
        assert answer.json()["error"].keys() == {"message", "field"}
    else:
        assert_refused(answer, 400)
    assert len(answer.content) < 20_000 + 4 * len(raw) * (
        answer.status_code == 200
    )  # an error never repeats its request
