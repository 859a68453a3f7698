"""What every dialect is asked and tells, and what of it is the same at all providers: the clamps to what the model accepts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from contract.caps import ANSWER_SHARE
from contract.controls import Accepts, By, Calls
from contract.ladders import ORDER, OWN, Effort, Ladder
from contract.records import Arm

LEAST_UNCAPPED = 128
"""Thinking tokens below which thinking is not switched on where nothing holds it to them: no ladder gives any effort fewer, and of what a
request leaves for so few (at most 170 of output) nothing would be left to answer with."""

MID_TURN = "this turn began with thinking, and without it the model would refuse the request: thinking stays on"
MID_TURN_NO_ROOM = "this turn began with thinking, and the model may refuse to go on without it; max_output_tokens leaves no room for it: thinking is off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be said to a provider.

    Attributes:
        arm: what is to be done.
        thinking_budget: cap on thinking tokens in the arm reasoning.
        accepts: what the model accepts there; None: unknown.
        cap: thinking tokens that all caps leave, which no clamp exceeds; None: not known.
        max_output_tokens: cap on all output tokens; None: not given.
        ladder: turns the budget into an effort.
        takes_budgets: the server was set up to take a budget; vLLM refuses one where it was not.
        tools: the request has function tools.
        hosted_tools: the request has tools that the provider runs itself.
        unthought: calls of tools in the request's messages whose thinking is not there.
        mid_thought: the turn that the model is to go on with holds blocks of its thinking.
        prefilled: the last message is an assistant's, without such blocks.
        sends_budgets: the API is sent a budget where the model takes one.
    """

    arm: Arm
    thinking_budget: int
    accepts: Accepts | None
    cap: int | None = None
    max_output_tokens: int | None = None
    ladder: Ladder = OWN
    takes_budgets: bool = False
    tools: bool = False
    hosted_tools: bool = False
    unthought: frozenset[Calls] = frozenset()
    mid_thought: bool = False
    prefilled: bool = False
    sends_budgets: bool = True


class Told(NamedTuple):
    """What to send.

    Attributes:
        params: to merge into the request, {} where there is nothing to send; None: nothing can be said, reasons say why.
        enforced: the arm is what the model will do.
        reasons: sentences.
        instead: the arm that these parameters carry out in the place of the one that was asked for; None: there is no such thing.
        thinking_budget: of the arm reasoning where that is carried out instead.
    """

    params: dict[str, Any] | None
    enforced: bool = True
    reasons: tuple[str, ...] = ()
    instead: Arm | None = None
    thinking_budget: int = 0


class Plan(NamedTuple):
    """What the model is to be told, in its own terms.

    Attributes:
        thinks: whether thinking is on.
        effort: one of what the model accepts; None: it takes none.
        tokens: a budget that it accepts; None: it takes none, or none fits.
        enforced: the arm is what the model will do.
        reasons: what was clamped, in sentences.
        kept_on: thinking is on although the arm is direct, of a model that could be told otherwise.
    """

    thinks: bool
    effort: Effort | None = None
    tokens: int | None = None
    enforced: bool = True
    reasons: tuple[str, ...] = ()
    kept_on: bool = False

    def told(self, params: dict[str, Any], *reasons: str) -> Told:
        """Return what to send, with what was clamped and more reasons."""
        reasons = (*self.reasons, *reasons)
        if self.kept_on:
            return Told(params, self.enforced, reasons, Arm.REASONING, self.tokens or 0)
        return Told(params, self.enforced, reasons, None if self.thinks or self.enforced else Arm.DIRECT)


def unknown() -> Told:
    """Return that nothing is known to be accepted: a parameter at random could be refused."""
    return Told(
        None,
        False,
        ("params is null: what this model accepts is not known; add it to the file of the setting dialects",),
    )


def unheld(asked: Asked) -> str | None:
    """Return why thinking is not switched on where nothing holds it to the budget; None where the budget is large enough to do so."""
    if asked.thinking_budget >= LEAST_UNCAPPED:
        return None
    return f"nothing would hold thinking to {asked.thinking_budget} tokens, which is all that is granted"


def hinted(asked: Asked, why: str, switch: Callable[[bool], dict[str, Any]]) -> Told:
    """Return the switch of an API that takes one for any model, for a model of which nothing is known; off where nothing holds thinking.

    Args:
        asked: of a provider.
        why: a sentence on what is sent.
        switch: makes the parameters of on or off.
    """
    direct = asked.arm is Arm.DIRECT
    unheld_why = None if direct else unheld(asked)
    reasons = (why, f"{unheld_why}: thinking is switched off") if unheld_why else (why,)
    return Told(switch(not direct and not unheld_why), False, reasons, Arm.DIRECT if unheld_why else None)


def steered(asked: Asked, api: str, *ways: By) -> Plan | Told:
    """Return what the model is to be told, or at once what to send where nothing steers it over this API.

    What never thinks, or always does and takes no parameter, is sent nothing: {}. What could be switched, but nobody knows how over this
    API, has params null.

    Args:
        asked: of a provider.
        api: as reasons call it.
        ways: of `Accepts.by` that the API has parameters for.
    """
    accepts, direct = asked.accepts, asked.arm is Arm.DIRECT
    if accepts is None:
        return unknown()
    if accepts.thinking == "never":
        return Told({}, direct, () if direct else ("this model never thinks: there is nothing to send",))
    if accepts.by in ways:
        return planned(asked, accepts)
    if accepts.thinking == "optional":
        return Told(None, False, (f"params is null: nothing is known that switches this model's thinking over {api}",))
    return Told({}, not direct, (f"nothing is known that lowers this model's thinking over {api}",) if direct else ())


