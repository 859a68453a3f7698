"""One at a time on a machine, and whether what another process began may still be under way."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.errors import InvalidInput, Refused

WAIT_S = 60.0
"""Seconds that a promotion waits for another one on the machine."""


@contextmanager
def locked(models: Path) -> Iterator[None]:
    """Hold the lock of a models folder; the system gives it back when its process ends, however it ends.

    Raises:
        InvalidInput: nothing can be locked there.
        Refused: another process holds it for longer than WAIT_S.
    """
    until, path = time.monotonic() + WAIT_S, models / ".promotion.lock"
    with _opened(path) as handle:
        while not _taken(handle, path):
            if time.monotonic() > until:
                what = f"another promotion holds {path} for over {WAIT_S:.0f} s"
                raise Refused(f"{what}; try again when it has ended", type="busy")
            time.sleep(0.05)
        yield


@contextmanager
def alone(out: Path, what: str) -> Iterator[None]:
    """Hold a place that is written and then read again, such as the folder of a bundle, until it is registered.

    Raises:
        InvalidInput: nothing can be locked there.
        Refused: another process holds it; nothing is waited for.
    """
    if not out.name:
        raise InvalidInput(
            f"{out} cannot be replaced as a whole; name a folder in it or beside it with --out", field="out"
        )
    path = out.with_name(f".{out.name}.lock")
    while True:
        with _opened(path) as handle:
            if not _taken(handle, path):
                message = (
                    f"another {what} is writing to {out}; wait until it has ended, or name another place with --out"
                )
                raise Refused(message, type="busy")
            if not _still_there(handle, path):
                continue  # its holder removed it before it let go
            try:
                yield
            finally:
                with suppress(OSError):  # another user's, where only they may remove it: it locks as well once more
                    path.unlink()
            return


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Yield a lock file, made where there is none; to read alone, for another user's cannot be written.

    Raises:
        InvalidInput: it cannot be made or read.
    """
    with _said_of(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield handle
    finally:
        os.close(handle)


def _taken(handle: int, path: Path) -> bool:
    """Lock a file; return False where another process holds it.

    Raises:
        InvalidInput: the file system knows no locks.
    """
    with _said_of(path):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _still_there(handle: int, path: Path) -> bool:
    with _said_of(path):
        try:
            return os.path.samestat(path.stat(), os.fstat(handle))
        except FileNotFoundError:
            return False


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Say of an error of the system which file cannot be locked: a caller may take it for that of a server."""
    try:
        yield
    except OSError as error:
        what = f"{path} cannot be locked: {error.strerror or error}"
        raise InvalidInput(f"{what}; make its folder one that may be written, or name another", field="out") from error


def may_run(host: str, process: int, since: datetime, abandoned_after: timedelta) -> bool:
    """Return whether what a process began may still be under way.

    Not from a certain age on: a process of another host cannot be asked, and the number of one of ours may be another's by now.
    """
    if datetime.now(UTC) - since >= abandoned_after:
        return False
    return host != socket.gethostname() or _alive(process)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
