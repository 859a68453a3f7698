"""An event loop of the hook's own, in a thread beside the proxy's."""

import asyncio
import os
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

GRACE_S = 1.0
"""What is awaited beyond a deadline, for one that the thread itself cannot keep: something in it blocks."""


class Aside:
    """Runs coroutines beside the caller's event loop. The thread starts with the first of them, in each process anew.

    A busy proxy takes long from one step of a request to the next. Steps of ours would wait among its own, and a deadline would tell
    how busy the proxy is, not how fast the service; here they do not, and the caller is woken once.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process: int | None = None
        self._lock = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether there is a thread, of this process."""
        return self._loop is not None and self._process == os.getpid()

    async def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Return what a coroutine returns, or raise what it raises.

        Raises:
            asyncio.TimeoutError: it took longer; it is cancelled.
        """
        limited = asyncio.wait_for(work, timeout_s)
        future = asyncio.run_coroutine_threadsafe(limited, self._started())
        return await asyncio.wait_for(asyncio.wrap_future(future), timeout_s + GRACE_S)

    def close(self) -> None:
        """End the thread; the next coroutine starts another."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None or self._process != os.getpid():
            return
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        thread.join(GRACE_S)
        if not thread.is_alive():
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                self._thread = threading.Thread(target=self._loop.run_forever, name="thinkworth-hook", daemon=True)
                self._thread.start()
            return self._loop
