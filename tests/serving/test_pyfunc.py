"""The model of MLflow answers as the service does, without MLflow and for any frame class."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from contract.errors import InvalidRequest
from contract.frames import ANSWERS, BUNDLE, CONTROLS, ENCODER, FAMILIES
from contract.locate import ROOT
from contract.scorer import Scorer
from serving.pyfunc import _load_pyfunc
from serving.router import Router
from serving.schemas import PredictRequest

EASY, HARD = "What is 1 + 9900?", "Prove that there are infinitely many primes."
TURNS = [{"role": "user", "content": HARD}]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / BUNDLE).symlink_to(ROOT / "models" / "default")
    (folder / ENCODER).symlink_to(ROOT / "models" / "encoder")
    for name in (FAMILIES, CONTROLS):
        shutil.copy(ROOT / "data" / name, folder / name)
    return _load_pyfunc(str(folder))


@pytest.fixture(scope="module")
def router():
    return Router(Scorer.load(ROOT / "models" / "default"))


def test_a_frame_gets_the_services_answers(model, router):
    frame = pd.DataFrame(
        {
            "prompt": [EASY, None, HARD], "messages": [None, json.dumps(TURNS), None], "model": [None, "gpt-5", None],
            "profile": ["latency_critical", None, None], "max_thinking_tokens": [None, 500, None],
        }, index=[4, 2, 9],
    )  # fmt: skip
    told = model.predict(frame)
    assert [*told.columns] == [*ANSWERS]
    assert [*told.index] == [4, 2, 9]
    requests = [
        {"prompt": EASY, "profile": "latency_critical"}, {"messages": TURNS, "model": "gpt-5", "max_thinking_tokens": 500}, {"prompt": HARD},
    ]  # fmt: skip
    for (_, row), request in zip(told.iterrows(), requests, strict=True):
        answer = router.answer(PredictRequest(**request))
        assert (row.verdict, row.thinking_budget, row.arm, row.effort) == (
            answer.verdict, answer.thinking_budget, answer.arm, answer.effort,
        )  # fmt: skip
        assert (row.p_use, row.gain, row.net_benefit) == (
            answer.probabilities.use, answer.expected.gain, answer.expected.net_benefit,
        )  # fmt: skip
        assert row.reasons.split("\n") == answer.reasons
        assert row.revision == answer.revision
    assert told.cost_usd.notna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("frame", "type_", "field"),
    [
        ({"prompt": ["a", None]}, "prompt_or_messages", "requests.1.prompt"),
        ({"prompt": ["a"], "promt": ["b"]}, "unknown_key", "promt"),
        ({"messages": ["[1"]}, "invalid_json", "requests.0.messages"),
        ({"prompt": ["a"], "max_thinking_tokens": [1.5]}, "wrong_type", "requests.0.max_thinking_tokens"),
        ({"prompt": ["a"], "profile": ["thrifty"]}, "unknown_profile", "requests.0.profile"),
    ],
)
def test_a_row_that_cannot_be_answered_is_named(model, frame, type_, field):
    with pytest.raises(InvalidRequest) as refused:
        model.predict(pd.DataFrame(frame))
    assert (refused.value.type, refused.value.field) == (type_, field)


def test_of_no_row_there_is_no_answer(model):
    told = model.predict(pd.DataFrame({"prompt": []}))
    assert [*told.columns] == [*ANSWERS]
    assert told.empty


def test_it_imports_neither_mlflow_nor_pandas():
    code = "import sys, serving.pyfunc; print(sorted({'mlflow', 'pandas', 'bentoml', 'sklearn'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert out.stdout == "[]\n", out.stderr
