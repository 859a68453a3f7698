"""Where the folder of a service lies: named by the process that starts its workers."""

import shutil
import socket
import time
from pathlib import Path

from serving.swap.group import Group

LEFT_S = 3600.0
"""Seconds after which the folder of a service that is gone is removed: its workers may be about to start."""


def group_of(folder: Path, process: int) -> Path:
    """Return the folder of the service whose workers a process starts; those of services that are gone are removed."""
    host = socket.gethostname()
    own = folder / "serving" / f"{host}-{process}-{_started(process)}"
    for other in folder.glob(f"serving/{host}-*-*"):
        number, _, started = other.name.removeprefix(f"{host}-").partition("-")
        if other != own and number.isdigit() and _started(int(number)) != started and _left(other):
            shutil.rmtree(other, ignore_errors=True)
    return own


def _left(folder: Path) -> bool:
    """Return whether nobody works in a folder: its service may be of a container, whose processes have other numbers here."""
    try:
        return time.time() - folder.stat().st_mtime > LEFT_S and not Group(folder).living()
    except OSError:
        return False


def _started(process: int) -> str:
    """Return when a process started, which tells it from another of its number; "0" where the system does not say so, or it is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return "0"
