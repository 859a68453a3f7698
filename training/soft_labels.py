"""The classes that rows are labelled with: of a pair one, of a prompt with one arm each that it may have, by its chance."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import Profile
from training.prior import labels_of

Array = NDArray[Any]


def weighted_labels(
    table: pd.DataFrame, gain: Array, extra_tokens: Array, profile: Profile
) -> tuple[Array, Array, Array]:
    """Return row numbers, class indices and weights: a row stands twice where its other arm is not logged.

    A pseudo-outcome is never thresholded. Such a row counts as the label that it would have had the missing arm scored at the
    lower of two points, and as the one at the higher, by their chances (fractional imputation: Kim and Fuller 2004).

    Args:
        table: rows of evidence [n]: modelled, weight, gain_if_low, gain_if_high, p_high.
        gain: of the other rows, in points [n].
        extra_tokens: expected price of thinking, in tokens [n].
        profile: what sets the price and the margin.
    """
    weight, modelled = table.weight.to_numpy(float), table.modelled.to_numpy(bool)
    plain, single = np.flatnonzero(~modelled), np.flatnonzero(modelled)
    high = table.p_high.to_numpy(float) if len(single) else weight
    parts = [(plain, gain, weight)]
    if len(single):
        parts += [
            (single, table.gain_if_low.to_numpy(float), weight * (1 - high)),
            (single, table.gain_if_high.to_numpy(float), weight * high),
        ]
    rows = np.concatenate([rows for rows, _, _ in parts])
    labels = np.concatenate([labels_of(value[rows], extra_tokens[rows], profile) for rows, value, _ in parts])
    return rows, labels, np.concatenate([share[rows] for rows, _, share in parts])
