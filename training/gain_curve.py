"""Monotone curves from predicted to realised gain, with a local band, on cross-fitted predictions."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.calibration import Curve
from training.prior import Z95

KNOTS = 14
"""Largest number of local means of a gain curve."""

CLOSEST = 1e-4
"""Points apart that two knots of a gain curve are at least: a graph of single precision cannot follow steeper ones."""

LEAST_BIN = 20
"""Rows of one local mean: fewer rows, fewer means."""

LEAST_VARIANCE = 0.01
"""Of one pair's gain: a grader that agreed with itself a few times is not exact."""

Array = NDArray[Any]


def gain_curve(predicted: Array, gain: Array, weight: Array, spread: float | None = None) -> Curve:
    """Return the monotone map of predicted to realised gain, with a 95 % band of the local mean at each knot.

    Local means of bins of equal weight, made monotone by centred isotonic regression: bins that violate the order are
    pooled into one knot at their mean (Oron and Flournoy 2017, "Centered isotonic regression"), so that the map has no
    flat steps that would tie different prompts. Without enough rows it is the identity with a band that decides nothing.

    Args:
        predicted: predicted gain, points [n].
        gain: realised gain, points [n].
        weight: observations that each row stands for, [n].
        spread: None for logged pairs, whose own scatter is the noise and whose weights only balance sources; for
            pseudo-observations, their declared spread: a row of weight s is then s observations that scatter by it.
    """
    bins = min(KNOTS, len(predicted) // LEAST_BIN)
    if bins < 2:
        return Curve(x=(-1.0, 1.0), y=(-1.0, 1.0), lower=(-1.0, -1.0), upper=(1.0, 1.0))
    order = np.argsort(predicted, kind="stable")
    predicted, gain, weight = predicted[order], gain[order], weight[order]
    position = (np.cumsum(weight) - weight / 2) / weight.sum()
    rows = _bins(position, bins)
    blocks = _pooled([_local_mean(predicted[r], gain[r], weight[r], spread) for r in rows])
    x, y, variance = (np.array([getattr(block, name) for block in blocks]) for name in ("x", "mean", "variance"))
    if len(blocks) == 1:
        x, y, variance = x + np.array([-1e-6, 1e-6]), np.repeat(y, 2), np.repeat(variance, 2)
    half = Z95 * np.sqrt(variance)
    lower = np.minimum(np.maximum.accumulate(y - half), y)
    upper = np.maximum(np.minimum.accumulate((y + half)[::-1])[::-1], y)
    return Curve(x=floats(x), y=floats(y), lower=floats(lower), upper=floats(upper))


class _Block(NamedTuple):
    """A knot in the making: where it lies, the mean there, the variance of that mean, and its weight."""

    x: float
    mean: float
    variance: float
    weight: float


def _bins(position: Array, bins: int) -> Iterator[Array]:
    """Yield the rows of each bin of equal weight that holds two rows or more."""
    which = np.minimum((position * bins).astype(int), bins - 1)
    for i in range(bins):
        if (which == i).sum() >= 2:
            yield np.flatnonzero(which == i)


def _local_mean(x: Array, gain: Array, weight: Array, spread: float | None) -> _Block:
    mean = float(np.average(gain, weights=weight))
    around = float(np.average((gain - mean) ** 2, weights=weight))
    rows = weight.sum() ** 2 / (weight**2).sum()  # Kish's effective number
    scatter = max(around, LEAST_VARIANCE) / max(rows - 1, 1.0)
    if spread is not None:  # between prompts of different families, and within the observations that they stand for
        scatter = around / max(rows - 1, 1.0) + spread**2 / weight.sum()
    return _Block(float(np.average(x, weights=weight)), mean, scatter, float(weight.sum()))


def _pooled(blocks: list[_Block]) -> list[_Block]:
    """Pool neighbours whose means fall, or that lie at one place, until none do; the mean of two is weighed by precision."""
    done: list[_Block] = []
    for block in blocks:
        done.append(block)
        while len(done) > 1 and (done[-2].mean >= done[-1].mean or done[-1].x - done[-2].x < CLOSEST):
            right, left = done.pop(), done.pop()
            p, q = 1 / left.variance, 1 / right.variance
            weight = left.weight + right.weight
            x = (left.x * left.weight + right.x * right.weight) / weight
            done.append(_Block(x, (p * left.mean + q * right.mean) / (p + q), 1 / (p + q), weight))
    return done


def floats(values: Array) -> tuple[float, ...]:
    """Return values as a manifest holds them."""
    return tuple(map(float, values))
