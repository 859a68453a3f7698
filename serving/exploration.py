"""Draws the arm of a share of requests at random, so that what thinking is worth can be estimated without bias.

At rate e the arm is drawn, one half each; P(arm = reasoning | request) = (1 - e) [the policy's arm is reasoning] + e / 2, and is recorded with
every decision. The arm reasoning has the same budget drawn as decided: two budgets would be two treatments.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from contract.policy import Decision, effort_of
from contract.prompt import Prompt
from contract.records import Arm

LeftOut = Literal["not_enforced", "sticky", "capped"]


class Draw(NamedTuple):
    """A decision as it is answered, P(arm = reasoning | request) before the draw, and why there was none (None: there was, or no rate)."""

    decision: Decision
    p_reasoning: float
    not_explored: LeftOut | None


def draw(decision: Decision, rate: float, left_out: LeftOut | None, random: Callable[[], float]) -> Draw:
    """Return the decision with its arm drawn at `rate`; as it is where the request is left out.

    Args:
        decision: of the policy.
        rate: share of such requests whose arm is drawn, in [0, 1].
        left_out: why this one's is not.
        random: gives uniform numbers in [0, 1).
    """
    policy = float(decision.arm is Arm.REASONING)
    if not rate or left_out is not None:
        return Draw(decision, policy, left_out)
    p_reasoning = (1 - rate) * policy + rate / 2
    if random() < rate:
        decision = _told(decision, Arm.REASONING if random() < 0.5 else Arm.DIRECT)
    return Draw(decision, p_reasoning, None)


def left_out_because(
    decision: Decision, without_caps: Decision, prompt: Prompt, *, both_arms: bool, of_a_conversation: bool, charged: bool = False
) -> LeftOut | None:  # fmt: skip
    """Return why a request's arm may not be drawn, None where it may.

    Args:
        decision: of the policy, as the model can carry it out.
        without_caps: the same without the request's caps.
        prompt: of the request.
        both_arms: nothing is known that keeps the target model from doing either, over the provider that is named.
        of_a_conversation: the request names its conversation, or tokens of it in the provider's cache.
        charged: a change of arm is known to void that cache.
    """
    if not both_arms:
        return "not_enforced"
    if charged or (of_a_conversation and any(turn.role == "assistant" for turn in prompt.turns)):
        return "sticky"  # earlier turns were answered in an arm, and a change of arm voids a provider's cache of them
    of_caps = [(d.verdict, d.arm, d.reasoning_budget) for d in (decision, without_caps)]
    return "capped" if of_caps[0] != of_caps[1] or not decision.reasoning_budget else None


def _told(decision: Decision, arm: Arm) -> Decision:
    budget = decision.reasoning_budget if arm is Arm.REASONING else 0
    reasons = (*decision.reasons, f"exploration: the arm is drawn at random, {arm.value}, whatever the verdict")
    return replace(decision, arm=arm, thinking_budget=budget, effort=effort_of(budget), reasons=reasons)
