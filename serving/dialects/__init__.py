"""From a decision to a provider's request parameters: `translated` finds the dialect, each of which is a pure function in a file of its own.

No dialect writes anything but what steers thinking; safety settings and guardrails are not theirs.
"""

from collections.abc import Callable

from contract.controls import Calls, Controls, Provider
from contract.records import Arm
from serving.dialects.anthropic import messages
from serving.dialects.asking import Asked, Told
from serving.dialects.bedrock import converse
from serving.dialects.deepseek import deepseek
from serving.dialects.gemini import generate_content
from serving.dialects.litellm import completion, host_of, passed_on
from serving.dialects.openai import chat
from serving.dialects.openai_responses import responses
from serving.dialects.openrouter import openrouter
from serving.dialects.qwen import model_studio
from serving.dialects.sglang import sglang
from serving.dialects.vllm import vllm

DIALECTS: dict[Provider, Callable[[Asked], Told]] = {
    "openai": chat, "openai_responses": responses, "anthropic": messages, "gemini": generate_content, "qwen": model_studio,
    "dashscope": model_studio, "vllm": vllm, "sglang": sglang, "deepseek": deepseek, "openrouter": openrouter, "bedrock": converse,
    "litellm": completion,
}  # fmt: skip
"""By provider; qwen and dashscope are two names of one API."""

NO_MODEL = Told(None, False, ("params is null: it depends on the model, and none is named; send model",))


def translated(
    provider: Provider, model: str | None, controls: Controls, arm: Arm, thinking_budget: int, *,
    cap: int | None = None, max_output_tokens: int | None = None, tools: bool = False, hosted_tools: bool = False,
    unthought: frozenset[Calls] = frozenset(), mid_thought: bool = False, prefilled: bool = False,
) -> Told:  # fmt: skip
    """Return what to send to a provider for a model, so that it does what was decided.

    Args:
        provider: that the request goes to.
        model: that it is for; None: not named, and nothing can be said.
        controls: what models accept.
        arm: what is to be done.
        thinking_budget: cap on thinking tokens in the arm reasoning.
        cap: thinking tokens that all caps leave; a budget is not raised above it.
        max_output_tokens: cap on all output tokens, the request's.
        tools: the request has function tools.
        hosted_tools: it has tools that the provider runs itself.
        unthought: calls of tools in its messages whose thinking is not there.
        mid_thought: the turn that the model is to go on with holds blocks of its thinking.
        prefilled: its last message is an assistant's, without such blocks.
    """
    if not model:
        return NO_MODEL
    host = host_of(model) if provider == "litellm" else None
    asked = Asked(
        arm=arm, thinking_budget=thinking_budget, accepts=controls.of(model, host or provider), cap=cap,
        max_output_tokens=max_output_tokens, ladder=controls.ladder, takes_budgets=controls.vllm_takes_budgets,
        tools=tools, hosted_tools=hosted_tools, unthought=unthought, mid_thought=mid_thought, prefilled=prefilled,
    )  # fmt: skip
    told = DIALECTS[host or provider](asked)
    return passed_on(told) if host else told
