"""The service's answer, as far as the hook needs it, checked: it came over a wire."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ARMS = ("direct", "reasoning")
VERDICTS = ("use", "maybe", "avoid")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class Unusable(Exception):
    """An answer that is none: the text names the field and nothing of its value."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do with one request: fields of the answer to `POST /predict`, of the same names."""

    decision_id: str
    verdict: str
    arm: str
    effort: str
    thinking_budget: int
    p_reasoning: float
    params: Mapping[str, Any] | None
    revision: str | None
    enforced: bool = True

    def marks(self) -> dict[str, Any]:
        """Return what is written into the metadata of a call."""
        return {
            "decision_id": self.decision_id, "verdict": self.verdict, "arm": self.arm, "p_reasoning": self.p_reasoning,
            "thinking_budget": self.thinking_budget, "revision": self.revision,
        }  # fmt: skip


def decision_of(answer: Any) -> Decision:
    """Return the decision of an answer; what else is in it is left aside.

    Raises:
        Unusable: it is no object, or a field is missing, of a wrong type, or none of its words.
    """
    if not isinstance(answer, Mapping):
        raise Unusable("the answer is no object")
    budget, p_reasoning, params = answer.get("thinking_budget"), answer.get("p_reasoning"), answer.get("params")
    for name, words in (("verdict", VERDICTS), ("arm", ARMS), ("effort", EFFORTS)):
        if answer.get(name) not in words:
            raise Unusable(f"{name} is none of {', '.join(words)}")
    checks = {
        "decision_id": isinstance(answer.get("decision_id"), str) and 0 < len(answer["decision_id"]) <= 36,
        "thinking_budget": isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0,
        "p_reasoning": _is_number(p_reasoning) and 0 <= float(p_reasoning or 0) <= 1,
        "params": params is None or (isinstance(params, Mapping) and all(isinstance(name, str) for name in params)),
    }
    for name, right in checks.items():
        if not right:
            raise Unusable(f"{name} is missing or of a wrong type")
    revision = answer.get("revision")
    return Decision(
        decision_id=answer["decision_id"], verdict=answer["verdict"], arm=answer["arm"], effort=answer["effort"],
        thinking_budget=int(budget or 0), p_reasoning=float(p_reasoning or 0),
        params=params, revision=revision if isinstance(revision, str) else None, enforced=answer.get("enforced") is not False,
    )  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
