"""The journal of a run: one JSON record a line, on disk before anything else happens; what makes a run resumable.

    {"kind": "begin", "format": 1, "settings": {...}}
    {"kind": "answer", "key": ..., "row": {...}, "answer": "...", "spent": {...}}
    {"kind": "grades", "grader": ..., "again": false, "prompt_id": ..., "scores": {key: [score, reason]}, "spent": {...}}
    {"kind": "failure", "key": ..., "grader": ..., "reason": "...", "detail": "...", "spent": {...}}

An answer is written before it is graded, and grades name their grader: what is not graded, or by another grader or
another version of it, is graded when the run is resumed, and not asked again. `spent` is null where grading costs
nothing; a failure names a grader where a judge was asked.

A record is one line, flushed and synced. Only the last one can be torn by a kill; it is dropped, and asked again.
"""

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from contract.errors import InvalidInput
from training.collect.plan import differences
from training.log_values import shown

FORMAT = 1
"""Bumped when an older record would be misread."""


class Journal:
    """An open journal that no other run can open; its records so far are `records`.

    Raises:
        InvalidInput: another run has it open, it is of a run with other settings or damaged, or cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab+")
        except OSError as error:
            raise InvalidInput(f"{path} cannot be written: {error.strerror}; name another --out") from error
        try:
            self._lock()
            self.records = self._read()
            self._begin(settings)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record; when this returns, it is on disk.

        Raises:
            InvalidInput: the disk is full, or gone.
        """
        try:
            self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InvalidInput(f"{self.path} cannot be written: {error.strerror}; make room and run again") from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            what = f"{self.path} is in use by another run"
            raise InvalidInput(f"{what}; wait for its end, or name another --out", field="out") from error

    def _read(self) -> list[dict[str, Any]]:
        """Return the records, and cut off a torn last one."""
        self._file.seek(0)
        records, good = _whole(self._file, self.path)
        self._file.truncate(good)
        return records

    def _begin(self, settings: Mapping[str, Any]) -> None:
        if self.records:
            _check_begin(self.records.pop(0), settings, self.path)
        else:
            self.append({"kind": "begin", "format": FORMAT, "settings": settings})


def recorded(path: Path, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the records of a journal without opening it for a run: none where there is no journal yet.

    Raises:
        InvalidInput: it is of a run with other settings or damaged, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            records, _ = _whole(file, path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}; name another --out", field="out") from error
    if records:
        _check_begin(records.pop(0), settings, path)
    return records


def _whole(file: IO[bytes], path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the records from the file's place on, without a torn last one, and their length in bytes."""
    records, good = [], 0
    for number, line in enumerate(file, 1):
        record = _record(line)
        if record is not None:
            records.append(record)
            good += len(line)
        elif file.read(1):
            raise InvalidInput(f"{path} is damaged at line {number:,}; restore it, or name another --out")
    return records, good


def _check_begin(begin: Mapping[str, Any], settings: Mapping[str, Any], path: Path) -> None:
    if begin.get("kind") != "begin" or "format" not in begin:
        raise InvalidInput(f"{path} is no journal of a run; name another --out", field="out")
    if begin["format"] != FORMAT:
        what = f"{path} has format {shown(begin['format'])}, and this version of thinkworth reads {FORMAT}"
        raise InvalidInput(f"{what}; name another --out", field="out")
    if differ := differences(settings, begin["settings"]):
        what = f"{path} is of a run with other settings: {'; '.join(differ)}"
        raise InvalidInput(f"{what}; resume it with the same ones, or name another --out", field="out")


def _record(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, None where it is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
