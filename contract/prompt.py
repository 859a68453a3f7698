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

HIDDEN = ("thinking", "redacted_thinking", "reasoning")
"""Kinds of parts that hold thinking of earlier turns, which the model does not see again."""

CALLS, SERVER_RESULTS = ("_use", "_call"), "_tool_result"
"""How the kinds of calls of tools end, and those of what a provider's own tools gave: no text that the user or the model wrote, and no attachment."""

RESULT = "tool_result"

RESULT_ATTACHMENTS = ("image", "image_url", "input_image", "document", "file", "input_file")
"""Kinds of attachments in what a tool gave; its other parts without a text are passed over."""

OBJECT = (dict, Mapping)
"""Kinds of objects, the usual first: an abstract class is asked for eight times as long."""

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

        A `tool_result` among the parts of a user's message is a turn of its own, of the role tool, before the rest of the message.

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
        """Images, files and the like, noticed and never read, from the first turn that the whole holds to the last one."""
        if not any(turn.attachments for turn in self.turns):
            return 0  # as mostly, and what a long conversation wants need not be found for it
        first = min({*self._wanted.drawn_from, *self._wanted.context, last_user(self.turns)})
        if first and self.turns[first].role == "assistant":
            first -= 1  # what is answered may be an image alone
        return sum(turn.attachments for turn in self.turns[first:])

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
    if not isinstance(message, OBJECT):
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
    instead = _instead_of_content(message)
    if instead and (content is None or content in ("", [])):
        yield instead
    elif isinstance(content, str):
        yield Turn(role, content)
    elif isinstance(content, Sequence) and not isinstance(content, bytes) and content:
        numbered = [(part, f"{field}.content[{i}]") for i, part in enumerate(content)]
        results = [part for part, _ in numbered if _kind(part) == RESULT]
        yield from (_given(part.get("content")) for part in results)
        rest = [(part, place) for part, place in numbered if _kind(part) != RESULT]
        if rest or not results:
            texts = [_text_of_part(part, place) for part, place in rest if not _is_silent(_kind(part))]
            yield Turn(role, "\n".join(text for text in texts if text is not None), texts.count(None))
    else:
        raise _without_content(field)


def _instead_of_content(message: Mapping[str, Any]) -> Turn | None:
    """Return the turn of a message that may have no content, None where it may not: a tool that gave nothing, an assistant that called one."""
    if message.get("role") == "tool":
        return Turn("tool", "")
    if message.get("role") != "assistant" or not any(key in message for key in INSTEAD_OF_CONTENT):
        return None
    refusal = message.get("refusal")
    return Turn("assistant", refusal if isinstance(refusal, str) else "", int(isinstance(message.get("audio"), OBJECT)))


def _given(content: Any) -> Turn:
    """Return the turn of what a tool gave: a text, parts, nothing, or any other value as its JSON."""
    if isinstance(content, list) and all(isinstance(part, (str, *OBJECT)) for part in content):
        texts = [part if isinstance(part, str) else part.get("text") for part in content]
        attachments = sum(_kind(part) in RESULT_ATTACHMENTS for part in content)
        return Turn("tool", "\n".join(text for text in texts if isinstance(text, str)), attachments)
    if content is None or isinstance(content, str):
        return Turn("tool", content or "")
    return Turn("tool", json.dumps(content, ensure_ascii=False, default=str))


def _is_silent(kind: Any) -> bool:
    return isinstance(kind, str) and (kind in HIDDEN or kind.endswith(CALLS) or kind.endswith(SERVER_RESULTS))


def _kind(part: Any) -> Any:
    return part.get("type") if isinstance(part, OBJECT) else None


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
    if isinstance(part, OBJECT):
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
