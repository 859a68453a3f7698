"""Any provider's messages as the log table holds them: OpenAI-style, texts only, the system prompt first.

What a tool gave is a turn of its own, as OpenAI has it. Of an image, a file or a tool's call its kind and a fingerprint are kept.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.prompt import HIDDEN, ROLES, TEXT_PARTS
from training.content import FINGERPRINT, fingerprint
from training.importers.answers import at

Message = dict[str, Any]

_ROLES = {**{role: role for role in ROLES}, "human": "user", "ai": "assistant", "model": "assistant"}
HELD = "earlier turns not in the log"
_NO_TURN = (*HIDDEN, "additional_tools", "mcp_list_tools", "compaction_trigger")
_NAMED_ONLY = ("item_reference", "compaction")
"""Items that stand for turns which the provider keeps, or which only it can read."""
_REDACTED = "redacted-by-litellm"
_CUT_OUT = re.compile(r"\[base64_data truncated: ")
_UNTYPED = {
    "functionCall": "function_call",
    "function_call": "function_call",
    "functionResponse": "function_response",
    "function_response": "function_response",
    "inlineData": "inline_data",
    "inline_data": "inline_data",
    "fileData": "file_data",
    "file_data": "file_data",
    "toolUse": "tool_use",
    "toolResult": "tool_result",
    "image": "image",
    "document": "document",
}
"""The kind of a part that has no type but names itself by its key, as Gemini's and Bedrock's do."""

_RESULTS = {
    "tool_result": (("content",), ("toolResult", "content")),
    "tool_call_response": (("response",), ("result",)),
    "function_response": (("functionResponse", "response"), ("function_response", "response")),
}
"""Where a part keeps what a tool gave, by its kind: Anthropic's and Bedrock's, OpenTelemetry's, Gemini's."""


def chat(messages: Any, *, system: Any = None) -> list[Message] | None:
    """Return the messages as [{role, content}], or None where no text was stored.

    Texts of one message are joined as `contract.prompt` joins them; other parts stay as their type and fingerprint;
    thinking of earlier turns is dropped, for the model does not see it again.

    Args:
        messages: a text (one user turn), one message, a list of messages, or {"messages": [...]}, in the shape of
            OpenAI (Chat and Responses), Anthropic, Gemini, Bedrock or OpenTelemetry.
        system: a system prompt that stands beside them: a text, parts, or a message.

    Raises:
        ValueError: this is no conversation; the text is the rule that it breaks.
    """
    if isinstance(messages, Mapping) and "messages" in messages:
        system = messages.get("system") if system is None else system
        messages = messages["messages"]
    if not messages:
        return None
    if isinstance(messages, str | Mapping):
        messages = [messages]
    if not isinstance(messages, Sequence) or isinstance(messages, bytes):
        raise ValueError("messages are no list")
    turns = [turn for message in messages for turn in _turns(message)]
    if system and (first := _content(_parts_of(system))):
        turns.insert(0, {"role": "system", "content": first})
    return turns if any(text.strip() not in ("", _REDACTED) for turn in turns for text in _texts(turn)) else None


def beside(request: Mapping[str, Any], content: Sequence[str]) -> dict[str, Any]:
    """Return what a request says beside its conversation, and the id of a prompt that is stored at the provider.

    Args:
        request: the body.
        content: the names under which its conversation stands.
    """
    return {
        name: value
        for name, value in request.items()
        if name not in content or (name == "prompt" and isinstance(value, Mapping))
    }


def _turns(message: Any) -> Iterator[Message]:
    """Yield the turns of one message: what tools gave, and the rest; none where it is no turn of the conversation."""
    if isinstance(message, str):
        yield {"role": "user", "content": message}
        return
    if not isinstance(message, Mapping):
        raise ValueError("a message is no object")
    kind = message.get("type")
    if kind in _NO_TURN or (kind == "item_reference" and str(message.get("id")).startswith("rs_")):  # thinking
        return
    if kind in _NAMED_ONLY:
        raise ValueError(HELD)
    if isinstance(kind, str) and "role" not in message and kind not in (*_ROLES, "message"):
        yield _item(kind, message)
        return
    role = _role(message)
    parts = message.get("content", message.get("parts"))
    if role == "user" and parts is None:
        raise ValueError("a message has no content")
    if role == "assistant" and not parts:
        parts = _instead_of_content(message)
    parts = _parts_of(parts or "")
    results, rest = ([part for part in parts if _is_result(part) is wanted] for wanted in (True, False))
    yield from ({"role": "tool", "content": _given(part)} for part in results)
    if results and not rest:
        return
    content = _content(rest)
    calls = message.get("tool_calls") or message.get("function_call")
    if role == "assistant" and calls:
        yield {"role": role, "content": content or None, "tool_calls": _calls(calls)}
    else:
        yield {"role": role, "content": content}


def _instead_of_content(message: Mapping[str, Any]) -> Sequence[Any]:
    """Return what an assistant's message holds in place of its content: why it refused, or what it said."""
    refusal, audio = message.get("refusal"), message.get("audio")
    if isinstance(refusal, str):
        return [refusal]
    return [{"type": "audio", **audio}] if isinstance(audio, Mapping) else []


