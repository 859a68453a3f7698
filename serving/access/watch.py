"""The keys of a process: read when it starts, and again whenever their file changes, outside of requests."""

import logging
import threading
from pathlib import Path
from typing import NamedTuple

from contract.errors import InvalidInput
from contract.settings import Settings
from serving.access.keys import Keys, all_keys, given_keys, read_keys

WATCH_S = 1.0
"""Seconds between two looks at the file; a change counts in every worker after that."""

logger = logging.getLogger("thinkworth")

Signature = tuple[int, int, int, int] | None


class Held(NamedTuple):
    """The keys that are let in, and why they are not those of the file; None where they are."""

    keys: Keys | None
    stale: str | None = None


class WatchedKeys:
    """Keys of the settings; `held` is one read, so that a request sees old keys or new ones, never both.

    Raises:
        InvalidInput: an entry or the file is wrong when it is made; later, the keys before stay.
    """

    def __init__(self, settings: Settings, *, every_s: float = WATCH_S) -> None:
        self._settings, self._path, self._every_s = settings, settings.api_keys_file, every_s
        self._signature = _signature(self._path)
        self.held = Held(read_all(settings) if settings.wants_keys else None)
        self._stop = threading.Event()
        if self._path is not None:
            threading.Thread(target=self._watch, name="api-keys", daemon=True).start()

    def look(self) -> None:
        """Take the keys of the file where it has changed since the last look; a file that is wrong changes nothing but what is said of it."""
        signature = _signature(self._path)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            keys = read_all(self._settings)
        except InvalidInput as error:
            logger.error("API keys: %s; the keys before stay", error.message)
            folder = str(self._path.parent) if self._path else ""
            self.held = Held(self.held.keys, error.message.replace(f"{folder}/", ""))
            return
        logger.warning("API keys: now %s", ", ".join(key.name for key in keys.entries) or "none: nobody is let in")
        self.held = Held(keys)

    def close(self) -> None:
        """Look no more."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.look()
            except Exception as error:  # a look that fails must not be the last one
                logger.error("unexpected %s while looking at the API keys", type(error).__name__)


def usable_keys(settings: Settings) -> str:
    """Return who is let in, in words; what is wrong with the keys is said before a worker starts.

    Raises:
        InvalidInput: an entry or the file is wrong.
    """
    if not settings.wants_keys:
        return "needs no API key" + (": anybody who reaches it may use it" if settings.allow_anonymous else "")
    names = [key.name for key in read_all(settings).entries]
    return f"API keys: {', '.join(names) or 'none, so nobody is let in'}"


def read_all(settings: Settings) -> Keys:
    """Return the keys of the settings as they are now.

    Raises:
        InvalidInput: an entry or the file is wrong.
    """
    given = given_keys(settings.api_keys) if settings.api_keys is not None else ()
    return all_keys(given, read_keys(settings.api_keys_file) if settings.api_keys_file is not None else ())


def _signature(path: Path | None) -> Signature:
    """Return what tells one content of a file from another; None where it is not there."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size) if found else None
