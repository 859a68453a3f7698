"""vLLM's OpenAI-compatible server: `chat_template_kwargs` and `thinking_token_budget` at the top level of the body.

`extra_body` is how OpenAI's Python client puts them there, no key of the body. A server takes budgets where it was started with
--reasoning-parser of a parser that knows its delimiters, or with --reasoning-config that names them (vLLM 0.18 and later); any other refuses *every*
request that has one. So a budget is sent where the operator's file says `vllm_takes_budgets: true`, else the switch alone.
"""

from dataclasses import replace

from serving.dialects.asking import Asked, Told
from serving.dialects.templates import templated

NO_BUDGET = (
    "no budget is sent to vLLM: say vllm_takes_budgets in the file of the setting dialects once its servers take one"
)


def vllm(asked: Asked) -> Told:
    """Return the template's switch, and a budget where servers take one; a hint for an unknown model, which its template may ignore."""
    told, tokens = templated(replace(asked, sends_budgets=asked.takes_budgets), "vLLM")
    if tokens is None or told.params is None:
        return told
    if not asked.takes_budgets:
        return Told(told.params, told.enforced, (NO_BUDGET,))
    return told._replace(params=told.params | {"thinking_token_budget": tokens})
