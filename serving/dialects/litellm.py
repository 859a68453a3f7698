"""LiteLLM, its proxy and its library: OpenAI's body, where LiteLLM turns `reasoning_effort` or Anthropic's `thinking` into what a host takes.

A budget goes by `thinking`, since LiteLLM turns an effort into a budget of its own and raises max_tokens for it. Off is said in the form
that LiteLLM 1.110.2 really passes on: `thinking.type` to Claude models that think adaptively (of an effort `none` it sends nothing, which leaves
Sonnet 5.5 thinking), an effort `none` to the others (of `thinking: disabled` it sends Gemini 2.5 nothing, which leaves it thinking).

Models behind vLLM and DashScope are known by the prefix of LiteLLM's name for them, hosted_vllm/ or dashscope/: they are told what these
dialects say, in `extra_body`, which LiteLLM merges into the host's body.
"""

from typing import Any

from contract.controls import Accepts, Provider
from serving.dialects.anthropic import switched_off
from serving.dialects.asking import Asked, Plan, Told, steered

HOSTS: dict[str, Provider] = {"hosted_vllm": "vllm", "vllm": "vllm", "dashscope": "dashscope"}
"""Prefixes of models whose host's own dialect is passed on."""


def host_of(model: str) -> Provider | None:
    """Return the provider whose dialect LiteLLM is to pass on to a model's host; None: LiteLLM translates itself."""
    return HOSTS.get(model.split("/", 1)[0])


def passed_on(told: Told) -> Told:
    """Return what a host is told, as LiteLLM passes it on."""
    return told._replace(params={"extra_body": told.params}) if told.params else told


def completion(asked: Asked) -> Told:
    """Return `reasoning_effort` or `thinking`; nothing for an unknown model, since LiteLLM refuses either for models without thinking."""
    plan = steered(asked, "LiteLLM", "effort", "adaptive", "level", "switch", "anthropic_budget", "gemini_budget")
    if isinstance(plan, Told):
        return plan
    assert asked.accepts is not None
    return plan.told(_params(plan, asked.accepts))


def _params(plan: Plan, accepts: Accepts) -> dict[str, Any]:
    if not plan.thinks:
        by_type = accepts.by in ("adaptive", "switch")
        return switched_off(accepts) if by_type else {"reasoning_effort": "none"}
    if accepts.takes_tokens:
        return {"thinking": {"type": "enabled", "budget_tokens": plan.tokens}} if plan.tokens else {}
    return {"reasoning_effort": plan.effort} if plan.effort else {"thinking": {"type": "enabled"}}
