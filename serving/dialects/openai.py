"""OpenAI's Chat Completions, and hosts that speak it: `reasoning_effort` at the top level of the body.

`none` switches thinking off where the model allows it. There is no number of tokens; what the model thinks counts against
max_completion_tokens. Hosts with a switch of their own (`thinking`, `enable_thinking`) are other providers here.
"""

from serving.dialects.asking import Asked, Told, steered


def chat(asked: Asked) -> Told:
    """Return `reasoning_effort` for a model that takes efforts; no guess for one that is unknown, since many models refuse it."""
    plan = steered(asked, "OpenAI's API", "effort")
    if isinstance(plan, Told):
        return plan
    return plan.told({"reasoning_effort": plan.effort if plan.thinks else "none"})
