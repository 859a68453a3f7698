"""Limits of messages, characters, tools and batches: what fits passes, one more is refused with the limit."""

import pytest

from contract.errors import InvalidInput, InvalidRequest
from contract.settings import Limits, load_settings
from serving.access.sizes import refuse_large, refuse_large_batch
from serving.schemas import BatchRequest, PredictRequest

LIMITS = Limits(messages=3, characters=20, tools=2, batch=2)


def message(content="hello"):
    return {"role": "user", "content": content}


FITS = [
    PredictRequest(prompt="x" * 20),
    PredictRequest(messages=[message()] * 3, tools=[{}] * 2),
    PredictRequest(messages=[message([{"type": "text", "text": "x" * 10}, "x" * 10, {"type": "image"}])]),
    PredictRequest(messages=[{"role": "assistant", "content": None}]),
]
LARGE = [
    (PredictRequest(prompt="x" * 21), "prompt", 20),
    (PredictRequest(messages=[message("x")] * 4), "messages", 3),
    (PredictRequest(messages=[message("x" * 11)] * 2), "messages", 20),
    (PredictRequest(messages=[message([{"type": "text", "text": "x" * 11}, "x" * 10])]), "messages", 20),
    (PredictRequest(prompt="x", tools=[{}] * 3), "tools", 2),
]


@pytest.mark.parametrize("request_", FITS)
def test_what_fits_passes(request_):
    refuse_large(request_, LIMITS)


@pytest.mark.parametrize(("request_", "field", "limit"), LARGE)
def test_one_more_is_refused_with_the_limit(request_, field, limit):
    with pytest.raises(InvalidRequest) as refused:
        refuse_large(request_, LIMITS)
    assert (refused.value.type, refused.value.field, refused.value.limit) == ("too_large", field, limit)
    assert "x" * 10 not in refused.value.message


def test_a_batch_has_a_limit_of_its_own():
    refuse_large_batch(BatchRequest(requests=[PredictRequest(prompt="x" * 99)] * 2), LIMITS)
    with pytest.raises(InvalidRequest, match="requests has 3 requests; limit 2"):
        refuse_large_batch(BatchRequest(requests=[PredictRequest(prompt="x")] * 3), LIMITS)


def test_limits_are_a_table_or_json(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thinkworth.toml").write_text("[limits]\nbody_kib = 64\n")
    assert load_settings({}).limits == Limits(body_kib=64)
    assert load_settings({"THINKWORTH_LIMITS": '{"tools": 5}'}).limits == Limits(tools=5)
    for wrong, told in (("64", "limits"), ("{", "no JSON"), ('{"bodi_kib": 1}', "did you mean body_kib?")):
        with pytest.raises(InvalidInput, match=told.replace("?", r"\?")):
            load_settings({"THINKWORTH_LIMITS": wrong})
