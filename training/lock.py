"""One at a time on a machine, and whether what another process began may still be under way."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.errors import Refused

WAIT_S = 60.0
"""Seconds that a promotion waits for another one on the machine."""


@contextmanager
def locked(models: Path) -> Iterator[None]:
    """Hold the lock of a models folder; the system gives it back when its process ends, however it ends.

    Raises:
        Refused: another process holds it for longer than WAIT_S.
    """
    models.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + WAIT_S
    with (models / ".promotion.lock").open("a", encoding="utf-8") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    what = f"another promotion holds {handle.name} for over {WAIT_S:.0f} s"
                    raise Refused(f"{what}; try again when it has ended", type="busy") from error
                time.sleep(0.05)
        yield


@contextmanager
def alone(out: Path, what: str) -> Iterator[None]:
    """Hold a place that is written and then read again, such as the folder of a bundle, until it is registered.

    Raises:
        Refused: another process holds it; nothing is waited for.
    """
    path = out.with_name(f".{out.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = (
                    f"another {what} is writing to {out}; wait until it has ended, or name another place with --out"
                )
                raise Refused(message, type="busy") from error
            if not path.exists() or path.stat().st_ino != os.fstat(handle.fileno()).st_ino:
                continue  # its holder removed it before it let go
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


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
