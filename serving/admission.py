"""Who may use the cores: one request a core at a time, a bounded queue before them, and an answer at once for what finds no place.

A queue that is longer than what its callers wait for costs work that nobody reads. So beyond `most_waiting` a request is refused at once, with
the time after which there should be room, and one whose deadline passes or whose client leaves while it waits gives its place up and costs no compute.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NoReturn, TypeAlias, TypeVar

from contract.errors import ClientGone, DeadlinePassed, Overloaded

T = TypeVar("T")

OF_A_BATCH = 2
"""Requests of one batch for each thread that wait at a time: single requests pass between them, and no thread runs dry."""

LONGEST_BATCH_S = 10.0
"""Seconds of work beyond which a batch is refused where others are unfinished: BentoML ends a request after 30, and a core may slow down."""

REMEMBERED = 0.95
"""Share of the mean time of a request that is kept when a new one ends."""

Work: TypeAlias = Callable[[], T]

Gone: TypeAlias = Callable[[], "asyncio.Future[None]"]
"""Gives what is done once the client has left; asked for only where a request has to wait."""


LATE = "its time was over before a core was free; give it more, or send less at a time"


class Admission:
    """A pool of threads with a bounded queue; used from one event loop."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        """Take the number of threads, and how many requests may wait for one."""
        self.threads, self.most_waiting = threads, most_waiting
        self.in_flight = 0
        self.owed = 0  # requests of batches that have no place of the queue yet
        self.shed = self.late = self.gone = 0
        self._mean_s = 0.02
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")

    async def run(
        self,
        work: Work[T],
        deadline: float | None = None,
        gone: Gone | None = None,
        *,
        let_in: bool = False,
        of_graphs: bool = True,
    ) -> T:
        """Return what work gives on a thread.

        Args:
            work: what to do.
            deadline: a time of the monotonic clock.
            gone: gives what is done once the client has left.
            let_in: whether the request was let in before, for another work: it is not refused now.
            of_graphs: whether its time tells how long others will take.

        Raises:
            Overloaded: too many wait.
            DeadlinePassed, ClientGone: that came before a thread was free.
        """
        if not let_in:
            self._let_in()
        return await self._on_a_thread(work, deadline, gone, of_graphs=of_graphs)

    async def run_all(
        self, works: Sequence[Work[T]], deadline: float | None = None, gone: Gone | None = None
    ) -> list[T]:
        """Return what each work of a batch gives, in order; a batch is let in whole, and takes few places of the queue at a time.

        Raises:
            Overloaded: too many wait, or the batches that are unfinished leave too much to do.
            DeadlinePassed, ClientGone: that came before the last of it had a thread; the rest of it is not begun.
        """
        self._let_in()
        if self.owed and self._seconds(len(works)) > LONGEST_BATCH_S:
            self._refuse(f"{self.owed} requests of other batches are to be answered first")
        places, left = asyncio.Semaphore(OF_A_BATCH * self.threads), len(works)
        self.owed += left

        async def one(work: Work[T]) -> T:
            nonlocal left
            async with places:
                left, self.owed = left - 1, self.owed - 1
                return await self._on_a_thread(work, deadline, gone)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(work)) for work in works]
        except BaseExceptionGroup as errors:  # the rest is cancelled; one error tells it
            raise errors.exceptions[0] from None
        finally:
            self.owed -= left  # those that were never begun
        return [task.result() for task in tasks]

    def state(self) -> dict[str, int]:
        """Return how many wait, how many may, and how many were refused for that, dropped at their deadline, or left by their client."""
        return {
            "threads": self.threads, "waiting": max(self.in_flight - self.threads, 0), "limit": self.most_waiting,
            "shed": self.shed, "late": self.late, "gone": self.gone,
        }  # fmt: skip

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _let_in(self) -> None:
        if self.in_flight < self.threads + self.most_waiting:
            return
        self._refuse(f"{self.in_flight - self.threads} requests wait already; limit {self.most_waiting}")

    def _refuse(self, why: str) -> NoReturn:
        self.shed += 1
        seconds = max(math.ceil(self._seconds()), 1)
        raise Overloaded(f"{why}; try again in {seconds} s", limit=self.most_waiting, retry_after_s=seconds)

    def _seconds(self, more: int = 0) -> float:
        """Return how long all that is let in, and so many more, will take."""
        return (self.in_flight + self.owed + more) * self._mean_s / self.threads

    async def _on_a_thread(
        self, work: Work[T], deadline: float | None, gone: Gone | None, *, of_graphs: bool = True
    ) -> T:
        waits = self.in_flight >= self.threads
        self.in_flight += 1
        try:
            future = self._pool.submit(self._timed, work, deadline, of_graphs)
            ended = asyncio.wrap_future(future)
            if waits:
                await self._while_somebody_waits(future, ended, deadline, gone)
            return await ended
        finally:
            self.in_flight -= 1

    async def _while_somebody_waits(
        self, future: "Future[T]", ended: "asyncio.Future[T]", deadline: float | None, gone: Gone | None
    ) -> None:
        """Return when work has ended, or has begun and nobody waits for it any more.

        Raises:
            DeadlinePassed, ClientGone: nobody waits, and it has not begun: its place is free.
        """
        left = gone() if gone else None
        seconds = None if deadline is None else max(deadline - time.monotonic(), 0)
        waited_for: set[asyncio.Future[Any]] = {ended, left} if left else {ended}
        try:
            await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # of a batch that has failed
            future.cancel()
            raise
        if ended.done() or not future.cancel():
            return
        if left and left.done():
            self.gone += 1
            raise ClientGone("the client left before a core was free")
        self.late += 1
        raise DeadlinePassed(LATE)

    def _timed(self, work: Work[T], deadline: float | None, of_graphs: bool) -> T:
        start = time.monotonic()
        if deadline is not None and start > deadline:
            self.late += 1
            raise DeadlinePassed(LATE)
        try:
            return work()
        finally:
            if of_graphs:
                self._mean_s = REMEMBERED * self._mean_s + (1 - REMEMBERED) * (time.monotonic() - start)
