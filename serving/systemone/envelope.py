"""The state of a question into a prompt: LiteLLM's envelope is taken off, so that what is embedded is what training saw.

LiteLLM writes up to four blocks, each behind a blank line, in this order, the last one always:

    Caller system prompt, quoted as task context:
    Recent conversation (context only, do not classify these):      [1] ... [2] ...
    Conversation so far: ~12 tokens across the request
    Classify this message:

Nothing in it is quoted, so any text may hold any of these lines. It is read from the front: a state that begins with one of the last two
blocks is prompt to its end, whatever it holds. Else the prompt begins behind the *first* line of the conversation's length, which nobody
writes by chance, or where there is none behind the first "Classify this message:". So a prompt that holds that line itself is never cut at it; a
system prompt that holds it, without a conversation, only brings its own rest before the prompt.
"""

import json
import re
from typing import Any

from pydantic import JsonValue

SYSTEM = "\nCaller system prompt, quoted as task context:\n"
RECENT = "\nRecent conversation (context only, do not classify these):\n"
ASKED = "\nClassify this message:\n"
_LENGTH = r"\nConversation so far: ~\d+ tokens across the request\n" + re.escape(ASKED)
_DEEP = re.compile(r"\n" + _LENGTH)
_AT_ONCE = re.compile(rf"(?:{_LENGTH}|{re.escape(ASKED)})")
_FIRST = "[1] "
_NUMBERED = re.compile(r"(?P<number>\n\[(?P<n>\d{1,3})\] )(?:(?P<role>user|assistant): )?")

Messages = list[dict[str, Any]]


def messages_of(state: str | dict[str, JsonValue] | list[JsonValue]) -> Messages:
    """Return the conversation that a state tells, the prompt last.

    A text is read as above; a list of objects with a role is a conversation, and so is what an object has under `messages`; an object of one
    text is that text; of any other value its JSON is the prompt. A conversation without a message is passed on, to be refused as one.
    """
    if isinstance(state, str):
        return _of_text(state)
    spoken = state.get("messages") if isinstance(state, dict) else state
    if isinstance(spoken, list) and all(isinstance(one, dict) and "role" in one for one in spoken):
        return list(spoken)  # type: ignore[arg-type]
    values = list(state.values()) if isinstance(state, dict) else state
    if len(values) == 1 and isinstance(values[0], str):
        return _of_text(values[0])
    return [_said("user", json.dumps(state, ensure_ascii=False))]


def _of_text(state: str) -> Messages:
    if at_once := _AT_ONCE.match(state):
        return [_said("user", state[at_once.end() :])]
    if not state.startswith((SYSTEM, RECENT)):
        return [_said("user", state)]
    deep = _DEEP.search(state)
    start, end = deep.span() if deep else _span(state, "\n" + ASKED)
    if start < 0:
        return [_said("user", state)]
    return [*_context(state[:start]), _said("user", state[end:])]


def _context(head: str) -> Messages:
    """Return the system prompt and the earlier turns that stand before the prompt."""
    if head.startswith(RECENT):
        return _turns(head[len(RECENT) :])
    start, end = _span(head, f"\n{RECENT}{_FIRST}")
    if start < 0:
        return [_said("system", head[len(SYSTEM) :])]
    return [_said("system", head[len(SYSTEM) : start]), *_turns(head[end - len(_FIRST) :])]


def _turns(block: str) -> Messages:
    """Return numbered turns, of which there are up to 999; they are of users unless the first is marked with its role, and then each is."""
    text = f"\n{block}"
    found: list[re.Match[str]] = []
    for mark in _NUMBERED.finditer(text):
        if int(mark["n"]) == len(found) + 1 and (mark["role"] or not found or not found[0]["role"]):
            found.append(mark)
    spoken = bool(found and found[0]["role"])
    turns = []
    for mark, following in zip(found, [*found[1:], None], strict=True):
        begin, end = mark.end() if spoken else mark.end("number"), following.start() if following else len(text)
        turns.append(_said(mark["role"] if spoken else "user", text[begin:end]))
    return turns or [_said("user", block)]


def _span(text: str, part: str) -> tuple[int, int]:
    start = text.find(part)
    return start, start + len(part)


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}
