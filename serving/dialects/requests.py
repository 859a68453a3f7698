"""Dialects for a request of `/predict`: its provider, its model and its caps, under a profile."""

from dataclasses import replace

from contract.caps import Caps, cap_of
from contract.controls import Controls, expressed
from contract.policy import Decision, effort_of
from contract.profiles import Profile
from contract.records import Arm
from serving.dialects import translated
from serving.dialects.asking import Told
from serving.dialects.calls import earlier, hosted
from serving.schemas import PredictRequest


def of_request(
    request: PredictRequest, controls: Controls, profile: Profile, caps: Caps, arm: Arm, budget: int
) -> Told:
    """Return what an arm with a budget is in the parameters of a request's provider; null where it names none."""
    if request.provider is None:
        return Told(None)
    return translated(
        request.provider, request.model, controls, arm, budget, cap=cap_of(profile, caps).tokens,
        max_output_tokens=request.max_output_tokens, tools=bool(request.tools),
        hosted_tools=hosted(request.tools), **earlier(request.messages)._asdict(),
    )  # fmt: skip


def carried_out(
    request: PredictRequest, controls: Controls, profile: Profile, caps: Caps, decision: Decision
) -> tuple[Decision, bool]:
    """Return a decision as the request's model can carry it out, over its provider where it names one, and whether it can be enforced.

    The arm is direct where thinking cannot be had, and reasoning, with the least budget, where a turn that began with thinking cannot
    go on without, so that what is answered, recorded and remembered is what is done.
    """
    decision, enforced = expressed(decision, controls.of(request.model, request.provider))
    told = of_request(request, controls, profile, caps, decision.arm, decision.thinking_budget)
    if told.instead is None:
        return decision, enforced
    reasons = (*decision.reasons, *told.reasons)
    budget = told.thinking_budget
    return replace(decision, arm=told.instead, thinking_budget=budget, effort=effort_of(budget), reasons=reasons), False


def both_arms(request: PredictRequest, controls: Controls, profile: Profile, caps: Caps, budget: int) -> bool:
    """Return whether nothing is known that keeps a request's model from doing either arm, over the provider that it names."""
    accepts = controls.of(request.model, request.provider)
    if accepts is not None and accepts.thinking != "optional":
        return False
    return all(of_request(request, controls, profile, caps, arm, budget).enforced for arm in Arm)
