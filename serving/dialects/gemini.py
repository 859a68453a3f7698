"""Gemini's generateContent: `generationConfig.thinkingConfig`, with thinkingBudget (2.5) or thinkingLevel (3 and later).

Both are HTTP 400. Merge into the caller's generationConfig; the Python SDK takes what is within it, in snake case, as `config`. What the
model thinks counts against maxOutputTokens. safetySettings stand beside generationConfig and are never touched.
"""

from typing import Any

from serving.dialects.asking import Asked, Told, steered


def generate_content(asked: Asked) -> Told:
    """Return `generationConfig.thinkingConfig`: 0 tokens for off, else a budget, or a level in capitals."""
    plan = steered(asked, "Gemini's API", "level", "gemini_budget")
    if isinstance(plan, Told):
        return plan
    config: dict[str, Any] = {}
    if plan.effort:
        config = {"thinkingLevel": plan.effort.upper()}
    elif plan.tokens is not None or not plan.thinks:
        config = {"thinkingBudget": plan.tokens or 0}
    return plan.told({"generationConfig": {"thinkingConfig": config}} if config else {})
