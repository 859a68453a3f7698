"""Outcomes on their way: bounded, posted together, off the path of requests."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .aside import Aside
from .wire import Declined

LARGEST_POST = 500
"""Outcomes in one post; the service takes 1,000."""


class Outbox:
    """Keeps outcomes until they are posted. A task runs only while some wait, so nothing is left behind at the end.

    What is posted twice, because an answer was lost, the service counts once.
    """

    def __init__(
        self, post: Callable[[Sequence[Mapping[str, Any]]], Coroutine[Any, Any, None]], *, limit: int, linger_s: float, pause_s: float, timeout_s: float,
        counts: Counter[str], aside: Aside,
    ) -> None:  # fmt: skip
        """Post by `post`, `linger_s` after the first of a batch; after a failure, or after `timeout_s` without an answer, again `pause_s` later. `counts` is told what became of them."""
        self._post, self._limit, self._linger_s, self._pause_s, self._counts = post, limit, linger_s, pause_s, counts
        self._timeout_s, self._aside = timeout_s, aside
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def put(self, outcome: Mapping[str, Any]) -> None:
        """Take an outcome, from within an event loop; where too many wait it is dropped."""
        if len(self._waiting) >= self._limit:
            self._counts["outcomes_dropped"] += 1
            return
        self._waiting.append(outcome)
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._loop is not loop:
            self._loop, self._task = loop, loop.create_task(self._run())

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is waiting, so long at most; return whether that came."""
        if self._task is not None and self._loop is asyncio.get_running_loop():
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), seconds)
        return not self._waiting

    async def _run(self) -> None:
        await asyncio.sleep(self._linger_s)
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(LARGEST_POST, len(self._waiting)))]
            try:
                await self._posted(batch)
            except asyncio.CancelledError:
                self._waiting.extendleft(reversed(batch))
                raise
            except Exception:
                self._counts["posts_failed"] += 1
                self._waiting.extendleft(reversed(batch))
                await asyncio.sleep(self._pause_s)

    async def _posted(self, batch: list[Mapping[str, Any]]) -> None:
        """Post a batch; one that is declined is posted one by one, for a single bad outcome refuses all beside it."""
        try:
            await self._aside.run(self._post(batch), self._timeout_s)
            self._counts["outcomes_told"] += len(batch)
        except Declined:
            if len(batch) == 1:
                self._counts["outcomes_declined"] += 1
                return
            while batch:
                await self._posted(batch[:1])
                del batch[0]
