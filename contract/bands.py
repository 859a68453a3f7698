"""Bands of familiarity, by which slices are told and lists are filtered."""

BANDS = ("unfamiliar", "low", "middle", "high")
"""Under the bundle's threshold for a confident verdict, and the rest parted at BAND_EDGES."""

BAND_EDGES = (0.6, 0.8)
"""Where low ends and middle begins, and where middle ends and high begins."""
