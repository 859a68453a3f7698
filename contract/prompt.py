"""A prompt as thinkworth sees it: a plain text or a conversation, its ask, its whole and its digest."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from contract.conversation import Turn, Wanted, last_user, wanted
from contract.errors import InvalidRequest

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
TEXT_PARTS = ("text", "input_text", "output_text")

SILENT_PARTS = ("tool_use", "server_tool_use", "tool_call", "thinking", "redacted_thinking", "reasoning")
"""Parts of an assistant's turn that are no attachment: what it called, and hidden thinking, which is not read."""

INSTEAD_OF_CONTENT = ("tool_calls", "function_call", "refusal", "audio")
"""Keys beside which an assistant's message may have no content."""


@dataclass(frozen=True)
class Prompt:
    """What is asked of a model: one or more turns, and how many tools it may call."""

    turns: tuple[Turn, ...]
    tools: int = 0

    @classmethod
    def from_text(cls, text: str, *, tools: int = 0) -> "Prompt":
        """Return the prompt of a plain text.

        Raises:
            InvalidRequest: the text is empty or white space (`empty_prompt`).
        """
        if not text.strip():
            raise InvalidRequest(
                "prompt is empty or white space; send the text of the request", type="empty_prompt", field="prompt"
            )
        return cls((Turn("user", text),), tools)

    @classmethod
    def from_messages(cls, messages: Sequence[Mapping[str, Any]], *, tools: int = 0) -> "Prompt":
        """Return the prompt of OpenAI- or Anthropic-style messages; content is a string, a list of parts, or null beside tool calls.

        A `tool_result` among the parts of a user's message is a turn of its own, of the role tool.

        Raises:
            InvalidRequest: not a list of objects, no message, an unknown role, a message without content, or no text
                anywhere.
        """
        if not isinstance(messages, Sequence) or isinstance(messages, str | bytes):
            raise InvalidRequest(
                'messages is not a list; send [{"role": "user", "content": "..."}]', type="wrong_type", field="messages"
            )
        if not messages:
            raise InvalidRequest(
                "messages is empty; send at least one message", type="empty_messages", field="messages"
            )
        turns = tuple(turn for i, message in enumerate(messages) for turn in _turns(message, f"messages[{i}]"))
        if not any(turn.text.strip() or turn.attachments for turn in turns):
            raise InvalidRequest("no message has any text", type="empty_prompt", field="messages")
        return cls(turns, tools)

    @cached_property
    def ask(self) -> str:
        """The part that says what is wanted: of the last user turn, or of what that follows; see `contract.conversation`."""
        return self._wanted.ask if self._wanted.ask.strip() else self.whole

    @cached_property
    def whole(self) -> str:
        """The turns that the ask is drawn from and those that are its context, in order; of one turn its text, unchanged."""
        if len(self.turns) == 1:
            return self.turns[0].text or " "
        places = sorted({*self._wanted.drawn_from, *self._wanted.context})
        return _texts([self.turns[i] for i in places]) or self.transcript

    @cached_property
    def transcript(self) -> str:
        """All turns in order, newest last; of one turn its text, unchanged."""
        return (self.turns[0].text if len(self.turns) == 1 else _texts(self.turns)) or " "

    @property
    def attachments(self) -> int:
        """Images, files and the like in all turns: noticed, never read."""
        return sum(turn.attachments for turn in self.turns)

    @property
    def last_user_text(self) -> str:
        """The text of the last user turn; of the last turn where no user speaks."""
        return self.turns[last_user(self.turns)].text

    @cached_property
    def _wanted(self) -> Wanted:
        return wanted(self.turns)

    @cached_property
    def digest(self) -> str:
        """The sha256 of roles and texts: equal prompts have equal digests, whatever form they came in."""
        canonical = json.dumps([[t.role, t.text] for t in self.turns], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _texts(turns: Sequence[Turn]) -> str:
    return "\n\n".join(turn.text for turn in turns if turn.text.strip())


def _turns(message: Mapping[str, Any], field: str) -> Iterator[Turn]:
    if not isinstance(message, Mapping):
        raise InvalidRequest(
            f'{field} is not an object; send {{"role": "user", "content": "..."}}', type="wrong_type", field=field
        )
    role = message.get("role")
    if role not in ROLES:
        raise InvalidRequest(
            f"{field}.role is not one of {', '.join(ROLES)}",
            type="unknown_role",
            field=f"{field}.role",
            limit=list(ROLES),
        )
    content = message.get("content")
    parts = content if isinstance(content, Sequence) and not isinstance(content, str | bytes) else None
    if isinstance(content, str):
        yield Turn(role, content)
    elif content in (None, []) and role == "assistant" and any(key in message for key in INSTEAD_OF_CONTENT):
        refusal = message.get("refusal")
        yield Turn(role, refusal if isinstance(refusal, str) else "", int(message.get("audio") is not None))
    elif parts:
        numbered = [(part, f"{field}.content[{i}]") for i, part in enumerate(parts)]
        results = [(part, place) for part, place in numbered if _kind(part) == "tool_result"]
        for part, place in results:
            yield from _turns({"role": "tool", "content": part.get("content") or " "}, place)
        own = [(part, place) for part, place in numbered if _kind(part) not in ("tool_result", *SILENT_PARTS)]
        texts = [_text_of_part(part, place) for part, place in own]
        if own or not results:
            yield Turn(role, "\n".join(text for text in texts if text is not None), texts.count(None))
    else:
        raise _without_content(field)


def _kind(part: Any) -> Any:
    return part.get("type") if isinstance(part, Mapping) else None


def _without_content(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{field}.content is missing; send a string or a list of parts",
        type="missing_content",
        field=f"{field}.content",
    )


def _text_of_part(part: Any, field: str) -> str | None:
    """Return the text of a part, or None for an image, audio or a file: noticed, never read."""
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        kind = part.get("type")
        text = part.get("refusal") if kind == "refusal" else part.get("text")
        if isinstance(text, str):
            return text
        if isinstance(kind, str) and kind not in TEXT_PARTS:
            return None
    raise InvalidRequest(
        f'{field} is neither text nor a typed part; send a string or {{"type": "text", "text": "..."}}',
        type="missing_content",
        field=field,
    )
