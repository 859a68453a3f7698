"""What messages and tools hold that keeps a model from thinking, or from not thinking: some refuse the request for it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from contract.controls import Calls
from contract.prompt import HIDDEN, RESULT

BLOCK_KEYS = ("thinking_blocks", "reasoning_details")
"""Where messages in OpenAI's form hold the signed blocks of an assistant's thinking, which alone reach Claude: LiteLLM's and OpenRouter's."""

THINKING_KEYS = (*BLOCK_KEYS, "reasoning_content", "reasoning")
"""Where messages in OpenAI's form hold an assistant's thinking, by what LiteLLM, DeepSeek and OpenRouter call it."""

PART_KEYS = ("content", "content_blocks")
"""Where a message holds parts; `content_blocks` is Portkey's, of an assistant that thought."""


THE_CALLERS = (None, "function", "custom")
"""Types of tools that the caller runs itself; Anthropic's form, and some gateways', name none."""


def hosted(tools: Sequence[Mapping[str, Any]] | None) -> bool:
    """Return whether tools are among a request's that the provider runs itself: web search, code interpreter and the like."""
    return any(tool.get("type") not in THE_CALLERS for tool in tools or ())


class Earlier(NamedTuple):
    """What the messages of a request say of earlier thinking.

    Attributes:
        unthought: calls of tools that came without thinking: of the turn that the model is to go on with, and any at all.
        mid_thought: the turn that the model is to go on with holds blocks of its thinking.
        prefilled: the model is to go on with an assistant's text, in a turn without such blocks.
    """

    unthought: frozenset[Calls] = frozenset()
    mid_thought: bool = False
    prefilled: bool = False


def earlier(messages: Sequence[Mapping[str, Any]] | None) -> Earlier:
    """Return what messages, OpenAI- or Anthropic-style as `contract.prompt` takes them, say of earlier thinking."""
    messages = messages or ()
    found: set[Calls] = set()
    if any(_calls(one) and not _thought(one, THINKING_KEYS) for one in messages):
        found.add("all_calls")
    turn = _open_turn(messages)
    if not turn:
        return Earlier(frozenset(found))
    mid_thought = any(_thought(one, BLOCK_KEYS) for one in turn)
    prefilled = messages[-1].get("role") == "assistant"
    if not (mid_thought or prefilled):
        found.add("last_call")
    return Earlier(frozenset(found), mid_thought, prefilled and not mid_thought)


def _open_turn(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return what the assistant has said of the turn that it is to go on with, newest first: results of tools, or nothing, follow each.

    In a loop of tools Claude thinks before the first call and perhaps before no other: what counts is the turn, not its last message.
    """
    said: list[Mapping[str, Any]] = []
    following: list[Mapping[str, Any]] = []
    for message in reversed(messages):
        if message.get("role") != "assistant":
            following.append(message)
        elif following and not any(_is_result(one) for one in following):
            break
        else:
            said.append(message)
            following = []
    return said


def _calls(message: Mapping[str, Any]) -> bool:
    called = (
        message.get("tool_calls") or message.get("function_call") or any(kind == "tool_use" for kind in _kinds(message))
    )
    return message.get("role") == "assistant" and bool(called)


def _thought(message: Mapping[str, Any], keys: Sequence[str]) -> bool:
    in_keys = any(message.get(key) for key in keys)
    return in_keys or any(kind in HIDDEN for key in PART_KEYS for kind in _kinds(message, key)[:1])


def _is_result(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("tool", "function") or RESULT in _kinds(message)


def _kinds(message: Mapping[str, Any], key: str = "content") -> list[Any]:
    """Return the kinds of the parts of a message, in order."""
    content = message.get(key)
    return [part.get("type") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
