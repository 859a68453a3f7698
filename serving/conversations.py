"""The arm of the last turn of each conversation, as far as one worker remembers it.

What is kept is bounded in number (the least recently used is forgotten) and in time. It is the worker's own: with several workers a
conversation is known only where its last turn was answered, so a gateway that wants it known routes by conversation, or runs one worker.
"""

import threading
from typing import NamedTuple

from cachetools import LRUCache, TTLCache

from contract.records import Arm


class _Key(NamedTuple):
    """A conversation with one target model: a provider's cache is a model's own."""

    conversation_id: str
    model: str | None


class _Turn(NamedTuple):
    arm: Arm
    decision_id: str


class Conversations:
    """Remembers the arms of last turns; safe to use from several threads."""

    def __init__(self, most: int, ttl_s: float) -> None:
        """Remember up to `most` conversations, each for `ttl_s` seconds after its last turn; 0: none."""
        self._turns: TTLCache[_Key, _Turn] = TTLCache(max(most, 1), ttl_s)
        self._asked: LRUCache[str, tuple[_Key, str]] = LRUCache(2 * max(most, 1))  # decision_id and request_id of turns
        self._off, self._lock = most == 0, threading.Lock()

    def last_arm(self, conversation_id: str | None, model: str | None) -> Arm | None:
        """Return the arm of the last turn; None where it is not known."""
        if self._off or not conversation_id:
            return None
        with self._lock:
            turn = self._turns.get(_Key(conversation_id, model))
        return turn.arm if turn else None

    def answered(
        self, conversation_id: str | None, model: str | None, arm: Arm, *, decision_id: str, request_id: str | None
    ) -> None:
        """Take the arm that a turn was answered with."""
        if self._off or not conversation_id:
            return
        key = _Key(conversation_id, model)
        with self._lock:
            self._turns[key] = _Turn(arm, decision_id)
            for name in filter(None, (decision_id, request_id)):
                self._asked[name] = key, decision_id

    def overridden(self, arm: Arm, *, decision_id: str | None, request_id: str | None) -> None:
        """Take the arm that was used in the place of the one answered, if that answer was to the last turn."""
        if self._off:
            return
        with self._lock:
            key, decided = self._asked.get(decision_id or request_id or "", (None, ""))
            turn = self._turns.get(key) if key else None
            if key and turn and turn.decision_id == decided:
                self._turns[key] = _Turn(arm, decided)
