"""Records what was decided: in groups, off the event loop, before or after the answer is acknowledged.

A writer thread commits all that waits in one transaction. Where the store does not take records, or too many wait for it, another thread
appends them to the journal, and `serving.mender` puts them into the store when it is back. No answer ever fails for want of a store.
"""

import asyncio
import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine

from contract.errors import InternalError, StoreDown
from contract.settings import Settings
from contract.store import writing
from contract.store.opening import open_store
from contract.store.outcomes import Told
from contract.store.records import SHADOW, Record
from serving.journal import Journal
from serving.mender import Mender, is_of_the_record
from serving.waiting import Done, Item, Waiting

CLOSE_S = 10.0
"""Seconds that the end of a service waits for each of its threads."""

logger = logging.getLogger("thinkworth")


class Recorder:
    """Writes records to the store of the settings, or to the journal; safe to call from several threads and tasks.

    Raises:
        InvalidInput: the address of the store cannot be used.
        MissingExtra: the driver of its database is not installed.
    """

    def __init__(self, settings: Settings, *, count: Callable[[str, int], None] | None = None) -> None:
        """Take settings; `count` is told of events by name: recorded, spilled, replayed, dropped, unconfirmed."""
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
        self._for_store, self._for_journal = Waiting(), Waiting()
        self._counting = threading.Lock()
        self._writing_since: float | None = None
        self._in_hand: dict[str, Sequence[Item]] = {}  # of each thread: what it has taken and is not done with
        self._closed = False
        self.mender = Mender(settings, self.engine, self.journal, hangs=self._hangs, count=self._count)
        self._writer, self._spiller = (
            threading.Thread(target=run, name=run.__name__, daemon=True) for run in (self._write_all, self._spill_all)
        )
        self._writer.start()
        self._spiller.start()

    async def record(self, records: Sequence[Record]) -> None:
        """Record; with durability `sync` return when it is done, in the store or in the journal.

        It never fails: what finds no room is counted, and so is what neither a store nor a journal that both hang has confirmed in time.
        """
        if self.settings.durability != "sync":
            self.submit(records)
            return
        with suppress(StoreDown, InternalError):
            await self._recorded(records)

    async def outcomes(self, records: Sequence[Record]) -> list[Told] | None:
        """Record outcomes and return what became of each; None where the store is away and they wait in the journal.

        Raises:
            StoreDown: neither has room for them, or neither answers.
            InternalError: they cannot be written.
        """
        return await self._recorded(records)

    def submit(self, records: Sequence[Record]) -> None:
        """Hand records to the writer, or to the journal, and return at once."""
        done: Done = Future()
        if not self._goes_to_store(records, done, lingers=True):
            self._spill(records, done)

    def state(self) -> dict[str, Any]:
        """Return how the store is, and how many records wait in this process's journal, found no room, or were answered for unwritten."""
        return {
            "store": "up" if self.mender.up else "down", "why": self.mender.why, "durability": self.settings.durability,
            "journal_records": self.journal.records if self.journal else None, "dropped": self.counts["dropped"],
            "unconfirmed": self.counts["unconfirmed"],
        }  # fmt: skip

    def close(self) -> None:
        """Write what waits and let go of store and journal."""
        if self._closed:
            return
        self._closed = True
        self._for_store.close()
        self.mender.stop(CLOSE_S)
        self._writer.join(timeout=CLOSE_S)
        for records, _ in self._left(self._for_store, self._write_all):
            self._spill(records, Future())  # the writer hangs; should it come through after all, each is there once
        self._for_journal.close()
        self._spiller.join(timeout=CLOSE_S)
        if lost := sum(len(records) for records, _ in self._left(self._for_journal, self._spill_all)):
            logger.error("%s records could not be written before the end and are lost", lost)
            self.mender.lost(lost)
        self.mender.note_last_gap()
        if self.journal and not self._spiller.is_alive():
            self.journal.close()
        self.engine.dispose()

    def _left(self, waiting: Waiting, run: Callable[[], None]) -> list[Item]:
        """Return what the thread of a closed queue leaves: what waits, and what it has taken and is not done with."""
        left = [*self._in_hand.get(run.__name__, ())]
        while group := waiting.take():
            left += group
        return [item for item in left if not item[1].done()]

    async def _recorded(self, records: Sequence[Record]) -> list[Told] | None:
        done: Done = Future()
        if self._goes_to_store(records, done):
            if await self._ended(done):
                return done.result()
            self.mender.down(
                TimeoutError()
            )  # the writer hangs; should it come through after all, the record is there once
            done = Future()
        self._spill(records, done)
        if not await self._ended(done):
            self._count("unconfirmed", len(records))  # in memory as yet: it is written when the disk answers
            raise StoreDown("neither the store nor its journal answers; send it again later")
        return done.result()

    async def _ended(self, done: Done) -> bool:
        """Return whether it is done before an answer has waited for too long."""
        waiting = asyncio.wrap_future(done)
        # else asyncio logs an error that nobody reads
        waiting.add_done_callback(lambda one: one.cancelled() or one.exception())
        ended, _ = await asyncio.wait({waiting}, timeout=self.settings.store_timeout_s)
        return bool(ended)

    def _goes_to_store(self, records: Sequence[Record], done: Done, *, lingers: bool = False) -> bool:
        return self.mender.up and self._for_store.put((records, done), lingers=lingers)

    def _write_all(self) -> None:
        while group := self._for_store.take():
            self._in_hand[self._write_all.__name__] = group
            # made before the store is asked for anything: their time is not its time
            if made := [item for item in group if self._is_made(*item)]:
                self._write(made)

    def _is_made(self, records: Sequence[Record], done: Done) -> bool:
        """Make records that are made later; return whether they could be."""
        try:
            _ = records[:1]
        except Exception as error:
            self.mender.drop(records, error)
            done.set_exception(InternalError("a record that cannot be made; it is dropped, and counted"))
            return False
        return True

    def _write(self, group: Sequence[Item]) -> None:
        """Commit a group; where one record of it cannot be written, request by request."""
        self._writing_since = time.monotonic()
        try:
            with self.engine.begin() as connection:
                told = writing.write(connection, [record for records, _ in group for record in records])
        except Exception as error:
            if not is_of_the_record(error):
                self.mender.down(error)
            elif len(group) == 1:
                self.mender.drop(group[0][0], error)
                group[0][1].set_exception(InternalError("a record that cannot be written; it is dropped, and counted"))
                return
            for item in group:
                if self.mender.up:
                    self._write([item])
                else:
                    self._spill(*item)
        else:
            self._count("recorded", sum(record.table != SHADOW for records, _ in group for record in records))
            for records, done in group:
                n = sum(record.table == "outcomes" for record in records)
                done.set_result(told[:n])
                told = told[n:]
        finally:
            self._writing_since = None

    def _hangs(self) -> bool:
        """Return whether the writer is at one group for longer than an answer would wait."""
        since = self._writing_since
        return since is not None and time.monotonic() - since > self.settings.store_timeout_s

    def _spill(self, records: Sequence[Record], done: Done) -> None:
        """Hand records to the journal's thread: encoding a batch of long prompts takes longer than an answer."""
        if not self.journal or not self._for_journal.put((records, done)):
            self._no_room(records, done)

    def _spill_all(self) -> None:
        while group := self._for_journal.take():
            self._in_hand[self._spill_all.__name__] = group
            for records, done in group:
                try:
                    taken = self.journal is not None and self.journal.append(records)
                except Exception as error:
                    # a value that is no JSON; a thread that ends would leave the journal alone for good
                    self.mender.drop(records, error)
                    done.set_exception(InternalError("a record that cannot be written; it is dropped, and counted"))
                    continue
                if taken:
                    self._count("spilled", len(records))
                    done.set_result(None)
                else:
                    self._no_room(records, done)

    def _no_room(self, records: Sequence[Record], done: Done) -> None:
        self.mender.lost(len(records))
        done.set_exception(StoreDown("neither the store nor its journal has room; send it again later"))

    def _count(self, name: str, n: int) -> None:
        with self._counting:
            self.counts[name] += n
        self._told(name, n)
