"""What a slice lost against the better arm, in points, tokens and dollars, with bounds.

With d the mean net_benefit of the other arm over the policy's, the regret is max(d, 0), so its bounds are those of d, cut at 0. Tokens and
dollars are those of the other arm where d > 0, and 0 elsewhere. Where the interval of d lies above 0 their bounds are those of the mean;
where it lies below, 0; where it holds 0, the other arm may or may not be the better one, and they reach from the former to 0.
"""

from typing import NamedTuple

import numpy as np

from audit.estimates import Means


class Estimate(NamedTuple):
    """A mean with its 95 % interval; nan is unknown."""

    mean: float
    lower: float
    upper: float

    def times(self, factor: float) -> "Estimate":
        """Return the estimate of a multiple."""
        mean, *ends = (factor * value + 0.0 for value in self)  # + 0.0: no -0.0
        return Estimate(mean, *sorted(ends))

    def above_zero(self) -> "Estimate":
        """Return the estimate of the part above 0."""
        return Estimate(*(float(value) for value in np.maximum(self, 0.0)))

    def if_positive(self, other: "Estimate") -> "Estimate":
        """Return the estimate of this where the other is positive, else of 0."""
        nothing = self.times(0.0)  # nan where this is unknown
        mean = self.mean if other.mean > 0 else nothing.mean
        if np.isnan(other.lower):
            return Estimate(mean, float("nan"), float("nan"))
        if other.lower > 0:
            return Estimate(mean, self.lower, self.upper)
        if other.upper <= 0:
            return Estimate(mean, nothing.lower, nothing.upper)
        return Estimate(mean, float(np.minimum(self.lower, 0.0)), float(np.maximum(self.upper, 0.0)))


def estimates(found: Means) -> list[Estimate]:
    """Return the mean of each group with its interval."""
    lower, upper = found.interval()
    return [Estimate(*map(float, one)) for one in zip(found.mean, lower, upper, strict=True)]


def regret(net: Estimate, tokens: Estimate, usd: Estimate, *, side: int, decisions: int) -> dict[str, float]:
    """Return the columns of a slice on its regret.

    Args:
        net: net_benefit of thinking, in points a decision.
        tokens: extra tokens of thinking, a decision.
        usd: their dollars, a decision.
        side: of 0 on which net says that the other arm is better.
        decisions: of the slice.
    """
    lost = net.times(side)
    points = lost.above_zero()
    totals = {
        "points": points.times(decisions),
        "tokens": tokens.times(-side * decisions).if_positive(lost),
        "usd": usd.times(-side * decisions).if_positive(lost),
    }
    out = {"regret_points": points.mean}
    for name, total in totals.items():
        column = f"regret_{name}_total"
        out |= {column: total.mean, f"{column}_lower": total.lower, f"{column}_upper": total.upper}
    return out
