"""One at a time on a machine."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
