"""Exploration: what is drawn, with which probability, and who is left out."""

from dataclasses import replace
from random import Random

import pytest

from contract.conversation import Turn
from contract.locate import ROOT
from contract.policy import Decision
from contract.prompt import Prompt
from contract.records import Arm, Verdict
from contract.scorer import Scorer
from contract.settings import Exploration
from serving.exploration import draw, left_out_because
from serving.router import Router
from serving.schemas import PredictRequest

USE = Decision(
    verdict=Verdict.USE, arm=Arm.REASONING, thinking_budget=2048, reasoning_budget=2048, effort="medium", gain=0.3, gain_band=(0.1, 0.5),
    extra_tokens=900.0, net_benefit=0.2, familiarity=1.0, reasons=("a",),
)  # fmt: skip
AVOID = replace(USE, verdict=Verdict.AVOID, arm=Arm.DIRECT, thinking_budget=0, effort="none")
ONE_TURN = Prompt.from_text("What is 1 + 1?")
LATER = Prompt((Turn("user", "What is 1 + 1?"), Turn("assistant", "2"), Turn("user", "and 2 + 2?")))


@pytest.mark.parametrize(("policy", "p"), [(USE, 0.9), (AVOID, 0.1)])
def test_the_probability_is_that_of_the_arm_before_the_draw(policy, p):
    random = Random(1).random
    drawn = [draw(policy, 0.2, None, random) for _ in range(20_000)]
    assert [one.p_reasoning for one in drawn] == pytest.approx([p] * len(drawn))
    share = sum(one.decision.arm is Arm.REASONING for one in drawn) / len(drawn)
    assert share == pytest.approx(p, abs=4 * (p * (1 - p) / len(drawn)) ** 0.5)


def test_a_drawn_arm_has_the_budget_of_that_arm_and_the_verdict_stays():
    at = iter([0.0, 0.0, 0.0, 0.9])
    thinks = draw(AVOID, 0.5, None, at.__next__).decision
    assert (thinks.verdict, thinks.arm, thinks.thinking_budget, thinks.effort) == (
        Verdict.AVOID,
        Arm.REASONING,
        2048,
        "medium",
    )
    silent = draw(USE, 0.5, None, at.__next__).decision
    assert (silent.verdict, silent.arm, silent.thinking_budget, silent.effort) == (Verdict.USE, Arm.DIRECT, 0, "none")
    assert thinks.reasons[-1].startswith("exploration: the arm is drawn at random, reasoning")


def test_nothing_is_drawn_at_no_rate_nor_for_who_is_left_out():
    def never():
        raise AssertionError("drew")

    assert draw(USE, 0.0, None, never) == (USE, 1.0, None)
    assert draw(AVOID, 0.5, "capped", never) == (AVOID, 0.0, "capped")


def test_a_model_that_cannot_do_both_is_left_out():
    assert left_out_because(USE, USE, ONE_TURN, both_arms=False, of_a_conversation=False) == "not_enforced"
    assert left_out_because(USE, USE, ONE_TURN, both_arms=True, of_a_conversation=False) is None


@pytest.mark.parametrize(
    ("prompt", "of_a_conversation", "left_out"),
    [(LATER, True, "sticky"), (LATER, False, None), (ONE_TURN, True, None), (ONE_TURN, False, None)],
)
def test_later_turns_of_a_conversation_keep_their_arm(prompt, of_a_conversation, left_out):
    assert left_out_because(USE, USE, prompt, both_arms=True, of_a_conversation=of_a_conversation) == left_out


@pytest.mark.parametrize("change", [{"reasoning_budget": 512}, {"verdict": Verdict.MAYBE}, {"arm": Arm.DIRECT}])
def test_a_request_whose_caps_change_something_is_left_out(change):
    assert left_out_because(replace(USE, **change), USE, ONE_TURN, both_arms=True, of_a_conversation=False) == "capped"


def test_no_room_for_thinking_is_a_cap():
    none = replace(USE, reasoning_budget=0)
    assert left_out_because(none, none, ONE_TURN, both_arms=True, of_a_conversation=False) == "capped"


@pytest.fixture(scope="module")
def explorer():
    return Router(
        Scorer.load(ROOT / "models" / "default"), exploration=Exploration(rate=1, maybe=0), random=Random(3).random
    )


def test_each_request_is_drawn_anew_and_capped_ones_are_not(explorer):
    question = "What is 1 + 9900?"
    answers = [explorer.decide(PredictRequest(prompt=question)) for _ in range(24)]
    assert {one.answer.arm for one in answers} == {"direct", "reasoning"}
    assert {one.answer.p_reasoning for one in answers} == {0.5}
    assert len({one.answer.decision_id for one in answers}) == 24
    profile = explorer.manifest.profiles["balanced"]
    assert all(one.answer.thinking_budget <= profile.max_thinking_tokens for one in answers)
    assert all((one.answer.thinking_budget > 0) == (one.answer.arm == "reasoning") for one in answers)
    capped = [explorer.decide(PredictRequest(prompt=question, max_thinking_tokens=64)) for _ in range(8)]
    assert {(one.answer.arm, one.answer.p_reasoning, one.not_explored) for one in capped} == {("direct", 0.0, "capped")}
    roomy = explorer.decide(PredictRequest(prompt=question, max_thinking_tokens=100_000))
    assert (roomy.not_explored, roomy.answer.p_reasoning) == (None, 0.5)


def test_a_verdict_of_rate_0_is_never_drawn(explorer):
    answers = [explorer.answer(PredictRequest(prompt="qxzv wplk jjjr 今 zzzz")) for _ in range(8)]
    assert {answer.verdict for answer in answers} == {"maybe"}
    assert {answer.p_reasoning for answer in answers} == {float(answers[0].arm == "reasoning")}


def test_a_router_that_draws_nothing_answers_as_the_policy_does():
    drawing = Router(Scorer.load(ROOT / "models" / "default"), exploration=Exploration(rate=1), random=Random(3).random)
    answers = [drawing.unexplored().answer(PredictRequest(prompt="What is 1 + 9900?")) for _ in range(8)]
    assert {(one.verdict, one.arm, one.p_reasoning) for one in answers} == {("avoid", "direct", 0.0)}
    assert drawing.answer(PredictRequest(prompt="What is 1 + 9900?")).p_reasoning == 0.5
