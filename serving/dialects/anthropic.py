"""Anthropic's Messages API: `thinking` at the top level, and for models that think adaptively `output_config.effort` beside it.

The effort is not within `thinking`, and `output_config` may hold a caller's format: merge one level down. A budget is below max_tokens, so
send max_output_tokens with the request; 1024 is its floor. With thinking off, an effort of the caller's own above high is refused by
models that think by default: leave it out. temperature other than 1, and a forced tool, are refused with thinking on.
"""

from typing import Any

from contract.controls import Accepts
from serving.dialects.asking import Asked, Told, steered

NO_MAX = "budget_tokens must be below the request's max_tokens: send max_output_tokens, and it is kept so"


def messages(asked: Asked) -> Told:
    """Return `thinking`, with `output_config.effort` for an adaptive model; nothing for an unknown one: each form is refused by some."""
    plan = steered(asked, "Anthropic's API", "adaptive", "anthropic_budget")
    if isinstance(plan, Told):
        return plan
    assert asked.accepts is not None
    if not plan.thinks:
        return plan.told(switched_off(asked.accepts))
    if plan.effort:
        return plan.told({"thinking": {"type": "adaptive"}, "output_config": {"effort": plan.effort}})
    thinking: dict[str, Any] = {"type": "enabled", "budget_tokens": plan.tokens}
    return plan.told({"thinking": thinking}, *([] if asked.max_output_tokens else [NO_MAX]))


def switched_off(accepts: Accepts) -> dict[str, Any]:
    """Return `thinking` as it is off for a model; nothing where that is its default, which it refuses to be told."""
    return {"thinking": {"type": accepts.off_type}} if accepts.off_type else {}
