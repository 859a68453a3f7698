"""SGLang's OpenAI-compatible server: `chat_template_kwargs`, and `custom_params.thinking_budget`, at the top level of the body.

The budget binds where the server runs with --enable-strict-thinking and --reasoning-parser; elsewhere it is ignored. OpenAI's Python
client sends both by `extra_body`.
"""

from serving.dialects.asking import Asked, Told
from serving.dialects.templates import templated


def sglang(asked: Asked) -> Told:
    """Return the template's switch and a budget; a hint for an unknown model, which its template may ignore."""
    told, tokens = templated(asked, "SGLang")
    if tokens is None or told.params is None:
        return told
    return told._replace(params=told.params | {"custom_params": {"thinking_budget": tokens}})
