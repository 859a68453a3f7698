"""Prompts that no training saw, through the shipped bundle: what a user sees."""

from pathlib import Path

import pytest
import yaml

from contract.locate import ROOT
from contract.scorer import Scorer
from serving.router import Router
from serving.schemas import PredictRequest

CASES = yaml.safe_load(Path(__file__).with_name("acceptance.yaml").read_text(encoding="utf-8"))
FAILING = set(yaml.safe_load(Path(__file__).with_name("known_failures.yaml").read_text(encoding="utf-8")) or ())


@pytest.fixture(scope="module")
def router():
    return Router(Scorer.load(ROOT / "models" / "default"))


def cases():
    for case in CASES:
        marks = (
            [pytest.mark.xfail(reason="known failure of the shipped bundle", strict=True)]
            if case["id"] in FAILING
            else []
        )
        yield pytest.param(case, id=case["id"], marks=marks)


@pytest.mark.parametrize("case", list(cases()))
def test_verdict(router, case):
    answer = router.answer(PredictRequest(prompt=case["prompt"]))
    assert answer.verdict in case["expect"], (answer.verdict, answer.task, answer.expected)
    assert (answer.thinking_budget == 0) == (answer.verdict == "avoid")
    if case["group"] == "unfamiliar":
        assert answer.familiarity < 0.5


def test_no_case_is_in_the_taxonomy():
    taxonomy = yaml.safe_load((ROOT / "data" / "taxonomy.yaml").read_text(encoding="utf-8"))
    known = {prompt.strip().lower() for family in taxonomy["families"] for prompt in family["prompts"]}
    assert not [case["id"] for case in CASES if case["prompt"].strip().lower() in known]


def test_no_verdict_is_the_opposite(router):
    """`maybe` is an honest miss; `use` for `avoid`, or `avoid` for `use`, is a harmful one."""
    opposite = {"use": "avoid", "avoid": "use"}
    wrong = [
        case["id"]
        for case in CASES
        if len(case["expect"]) == 1
        and router.answer(PredictRequest(prompt=case["prompt"])).verdict == opposite.get(case["expect"][0])
    ]
    assert set(wrong) <= FAILING
