"""Scripts, lengths and attachments that the evidence holds: of what an encoder cannot read, or no log is like, there is no opinion worth following."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import LEAST_NEIGHBOURS
from contract.features import FEATURE_NAMES
from training.evidence import Rows

CJK, ASCII, LENGTH, ATTACHMENTS = (
    FEATURE_NAMES.index(name) for name in ("cjk_share", "ascii_share", "whole_characters", "attachments")
)
MOST_CJK, LEAST_ASCII = 0.05, 0.5
"""Share of Chinese, Japanese and Korean characters from which a prompt is of these languages, and of ASCII under which it is of
another alphabet."""

NO_ATTACHMENTS = 0.0
"""Bound on the logarithm of one more than a prompt's images, files and the like: none is read."""

ANY_CJK, ANY_ASCII, ANY_ATTACHMENTS = 2.0, -1.0, 1e6
"""Bounds where the evidence holds such prompts."""

LONGER = 4.0
"""Times as many characters as LEAST_NEIGHBOURS prompts of the evidence have, up to which a prompt is no longer than the evidence holds."""

NO_LONGER = float(np.log1p(10_000))
"""Logarithm of the characters up to which any evidence holds a prompt."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Extent:
    """Bounds of a prompt's shares of characters, of the logarithm of how many it has, and of its attachments, that the evidence covers."""

    most_cjk: float = MOST_CJK
    least_ascii: float = LEAST_ASCII
    longest: float = NO_LONGER
    attachments: float = NO_ATTACHMENTS

    def holds(self, features: Array) -> Array:
        """Return 1 for prompts [n, f] of a script, a length and attachments that the evidence holds, else 0, [n]."""
        cjk = features[:, CJK]
        readable = (features[:, ASCII] > np.float32(self.least_ascii)) | (cjk >= np.float32(MOST_CJK))
        short = features[:, LENGTH] <= np.float32(self.longest)
        beside = features[:, ATTACHMENTS] <= np.float32(self.attachments)
        return np.asarray((cjk < np.float32(self.most_cjk)) & readable & short & beside, dtype=np.float32)


def extent_of(evidence: Rows) -> Extent:
    """Return the bounds of evidence: those of a script, or of attachments, of LEAST_NEIGHBOURS prompts or more are open, as are lengths up to LONGER times theirs."""
    cjk = evidence.features[:, CJK] >= MOST_CJK
    other = (evidence.features[:, ASCII] <= LEAST_ASCII) & ~cjk
    attached = evidence.features[:, ATTACHMENTS] > NO_ATTACHMENTS
    held = [evidence.table.group[rows].nunique() >= LEAST_NEIGHBOURS for rows in (cjk, other, attached)]
    lengths = pd.Series(evidence.features[:, LENGTH], dtype=float).groupby(evidence.table.group.to_numpy()).first()
    some = lengths.nlargest(LEAST_NEIGHBOURS)
    longest = float(some.iloc[-1]) + np.log(LONGER) if len(some) == LEAST_NEIGHBOURS else NO_LONGER
    return Extent(
        ANY_CJK if held[0] else MOST_CJK, ANY_ASCII if held[1] else LEAST_ASCII, max(float(longest), NO_LONGER),
        ANY_ATTACHMENTS if held[2] else NO_ATTACHMENTS,
    )  # fmt: skip
