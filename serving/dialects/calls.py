"""Tools that the provider runs itself, and calls of tools whose thinking did not come back: some models refuse to think beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from contract.controls import Calls
from contract.prompt import HIDDEN, RESULT

THINKING_KEYS = ("thinking_blocks", "reasoning_content", "reasoning", "reasoning_details")
"""Where messages in OpenAI's form hold an assistant's thinking, by what LiteLLM, DeepSeek and OpenRouter call it."""


THE_CALLERS = (None, "function", "custom")
"""Types of tools that the caller runs itself; Anthropic's form, and some gateways', name none."""


def hosted(tools: Sequence[Mapping[str, Any]] | None) -> bool:
    """Return whether tools are among a request's that the provider runs itself: web search, code interpreter and the like."""
    return any(tool.get("type") not in THE_CALLERS for tool in tools or ())


def unthought(messages: Sequence[Mapping[str, Any]] | None) -> frozenset[Calls]:
    """Return which calls of tools came without thinking: the last one, where its results are the last message, and any.

    Messages are OpenAI- or Anthropic-style, as `contract.prompt` takes them.
    """
    messages = messages or ()
    found: set[Calls] = set()
    if any(_calls(one) and not _thought(one) for one in messages):
        found.add("all_calls")
    if messages and _is_result(messages[-1]):
        said = next((one for one in reversed(messages) if one.get("role") == "assistant"), None)
        if said is not None and not _thought(said):
            found.add("last_call")
    return frozenset(found)


def _calls(message: Mapping[str, Any]) -> bool:
    called = (
        message.get("tool_calls") or message.get("function_call") or any(kind == "tool_use" for kind in _kinds(message))
    )
    return message.get("role") == "assistant" and bool(called)


def _thought(message: Mapping[str, Any]) -> bool:
    return any(message.get(key) for key in THINKING_KEYS) or any(kind in HIDDEN for kind in _kinds(message)[:1])


def _is_result(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("tool", "function") or RESULT in _kinds(message)


def _kinds(message: Mapping[str, Any]) -> list[Any]:
    """Return the kinds of the parts of a message, in order."""
    content = message.get("content")
    return [part.get("type") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
