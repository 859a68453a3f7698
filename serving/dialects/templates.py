"""What servers of open weights have in common: a switch is a variable of the model's chat template, an effort is `reasoning_effort`."""

from typing import Any

from contract.records import Arm
from serving.dialects.asking import Asked, Told, steered

HINT = "what this model accepts is not known: enable_thinking is a hint, which a chat template without it ignores"


def templated(asked: Asked, server: str) -> tuple[Told, int | None]:
    """Return what the template is told, and the budget where the model takes one."""
    accepts = asked.accepts
    if accepts is None:
        hint: dict[str, Any] = {"chat_template_kwargs": {"enable_thinking": asked.arm is Arm.REASONING}}
        return Told(hint, False, (HINT,)), None
    open_weights = accepts.template or accepts.thinking == "always"
    plan = steered(asked, server, *(("switch", "qwen_budget", "effort") if open_weights else ()))
    if isinstance(plan, Told):
        return plan, None
    params: dict[str, Any] = {"reasoning_effort": plan.effort} if plan.effort else {}
    if accepts.template and accepts.thinking == "optional":
        params["chat_template_kwargs"] = {accepts.template: plan.thinks}
    return plan.told(params), plan.tokens
