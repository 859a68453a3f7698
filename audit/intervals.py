"""Intervals of shares and quantiles, 95 %."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

Interval = tuple[float, float]


def wilson(count: int, n: int) -> tuple[float | None, Interval | None]:
    """Return a share and its interval (Wilson 1927); None of nothing."""
    if n == 0:
        return None, None
    bounds = binomtest(count, n).proportion_ci(0.95, method="wilson")
    return count / n, (float(bounds.low), float(bounds.high))


def quantile(values: NDArray[Any], level: float) -> tuple[float | None, Interval | None]:
    """Return a quantile of finite values and its interval by order statistics; None of nothing, no interval where a bound is beyond the last value."""
    ordered = np.sort(values[np.isfinite(values)])
    n = len(ordered)
    if n == 0:
        return None, None
    low, high = int(binom.ppf(0.025, n, level)) - 1, int(binom.ppf(0.975, n, level))
    value = float(np.quantile(ordered, level))
    return value, (float(ordered[low]), float(ordered[high])) if low >= 0 and high < n else None
