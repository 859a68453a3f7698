"""What servers of open weights have in common: a switch is a variable of the model's chat template, an effort is `reasoning_effort`."""

from typing import Any

from serving.dialects.asking import Asked, Told, hinted, steered

HINT = "what this model accepts is not known: enable_thinking is a hint, which a chat template without it ignores"


def templated(asked: Asked, server: str) -> tuple[Told, int | None]:
    """Return what the template is told, and the budget where the model takes one."""
    accepts = asked.accepts
    if accepts is None:
        return hinted(asked, HINT, lambda on: {"chat_template_kwargs": {"enable_thinking": on}}), None
    open_weights = accepts.template or accepts.thinking == "always"
    plan = steered(asked, server, *(("switch", "qwen_budget", "effort") if open_weights else ()))
    if isinstance(plan, Told):
        return plan, None
    params: dict[str, Any] = {"reasoning_effort": plan.effort} if plan.effort else {}
    if accepts.template and accepts.thinking == "optional":
        params["chat_template_kwargs"] = {accepts.template: plan.thinks}
    return plan.told(params), plan.tokens
