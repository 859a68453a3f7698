"""Which questions are answered, and how a decision answers them.

A `choice` between verdicts or between LiteLLM's tiers stands on one ladder of how much thinking it grants; the answer is the label next to
the verdict's rung, the cheaper one of two as near:

    rung            -1              0        1                 2               3
    verdicts        avoid                    maybe (both rungs)                use
    tiers           NON_REASONING   SIMPLE   MEDIUM            COMPLEX         REASONING
    a verdict       avoid                    maybe, expected   maybe, expected use
                                             net_benefit <= 0  net_benefit > 0
"""

import re
from collections.abc import Mapping

from contract.errors import InvalidRequest
from serving.schemas import Answer
from serving.systemone.schemas import MAX_LABELS, ChoiceAnswer, NoulAnswer, Question

Rungs = Mapping[str, tuple[int, ...]]

VERDICTS: Rungs = {"avoid": (-1,), "maybe": (1, 2), "use": (3,)}
TIERS: Rungs = {"NON_REASONING": (-1,), "SIMPLE": (0,), "MEDIUM": (1,), "COMPLEX": (2,), "REASONING": (3,)}

THINKING_HELPS = "thinking_helps"
"""The name of a `noul` that needs no instructions."""

_ASKS_OF_THINKING = re.compile(
    r"(does|will|would) (thinking|reasoning) (help|pay|be worth it)|is (thinking|reasoning) worth (it|its tokens)"
)
_REMEDY = (
    "thinkworth answers a choice of use, maybe, avoid, one of NON_REASONING, SIMPLE, MEDIUM, COMPLEX, REASONING, and "
    f'the noul "does thinking help?", also by the name {THINKING_HELPS}'
)


def check(name: str, question: Question) -> None:
    """Refuse a question that is not answered.

    Raises:
        InvalidRequest: a score, a box or an unknown type, foreign labels, or a noul about anything but thinking.
    """
    field = f"questions.{name if len(name) <= 60 else name[:20] + '…'}"
    if question.type == "choice":
        _offered(question, f"{field}.criteria")
    elif question.type != "noul":
        raise InvalidRequest(
            f"this type of question is not answered; {_REMEDY}", field=f"{field}.type", limit=["choice", "noul"]
        )
    elif name != THINKING_HELPS and not _ASKS_OF_THINKING.fullmatch(_plain(question.instructions)):
        raise InvalidRequest(f"a noul about anything else is not answered; {_REMEDY}", field=f"{field}.instructions")


def answer_to(question: Question, answer: Answer) -> ChoiceAnswer | NoulAnswer:
    """Return the answer to a question that `check` let pass.

    Its probabilities are those of the decision, P(label) of a single outcome: each verdict's goes to the label that the verdict would be answered
    with, so that they add up to 1; `confidence` is the choice's. `noul` is P(use).
    """
    shares = {name: min(max(value, 0.0), 1.0) for name, value in answer.probabilities.model_dump().items()}
    if question.type == "noul":
        return NoulAnswer(noul=shares["use"])
    offered = _offered(question, None)
    probabilities = dict.fromkeys(offered, 0.0)
    for verdict, share in shares.items():
        label = _nearest(offered, _rung(verdict, answer.expected.net_benefit))
        probabilities[label] = min(probabilities[label] + share, 1.0)
    choice = _nearest(offered, _rung(answer.verdict, answer.expected.net_benefit))
    return ChoiceAnswer(choice=choice, probabilities=probabilities, confidence=probabilities[choice])


def _offered(question: Question, field: str | None) -> Rungs:
    """Return the rungs of the labels of a choice, spelt as they were sent; upper and lower case are one."""
    labels = question.criteria if isinstance(question.criteria, dict) else {}
    if not 1 <= len(labels) <= MAX_LABELS:
        raise InvalidRequest(
            f"a choice has 1 to {MAX_LABELS} labels, the keys of its criteria; {_REMEDY}", field=field, limit=MAX_LABELS
        )
    for ladder in (VERDICTS, TIERS):
        known = {name.casefold(): rungs for name, rungs in ladder.items()}
        folded = [label.strip().casefold() for label in labels]
        if all(label in known for label in folded) and len(set(folded)) == len(folded):
            return dict(zip(labels, map(known.__getitem__, folded), strict=True))
    raise InvalidRequest(f"these labels are not answered; {_REMEDY}", field=field, limit=[*VERDICTS, *TIERS])


def _rung(verdict: str, net_benefit: float) -> int:
    rungs = VERDICTS[verdict]
    return rungs[-1] if net_benefit > 0 else rungs[0]


def _nearest(offered: Rungs, rung: int) -> str:
    return min(offered, key=lambda label: (min(abs(one - rung) for one in offered[label]), offered[label]))


def _plain(instructions: object) -> str:
    words = re.findall(r"\w+", instructions.casefold()) if isinstance(instructions, str) else []
    return " ".join(words)
