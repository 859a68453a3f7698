"""Decisions between the request and its answer: what is to be set, and what an attempt at a deployment really carries."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .asking import max_output_tokens
from .beside import Clash, clash_of
from .decision import Decision
from .deployments import accepted, budget_of, understands
from .refusals import Refusals
from .telling import metadata_of
from .thinking import EFFORTS_DOWN, LEAST_BUDGET, applied, arm_said, said, without

MOST = 10_000
"""Decisions that are remembered until their answers are there; of more, what came of the oldest is not told."""


@dataclass
class Pending:
    """One decision on its way.

    Attributes:
        decision: as it was answered.
        put: thinking parameters to set for it.
        callers: thinking parameters that the caller sent.
        name: model that the caller named.
        model: model that was asked about.
        override: parameters of the caller and of the deployment's config are replaced; else they stay.
        sent: those that the attempt at hand carries; None: no attempt was seen.
        ours: of them what was set for the decision.
        key: model and kind of parameters of the attempt, where it carries ours.
        clash: why the attempt carries none of ours, where that is for the caller's other parameters.
    """

    decision: Decision
    put: Mapping[str, Any]
    callers: Mapping[str, Any]
    name: str = ""
    model: str = ""
    override: bool = False
    sent: Mapping[str, Any] | None = None
    ours: Mapping[str, Any] = field(default_factory=dict)
    key: tuple[str, str] | None = None
    clash: Clash | None = None

    @property
    def obeyed(self) -> bool:
        """Whether nobody else decided: neither the caller nor the operator, in the deployment's config."""
        return self.override or not (self.callers if self.sent is None else self.sent.keys() - self.ours.keys())

    def meant(self) -> str | None:
        """Return the arm that what was sent asks for; None where it leaves it open."""
        said_so = arm_said(self.callers if self.sent is None else self.sent)
        if self.clash == "refused" and not self.sent:
            return "direct"  # what was answered holds parameters that are taken without thinking alone
        # by words that only the service knows, or by none: then that is how the model does it
        by_the_service = self.key is not None or (self.decision.params is not None and not self.put and not self.sent)
        if said_so is None and self.obeyed and self.decision.enforced and by_the_service:
            return self.decision.arm
        return said_so

    def fitted(self, attempt: Mapping[str, Any], refusals: Refusals) -> tuple[dict[str, Any] | None, bool]:
        """Return an attempt with what its deployment takes of the decision, None where it goes as it is, and whether something was left out."""
        again = bool(self.ours) and said(attempt) == self.ours  # LiteLLM tries once more with what it had from us
        base = without(attempt, self.ours) if again else dict(attempt)
        found = said(base)
        self.sent, self.ours, self.key, self.clash = found, {}, None, None
        if not self.put or (found and not self.override):
            return (base if again else None), False
        ours = self._taken(without(base, found), refusals)
        if ours is None:
            return (base if again else None), True
        self.sent = self.ours = ours
        return applied(base, found, ours), False

    def _taken(self, base: Mapping[str, Any], refusals: Refusals) -> Mapping[str, Any] | None:
        """Return what a deployment takes of what is to be set, with a budget that its cap has room for; None: nothing."""
        model, provider = str(base.get("model") or ""), base.get("custom_llm_provider")
        allowed = base.get("allowed_openai_params") or ()
        asked = {name: value for name, value in self.put.items() if name not in allowed}
        if not accepted(model, provider, asked) or not self._understood(base):
            return None
        ours = _within(self.put, model, provider, max_output_tokens(base))
        key = (model, kind_of(self.put))
        if ours is None or refusals.left_alone(key):
            return None
        self.clash = clash_of(base, ours)
        if self.clash is not None:
            return None
        self.key = key
        return ours

    def _understood(self, attempt: Mapping[str, Any]) -> bool:
        group = metadata_of(attempt).get("model_group")
        return understands(attempt, self.put, asked=self.model, elsewhere=group is not None and group != self.name)


def kind_of(put: Mapping[str, Any]) -> str:
    """Return parameters without their numbers, which vary from prompt to prompt."""
    return json.dumps(_kind(put), sort_keys=True, default=str)


def _kind(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _kind(one) for name, one in value.items()}
    return "tokens" if isinstance(value, int | float) and not isinstance(value, bool) else value


def _within(put: Mapping[str, Any], model: str, provider: str | None, cap: int | None) -> Mapping[str, Any] | None:
    """Return parameters whose budget is below a cap on all output tokens, lowered where need be; None where it cannot be."""
    if cap is None:
        return put
    thinking = put.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    if isinstance(thinking, Mapping) and isinstance(budget, int):
        if budget < cap:
            return put
        return {**put, "thinking": {**thinking, "budget_tokens": cap - 1}} if cap > LEAST_BUDGET else None
    effort = put.get("reasoning_effort")
    if not isinstance(effort, str) or _fits(model, provider, effort, cap):
        return put
    lower = EFFORTS_DOWN[EFFORTS_DOWN.index(effort) + 1 :] if effort in EFFORTS_DOWN else ()
    fitting = next((one for one in lower if _fits(model, provider, one, cap)), None)
    return None if fitting is None else {**put, "reasoning_effort": fitting}


def _fits(model: str, provider: str | None, effort: str, cap: int) -> bool:
    budget = budget_of(model, provider, effort)
    return budget is None or budget < cap


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
