"""A progress bar for long work: drawn on a terminal, silent everywhere else."""

import io
import sys
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from typing import Any, TypeVar

import typer

T = TypeVar("T")
LONG = 8 * 2**20
"""Bytes of a file whose reading takes long enough for a bar."""


def progress(items: Iterable[T], label: str, *, length: int | None = None) -> Iterator[T]:
    """Yield the items, drawing a bar on standard error where that is a terminal."""
    if length is None and isinstance(items, Sized):
        length = len(items)
    if not sys.stderr.isatty():
        yield from items
        return
    with typer.progressbar(items, label=label, length=length, file=sys.stderr) as bar:
        yield from bar


def opened(path: Path) -> io.BufferedReader:
    """Return the file's bytes; where reading takes long and standard error is a terminal, a bar follows them."""
    watched = sys.stderr.isatty() and path.stat().st_size > LONG
    return io.BufferedReader(_Watched(path) if watched else io.FileIO(path), 2**18)


class _Watched(io.FileIO):
    """A file that moves a bar as it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._bar = typer.progressbar(length=path.stat().st_size, label=path.name, file=sys.stderr)
        self._bar.render_progress()

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._bar.update(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._bar.render_finish()
        super().close()
