"""Keeps the way to the decision store open: reaches it again, puts there what waited in journals, and notes what was lost.

It knows whether the store takes records; the recorder asks it before it writes, and tells it when a write failed. Once an hour it
also forgets prompts that are past their days.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uuid_utils
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from contract.errors import StoreTooNew
from contract.settings import Settings
from contract.store import writing
from contract.store.opening import migrate, squeeze
from contract.store.outcomes import match_waiting
from contract.store.records import Record
from serving.journal import Journal

RETRY_S = 0.5
"""Seconds between two tries to reach a store that is away."""

TIDY_EVERY_S = 3600.0
"""Seconds between two rounds of forgetting prompts that are past their days."""

logger = logging.getLogger("thinkworth")


class Mender:
    """Mends, in a thread of its own; safe to use from several threads.

    Attributes:
        why: why the store takes no records, None while it does.
    """

    def __init__(
        self, settings: Settings, engine: Engine, journal: Journal | None, *,
        hangs: Callable[[], bool], count: Callable[[str, int], None],
    ) -> None:  # fmt: skip
        """Take the store and the journal of a recorder.

        Args:
            settings: how long what is kept.
            engine: of the store.
            journal: where records wait; None: nowhere.
            hangs: tells whether a write has been under way for too long to try another one.
            count: is told of events by name: replayed, dropped.
        """
        self.settings, self.engine, self.journal = settings, engine, journal
        self.why: str | None = None
        self._hangs, self._count = hangs, count
        self._up = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._gap: list[Any] = []
        self._unmatched = False
        self._tidied = time.monotonic() - TIDY_EVERY_S
        self.mend()  # a store that is there is ready before the first answer
        self._thread = threading.Thread(target=self._mend_all, name="mender", daemon=True)
        self._thread.start()

    @property
    def up(self) -> bool:
        """Whether the store takes records, as far as is known."""
        return self._up.is_set()

    def down(self, error: Exception) -> None:
        """Take the store for away, for a write that failed; it is tried again every RETRY_S."""
        why = error.message if isinstance(error, StoreTooNew) else type(getattr(error, "orig", None) or error).__name__
        if self.why != why:
            logger.error("the decision store does not take records (%s); they go to the journal", why)
        self.why = why
        self._up.clear()

    def lost(self, n: int) -> None:
        """Count records that found neither store nor journal; that there is a gap goes on record."""
        now = datetime.now(UTC)
        with self._lock:
            since, _, before = self._gap or (now, now, 0)
            self._gap = [since, now, before + n]
        self._count("dropped", n)

    def drop(self, records: Sequence[Record], error: Exception) -> None:
        """Give records up that no store takes."""
        where = traceback.extract_tb(error.__traceback__)[-1]  # no message: it may hold values of the record
        name, place = type(error).__name__, f"{where.filename}:{where.lineno}"
        logger.error("%s records cannot be written (%s at %s) and are dropped", len(records), name, place)
        self.lost(len(records))

    def mend(self) -> None:
        """Reach a store that was away, write what waits in journals, and forget prompts that are past their days."""
        try:
            if self._hangs():
                return
            if not self.up:
                migrate(self.engine)
            self._replay()
            self._note_gap()
            self._is_up()
        except (SQLAlchemyError, StoreTooNew) as error:
            self.down(error)
        except Exception as error:  # a thread that ends would leave the store away for good
            logger.error("unexpected %s while mending the store", type(error).__name__)
        if self.up and time.monotonic() - self._tidied >= TIDY_EVERY_S:
            self._tidied = time.monotonic()
            self._tidy()

    def stop(self, timeout_s: float) -> None:
        """End the thread, or leave it to hang."""
        self._stop.set()
        self._thread.join(timeout=timeout_s)

    def note_last_gap(self) -> None:
        """Put on record what was lost since the last round, if the store takes it."""
        try:
            self._note_gap()
        except Exception as error:
            logger.error("a gap in the record is not noted (%s)", type(error).__name__)

    def put_back(self, batch: Sequence[Record]) -> None:
        """Write records that waited, each once; what no store takes is dropped alone.

        Raises:
            SQLAlchemyError: the store is away.
        """
        try:
            with self.engine.begin() as connection:
                writing.write(connection, batch)
        except Exception as error:
            if not is_of_the_record(error):
                raise
            if len(batch) == 1:
                self.drop(batch, error)
            for record in batch if len(batch) > 1 else ():
                self.put_back([record])
        else:
            self._count("replayed", len(batch))

    def _mend_all(self) -> None:
        while not self._stop.wait(RETRY_S):
            self.mend()

    def _is_up(self) -> None:
        if not self.up:
            self.why = None
            self._up.set()

    def _replay(self) -> None:
        """Put into the store what waits, then join the outcomes among it to their decisions, whichever came first."""
        if not self.journal:
            return
        while self.journal.records:
            batch, end = self.journal.next_batch()
            self._unmatched = True
            self.put_back(batch)
            self.journal.replayed(end, len(batch))
            self._is_up()  # a store that takes what waited takes what comes
        for path, batch in self.journal.adopt():
            self._unmatched = True
            self.put_back(batch)
            logger.warning("%s records of a process that is gone are in the store (%s)", len(batch), path.name)
        if self._unmatched:  # also of a replay that the store left half way; after a kill `_tidy` does it
            match_waiting(self.engine)
            self._unmatched = False

    def _note_gap(self) -> None:
        with self._lock:
            gap, self._gap = self._gap, []
        if not gap:
            return
        row = dict(zip(("since", "until", "records"), gap, strict=True), gap_id=str(uuid_utils.uuid7()))
        try:
            self.put_back([Record("gaps", row)])
        except Exception:
            with self._lock:
                self._gap = [gap[0], (self._gap or gap)[1], gap[2] + (self._gap[2] if self._gap else 0)]
            raise

    def _tidy(self) -> None:
        """Forget prompts that are past their days, and join outcomes that wait for their decisions."""
        before = datetime.now(UTC) - timedelta(days=self.settings.retention_days)
        try:
            with self.engine.begin() as connection:
                gone = writing.forget(connection, before)
            match_waiting(self.engine)
            writing.forget_files(self.settings.training_folder, before)
            if any(gone.values()):
                squeeze(self.engine)
        except (SQLAlchemyError, OSError) as error:
            logger.error("prompts past their days are not forgotten yet (%s)", type(error).__name__)


def is_of_the_record(error: Exception) -> bool:
    """Return whether a write failed for what is in the record, or for a bug of ours: no store would take it."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError)
    return not isinstance(error, SQLAlchemyError) or isinstance(error, StatementError)
