"""A progress bar for long work: drawn on a terminal, silent everywhere else."""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

import typer

T = TypeVar("T")


def progress(items: Iterable[T], label: str, *, length: int | None = None) -> Iterator[T]:
    """Yield the items, drawing a bar on standard error where that is a terminal."""
    if length is None and isinstance(items, Sized):
        length = len(items)
    if not sys.stderr.isatty():
        yield from items
        return
    with typer.progressbar(items, label=label, length=length, file=sys.stderr) as bar:
        yield from bar