def _is_result(part: Any) -> bool:
    """Whether a part holds what a tool gave."""
    return isinstance(part, Mapping) and _text(part) is None and _kind(part) in _RESULTS


def _given(part: Mapping[str, Any]) -> str | list[Message]:
    """Return what a tool gave, as the content of its turn."""
    found = next((given for path in _RESULTS[_kind(part)] if (given := at(part, *path)) is not None), None)
    if isinstance(found, Mapping) and len(found) == 1 and isinstance(only := next(iter(found.values())), str):
        found = only
    if isinstance(found, list) and all(isinstance(one, str | Mapping) for one in found):
        return _content(found)
    return found if isinstance(found, str) else "" if found is None else json.dumps(found, ensure_ascii=False)


def _calls(calls: Any) -> list[Message]:
    """Return calls of tools by their fingerprints."""
    return [_marked("function", call) for call in (calls if isinstance(calls, list) else [calls])]


def _marked(kind: str, part: Any) -> Message:
    """Return what stands for something that is no text.

    Raises:
        ValueError: the gateway cut it out of its log, so that nothing tells it from another.
    """
    if not isinstance(part, Mapping):
        return {"type": kind}
    if _CUT_OUT.search(json.dumps(part, default=str)):
        raise ValueError("an image or a file was cut out by LiteLLM: set MAX_BASE64_LENGTH_FOR_LOGGING=0")
    found = fingerprint(part)
    return {"type": kind} if found is None else {"type": kind, FINGERPRINT: found}


def _role(message: Mapping[str, Any]) -> str:
    word = message.get("role", message.get("type"))
    if word is None and "parts" in message:  # Gemini takes a content without a role for the user's
        return "user"
    role = _ROLES.get(word.lower()) if isinstance(word, str) else None
    if role is None:
        raise ValueError(f"a message's role is not one of {', '.join(_ROLES)}")
    return role


def _item(kind: str, item: Mapping[str, Any]) -> Message:
    """Return an item of the Responses API that is no message: what a tool gave, or a call of one."""
    if kind.endswith("_output"):
        output = item.get("output")
        return {"role": "tool", "content": _content(_parts_of(output)) if output else ""}
    return {"role": "assistant", "content": None, "tool_calls": [_marked("function", item)]}


def _parts_of(content: Any) -> Sequence[Any]:
    if isinstance(content, Mapping):
        parts = content.get("parts", content)
        return [parts] if isinstance(parts, Mapping) else _parts_of(parts)
    if isinstance(content, str):
        return [content]
    if isinstance(content, Sequence) and not isinstance(content, bytes):
        return content
    raise ValueError("a message's content is neither a text nor a list of parts")


def _content(parts: Sequence[Any]) -> str | list[Message]:
    """Return the parts of one message: a text where all are texts, else the texts in one and what stands for the rest."""
    seen = [(part, _text(part)) for part in parts if not _is_hidden(part)]
    joined = "\n".join(text for _, text in seen if text is not None)
    others = [_marked(_kind(part), part) for part, text in seen if text is None]
    if not others:
        return joined
    return [{"type": "text", "text": joined}, *others] if joined else others


def _is_hidden(part: Any) -> bool:
    return isinstance(part, Mapping) and (part.get("type") in HIDDEN or part.get("thought") is True)


def _text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ValueError("a message's part is neither a text nor an object")
    if isinstance(part.get("text"), str):
        return str(part["text"])
    if part.get("type") == "refusal" and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    content = part.get("content")
    return content if isinstance(content, str) and part.get("type", "text") in TEXT_PARTS else None


def _kind(part: Mapping[str, Any]) -> str:
    kind = part.get("type")
    if isinstance(kind, str) and kind not in TEXT_PARTS:
        return kind
    return next((name for key, name in _UNTYPED.items() if key in part), "other")


def _texts(turn: Message) -> Iterator[str]:
    content = turn["content"]
    if isinstance(content, str):
        yield content
    elif content:
        yield from (part["text"] for part in content if "text" in part)
