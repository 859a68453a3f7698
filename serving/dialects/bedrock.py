"""Amazon Bedrock's Converse: what a model takes besides the common parameters is wrapped in `additionalModelRequestFields`.

Claude has Anthropic's `thinking` and `output_config` there, OpenAI's open weights `reasoning_effort`, their closed models `reasoning.effort`,
Nova 2 `reasoningConfig`. A budget is below inferenceConfig.maxTokens. guardrailConfig stands beside it and is never touched; InvokeModel
takes the inner object itself.
"""

from typing import Any

from contract.controls import By
from serving.dialects.anthropic import messages
from serving.dialects.asking import Asked, Plan, Told, steered


def converse(asked: Asked) -> Told:
    """Return `additionalModelRequestFields`; nothing for an unknown model, which may refuse each of its forms."""
    told = _inner(asked)
    return told._replace(params={"additionalModelRequestFields": told.params}) if told.params else told


def _inner(asked: Asked) -> Told:
    by = asked.accepts.by if asked.accepts else None
    if by in ("adaptive", "anthropic_budget"):
        return messages(asked)
    plan = steered(asked, "Bedrock", "effort", "nested_effort", "nova")
    return plan if isinstance(plan, Told) else plan.told(_worded(by, plan))


def _worded(by: By | None, plan: Plan) -> dict[str, Any]:
    word = plan.effort if plan.thinks else "none"
    if by == "effort":
        return {"reasoning_effort": word}
    if by == "nested_effort":
        return {"reasoning": {"effort": word}}
    if not plan.thinks:
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": word}}
