"""The classes that rows are labelled with: of a pair one, of other rows each that they may have, by its chance."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]


def labels_of(gain: Array, price: Array, margin: float) -> Array:
    """Return the class index (use 0, maybe 1, avoid 2) of each row; all in points."""
    net = gain - price
    return np.where(net > margin, 0, np.where(net < -margin, 2, 1))


def weighted_labels(table: pd.DataFrame, price: Array, margin: float) -> tuple[Array, Array, Array]:
    """Return row numbers, class indices and weights: a row that is no pair stands twice.

    A pseudo-outcome is never thresholded. A prompt with one arm counts as the label that it would have had the missing arm scored at
    the lower of two points, and as the one at the higher, by their chances (fractional imputation: Kim and Fuller 2004). So does a
    pseudo-observation: a family that gains .2 is one of which a fifth of the prompts gain a point.

    Args:
        table: rows of evidence [n]: gain, prior, modelled, weight, gain_if_low, gain_if_high, p_high.
        price: of thinking, in points [n].
        margin: half width of `maybe`, in points.
    """
    weight, pair = table.weight.to_numpy(float), ~(table.modelled | table.prior).to_numpy(bool)
    plain, other = np.flatnonzero(pair), np.flatnonzero(~pair)
    high = table.p_high.to_numpy(float)
    parts = [
        (plain, table.gain, weight),
        (other, table.gain_if_low, weight * (1 - high)),
        (other, table.gain_if_high, weight * high),
    ]
    rows = np.concatenate([rows for rows, _, _ in parts])
    labels = np.concatenate([labels_of(value.to_numpy(float)[rows], price[rows], margin) for rows, value, _ in parts])
    return rows, labels, np.concatenate([share[rows] for rows, _, share in parts])
