"""What the graphs said of prompts, remembered: a repeated prompt costs no call of the encoder."""

import hashlib
from threading import Lock
from typing import NamedTuple

from cachetools import LRUCache

from contract.explain import Effect
from contract.model_names import normalised
from contract.prompt import Prompt
from contract.scorer import Scored


class Reading(NamedTuple):
    """All that the graphs of one revision say of a prompt for a target model.

    Attributes:
        scored: the scores of the heads.
        effects: the largest effects of named features.
        attachments: images, files and the like that were not read; it takes the ask to tell which count, and finding that is no work for
            an event loop.
    """

    scored: Scored
    effects: tuple[Effect, ...]
    attachments: int = 0


class Readings:
    """The readings last asked for, by content; of one revision, as a router has one. Safe to use from several threads."""

    def __init__(self, most: int) -> None:
        """Remember at most so many; none for 0."""
        self._known: LRUCache[bytes, Reading] = LRUCache(most)
        self._lock = Lock()

    def get(self, key: bytes) -> Reading | None:
        """Return the reading of a key, None where it is not remembered."""
        with self._lock:
            return self._known.get(key)

    def put(self, key: bytes, reading: Reading) -> None:
        """Remember a reading, in the place of the one that was asked for longest ago."""
        with self._lock:
            if self._known.maxsize:
                self._known[key] = reading

    def __len__(self) -> int:
        return len(self._known)


def key_of(prompt: Prompt, model: str | None) -> bytes:
    """Return a digest of all that a reading depends on: turns with their roles and attachments, tools, and the target model."""
    attachments = [turn.attachments for turn in prompt.turns]
    what = f"{prompt.digest} {attachments} {prompt.tools} {normalised(model) if model else None!r}"
    return hashlib.blake2b(what.encode("utf-8", "surrogatepass"), digest_size=16).digest()
