"""Bands of familiarity, by which slices are told and lists are filtered."""

from bisect import bisect

BANDS = ("unfamiliar", "low", "middle", "high")
"""Under the bundle's threshold for a confident verdict, and the rest parted at BAND_EDGES."""

BAND_EDGES = (0.6, 0.8)
"""Where low ends and middle begins, and where middle ends and high begins."""


def band_of(familiarity: float, unfamiliar_below: float) -> str:
    """Return the band of a familiarity, by the threshold of its bundle."""
    return BANDS[0] if familiarity < unfamiliar_below else BANDS[1 + bisect(BAND_EDGES, familiarity)]
