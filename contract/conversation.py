"""What the last user turn of a conversation wants, and which turns say it.

A turn such as "yes, do it" wants what the assistant offered; "and for 2023?" and an image without a text want what the
nearest earlier user turn wants that says it; thanks want nothing but themselves. A text that asks nothing below a system
prompt that sets a task (classify, translate: what to do, and not only how) wants what the system prompt says. All is
deterministic and linear in the length of the texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from contract.ask import asks_anywhere, find_ask
from contract.followup import LONGEST_FOLLOW_UP, Kind, Reading, read, sets_a_task

PREVIOUS_TURNS = 2
"""Turns before a short last user turn that are its context, and as many after it. By benchmarks/conversations.py."""

SHORT_TURN = 250
"""Characters up to which a turn is short: a longer one brings its own material."""

LONGEST_STORY = 400
"""Characters up to which prose that asks nothing is part of the short question below it: a word problem in two turns."""

SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: its role and its text; what is no text (an image, audio) is only counted."""

    role: str
    text: str
    attachments: int = 0


class Wanted(NamedTuple):
    """What the last user turn wants.

    Attributes:
        ask: in the words of the turns that say it; empty where none says anything.
        drawn_from: places of these turns.
        context: places of the turns around a short last user turn with an ask of its own.
    """

    ask: str
    drawn_from: tuple[int, ...]
    context: tuple[int, ...] = ()


class _Read(NamedTuple):
    """A user turn as read, and where what it answers is: the assistant's last turn before it, or -1."""

    reading: Reading
    answers: int


def last_user(turns: Sequence[Turn]) -> int:
    """Return the place of the last user turn; of the last turn where no user speaks."""
    return max((i for i, turn in enumerate(turns) if turn.role == "user"), default=len(turns) - 1)


def wanted(turns: Sequence[Turn]) -> Wanted:
    """Follow the last user turn back to what it wants."""
    last = last_user(turns)
    if len(turns) == 1 or turns[last].role != "user":
        return Wanted(find_ask(turns[last].text) if turns[last].text.strip() else "", (last,))
    read_turns = _read_turns(turns)
    added = ""
    drawn: list[int] = []
    for at in reversed(read_turns):
        (kind, text), answers = read_turns[at]
        if kind is Kind.OWN:
            ask, own = _own_ask(turns, at)
            return Wanted(_joined(ask, added), (*drawn, *own), _around(turns, read_turns) if at == last else ())
        if kind is Kind.OFFERED:
            before = max((i for i in read_turns if i < at), default=answers)
            return Wanted(_joined(text, added), (*drawn, before, answers))
        if kind is Kind.NOTHING and at == last:
            return Wanted(find_ask(turns[at].text), (at,))
        if text:
            drawn.append(at)
        added = added or text
    return Wanted(*_own_ask(turns, last))


def _read_turns(turns: Sequence[Turn]) -> dict[int, _Read]:
    """Return what each user turn wants, in order; a text beside an image has that image to ask about."""
    found, answers = {}, -1
    for i, turn in enumerate(turns):
        if turn.role == "user":
            own = turn.attachments and turn.text.strip()
            answered = turns[answers].text if answers >= 0 else ""
            found[i] = _Read(Reading(Kind.OWN) if own else read(turn.text, answered), answers)
            answers = -1
        elif turn.role == "assistant" and turn.text.strip():
            answers = i
    return found


def _own_ask(turns: Sequence[Turn], at: int) -> tuple[str, tuple[int, ...]]:
    """Return the ask that a user turn says itself, and the turns that it is drawn from.

    A short question belongs to the short prose that the user sent before it without asking anything, as it would in one prompt.
    """
    text = turns[at].text
    ask = find_ask(text) if text.strip() else ""
    if ask and not asks_anywhere(text):
        system = tuple(i for i, turn in enumerate(turns) if turn.role in SYSTEM_ROLES and turn.text.strip())
        rules = "\n\n".join(turns[i].text for i in system)
        return (_joined(find_ask(rules), ask), (*system, at)) if sets_a_task(rules) else (ask, (at,))
    before = (
        max((i for i in range(at) if turns[i].role == "user"), default=-1) if 0 < len(text) <= LONGEST_FOLLOW_UP else -1
    )
    story = turns[before].text.strip() if before >= 0 else ""
    if LONGEST_FOLLOW_UP < len(story) <= LONGEST_STORY and not asks_anywhere(story) and find_ask(story) == story:
        return f"{story}\n\n{ask}", (before, at)
    return ask, (at,)


def _around(turns: Sequence[Turn], read_turns: dict[int, _Read]) -> tuple[int, ...]:
    """Return the turns around a short last user turn, but for pleasantries and their answers and the system prompt."""
    last = max(read_turns)
    if len(turns[last].text) > SHORT_TURN:
        return ()
    spoken, pleasant = [], False
    for i, turn in enumerate(turns):
        pleasant = read_turns[i].reading.kind is Kind.NOTHING if i in read_turns else pleasant
        if turn.role not in SYSTEM_ROLES and turn.text.strip() and not pleasant:
            spoken.append(i)
    before, after = ([i for i in spoken if i < last], [i for i in spoken if i > last])
    return (*before[max(len(before) - PREVIOUS_TURNS, 0) :], *after[max(len(after) - PREVIOUS_TURNS, 0) :])


def _joined(ask: str, added: str) -> str:
    return f"{ask}\n{added}" if ask and added else ask or added
