"""Which questions are answered, and how: the label of the verdict on a ladder of how much thinking is granted."""

import pytest

from contract.errors import InvalidRequest
from serving.schemas import Answer, Expected, Probabilities
from serving.systemone.questions import THINKING_HELPS, answer_to, check
from serving.systemone.schemas import Question

TIERS = ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")
SHARES = {"use": 0.3, "maybe": 0.2, "avoid": 0.5}


def answer(verdict, net_benefit=0.0):
    return Answer(
        decision_id="d", request_id=None, verdict=verdict, thinking_budget=0, effort="none", probabilities=Probabilities(**SHARES),
        expected=Expected(gain=0.0, extra_tokens=0.0, net_benefit=net_benefit), task="t", familiarity=1.0, model_known=False, truncated=False,
        profile="balanced", reasons=[], arm="direct", p_reasoning=0.0, revision="r",
    )  # fmt: skip


def choice(*labels):
    return Question(type="choice", criteria=dict.fromkeys(labels))


DECISIONS = [("avoid", -0.1), ("maybe", -0.01), ("maybe", 0.01), ("use", 0.1)]


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        (("use", "maybe", "avoid"), ("avoid", "maybe", "maybe", "use")),
        (("avoid", "use", "maybe"), ("avoid", "maybe", "maybe", "use")),
        (("Use", "AVOID"), ("AVOID", "AVOID", "Use", "Use")),
        (("maybe", "use"), ("maybe", "maybe", "maybe", "use")),
        (("avoid", "maybe"), ("avoid", "maybe", "maybe", "maybe")),
        (("use",), ("use", "use", "use", "use")),
        (TIERS, ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")),
        ((*TIERS, "NON_REASONING"), ("NON_REASONING", "MEDIUM", "COMPLEX", "REASONING")),
        (("simple", "medium", "complex"), ("simple", "medium", "complex", "complex")),
        (("SIMPLE", "REASONING"), ("SIMPLE", "SIMPLE", "REASONING", "REASONING")),
        (("NON_REASONING", "REASONING"), ("NON_REASONING", "NON_REASONING", "REASONING", "REASONING")),
    ],
)
def test_the_choice_is_the_verdicts_label(labels, chosen):
    check("tier", choice(*labels))
    for (verdict, net_benefit), label in zip(DECISIONS, chosen, strict=True):
        told = answer_to(choice(*labels), answer(verdict, net_benefit))
        assert told.choice == label
        assert list(told.probabilities) == list(labels)
        assert sum(told.probabilities.values()) == pytest.approx(1)
        assert told.confidence == told.probabilities[label]


def test_probabilities_are_the_decisions_and_not_of_the_choice():
    told = answer_to(choice("use", "maybe", "avoid"), answer("use", 0.1))
    assert (told.choice, told.probabilities, told.confidence) == ("use", SHARES, 0.3)
    told = answer_to(choice(*TIERS), answer("maybe", 0.1))
    assert told.probabilities == {"SIMPLE": 0.5, "MEDIUM": 0.0, "COMPLEX": 0.2, "REASONING": 0.3}
    told = answer_to(choice("use", "avoid"), answer("maybe", -0.1))
    assert told.probabilities == {"use": 0.3, "avoid": pytest.approx(0.7)}


@pytest.mark.parametrize(
    ("name", "instructions"),
    [
        (THINKING_HELPS, None),
        ("q", "Does thinking help?"),
        ("q", "does reasoning help"),
        ("q", "Is thinking worth its tokens?"),
        ("q", "Will thinking pay?"),
    ],
)
def test_a_noul_about_thinking_is_p_use(name, instructions):
    question = Question(type="noul", instructions=instructions, criteria={"true": "it helps"})
    check(name, question)
    assert answer_to(question, answer("avoid")).noul == 0.3


SECRET = "heliotrope-77-marmalade"


@pytest.mark.parametrize(
    ("name", "question", "field"),
    [
        ("s", {"type": "score", "criteria": ["low", "high"]}, "questions.s.type"),
        ("b", {"type": "box", "instructions": "the mug"}, "questions.b.type"),
        ("u", {"type": SECRET}, "questions.u.type"),
        ("c", {"type": "choice", "criteria": {SECRET: None, "use": None}}, "questions.c.criteria"),
        ("c", {"type": "choice", "criteria": {"use": None, "SIMPLE": None}}, "questions.c.criteria"),
        ("c", {"type": "choice", "criteria": {"use": None, "Use": None}}, "questions.c.criteria"),
        ("c", {"type": "choice", "criteria": {}}, "questions.c.criteria"),
        ("c", {"type": "choice", "criteria": ["use", "avoid"]}, "questions.c.criteria"),
        ("c", {"type": "choice"}, "questions.c.criteria"),
        ("c", {"type": "choice", "criteria": {f"l{i}": None for i in range(256)}}, "questions.c.criteria"),
        ("n", {"type": "noul", "instructions": f"Is {SECRET} about billing?"}, "questions.n.instructions"),
        ("n", {"type": "noul", "instructions": "Is thinking a waste?"}, "questions.n.instructions"),
        ("n", {"type": "noul", "instructions": {"en": "Does thinking help?"}}, "questions.n.instructions"),
        ("n" * 99, {"type": "noul"}, f"questions.{'n' * 20}….instructions"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_can(name, question, field):
    with pytest.raises(InvalidRequest, match="thinkworth answers a choice of use, maybe, avoid") as refused:
        check(name, Question.model_validate(question))
    assert refused.value.field == field
    assert SECRET not in refused.value.message
