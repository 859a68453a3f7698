"""Scripts that the evidence holds: an encoder that cannot read a prompt has no opinion worth following."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.bundle import LEAST_NEIGHBOURS
from contract.features import FEATURE_NAMES
from training.evidence import Rows

CJK, ASCII = FEATURE_NAMES.index("cjk_share"), FEATURE_NAMES.index("ascii_share")
MOST_CJK, LEAST_ASCII = 0.05, 0.5
"""Share of Chinese, Japanese and Korean characters from which a prompt is of these languages, and of ASCII under which it is of
another alphabet."""

ANY_CJK, ANY_ASCII = 2.0, -1.0
"""Bounds where the evidence holds such prompts."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Scripts:
    """Bounds of a prompt's shares of characters that the evidence covers."""

    most_cjk: float = MOST_CJK
    least_ascii: float = LEAST_ASCII

    def holds(self, features: Array) -> Array:
        """Return 1 for prompts [n, f] of a script that the evidence holds, else 0, [n]."""
        cjk = features[:, CJK]
        readable = (features[:, ASCII] > np.float32(self.least_ascii)) | (cjk >= np.float32(MOST_CJK))
        return np.asarray((cjk < np.float32(self.most_cjk)) & readable, dtype=np.float32)


def scripts_of(evidence: Rows) -> Scripts:
    """Return the bounds of evidence: those of a script of LEAST_NEIGHBOURS prompts or more are open."""
    cjk = evidence.features[:, CJK] >= MOST_CJK
    other = (evidence.features[:, ASCII] <= LEAST_ASCII) & ~cjk
    held = [evidence.table.group[rows].nunique() >= LEAST_NEIGHBOURS for rows in (cjk, other)]
    return Scripts(ANY_CJK if held[0] else MOST_CJK, ANY_ASCII if held[1] else LEAST_ASCII)
