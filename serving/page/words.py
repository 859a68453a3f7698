"""Figures in words: units, signs and dashes; an unknown one is a dash, never a zero."""

import math
from datetime import UTC, datetime
from typing import Any

DASH = "–"

UNITS = {
    "tokens": "tokens", "usd": "dollars", "dollars": "dollars", "$": "dollars", "s": "seconds",
    "seconds": "seconds", "gpu_seconds": "seconds", "share": "share", "rate": "share", "probability": "share", "count": "count",
    "decisions": "count", "n": "count",
}  # fmt: skip
"""How the units that a report may name are shown."""


def number(value: Any, unit: str | None = None) -> str:
    """Return a figure in its unit, the unit's sign included where it is short."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    kind = UNITS.get((unit or "").lower())
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "dollars":
        return f"{'-' if value < 0 else ''}${abs(value):,.{2 if abs(value) >= 1 or not value else 5}f}"
    if kind == "seconds":
        return f"{value:,.2f} s"
    if kind == "tokens":
        return f"{value:,.0f}"
    return plain(value)


def plain(value: float) -> str:
    """Return a number with the digits that its size needs."""
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.{0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 3}f}"


def points(value: Any) -> str:
    """Return points of rubric score, with their sign."""
    return DASH if value is None else f"{value:+.3f}"


def share(value: Any) -> str:
    """Return a share in per cent."""
    return number(value, "share")


def tokens(value: Any) -> str:
    """Return tokens, whole."""
    return number(value, "tokens")


def count(value: Any) -> str:
    """Return how many."""
    return number(value)


def loss(value: Any) -> str:
    """Return points that are lost, which have no sign."""
    return DASH if value is None else f"{value:.3f}"


def decimal(value: Any) -> str:
    """Return a number of [0, 1] with two digits."""
    return DASH if value is None else f"{value:.2f}"


def moment(value: datetime | None) -> str:
    """Return a time of UTC to the second."""
    return DASH if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def of_total(part: int | None, whole: int) -> str:
    """Return a count and its share of a whole."""
    return f"{count(part)} ({share(part / whole)})" if part is not None and whole else count(part)


def label(name: str) -> str:
    """Return the name of a column or key in words."""
    return name.replace("_", " ").strip()


FILTERS = {
    "number": number, "points": points, "share": share, "tokens": tokens, "count": count, "decimal": decimal, "loss": loss, "moment": moment,
    "label": label, "of_total": of_total,
}  # fmt: skip
"""What templates call, by name."""
