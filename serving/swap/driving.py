"""One swap, driven by one worker for all of a service: order, wait until every worker has prepared, commit; or all keep what they have.

The commit is one file, `committed.json`: a worker that is killed before or after it comes back with what is in it, a worker that missed it
follows, and a driver that is killed leaves either the old one or the new one. An order is void once its driver is gone.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from contract.errors import NotReloaded, Refused, ThinkworthError
from contract.manifest_file import MANIFEST, sha256
from serving.swap.group import TICK_S, Checked, Committed, Group, Order, Status
from serving.swap.source import Source

AFTER_S = 4.0
"""Seconds that workers have at least to serve what is committed."""

FIRST_S = 120.0
"""Seconds that the first bundle of a service may take to be fetched."""

Count = Callable[[str], None]


class Driver:
    """Swaps the bundle of a service; any worker may, one at a time."""

    def __init__(self, group: Group, source: Source, *, count: Count | None = None) -> None:
        """Take what is swapped; `count` is told how each swap ended: swapped, refused, timed_out."""
        self._group, self._source = group, source
        self._count = count or (lambda result: None)

    def first(self) -> Committed:
        """Return what is committed; where nothing is as yet, that becomes what the source names.

        Raises:
            BundleMissing, BundleMismatch, BundleTooNew, Refused: the source names none that can be served.
        """
        committed = self._group.read(Committed)
        if committed is not None:
            return committed  # without the lock: whoever swaps may hold it until the worker that asks is ready
        with self._group.held("swap.lock", FIRST_S):
            committed = self._group.read(Committed)
            if committed is None:
                seen = self._glance()
                digest, manifest = self._group.keep(self._source.locate(FIRST_S))
                committed = Committed(generation=1, manifest=digest, revision=manifest.revision)
                self._group.write(Checked(at=time.time(), seen=seen))
                self._group.write(committed)
        return committed

    def reload(self, worker: str, wait_s: float) -> Committed:
        """Return once every worker serves what the source names; where that is so already, at once.

        Args:
            worker: that drives; what it ordered is void once it is gone.
            wait_s: seconds after which nothing is committed any more.

        Raises:
            NotReloaded: all keep what they had, and why.
        """
        until = time.monotonic() + wait_s
        with self._alone(until):
            with self._noted() as changed:
                committed = self._group.read(Committed)
                assert committed is not None  # a worker serves
                folder = self._source.locate(until - time.monotonic()) if changed else None
                if swaps := folder is not None and _digest(folder) != committed.manifest:
                    committed = self._swapped(folder, committed, worker, until)
            if swaps:
                self._count("swapped")
            self._served(committed, max(until, time.monotonic() + AFTER_S))
            return committed

    def _swapped(self, folder: Path, before: Committed, worker: str, until: float) -> Committed:
        """Commit the bundle in a folder once all workers have prepared it; else withdraw the order."""
        digest, manifest = self._group.keep(folder)
        after = Committed(generation=before.generation + 1, manifest=digest, revision=manifest.revision)
        try:
            self._prepared(Order(token=uuid4().hex, manifest=digest, driver=worker), until)
            self._group.write(after)
        except BaseException:
            self._group.withdraw_order()
            raise
        return after

    def _prepared(self, order: Order, until: float) -> None:
        """Order a bundle and return once every worker that lives has prepared it."""
        self._group.write(order)

        def ready(status: Status) -> bool:
            if status.refused == order.token:
                raise Refused(status.why or "a worker refused it")
            return status.prepared == order.token

        self._all(ready, until)

    def _served(self, committed: Committed, until: float) -> None:
        """Return once every worker serves what is committed."""
        try:
            self._all(lambda status: status.generation >= committed.generation, until)
        except NotReloaded as error:
            what = f"{committed.revision} is committed: every worker serves it, or will, but {error.message}"
            raise NotReloaded(what, type="incomplete") from error
        finally:
            self._group.withdraw_order()
        self._group.forget_all_but(committed.manifest)

    def _all(self, ready: Callable[[Status], bool], until: float) -> None:
        """Return once all workers that live are ready."""
        while True:
            statuses = [self._group.read(Status, worker) for worker in self._group.living()]
            waits = sum(status is None or not ready(status) for status in statuses)
            if not waits:
                return
            if time.monotonic() > until:
                what = f"{waits} of {len(statuses)} workers were not ready in time"
                raise NotReloaded(f"{what}; see /readyz and the log, and try again", type="timed_out")
            time.sleep(TICK_S)

    @contextmanager
    def _alone(self, until: float) -> Iterator[None]:
        with self._group.held("swap.lock", until - time.monotonic()) as alone:
            if not alone:
                raise NotReloaded("another reload is under way; wait for it", type="busy")
            yield

    @contextmanager
    def _noted(self) -> Iterator[bool]:
        """Note what was seen of the source, and why its bundle is not served: what was refused is tried again when it changes.

        Yields False where it is what is served already.

        Raises:
            NotReloaded: the block raised an error of ours, or of the system.
        """
        seen, before = self._glance(), self._group.read(Checked)
        try:
            yield seen is None or before is None or seen != before.seen or before.error is not None
        except (ThinkworthError, OSError) as error:
            told = _told(error)
            self._count("timed_out" if told.type == "timed_out" else "refused")
            again = time.time() + _AGAIN_S[told.type] if told.type in _AGAIN_S else None
            self._group.write(Checked(at=time.time(), seen=seen, error=told.message, again=again))
            raise told from error
        self._group.write(Checked(at=time.time(), seen=seen))

    def _glance(self) -> str | None:
        try:
            return self._source.glance()
        except ThinkworthError:
            return None  # whatever is wrong, `locate` says it


_AGAIN_S = {"timed_out": 0.0, "not_fetched": 300.0, "not_copied": 300.0}
"""Seconds after which the watcher tries a bundle again though its source did not change, by the type of the error; no other error passes."""


def _told(error: ThinkworthError | OSError) -> NotReloaded:
    """Return what is told of an error that ended a swap."""
    if isinstance(error, NotReloaded):
        return error
    if isinstance(error, ThinkworthError):
        return NotReloaded(
            f"what is served stays: {error.message}", type=error.type, field=error.field, limit=error.limit
        )
    what = error.strerror or type(error).__name__  # a full disk, or a source that vanishes while it is copied
    return NotReloaded(f"what is served stays: the bundle cannot be copied ({what})", type="not_copied")


def _digest(folder: Path) -> str | None:
    """Return the digest of a bundle's manifest; None where there is none."""
    try:
        return sha256(folder / MANIFEST)
    except OSError:
        return None
