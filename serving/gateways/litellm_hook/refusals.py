"""Models that refuse what the hook sends them: after some refusals in a row it is not sent for a while."""

import time
from collections.abc import Callable, Hashable

IN_A_ROW = 3
PAUSE_S = 600.0
MOST = 4096


class Refusals:
    """Counts, by model and parameters, requests that a provider called bad; an answer forgets them.

    A provider does not say which part of a request was bad, so a caller's mistakes count too: what that costs is
    the provider's default for a while, never an answer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[Hashable, int] = {}
        self._until: dict[Hashable, float] = {}

    def refused(self, what: Hashable) -> bool:
        """Note a refusal; return whether it is now left alone."""
        if len(self._counts) >= MOST:
            self._counts.clear()
        self._counts[what] = self._counts.get(what, 0) + 1
        if self._counts[what] < IN_A_ROW:
            return False
        del self._counts[what]
        self._until[what] = self._clock() + PAUSE_S
        return True

    def answered(self, what: Hashable) -> None:
        """Note an answer."""
        self._counts.pop(what, None)

    def left_alone(self, what: Hashable) -> bool:
        """Return whether it is not to be sent now."""
        until = self._until.get(what)
        if until is not None and self._clock() >= until:
            del self._until[what]
            return False
        return until is not None
