"""Qwen's own API, Alibaba's Model Studio (DashScope), in its OpenAI-compatible form: `enable_thinking` and `thinking_budget` at the top level.

`qwen` and `dashscope` are two names of it. OpenAI's Python client sends such keys by `extra_body`; in DashScope's native form they stand
in `parameters`. Some open Qwen3 models think there only in answers that are streamed (`stream: true`), and refuse the rest.
"""

from typing import Any

from serving.dialects.asking import Asked, Told, steered


def model_studio(asked: Asked) -> Told:
    """Return `enable_thinking`, and a budget where the model takes one; a thinking-only model gets its budget alone."""
    plan = steered(asked, "Model Studio's API", "switch", "qwen_budget")
    if isinstance(plan, Told):
        return plan
    assert asked.accepts is not None
    params: dict[str, Any] = {} if asked.accepts.thinking == "always" else {"enable_thinking": plan.thinks}
    if plan.tokens is not None:
        params["thinking_budget"] = plan.tokens
    return plan.told(params)
