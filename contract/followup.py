"""Reads a short turn by what it follows: "yes, do it" asks for what was offered, "and for 2023?" for what was asked before.

Readings are deterministic, and their cost is bounded: only short turns are looked at, and only the end of what they answer.
In languages without phrases (`contract.followup_phrases`) a turn is one of its own, unless it answers a question.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from contract import followup_phrases as phrases
from contract.ask import asks, asks_anywhere

LONGEST_FOLLOW_UP = 80
"""Characters up to which a turn may lean on what is before it."""

LONGEST_REPLY = 300
"""Characters up to which a turn that asks nothing is the reply to the question before it."""

MOST_WORDS, MOST_BARE_WORDS = 10, 6
"""Words up to which a turn may lean on what is before it: one that begins with "and", and one that has no verb that is known."""

END_READ = 1_500
"""Characters read of the end of what a turn answers."""


class Kind(Enum):
    """What a user turn wants: what it says, nothing (thanks), what was asked before it, or what was offered to it."""

    OWN = auto()
    NOTHING = auto()
    BEFORE = auto()
    OFFERED = auto()


class Reading(NamedTuple):
    """A turn as read; `text` is the offer that it takes, or what it adds to the ask before it."""

    kind: Kind
    text: str = ""


def read(text: str, answered: str) -> Reading:
    """Return what a user turn wants, given what the assistant said before it (empty where nothing)."""
    said = text.strip()
    if not said:
        return Reading(Kind.BEFORE)
    end = answered[-END_READ:].rstrip(phrases.AFTER_A_QUESTION)
    if len(said) <= LONGEST_FOLLOW_UP:
        reading = _read_cjk(said, end) if phrases.CJK.search(said) else _read_words(said, end)
        if reading.kind is not Kind.OWN:
            return reading
    if len(said) > LONGEST_REPLY or not _asked(end):
        return Reading(Kind.OWN)
    states = not (_has_a_task(said) if len(said) <= LONGEST_FOLLOW_UP else asks_anywhere(said))
    return Reading(Kind.BEFORE, said) if states else Reading(Kind.OWN)


def sets_a_task(rules: str) -> bool:
    """Return whether a system prompt says what to do with what the user sends, and not only in which manner."""
    return any(
        asks(sentence) and not sentence.rstrip().endswith("?") and not _starts_with(sentence, phrases.MANNER_VERBS)
        for sentence in phrases.SENTENCE.findall(rules)
    )


def _read_words(said: str, end: str) -> Reading:
    lower = said.lower().replace("’", "'")
    words = phrases.WORD.findall(lower)
    known, plain = frozenset(words), lower.strip(" .!?¿…:()")
    if not words:
        agrees, refuses = (not set(marks).isdisjoint(said) for marks in (phrases.AGREE_MARKS, phrases.REFUSE_MARKS))
        if agrees and not refuses and _awaits(end):
            return _taken(end)
        return Reading(Kind.BEFORE, said) if "?" in said else Reading(Kind.NOTHING)
    choice = phrases.CHOICE.fullmatch(plain)
    if choice and end and not known <= phrases.AGREE:
        return _chosen(said, choice[1], end)
    if known <= phrases.ANY_PLAIN and not said.endswith("?"):
        return _read_plain(lower, known, end)
    if (
        words[0] in phrases.YES
        and not _has_a_task(lower.removeprefix(words[0]).strip(" ,.!"))
        and (offered := _offer(end))
    ):
        return Reading(Kind.OFFERED, f"{offered}\n{said}")
    if len(words) <= MOST_WORDS and (phrases.WHY.fullmatch(plain) or _leans(lower, words)):
        return Reading(Kind.BEFORE, said)
    if known & phrases.THANKS and "?" not in said and not any(map(asks, re.split(r"[.,!;]+\s*", said))):
        return Reading(Kind.NOTHING)
    return Reading(Kind.OWN)


def _read_plain(lower: str, known: frozenset[str], end: str) -> Reading:
    """Read a turn of words that agree, go on, thank or close: what is a yes to an offer is nothing without one."""
    closes = bool(known & (phrases.THANKS | phrases.CLOSE))
    if (phrases.STRONG_GO.search(lower) and not known & phrases.NO) or (known & phrases.GO and not closes):
        return _taken(end)
    agrees = known & phrases.YES or (known & phrases.AGREE and not closes)
    return _taken(end) if agrees and not known & phrases.NO and _awaits(end) else Reading(Kind.NOTHING)


def _leans(lower: str, words: list[str]) -> bool:
    """Return whether a turn begins with "and", or says "again" or "instead", and has no question or verb of its own."""
    lead = phrases.LEAD.match(lower)
    rest = lower[lead.end() :].strip(" ?") if lead else lower.rstrip("? ")
    if _has_a_task(rest):
        return False
    if phrases.WH.search(rest[:24]) and phrases.VERB.search(rest):
        return False
    if lead or phrases.OTHER.search(lower):
        return True
    if len(words) > MOST_BARE_WORDS:
        return False
    return bool(phrases.FRAGMENT.match(lower) or (lower.endswith("?") and phrases.FOREIGN_LEAD.match(lower)))


def _has_a_task(said: str) -> bool:
    """Return whether a clause asks, and not only by a verb such as "give" or "use"."""
    return any(
        asks(clause) and not _starts_with(clause, phrases.WEAK_VERBS)
        for clause in re.split(r"[,;]\s*|(?<=[.!?]) ", said)
    )


def _starts_with(clause: str, verbs: frozenset[str]) -> bool:
    return clause.lower().split(maxsplit=1)[0].strip(",.:;!*-") in verbs


def _read_cjk(said: str, end: str) -> Reading:
    plain = phrases.CJK_MARKS.sub("", said).rstrip("?？")
    asks_what, questions = bool(phrases.CJK_WH.search(plain)), said.endswith(("?", "？"))
    if phrases.CJK_AGREE.fullmatch(plain):
        return _taken(end) if _awaits(end) else Reading(Kind.NOTHING)
    if len(plain) <= 16 and phrases.CJK_GO.search(plain) and not asks_what and not questions:
        return _taken(end)
    if phrases.CJK_THANKS.search(plain) and not asks_what and not questions:
        return Reading(Kind.NOTHING)
    if phrases.CJK_MORE.fullmatch(plain) and (not asks_what or len(plain) <= 4):
        place = phrases.CJK_PLACE.match(plain)
        return _chosen(said, place[1], end) if place else Reading(Kind.BEFORE, said)
    return Reading(Kind.OWN)


def _awaits(end: str) -> bool:
    return bool(_offer(end)) or _asked(end)


def _taken(end: str) -> Reading:
    """Return the reading of a go-ahead: the offer, or what was asked before where none says what it would do."""
    offered = _offer(end)
    return Reading(Kind.OFFERED, offered) if offered else Reading(Kind.BEFORE)


def _chosen(said: str, place: str | None, end: str) -> Reading:
    """Return the reading of a choice: the item of the list above it, which is an ask of its own where it asks."""
    items = phrases.ITEM.findall(end)
    i = phrases.PLACE.get(place or "", len(items))
    if items and i < len(items):
        item = items[i].strip()
        return Reading(Kind.OFFERED, item) if asks(item) else Reading(Kind.BEFORE, f"{item}\n{said}")
    offered = _offer(end)
    return Reading(Kind.OFFERED, f"{offered}\n{said}") if offered else Reading(Kind.BEFORE, said)


def _offer(end: str) -> str:
    """Return what the last sentence that offers something offers; nothing where it does not say what."""
    for sentence in reversed(phrases.SENTENCE.findall(end)):
        found = phrases.OFFER.search(sentence)
        if not found:
            continue
        if phrases.COURTESY.search(sentence):
            return ""
        offered = sentence[found.end() :]
        if more := phrases.OFFER_CONTINUED.match(offered):
            offered = offered[more.end() :]
        for part in (offered, sentence[: found.start()]):  # "Shall I prove it?", "I can prove it if you like."
            if not frozenset(phrases.WORD.findall(part.lower())) <= phrases.SAYS_NOTHING:
                return str(part.strip(" .,;:?？!*-¿"))
        return ""
    return ""


def _asked(end: str) -> bool:
    """Return whether what a turn answers ends with a question that is more than a courtesy."""
    if not end.endswith(("?", "？")):
        return False
    sentences = phrases.SENTENCE.findall(end)
    return bool(sentences) and not phrases.COURTESY.search(sentences[-1])
