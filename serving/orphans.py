"""A worker ends with the process that started it: an orphan would keep the port, and nobody would start it again."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of Linux' prctl: the signal that a process is sent when its parent ends."""


def end_with_parent() -> None:
    """Have the kernel end this process as SIGTERM does when its parent ends, killed or not; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
