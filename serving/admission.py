"""Who may use the cores: one request a core at a time, a bounded queue before them, and an answer at once for what finds no place.

A queue that is longer than what its callers wait for costs work that nobody reads. So beyond `most_waiting` a request is refused at once, with
the time after which there should be room, and one whose deadline passes in the queue is dropped before it costs any compute.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

from contract.errors import DeadlinePassed, Overloaded

T = TypeVar("T")

OF_A_BATCH = 2
"""Requests of one batch for each thread that wait at a time: single requests pass between them, and no thread runs dry."""

REMEMBERED = 0.95
"""Share of the mean time of a request that is kept when a new one ends."""

Work: TypeAlias = Callable[[], T]


class Admission:
    """A pool of threads with a bounded queue; used from one event loop."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        """Take the number of threads, and how many requests may wait for one."""
        self.threads, self.most_waiting = threads, most_waiting
        self.in_flight = 0
        self.shed = self.late = 0
        self._mean_s = 0.02
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")

    async def run(self, work: Work[T], deadline: float | None = None) -> T:
        """Return what work gives on a thread; `deadline` is a time of the monotonic clock.

        Raises:
            Overloaded: too many wait.
            DeadlinePassed: the deadline passed before a thread was free.
        """
        self._let_in()
        return await self._on_a_thread(work, deadline)

    async def run_all(self, works: Sequence[Work[T]], deadline: float | None = None) -> list[T]:
        """Return what each work of a batch gives, in order; a batch is let in whole, and takes few places of the queue at a time.

        Raises:
            Overloaded: too many wait.
            DeadlinePassed: the deadline passed before the last of it had a thread; the rest of it is not begun.
        """
        self._let_in()
        places = asyncio.Semaphore(OF_A_BATCH * self.threads)

        async def one(work: Work[T]) -> T:
            async with places:
                return await self._on_a_thread(work, deadline)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(work)) for work in works]
        except BaseExceptionGroup as errors:  # the rest is cancelled; one error tells it
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    def state(self) -> dict[str, int]:
        """Return how many wait, how many may, and how many were refused for that or dropped at their deadline."""
        return {
            "threads": self.threads, "waiting": max(self.in_flight - self.threads, 0), "limit": self.most_waiting,
            "shed": self.shed, "late": self.late,
        }  # fmt: skip

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _let_in(self) -> None:
        if self.in_flight < self.threads + self.most_waiting:
            return
        self.shed += 1
        seconds = max(math.ceil(self.in_flight * self._mean_s / self.threads), 1)
        what = f"{self.in_flight - self.threads} requests wait already; limit {self.most_waiting}; try again in {seconds} s"
        raise Overloaded(what, limit=self.most_waiting, retry_after_s=seconds)

    async def _on_a_thread(self, work: Work[T], deadline: float | None) -> T:
        self.in_flight += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._timed, work, deadline)
        finally:
            self.in_flight -= 1

    def _timed(self, work: Work[T], deadline: float | None) -> T:
        start = time.monotonic()
        if deadline is not None and start > deadline:
            self.late += 1
            raise DeadlinePassed("its time was over before a core was free; give it more, or send less at a time")
        try:
            return work()
        finally:
            self._mean_s = REMEMBERED * self._mean_s + (1 - REMEMBERED) * (time.monotonic() - start)
