"""How many cores a process may use: those that it is bound to, and no more than its container is allowed."""

import os
from pathlib import Path

LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how many microseconds of every so many a container may run, in control groups of version 2."""


def cores(limit: Path = LIMIT) -> int:
    """Return how many cores this process may use, whole ones, at least one.

    A container that is limited to 2 of a machine's 64 cores still sees 64: a thread for each would wait for the others' turns.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return max(1, min(bound, int(quota) // int(period)))
    except (OSError, ValueError, ZeroDivisionError):  # no control groups, or `max`: no limit
        return bound
