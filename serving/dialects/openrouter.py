"""OpenRouter: one object, `reasoning`, with either `effort` or `max_tokens`: both are HTTP 400, and so is `reasoning_effort` beside it.

OpenRouter turns it into what the model's host takes. `none` is refused where a model's reasoning is mandatory, so nothing is said of an
unknown model that is not to think; an effort is accepted by all, and passed over by models that never think. Of an effort it makes a
budget of LEAST_BUDGET at least for some, which max_tokens has to exceed: a smaller one is told nothing either, as the model may be such.
"""

from contract.ladders import OWN
from contract.records import Arm
from serving.dialects.asking import Asked, Told, steered, unheld

LEAST_BUDGET = 1024
"""What OpenRouter makes of any effort at least for a model that takes a budget, such as Claude (its page on reasoning tokens)."""

UNKNOWN = "what this model accepts is not known: an effort is sent, which OpenRouter takes for any"
MANDATORY = "OpenRouter refuses to switch off what is mandatory"
NOT_OFF = f"params is null: what this model accepts is not known, and {MANDATORY}"
NO_ROOM = (
    "params is null: what this model accepts is not known, and of an effort OpenRouter may make a budget of 1,024 tokens, which "
    "max_output_tokens of {most:,} does not exceed"
)


def openrouter(asked: Asked) -> Told:
    """Return `reasoning`: tokens for a model that takes a budget, else an effort, else the switch."""
    if asked.accepts is None:
        if asked.arm is Arm.DIRECT:
            return Told(None, False, (NOT_OFF,))
        budget, most = asked.thinking_budget, asked.max_output_tokens
        if why := unheld(asked):
            return Told(None, False, (f"params is null: {why}, and {MANDATORY}",))
        if most is not None and most <= LEAST_BUDGET:
            return Told(None, False, (NO_ROOM.format(most=most),))
        effort = asked.ladder.effort(budget, asked.max_output_tokens) or OWN.effort(budget, None)
        return Told({"reasoning": {"effort": effort}}, False, (UNKNOWN,))
    plan = steered(
        asked, "OpenRouter", "effort", "adaptive", "level", "switch", "anthropic_budget", "gemini_budget", "qwen_budget"
    )
    if isinstance(plan, Told):
        return plan
    if not plan.thinks:
        return plan.told({"reasoning": {"effort": "none"}})
    if plan.tokens is not None:
        return plan.told({"reasoning": {"max_tokens": plan.tokens}})
    if asked.accepts.takes_tokens:
        return plan.told({})
    return plan.told({"reasoning": {"effort": plan.effort} if plan.effort else {"enabled": True}})
