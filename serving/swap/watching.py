"""Watches the source outside the request path: one worker of a service does, and another where that is gone."""

import logging
import threading
import time

from contract.errors import NotReloaded, ThinkworthError
from serving.swap.driving import Driver
from serving.swap.group import Checked, Group
from serving.swap.source import Source

CLOSE_S = 1.0
"""Seconds that the end of a worker waits for a look that is under way."""

SWAP_S = 120.0
"""Seconds that a swap may take which nobody waits for."""

logger = logging.getLogger("thinkworth")


class Watcher:
    """A thread that swaps when the source changes."""

    def __init__(self, group: Group, source: Source, driver: Driver, *, worker: str, poll_s: float) -> None:
        """Look every `poll_s` seconds; 0: never."""
        self._group, self._source, self._driver = group, source, driver
        self._worker, self._poll_s = worker, poll_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        if poll_s:
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._poll_s:
            self._thread.join(CLOSE_S)  # a fetch that runs is left alone: it ends with the process

    def _run(self) -> None:
        while not self._stop.wait(self._poll_s):
            with self._group.held("watch.lock") as elected:
                while elected and not self._stop.is_set():
                    try:
                        self._look()
                    except Exception as error:  # a full disk; without its thread nothing is ever seen again
                        logger.error("watching the bundle: unexpected %s", type(error).__name__)
                    self._stop.wait(self._poll_s)

    def _look(self) -> None:
        """Look once; swap where the source has changed, or where it is time to try again."""
        before = self._group.read(Checked) or Checked(at=0)
        try:
            seen = self._source.glance()
        except ThinkworthError as error:
            if error.message != before.away:
                logger.error("%s: %s", self._source, error.message)
            self._group.write(before.model_copy(update={"at": time.time(), "away": error.message}))
            return
        if seen == before.seen and (before.again is None or time.time() < before.again):
            self._group.write(before.model_copy(update={"at": time.time(), "away": None}))
            return
        try:
            self._driver.reload(self._worker, SWAP_S)
        except NotReloaded as error:
            if error.type != "busy":
                logger.error("%s: %s", self._source, error.message)
