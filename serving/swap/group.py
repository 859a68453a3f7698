"""What the workers of one service share: a folder, which of them live, and which bundle they serve.

    committed.json           the bundle that is served: whoever starts serves it, and whoever serves an older generation follows
    order.json               the bundle that is to be prepared, while a swap runs
    checked.json             what was last seen of the source
    swap.lock, watch.lock    held by whoever swaps, and by whoever watches the source
    workers/ID.lock          held by a worker as long as it lives, however it ends
    workers/ID.json          what it serves and what it has prepared
    bundles/SHA256/          copies, by the digest of their manifest: what is served outlives what is done to its source

Files are written whole and replaced; locks are the system's (flock), so that nothing has to be cleaned up after a process that was killed.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from contract.bundle import Bundle, Manifest
from contract.errors import InvalidInput
from contract.files import written_whole
from contract.manifest_file import MANIFEST, sha256

TICK_S = 0.05
"""Seconds between two looks at the folder."""


class _Shared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Committed(_Shared):
    """The bundle that is served.

    Attributes:
        generation: counts the swaps of a service, from 1.
        manifest: digest of its manifest, which names its copy.
        revision: of the bundle.
    """

    generation: int
    manifest: str
    revision: str


class Order(_Shared):
    """A bundle that every worker is to prepare.

    Attributes:
        token: tells the order from every other.
        manifest: digest of its manifest, which names its copy.
        driver: the worker that gave it; it is void once that is gone.
    """

    token: str
    manifest: str
    driver: str


class Checked(_Shared):
    """What was last seen of the source.

    Attributes:
        at: when it was looked at, seconds since 1970.
        seen: what `Source.glance` gave when its bundle was last swapped in, or refused.
        error: why that bundle is not served; None: it is.
        again: when it is tried again though nothing changed, seconds since 1970; None: when something changes.
        away: why the source could not be looked at; None: it could.
    """

    at: float
    seen: str | None = None
    error: str | None = None
    again: float | None = None
    away: str | None = None


class Status(_Shared):
    """What a worker says of itself.

    Attributes:
        generation: that it serves.
        prepared: token of the order that it could carry out; None: none.
        refused: token of the order that it cannot carry out; None: none.
        why: why not, or why it does not follow what is committed.
    """

    generation: int
    prepared: str | None = None
    refused: str | None = None
    why: str | None = None


S = TypeVar("S", bound=_Shared)


class Group:
    """The folder of one service; safe to use from several threads and processes.

    Raises:
        InvalidInput: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            (folder / "workers").mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            what = f"{folder} cannot be made: {error.strerror}; name a folder that can be written with store_folder"
            raise InvalidInput(what, field="store_folder") from error
        self._read: dict[Path, tuple[tuple[int, ...], BaseModel]] = {}

    def read(self, kind: type[S], worker: str | None = None) -> S | None:
        """Return what was last written of a kind, by a worker or by anyone; None where nothing was. Parsed only where it is new."""
        path = self._path(kind, worker)
        try:
            is_ = path.stat()
            sign = (is_.st_ino, is_.st_mtime_ns, is_.st_size)
            known = self._read.get(path)
            if known is None or known[0] != sign:
                known = self._read[path] = sign, kind.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            self._read.pop(path, None)
            return None
        return known[1]  # type: ignore[return-value]

    def write(self, value: _Shared, worker: str | None = None) -> None:
        """Write a value in place of the last one of its kind."""
        with written_whole(self._path(type(value), worker), mode=0o600) as new:
            new.write_text(value.model_dump_json(), encoding="utf-8")

    def withdraw_order(self) -> None:
        """Let no worker prepare anything, and drop what is prepared."""
        self._path(Order, None).unlink(missing_ok=True)

    def join(self) -> tuple[str, int]:
        """Return the name of a new worker and its lock, which lasts as long as the descriptor is open."""
        while True:
            name = f"{os.getpid()}-{uuid4().hex[:8]}"
            path = self.folder / "workers" / f"{name}.lock"
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with suppress(BlockingIOError):  # taken for a leftover before it was locked
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if path.exists():
                    return name, lock
            os.close(lock)

    def lives(self, worker: str) -> bool:
        """Return whether a worker lives; what a dead one left is removed."""
        path = self.folder / "workers" / f"{worker}.lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            self._path(Status, worker).unlink(missing_ok=True)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def living(self) -> list[str]:
        """Return the workers that live."""
        return [path.stem for path in sorted((self.folder / "workers").glob("*.lock")) if self.lives(path.stem)]

    @contextmanager
    def held(self, name: str, wait_s: float = 0.0) -> Iterator[bool]:
        """Hold a lock; yield False where another holds it for longer than `wait_s`."""
        until = time.monotonic() + wait_s
        lock = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not (taken := _taken(lock)) and time.monotonic() < until:
                time.sleep(TICK_S)
            yield taken
        finally:
            os.close(lock)

    def bundle(self, manifest: str) -> Path:
        """Return the folder of the copy of a bundle."""
        return self.folder / "bundles" / manifest

    def keep(self, source: Path) -> tuple[str, Manifest]:
        """Copy a bundle once it is verified; return the digest of its manifest and what it says. Whoever calls holds swap.lock.

        Raises:
            BundleMissing, BundleMismatch, BundleTooNew: it is none that can be served.
        """
        manifest = Bundle(source).manifest
        digest = sha256(source / MANIFEST)
        to = self.bundle(digest)
        if not to.is_dir():
            new = to.with_name(f".{uuid4().hex}")
            new.mkdir(parents=True)
            try:
                for name in (MANIFEST, *manifest.files):
                    shutil.copyfile(source / name, new / name)
                Bundle(new)  # the source may have changed meanwhile
                new.rename(self.bundle(digest := sha256(new / MANIFEST)))
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return digest, manifest

    def forget_all_but(self, manifest: str) -> None:
        """Remove the copies of all other bundles."""
        for path in (self.folder / "bundles").iterdir():
            if path.name != manifest:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, kind: type[BaseModel], worker: str | None) -> Path:
        name = kind.__name__.lower()
        return self.folder / f"{name}.json" if worker is None else self.folder / "workers" / f"{worker}.json"


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
