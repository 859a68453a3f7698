"""What the service is asked about a chat completion. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from .settings import HookSettings

LONGEST_ID = 200
"""Characters of an id that the service takes."""

THINKING = ("thinking_blocks", "reasoning_details", "reasoning_content", "reasoning")
"""Keys of an assistant's message that hold its thinking: that it is there decides what a provider accepts."""

THINKING_PARTS = ("thinking", "redacted_thinking", "reasoning")
"""Kinds of parts that hold it."""


def request_of(data: Mapping[str, Any], *, model: str, settings: HookSettings) -> dict[str, Any] | None:
    """Return the body of `POST /predict` for a request as the proxy's hooks see it; None where there is nothing to ask about."""
    messages = _messages(data.get("messages"), settings.max_characters)
    if not messages:
        return None
    tools = data.get("tools")
    body = {
        "messages": messages, "model": model[:LONGEST_ID] or None, "provider": "litellm", "profile": settings.profile,
        # their number is all that counts, and schemas can be longer than the prompt
        "tools": [{"type": "function"} for _ in tools] if isinstance(tools, list) and tools else None,
        "max_output_tokens": max_output_tokens(data), "conversation_id": _conversation(data, settings.conversation_header),
        "cached_tokens": _whole(_metadata(data).get("cached_tokens"), 0), "request_id": _id(data.get("litellm_call_id")),
    }  # fmt: skip
    return {name: value for name, value in body.items() if value is not None}


def max_output_tokens(data: Mapping[str, Any]) -> int | None:
    """Return the cap on all output tokens, the smaller where two are given."""
    caps = [_whole(data.get(name), 1) for name in ("max_completion_tokens", "max_tokens")]
    return min((cap for cap in caps if cap is not None), default=None)


def _messages(messages: Any, most: int) -> list[dict[str, Any]] | None:
    """Return messages with what can be read of them; the oldest but the system's are left out where all are too long."""
    if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
        return None
    slim = [_slim(message) for message in messages if isinstance(message, Mapping)]
    if not slim or len(slim) != len(messages):
        return None
    sizes = [_size(message["content"]) for message in slim]
    room = most - sizes[-1]
    if room < 0:
        return None
    kept = [slim[-1]]
    for message, size in zip(reversed(slim[:-1]), reversed(sizes[:-1]), strict=True):
        room -= size
        if room < 0:
            break
        kept.append(message)
    kept = kept[::-1]
    return [*_begun(slim[: -len(kept)], kept), *kept]


def _begun(left_out: Sequence[dict[str, Any]], kept: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what stands for the beginning of a turn that is cut, where its tools were called: whether it was thought decides what is accepted."""
    if any(message["role"] == "user" for message in kept):
        return []
    began = max((i + 1 for i, message in enumerate(left_out) if message["role"] == "user"), default=0)
    called = [message for message in left_out[began:] if message["role"] == "assistant" and "tool_calls" in message]
    if not called:
        return []
    message = next((one for one in called if any(key in one for key in THINKING)), called[-1])
    return [message | {"content": None, "tool_calls": [{"type": "function"}]}]


def _slim(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message without images, files, thinking and the like: their kind is told, their bytes and text are not sent."""
    content = message.get("content")
    if isinstance(content, list):
        content = [
            {"type": "text", "text": part["text"]} if _is_text(part) else {"type": _kind(part)} for part in content
        ]
    slim = {"role": message.get("role"), "content": content}
    if isinstance(calls := message.get("tool_calls"), list) and calls:
        slim["tool_calls"] = calls
    if message.get("role") == "assistant":
        held = {key: message[key] for key in THINKING if message.get(key)}
        slim |= {
            key: [{"type": _kind(part)} for part in value] if isinstance(value, list) else True
            for key, value in held.items()
        }
    return slim


def characters(body: Mapping[str, Any]) -> int:
    """Return the characters of text in a body of `POST /predict`."""
    return sum(_size(message.get("content")) for message in body.get("messages") or ())


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get("text"), str) and part.get("type") not in THINKING_PARTS


def _kind(part: Any) -> str:
    return str(part.get("type", "file")) if isinstance(part, Mapping) else "file"


def _size(content: Any) -> int:
    if isinstance(content, str):
        return len(content)
    return sum(len(part.get("text", "")) for part in content) if isinstance(content, list) else 0


def _conversation(data: Mapping[str, Any], header: str | None) -> str | None:
    if header is not None:
        request = data.get("proxy_server_request")
        headers = request.get("headers") if isinstance(request, Mapping) else None
        names = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, Mapping) else {}
        return _id(names.get(header.lower()))
    return _id(data.get("litellm_session_id")) or _id(_metadata(data).get("session_id"))


def _metadata(data: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = data.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID and "\x00" not in value else None


def _whole(value: Any, least: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value <= 1_000_000 else None
