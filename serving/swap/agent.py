"""A worker's part in a swap: it prepares what is ordered and serves what is committed, in a thread of its own.

A request reads `router` once and keeps it to its end; what nobody reads any more is freed with its last request.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from contract.bundle import Manifest
from contract.errors import ThinkworthError
from serving.router import Router
from serving.swap.group import TICK_S, Committed, Group, Order, Status
from serving.swap.loading import Loader

CLOSE_S = 10.0
"""Seconds that the end of a worker waits for a bundle that is being loaded."""

AGAIN_S = 5.0
"""Seconds until a worker tries again that could not load what is committed, or not read the folder."""

LOOKS = 20
"""Looks into the folder after it was last changed."""

logger = logging.getLogger("thinkworth")


class Agent:
    """Serves what a group has committed, from the first moment.

    Raises:
        BundleMissing, BundleMismatch, BundleTooNew: what is committed cannot be loaded.
    """

    def __init__(
        self, group: Group, loader: Loader, *, first: Callable[[], Committed], announce: Callable[[Manifest], None]
    ) -> None:
        """Join a group; `first` gives what is committed, `announce` is told of each bundle before its first answer."""
        self._group, self._loader, self._announce = group, loader, announce
        # Joined before it is read what is committed: who commits later waits for this worker too.
        self.name, self._lock = group.join()
        try:
            committed = first()
            self.router = loader.load(group.bundle(committed.manifest))
        except BaseException:
            os.close(self._lock)
            raise
        self.status = Status(generation=committed.generation)
        self._prepared: tuple[Order, Router] | None = None
        self._again_at = 0.0
        announce(self.router.manifest)
        try:
            self._say(self.status)
        except OSError as error:  # a full disk: it answers all the same, and is waited for in vain by whoever swaps
            logger.error("swap: what this worker serves cannot be written (%s)", error.strerror)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="swap", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the group."""
        self._stop.set()
        self._thread.join(CLOSE_S)
        os.close(self._lock)
        self._group.lives(self.name)  # removes what is left

    def _run(self) -> None:
        changed, looks = 0, 0
        while not self._stop.wait(TICK_S):
            try:
                # A file put into a folder changes the folder's time, by steps of some milliseconds: hence the looks after a change.
                now = os.stat(self._group.folder).st_mtime_ns  # noqa: PTH116 - a tenth of what pathlib takes, 20 times a second
                looks = LOOKS if now != changed else looks - 1
                changed = now
                if looks > 0 or self.status.prepared or self.status.refused or self.status.why:
                    self._tick()
            except Exception as error:  # a full disk; without its thread a worker would never swap again
                logger.error("swap: unexpected %s", type(error).__name__)
                self._stop.wait(AGAIN_S)

    def _tick(self) -> None:
        committed = self._group.read(Committed)
        if committed is not None and committed.generation > self.status.generation:
            self._follow(committed)
            return
        order = self._group.read(Order)
        done = order is not None and committed is not None and order.manifest == committed.manifest
        if order is None or done or not self._group.lives(order.driver):
            if self._prepared or self.status.prepared or self.status.refused:
                self._prepared = None
                self._say(Status(generation=self.status.generation))
        elif order.token not in (self.status.prepared, self.status.refused):
            self._prepare(order)

    def _prepare(self, order: Order) -> None:
        """Load what is ordered, and say whether it could be served."""
        self._prepared = None
        try:
            router = self._loader.load(self._group.bundle(order.manifest), self.router)
        except Exception as error:
            self._say(Status(generation=self.status.generation, refused=order.token, why=_why(error)))
            return
        self._prepared = order, router
        self._say(Status(generation=self.status.generation, prepared=order.token))

    def _follow(self, committed: Committed) -> None:
        """Serve what is committed: what was prepared for it, else what is loaded now."""
        if time.monotonic() < self._again_at:
            return
        prepared, self._prepared = self._prepared, None
        if prepared is not None and prepared[0].manifest == committed.manifest:
            router = prepared[1]
        else:
            try:
                router = self._loader.load(self._group.bundle(committed.manifest), self.router)
            except Exception as error:
                self._again_at = time.monotonic() + AGAIN_S
                logger.error("%s is committed and cannot be loaded: %s", committed.revision, _why(error))
                self._say(Status(generation=self.status.generation, why=_why(error)))
                return
        self._announce(router.manifest)
        before, self.router = self.router.manifest.revision, router
        self._say(Status(generation=committed.generation))
        logger.warning("serves %s in place of %s", router.manifest.revision, before)

    def _say(self, status: Status) -> None:
        self.status = status
        self._group.write(status, self.name)


def _why(error: Exception) -> str:
    return error.message if isinstance(error, ThinkworthError) else f"unexpected {type(error).__name__}"
