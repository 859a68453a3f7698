"""Where records wait while the store is away: one bounded file a process, taken over by another where its process is gone."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from uuid import uuid4

from contract.store.records import Record, from_line, to_line

BATCH, BATCH_BYTES = 500, 8 * 2**20
"""Records replayed in one transaction, and the length of their lines: it is full with the record that reaches either."""


class Journal:
    """An append-only file of records; safe to use from several threads.

    What `append` took survives the end of the process, whatever ends it; a power cut it may not. A file is locked as long as its
    process lives, so that no two replay it.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Make the folder and an own file in it.

        Raises:
            OSError: the folder or the file cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.limit_bytes = folder, limit_bytes
        self.path, self._file = _own_file(folder)
        self._lock = Lock()
        self.records = self.bytes = self._replayed = 0
        self._closed = False

    def append(self, records: Sequence[Record]) -> bool:
        """Add records, all or none of them; return whether there was room."""
        lines = b"".join(map(to_line, records))
        with self._lock:
            if self._closed or self.bytes + len(lines) > self.limit_bytes:
                return False
            try:
                written = os.write(self._file, lines)
            except OSError:
                written = 0
            if written != len(lines):  # the disk is full: half a record would spoil the next one
                os.ftruncate(self._file, self.bytes)
                return False
            self.bytes += written
            self.records += len(records)
        return True

    def next_batch(self) -> tuple[list[Record], int]:
        """Return the next records to replay and the position after them."""
        end = self._replayed
        batch: list[Record] = []
        with self.path.open("rb") as lines:
            lines.seek(end)
            for line in lines:
                if _is_full(batch, end - self._replayed) or not line.endswith(b"\n"):
                    break
                end += len(line)
                record = from_line(line)
                if record is not None:
                    batch.append(record)
        return batch, end

    def replayed(self, end: int, records: int) -> None:
        """Note that the records up to a position are in the store; the file is emptied when that is all of them."""
        with self._lock:
            if self._closed:  # its number may be another file's by now
                return
            self._replayed = end
            self.records = max(self.records - records, 0)
            if end >= self.bytes:
                os.ftruncate(self._file, 0)
                self.bytes = self._replayed = self.records = 0

    def adopt(self) -> Iterator[tuple[Path, list[Record]]]:
        """Yield the files of processes that are gone with their records, by the batch; each is removed once its last batch was taken.

        Whoever takes a batch writes it before asking for the next one. A line that is torn was never acknowledged, and is passed over.
        """
        for path in sorted(self.folder.glob("*.jsonl")):
            if path == self.path:
                continue
            with suppress(OSError), path.open("r+b") as lines:  # gone meanwhile, or of another user
                try:
                    fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue  # its process lives
                batch: list[Record] = []
                length = 0
                for line in lines:
                    record = from_line(line)
                    if record is not None:
                        batch.append(record)
                        length += len(line)
                    if _is_full(batch, length):
                        yield path, batch
                        batch, length = [], 0
                if batch:
                    yield path, batch
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file, which is removed where nothing waits in it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if not self.bytes:
                self.path.unlink(missing_ok=True)
            os.close(self._file)


def _is_full(batch: Sequence[Record], length: int) -> bool:
    return len(batch) >= BATCH or length >= BATCH_BYTES


def _own_file(folder: Path) -> tuple[Path, int]:
    """Return a new locked file; one that another process took for a leftover before it was locked is given up."""
    while True:
        path = folder / f"{os.getpid()}-{uuid4().hex[:8]}.jsonl"
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)  # it may hold prompts
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return path, file
        os.close(file)
