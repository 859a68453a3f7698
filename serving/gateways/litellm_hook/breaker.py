"""A circuit breaker: after failures in a row nothing is tried for a while, then one request is."""

import time
from collections.abc import Callable

LONGEST_PAUSE_S = 60.0
"""What a server may ask for at most by Retry-After."""


class Breaker:
    """Says whether to try. Closed: all try; open: none does; after the cooldown one does, and decides.

    Not for several threads: one event loop asks and tells.
    """

    def __init__(self, *, failures: int, cooldown_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Open after `failures` in a row, for `cooldown_s` seconds of `clock`."""
        self._limit, self._cooldown_s, self._clock = failures, cooldown_s, clock
        self._failed = 0
        self._until: float | None = None
        self._tried_since: float | None = None

    def another(self) -> "Breaker":
        """Return a closed one with the same limits."""
        return Breaker(failures=self._limit, cooldown_s=self._cooldown_s, clock=self._clock)

    @property
    def open(self) -> bool:
        """Whether requests go on untried, but for the one that tries."""
        return self._until is not None

    def allows(self) -> bool:
        """Return whether to try now; who is told so must tell how it ended, by `succeeded`, `failed` or `undecided`."""
        if self._until is None:
            return True
        now = self._clock()
        if now < self._until or self._tried_since is not None:
            return False
        self._tried_since = now
        return True

    def succeeded(self) -> bool:
        """Note an answer; return whether that closes an open breaker."""
        closes = self.open
        self._failed, self._until, self._tried_since = 0, None, None
        return closes

    def failed(self, pause_s: float | None = None) -> bool:
        """Note a failure, and for how long the server asked not to be asked; return whether that opens a closed breaker."""
        self._failed += 1
        was_open = self.open
        if was_open and self._tried_since is None:
            return False  # it began before the breaker opened
        if was_open or self._failed >= self._limit:
            self._until = self._clock() + max(self._cooldown_s, min(pause_s or 0.0, LONGEST_PAUSE_S))
            self._tried_since = None
        return self.open and not was_open

    def undecided(self) -> None:
        """Note that a try told nothing: the request went away, or it was declined for what it holds."""
        self._tried_since = None
