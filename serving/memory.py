"""Memory of a worker: what a prompt took for a moment goes back to the system."""

import ctypes
from contextlib import suppress

M_MMAP_THRESHOLD = -3
"""Of `mallopt`, in malloc.h of the GNU C library."""

BLOCK_BYTES = 2**18


def give_back() -> None:
    """Let malloc take every block of BLOCK_BYTES from the system by itself, where it is that of the GNU C library.

    Left alone it raises that bound to the largest block that was ever given back, and keeps what lies below: the graphs' buffers, some tens of MB.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_MMAP_THRESHOLD, BLOCK_BYTES)
