"""Scores that a log keeps apart from its calls, in files of their own, by what they score."""

from collections.abc import Iterator
from sys import intern
from typing import Any, NamedTuple

from training.importers.call import Mark, Other, Place


class _Row(NamedTuple):
    identity: int | None
    file: str
    line: int
    name: str
    value: Any
    by: str | None


class Marks:
    """Scores by what they score: a kind (an observation, a trace, a span) and its id.

    They are all held in memory, at some 400 bytes each: ids as hashes of 64 bits, words once.
    """

    def __init__(self) -> None:
        self._rows: dict[int, tuple[_Row, ...]] = {}
        self._kinds: set[str] = set()
        self._taken: set[int] = set()

    def add(self, kind: str, target: str, place: Place, mark: Mark, *, identity: Any = None) -> None:
        """Remember a score; one with the same identity, read before, is an older state of it and is forgotten."""
        key = hash((kind, target))
        row = _Row(
            None if identity is None else hash(str(identity)),
            intern(place.file),
            place.line,
            intern(mark.name),
            intern(mark.value) if isinstance(mark.value, str) else mark.value,
            None if mark.by is None else intern(mark.by),
        )
        others = (one for one in self._rows.get(key, ()) if one.identity is None or one.identity != row.identity)
        self._rows[key] = (*others, row)
        self._kinds.add(kind)

    def of(self, kind: str, target: str) -> bool:
        """Return whether there is a score of this."""
        return hash((kind, target)) in self._rows

    def of_any(self, kind: str) -> bool:
        """Return whether there is a score of anything of this kind."""
        return kind in self._kinds

    def take(self, kind: str, target: str) -> tuple[Mark, ...]:
        """Return the scores of this."""
        key = hash((kind, target))
        if key not in self._rows:
            return ()
        self._taken.add(key)
        return tuple(Mark(row.name, row.value, row.by) for row in self._rows[key])

    def left_over(self, kind: str) -> Iterator[Other]:
        """Yield each score that no call took, as a record of this kind."""
        for key, rows in self._rows.items():
            if key not in self._taken:
                yield from (Other(Place(row.file, row.line), kind) for row in rows)
