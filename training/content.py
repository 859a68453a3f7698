"""What tells the contents of two prompts apart: their texts, and of what is no text (an image, a file, a tool's call) a fingerprint.

`Prompt.digest` is of texts alone, which is all that is read of a prompt. Two requests with one text and two images are two
prompts all the same: answers to them make no pair.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.prompt import HIDDEN, Prompt

FINGERPRINT = "digest"
"""The key under which a part or a tool's call holds the fingerprint of what was taken out of it."""

_NAMES = frozenset(
    (
        "type", "id", "call_id", "callId", "tool_call_id", "tool_use_id", "toolUseId", "index", "status", "cache_control", "cachePoint",
        "thoughtSignature", "thought_signature", "provider_specific_fields", "extra_content",
    )
)  # fmt: skip
"""What does not belong to a content: its kind, which is kept beside, what differs from call to call, and where to cache."""

_WRAPPED = ("functionCall", "function_call", "toolUse")
"""Where Gemini and Bedrock keep a call with its number, one step in."""


def fingerprint(part: Mapping[str, Any]) -> str | None:
    """Return 16 hex digits of what is no text, None where it holds nothing; what has a fingerprint keeps it."""
    if isinstance(given := part.get(FINGERPRINT), str):
        return given
    content = _without_names(part)
    content |= {name: _without_names(inner) for name in _WRAPPED if isinstance(inner := content.get(name), Mapping)}
    if not content:
        return None
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("ascii"), digest_size=8).hexdigest()


def _without_names(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name not in _NAMES and value is not None}


def prompt_id_of(prompt: Prompt, messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the id of a conversation: the digest of its prompt, and where there is more than texts, of both (sha256)."""
    more = [(number, found) for number, part in _no_texts(messages) if (found := fingerprint(part)) is not None]
    if not more:
        return prompt.digest
    return hashlib.sha256(json.dumps([prompt.digest, more]).encode("ascii")).hexdigest()


def is_whole(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a conversation could be asked again: nothing was taken out of it, with a fingerprint or without."""
    return all(part.keys() - {"type", FINGERPRINT} for _, part in _no_texts(messages))


def _no_texts(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield what is no text, with the number of its message: parts of contents, and calls of tools."""
    for number, message in enumerate(messages):
        content, calls = message.get("content"), message.get("tool_calls") or [message.get("function_call")]
        for part in (*(content if isinstance(content, list) else ()), *(calls if isinstance(calls, list) else ())):
            if isinstance(part, Mapping) and not isinstance(part.get("text"), str) and part.get("type") not in HIDDEN:
                yield number, part
