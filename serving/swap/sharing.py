"""Reloads that are asked for at once share one: however many wait, they take one thread, and none of the event loop's."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

from contract.errors import NotReloaded

R = TypeVar("R")


class Sharing(Generic[R]):
    """Runs a work in one thread of its own; safe to use from several threads.

    Who asks while it runs shares the run after it and not that one, which may have looked at the source before it changed.
    """

    def __init__(self, work: Callable[[float], R], wait_s: float) -> None:
        """Take the work, which is told the seconds that it may wait, and how many whoever asks first waits in all."""
        self._work, self._wait_s = work, wait_s
        self._pool = ThreadPoolExecutor(1, "thinkworth-reload")
        self._lock = Lock()
        self._next: Future[R] | None = None

    def ask(self) -> "Future[R]":
        """Return what the next run will give, or raise; it raises NotReloaded where the run before it takes all the time."""
        with self._lock:
            if self._next is None:
                self._next = self._pool.submit(self._run, time.monotonic() + self._wait_s)
            return self._next

    def close(self) -> None:
        """Begin no other run."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, until: float) -> R:
        with self._lock:
            self._next = None
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise NotReloaded("another reload is under way; wait for it", type="busy")
        return self._work(left_s)
