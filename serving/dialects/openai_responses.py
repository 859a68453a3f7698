"""OpenAI's Responses API: the effort is nested, `reasoning: {"effort": ...}`; merge into what the caller has in `reasoning`, such as summary."""

from serving.dialects.asking import Asked, Told
from serving.dialects.openai import chat


def responses(asked: Asked) -> Told:
    """Return `reasoning.effort`, of the same words as Chat Completions."""
    told = chat(asked)
    if not told.params:
        return told
    return told._replace(params={"reasoning": {"effort": told.params["reasoning_effort"]}})