def planned(asked: Asked, accepts: Accepts) -> Plan:
    """Return what a model is to be told that can be steered.

    A budget below the least that the model accepts is raised to it where the caps leave room, for it is a cap and not an order to spend:
    thinking that was decided on would else not take place, and arms that were drawn would be others. Without room, thinking is
    switched off. In a turn that began with thinking, which some models refuse to end without, it is always on.
    """
    direct = asked.arm is Arm.DIRECT
    if accepts.thinking == "optional" and asked.mid_thought and not accepts.stops_mid_turn:
        if _has_room(asked, accepts):
            plan = planned(asked, accepts.model_copy(update={"thinking": "always", "on_by_default": None}))
            return plan._replace(kept_on=True, reasons=(MID_TURN, *plan.reasons)) if direct else plan
        return Plan(False, enforced=direct, reasons=(MID_TURN_NO_ROOM,))
    if direct and accepts.thinking == "optional":
        return Plan(False)
    if accepts.thinking == "optional" and (why := _left_off(asked, accepts)):
        return Plan(False, enforced=False, reasons=(why,))
    if accepts.takes_tokens:
        return _tokens(asked, accepts, direct)
    if not accepts.efforts:
        return Plan(True, enforced=not direct)
    plan, least = _word(asked, accepts, direct), accepts.least_with_hosted_tools
    if not (asked.hosted_tools and least and plan.effort) or ORDER.index(plan.effort) >= ORDER.index(least):
        return plan
    why = f"this API refuses its own tools beside effort {plan.effort}: {least} is asked for"
    return plan._replace(effort=least, reasons=(*plan.reasons, why))


def _word(asked: Asked, accepts: Accepts, direct: bool) -> Plan:
    """Return the effort of a model that takes one: the least where thinking is always on and not wanted."""
    if direct:
        least = accepts.efforts[0]
        return Plan(
            True,
            effort=least,
            enforced=False,
            reasons=(f"the least that this model accepts is asked for: effort {least}",),
        )
    effort, reasons = _effort(asked, accepts)
    return Plan(True, effort=effort, reasons=reasons)


def _left_off(asked: Asked, accepts: Accepts) -> str | None:
    """Return why thinking is not switched on: the request would be refused for it, or nothing would be left to answer with."""
    if asked.tools and not accepts.thinks_with_tools:
        return "this API refuses function tools beside this model's thinking: thinking is off"
    if (why := unheld(asked)) and not (accepts.takes_tokens and asked.sends_budgets):
        return f"{why}: thinking is off"
    if accepts.earlier_thinking in asked.unthought:
        return "tools were called without thinking, or their messages do not hold it: thinking now would be refused, and is off"
    if asked.prefilled and not accepts.thinks_with_prefill:
        return "the last message is an assistant's, and this model refuses to think beside it: thinking is off"
    return None


def _has_room(asked: Asked, accepts: Accepts) -> bool:
    """Return whether a budget of the least that the model accepts is below the cap on all output, as its API demands."""
    most, least = asked.max_output_tokens, accepts.least_tokens
    return most is None or least is None or least < most


def _effort(asked: Asked, accepts: Accepts) -> tuple[Effort, tuple[str, ...]]:
    """Return the effort of the budget: the least accepted one that is no weaker, else the strongest."""
    wanted, reasons = asked.ladder.effort(asked.thinking_budget, asked.max_output_tokens), []
    if wanted is None:
        reasons.append("the ladder is of shares of max_output_tokens, which is not given: thinkworth's own stands in")
        wanted = OWN.effort(asked.thinking_budget, None)
    assert wanted is not None
    stronger = (word for word in accepts.efforts if ORDER.index(word) >= ORDER.index(wanted))
    effort = next(stronger, accepts.efforts[-1])
    if effort != wanted:
        reasons.append(f"effort {wanted} is not accepted by this model: {effort} is asked for")
    return effort, tuple(reasons)


def _tokens(asked: Asked, accepts: Accepts, direct: bool) -> Plan:
    """Return the budget of a model that takes one."""
    least, wanted = accepts.least_tokens or 1, asked.thinking_budget
    room = None if asked.max_output_tokens is None else int(asked.max_output_tokens * (1 - ANSWER_SHARE))
    left = min((limit for limit in (asked.cap, room) if limit is not None), default=wanted + least)
    if direct or left < least:
        return _least(asked, accepts, left, direct)
    tokens = min(max(wanted, least), left, accepts.most_tokens or left)
    reasons: tuple[str, ...] = ()
    if tokens > wanted:
        reasons = (f"a budget of {wanted} is raised to {tokens}, the least that this model accepts",)
    elif tokens < wanted:
        reasons = (f"a budget of {wanted} is lowered to {tokens}: the model or the caps allow no more",)
    return Plan(True, tokens=tokens, reasons=reasons)


def _least(asked: Asked, accepts: Accepts, left: int, direct: bool) -> Plan:
    """Return as little as can be had: where thinking is always on and not wanted, or wanted and the caps leave less than the least."""
    least = accepts.least_tokens or 1
    if accepts.thinking == "optional":
        why = f"the caps leave {left} thinking tokens, and this model accepts no fewer than {least}: thinking is off"
        return Plan(False, enforced=False, reasons=(why,))
    if asked.max_output_tokens is not None and least >= asked.max_output_tokens:
        why = (
            f"max_output_tokens leaves no room for {least} thinking tokens, the least of this model: no budget is sent"
        )
        return Plan(True, enforced=not direct, reasons=(why,))
    why = f"the least that this model accepts is asked for: {least} thinking tokens"
    return Plan(True, tokens=least, enforced=not direct, reasons=(why,))
