"""DeepSeek's API in OpenAI's form: `thinking: {"type": ...}` and `reasoning_effort`, both at the top level of the body.

OpenAI's Python client takes `thinking` by `extra_body`. Other vendors with that switch (Z.ai, Moonshot, MiniMax) are told the same.
"""

from typing import Any

from serving.dialects.asking import Asked, Told, hinted, steered

UNKNOWN = "what this model accepts is not known: the switch alone is sent, which all of DeepSeek's current models take"


def deepseek(asked: Asked) -> Told:
    """Return the switch, and an effort where thinking is on and the model has some; the switch alone for an unknown model."""
    if asked.accepts is None:
        return hinted(asked, UNKNOWN, lambda on: {"thinking": {"type": "enabled" if on else "disabled"}})
    plan = steered(asked, "DeepSeek's API", "switch")
    if isinstance(plan, Told):
        return plan
    if not plan.thinks:
        return plan.told({"thinking": {"type": "disabled"}})
    params: dict[str, Any] = {"thinking": {"type": "enabled"}}
    return plan.told(params | ({"reasoning_effort": plan.effort} if plan.effort else {}))
