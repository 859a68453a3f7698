"""Draws noisy means of groups to 0 as far as the groups themselves say: adaptive shrinkage (Stephens 2017).

The true means are a mixture of normals around 0, one of them of no width, whose weights are fitted by EM. Most groups may be as expected
and a few far off: one normal for all would leave half of the noise in the many for the sake of the few.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

WIDTHS = 12
"""Normals of the mixture beside the one of no width."""

ROUNDS = 200
"""Of EM."""


def shrunk(mean: Array, variance: Array) -> tuple[Array, Array]:
    """Return the posterior mean and variance of each group's true mean, [groups].

    Args:
        mean: observed, [groups].
        variance: of each mean's noise, above 0, [groups].
    """
    if len(mean) < 2:  # one group tells nothing of how groups differ
        return np.zeros(len(mean)), variance.copy()
    largest = max(float((mean**2).max()), float(variance.min()))
    widths = np.r_[0.0, np.geomspace(float(variance.min()) / 100, 4 * largest, WIDTHS)]
    total = variance[:, None] + widths
    likelihood = -0.5 * (np.log(total) + mean[:, None] ** 2 / total)
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    weight = np.full(len(widths), 1 / len(widths))
    for _ in range(ROUNDS):
        share = likelihood * weight
        share /= share.sum(axis=1, keepdims=True)
        weight = share.sum(axis=0) + (np.arange(len(widths)) == 0)  # one more group that is as expected
        weight /= weight.sum()
    kept = widths / total
    centres = kept * mean[:, None]
    posterior = (share * centres).sum(axis=1)
    spread = (share * (kept * variance[:, None] + centres**2)).sum(axis=1) - posterior**2
    return posterior, np.maximum(spread, 0.0)
