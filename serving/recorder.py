"""Records what was decided: in groups, off the event loop, before or after the answer is acknowledged.

A writer thread commits all that waits in one transaction. Where the store does not answer, records go to the journal at once and a
mender thread puts them into the store when it is back. No answer ever fails for want of a store.
"""

import asyncio
import hashlib
import logging
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from queue import Empty, Full, Queue
from typing import Any

import uuid_utils
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from contract.errors import InternalError, StoreDown, StoreTooNew
from contract.settings import Settings
from contract.store import writing
from contract.store.opening import migrate, open_store, squeeze
from contract.store.outcomes import Told, match_waiting
from contract.store.records import Record
from serving.journal import Journal

GROUP = 512
"""Requests' records committed together at most."""

WAITING = 4096
"""Requests' records that may wait for the writer; beyond, they go to the journal."""

RETRY_S = 0.5
"""Seconds between two tries to reach a store that is away."""

TIDY_EVERY_S = 3600.0
"""Seconds between two rounds of forgetting prompts that are past their days."""

logger = logging.getLogger("thinkworth")

Done = Future[list[Told] | None]
Item = tuple[Sequence[Record], Done]


class Recorder:
    """Writes records to the store of the settings, or to the journal; safe to call from several threads and tasks.

    Raises:
        InvalidInput: the address of the store cannot be used.
        MissingExtra: the driver of its database is not installed.
    """

    def __init__(self, settings: Settings, *, count: Callable[[str, int], None] | None = None) -> None:
        """Take settings; `count` is told of events by name: recorded, spilled, replayed, dropped."""
        self.settings, self.counts = settings, Counter[str]()
        self._told = count or (lambda name, n: None)
        self.engine: Engine = open_store(settings.store_address)
        self.journal: Journal | None = None
        try:
            # a folder for each store: what waits for one is not put into another
            name = hashlib.sha256(settings.store_address.encode()).hexdigest()[:8]
            self.journal = Journal(settings.folder / "journal" / name, settings.journal_mib * 2**20)
        except OSError as error:
            logger.error("no journal: %s; while the store is away records are lost", error)
        self._queue: Queue[Item] = Queue(WAITING)
        self._gap: list[Any] = []
        self._lock = threading.Lock()
        self._up = threading.Event()
        self._stop = threading.Event()
        self._refused: str | None = None
        self._writing_since: float | None = None
        self._mended = time.monotonic() - TIDY_EVERY_S
        self._mend()  # a store that is there is ready before the first answer
        self._threads = [
            threading.Thread(target=run, name=run.__name__, daemon=True) for run in (self._write_all, self._mend_all)
        ]
        for thread in self._threads:
            thread.start()

    async def record(self, records: Sequence[Record]) -> None:
        """Record; with durability `sync` return when it is done, in the store or in the journal. It never fails: what finds no room is counted."""
        done = self.submit(records)
        if self.settings.durability == "sync":
            with suppress(StoreDown, InternalError):
                await self._ended(records, done)

    async def outcomes(self, records: Sequence[Record]) -> list[Told] | None:
        """Record outcomes and return what became of each; None where the store is away and they wait in the journal.

        Raises:
            StoreDown: neither has room for them.
            InternalError: they cannot be written.
        """
        return await self._ended(records, self.submit(records))

    def state(self) -> dict[str, Any]:
        """Return how the store is, how many records wait in this process's journal, and how many found no room."""
        return {
            "store": "up" if self._up.is_set() else "down", "why": self._refused, "durability": self.settings.durability,
            "journal_records": self.journal.records if self.journal else None, "dropped": self.counts["dropped"],
        }  # fmt: skip

    def close(self) -> None:
        """Write what waits and let go of store and journal."""
        if self._stop.is_set():
            return
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        while not self._queue.empty():  # the writer hangs
            self._spill(*self._queue.get_nowait())
        self._note_gap()
        if self.journal:
            self.journal.close()
        self.engine.dispose()

    def submit(self, records: Sequence[Record]) -> Done:
        """Hand records to the writer, or to the journal, and return at once what tells when they are there."""
        done: Done = Future()
        if self._up.is_set() and not self._stop.is_set():
            try:
                self._queue.put_nowait((records, done))
                return done
            except Full:
                pass
        self._spill(records, done)
        return done

    async def _ended(self, records: Sequence[Record], done: Done) -> list[Told] | None:
        waiting = asyncio.wrap_future(done)
        ended, _ = await asyncio.wait({waiting}, timeout=self.settings.store_timeout_s)
        if not ended:  # the writer hangs; should it come through after all, a record is still written once
            self._down(TimeoutError())
            waiting = asyncio.wrap_future(self._spill(records, Future()))
        return await waiting

    def _write_all(self) -> None:
        while not (self._stop.is_set() and self._queue.empty()):
            try:
                group = [self._queue.get(timeout=0.05 if self._stop.is_set() else 0.5)]
            except Empty:
                continue
            while len(group) < GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            self._write(group)

    def _write(self, group: Sequence[Item]) -> None:
        """Commit a group; where one record of it cannot be written, request by request."""
        self._writing_since = time.monotonic()
        try:
            told = self._commit([record for records, _ in group for record in records])
        except Exception as error:
            if not _is_of_the_record(error):
                self._down(error)
            elif len(group) == 1:
                self._drop(group[0][0], error)
                group[0][1].set_exception(InternalError("a record that cannot be written; it is dropped, and counted"))
                return
            for item in group:
                if self._up.is_set():
                    self._write([item])
                else:
                    self._spill(*item)
        else:
            self._count("recorded", sum(len(records) for records, _ in group))
            for records, done in group:
                n = sum(record.table == "outcomes" for record in records)
                done.set_result(told[:n])
                told = told[n:]
        finally:
            self._writing_since = None

    def _commit(self, records: Sequence[Record], *, waiting: bool = False) -> list[Told]:
        with self.engine.begin() as connection:
            told = writing.write(connection, records)
            if waiting:
                match_waiting(connection)
            return told

    def _spill(self, records: Sequence[Record], done: Done) -> Done:
        if self.journal and self.journal.append(records):
            self._count("spilled", len(records))
            done.set_result(None)
        else:
            self._lost(len(records))
            done.set_exception(StoreDown("neither the store nor its journal has room; send it again later"))
        return done

    def _drop(self, records: Sequence[Record], error: Exception) -> None:
        where = traceback.extract_tb(error.__traceback__)[-1]  # no message: it may hold values of the record
        name, place = type(error).__name__, f"{where.filename}:{where.lineno}"
        logger.error("%s records cannot be written (%s at %s) and are dropped", len(records), name, place)
        self._lost(len(records))

    def _lost(self, n: int) -> None:
        now = datetime.now(UTC)
        with self._lock:
            since, _, before = self._gap or (now, now, 0)
            self._gap = [since, now, before + n]
        self._count("dropped", n)

    def _mend_all(self) -> None:
        while not self._stop.wait(RETRY_S):
            self._mend()

    def _mend(self) -> None:
        """Reach a store that was away, write what waits in journals, and forget prompts that are past their days."""
        try:
            since = self._writing_since
            if since is not None and time.monotonic() - since > self.settings.store_timeout_s:
                return  # the writer still hangs
            if not self._up.is_set():
                migrate(self.engine)
            self._replay()
            self._note_gap()
            self._is_up()
        except (SQLAlchemyError, StoreTooNew) as error:
            self._down(error)
        except Exception as error:  # a thread that ends would leave the store away for good
            logger.error("unexpected %s while mending the store", type(error).__name__)
        if self._up.is_set() and time.monotonic() - self._mended >= TIDY_EVERY_S:
            self._mended = time.monotonic()
            self._tidy()

    def _replay(self) -> None:
        if not self.journal:
            return
        while self.journal.records:
            batch, end = self.journal.next_batch()
            self._put_back(batch)
            self.journal.replayed(end, len(batch))
            self._is_up()  # a store that takes what waited takes what comes
        for path, batch in self.journal.adopt():
            self._put_back(batch)
            logger.warning("%s records of a process that is gone are in the store (%s)", len(batch), path.name)

    def _is_up(self) -> None:
        if not self._up.is_set():
            self._refused = None
            self._up.set()

    def _note_gap(self) -> None:
        """Put on record what was lost."""
        with self._lock:
            gap, self._gap = self._gap, []
        if not gap:
            return
        row = dict(zip(("since", "until", "records"), gap, strict=True), gap_id=str(uuid_utils.uuid7()))
        try:
            self._put_back([Record("gaps", row)])
        except Exception:
            with self._lock:
                self._gap = [gap[0], (self._gap or gap)[1], gap[2] + (self._gap[2] if self._gap else 0)]
            if not self._stop.is_set():
                raise

    def _tidy(self) -> None:
        """Forget prompts that are past their days, and join outcomes that wait for their decisions."""
        before = datetime.now(UTC) - timedelta(days=self.settings.retention_days)
        try:
            with self.engine.begin() as connection:
                gone = writing.forget(connection, before)
                match_waiting(connection)
            writing.forget_files(self.settings.training_folder, before)
            if any(gone.values()):
                squeeze(self.engine)
        except (SQLAlchemyError, OSError) as error:
            logger.error("prompts past their days are not forgotten yet (%s)", type(error).__name__)

    def _put_back(self, batch: Sequence[Record]) -> None:
        try:
            self._commit(batch, waiting=True)
        except Exception as error:
            if not _is_of_the_record(error):
                raise
            if len(batch) == 1:
                self._drop(batch, error)
            for record in batch if len(batch) > 1 else ():
                self._put_back([record])
        else:
            self._count("replayed", len(batch))

    def _down(self, error: Exception) -> None:
        why = error.message if isinstance(error, StoreTooNew) else type(getattr(error, "orig", None) or error).__name__
        if self._refused != why:
            logger.error("the decision store does not take records (%s); they go to the journal", why)
        self._refused = why
        self._up.clear()

    def _count(self, name: str, n: int) -> None:
        with self._lock:
            self.counts[name] += n
        self._told(name, n)


def _is_of_the_record(error: Exception) -> bool:
    """Return whether a write failed for what is in the record, or for a bug of ours: no store would take it."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return not isinstance(error, SQLAlchemyError) or isinstance(error, StatementError)
