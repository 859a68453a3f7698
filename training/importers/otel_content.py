"""Where instrumentations put a conversation into a span: in one attribute, in numbered ones, or in events."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from training.importers.jsonl import json_text
from training.importers.otlp import numbered

_ROLE_EVENT = re.compile(r"gen_ai\.(system|developer|user|assistant|tool)\.message")


def stored_messages(found: Mapping[str, Any], events: Sequence[tuple[Any, Mapping[str, Any]]]) -> Any:
    """Return the messages of a span as some provider's messages, or None where no content was recorded.

    Args:
        found: the span's attributes.
        events: names and attributes of its events.

    Raises:
        ValueError: the attribute was cut off at the length limit of the exporter.
    """
    return (
        _whole(found.get("gen_ai.input.messages"))
        or [_message(message, "message.") for message in numbered(found, "llm.input_messages")]
        or [_message(message, "") for message in numbered(found, "gen_ai.prompt")]
        or _whole(found.get("gen_ai.prompt"))
        or _whole(found.get("ai.prompt.messages"))
        or [_of_event(match[1], more) for name, more in events if (match := _ROLE_EVENT.fullmatch(str(name)))]
        or None
    )


def _whole(content: Any) -> Any:
    """Return messages that may be a JSON text.

    Raises:
        ValueError: the text begins as JSON and is none.
    """
    messages = json_text(content)
    if isinstance(messages, str) and messages.lstrip()[:2] in ("[{", '{"'):
        raise ValueError("messages are cut off")
    return messages


def _message(message: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return one message of numbered attributes: OpenLLMetry's or, with the prefix `message.`, OpenInference's."""
    content = message.get(f"{prefix}content")
    parts = json_text(content)
    if isinstance(parts, list) and all(isinstance(part, Mapping) and "type" in part for part in parts):
        content = parts
    if content is None:
        content = [
            {name.removeprefix("message_content."): value for name, value in part.items()}
            for part in numbered(message, f"{prefix}contents")
        ]
    calls = {n: value for n, value in message.items() if n.startswith(f"{prefix}tool_calls") and not n.endswith("id")}
    return {"role": message.get(f"{prefix}role", "user"), "content": content, "tool_calls": calls}


def _of_event(role: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    body = json_text(found.get("gen_ai.event.content"))
    return {"role": role, **(body if isinstance(body, Mapping) else found)}
