"""Decisions between the request and its answer: what was set, and what an attempt at a deployment really carries."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .beside import Clash, clash_of
from .decision import Decision
from .deployments import accepted
from .refusals import Refusals
from .telling import metadata_of
from .thinking import applied, arm_said, said

MOST = 10_000
"""Decisions that are remembered until their answers are there; of more, what came of the oldest is not told."""


@dataclass
class Pending:
    """One decision on its way.

    Attributes:
        decision: as it was answered.
        obeyed: it was set; False: the caller's parameters stayed.
        put: thinking parameters that were set for it.
        callers: thinking parameters that the caller sent.
        sent: those that the attempt at hand carries; None: no attempt was seen.
        key: model and parameters of the attempt, where it carries ours.
        clash: why the attempt carries none of ours, where that is for the caller's other parameters.
    """

    decision: Decision
    obeyed: bool
    put: Mapping[str, Any]
    callers: Mapping[str, Any]
    sent: Mapping[str, Any] | None = None
    key: tuple[str, str] | None = None
    clash: Clash | None = None

    def meant(self) -> str | None:
        """Return the arm that what was sent asks for; None where it leaves it open."""
        said_so = arm_said(self.sent if self.sent is not None else self.put or self.callers)
        if self.clash == "refused" and not self.sent:
            return "direct"  # what was answered holds parameters that are taken without thinking alone
        if said_so is None and self.obeyed and (self.key is not None or (not self.put and not self.sent)):
            return (
                self.decision.arm
            )  # by words that only the service knows, or by none: then that is how the model does it
        return said_so

    def fitted(self, attempt: Mapping[str, Any], refusals: Refusals) -> dict[str, Any] | None:
        """Note what an attempt carries; return it without what its deployment would refuse, None where it may go as it is."""
        self.sent, self.key, self.clash = said(attempt), None, None
        ours = {name: self.sent.get(name) for name in self.put}
        if not self.put or ours != self.put:
            return None  # nothing of ours is there, or something on the way to the deployment had its own way
        model, allowed = str(attempt.get("model") or ""), attempt.get("allowed_openai_params") or ()
        asked = {name: value for name, value in self.put.items() if name not in allowed}
        key = (model, json.dumps(self.put, sort_keys=True, default=str))
        if not refusals.left_alone(key) and accepted(model, attempt.get("custom_llm_provider"), asked):
            self.clash = clash_of(attempt, self.put)
            if self.clash is None:
                self.key = key
                return None
        self.sent = self.callers
        return applied(attempt, self.put, self.callers)


class Pendings:
    """Decisions on their way, by id: bounded, the oldest forgotten first."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Pending] = OrderedDict()

    def add(self, pending: Pending) -> None:
        """Remember a decision."""
        self._by_id[pending.decision.decision_id] = pending
        while len(self._by_id) > MOST:
            self._by_id.popitem(last=False)

    def of(self, call: Mapping[str, Any], *, last: bool = False) -> Pending | None:
        """Return the decision on a call, by its metadata; None where it had none, or it is forgotten. `last` forgets it."""
        marks = metadata_of(call).get("thinkworth")
        name = str(marks.get("decision_id")) if isinstance(marks, Mapping) else ""
        return self._by_id.pop(name, None) if last else self._by_id.get(name)
