"""Which bundle is to be served: a folder, a file or link that names one, or an address such as models:/thinkworth@champion."""

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from contract.bundle import in_use
from contract.errors import BundleMissing, Refused
from contract.manifest_file import MANIFEST
from contract.resolve import is_address
from serving.swap.alias import version_of

ASK_S = 300
"""Seconds between two fetches of an address of which nothing can be told without what fetches it: that takes seconds of CPU."""


class Source:
    """Where the served bundle comes from."""

    def __init__(self, named: str | None) -> None:
        """Take a path or an address; None: models/current, else models/default."""
        self.named = named
        self._path = Path(named) if named else None
        self._address = named if named and is_address(named) else None

    def __str__(self) -> str:
        """Return it as it is told."""
        return self.named or "models/current, else models/default"

    def glance(self) -> str:
        """Return what changes when the bundle may have changed; it costs milliseconds, and fetches nothing.

        Raises:
            BundleMissing: there is none.
            Refused: a registry does not answer.
        """
        if self._address:
            return version_of(self._address) or f"asked at {int(time.time() // ASK_S)}"
        folder = self._folder()
        try:
            manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
            stats = [(one.name, one.stat()) for one in sorted(folder.iterdir())]
        except OSError as error:
            raise BundleMissing(f"{folder}: {error.strerror}; name a bundle's folder") from error
        return f"{folder} {manifest} {[(name, is_.st_size, is_.st_mtime_ns, is_.st_ino) for name, is_ in stats]}"

    def locate(self, wait_s: float) -> Path:
        """Return the folder of the bundle; what an address names is fetched by a process of its own, whole or not at all.

        Raises:
            BundleMissing: there is none.
            Refused: it cannot be fetched, or not within `wait_s` seconds.
        """
        if not self._address:
            return self._folder()
        command = [sys.executable, "-m", "contract.resolve", self._address]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=max(wait_s, 0.1), check=False
            )
        except subprocess.TimeoutExpired as error:
            what = f"{self._address} was not fetched within {wait_s:.0f} s"
            raise Refused(f"{what}; is its server slow?", type="timed_out") from error
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            said = [line for line in done.stderr.splitlines() if line.startswith("thinkworth: ")]
            what = said[-1].removeprefix("thinkworth: ") if said else f"fetching it ended with code {done.returncode}"
            raise Refused(f"{self._address}: {what}", type="not_fetched")
        return Path(lines[-1])

    def _folder(self) -> Path:
        return in_use(self._path).resolve()
