"""Small drawings that need no script: intervals on a common axis, and shares as a bar."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

WIDTH = 120.0
"""Width of a drawn interval, in the units of its view box."""


class Axis(NamedTuple):
    """A common axis of several intervals, which holds zero."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Return where a value is, inside the drawing."""
        return round(2 + (WIDTH - 4) * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low), 1)


def axis_of(values: Iterable[float | None]) -> Axis:
    """Return an axis that holds zero and all values."""
    known = [0.0, *(value for value in values if value is not None)]
    low, high = min(known), max(known)
    return Axis(low, high) if high > low else Axis(low - 1, high + 1)


def widths(counts: Sequence[int]) -> list[tuple[float, float]]:
    """Return where each part of a bar of 100 begins and how wide it is."""
    total, at, found = sum(counts) or 1, 0.0, []
    for n in counts:
        found.append((round(at, 2), round(100 * n / total, 2)))
        at += 100 * n / total
    return found
