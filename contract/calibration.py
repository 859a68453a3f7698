"""The curves that a bundle is calibrated by, as its manifest holds them."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LARGEST_SMALL_BUDGET = 32_768
"""Thinking tokens beyond which a budget for `maybe` is not small."""


class Frozen(BaseModel):
    """Immutable, unknown keys refused, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Curve(Frozen):
    """A monotone map as piecewise-linear knots, with a local 95 % band; flat beyond its ends.

    Attributes:
        x: knots, strictly increasing.
        y: value at each knot, non-decreasing.
        lower: lower 95 % bound of the mean at each knot; empty for a map without a band.
        upper: upper 95 % bound of the mean at each knot; empty for a map without a band.
    """

    x: tuple[float, ...] = Field(min_length=2)
    y: tuple[float, ...]
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _shape(self) -> Self:
        n = len(self.x)
        if len(self.y) != n or len(self.lower) not in (0, n) or len(self.upper) != len(self.lower):
            raise ValueError("x, y, lower and upper differ in length")
        if any(b <= a for a, b in zip(self.x, self.x[1:], strict=False)):
            raise ValueError("x is not strictly increasing")
        if any(b < a for a, b in zip(self.y, self.y[1:], strict=False)):
            raise ValueError("y decreases")
        if any(not low <= y <= high for low, y, high in zip(self.lower, self.y, self.upper, strict=False)):
            raise ValueError("y is outside its band")
        return self

    def at(self, value: float) -> float:
        """Return the value of the map."""
        return _interpolated(value, self.x, self.y)

    def band(self, value: float) -> tuple[float, float]:
        """Return the lower and upper bound of the mean."""
        return _interpolated(value, self.x, self.lower), _interpolated(value, self.x, self.upper)


def _interpolated(value: float, x: Sequence[float], y: Sequence[float]) -> float:
    """Return what `numpy.interp` does, to the last bit, twenty times as fast for one value and a dozen knots."""
    if not x[0] < value < x[-1]:
        return y[0] if value <= x[0] else y[-1] if value >= x[-1] else value  # neither: not a number
    right = bisect_right(x, value)
    left = right - 1
    return (y[right] - y[left]) / (x[right] - x[left]) * (value - x[left]) + y[left]


def _has_a_band(curve: Curve) -> Curve:
    if not curve.lower:
        raise ValueError("has no lower and upper: without its band there is no verdict")
    return curve


Banded = Annotated[Curve, AfterValidator(_has_a_band)]
"""A curve that has a band."""


class Calibration(Frozen):
    """Maps fitted on cross-fitted outputs, applied by `contract.policy` in training and serving alike.

    Attributes:
        gain_logs: gain that the logs' heads predict -> calibrated gain, with its local band.
        gain_prior: gain that the prompt's family, or the bundle that the training started from, predicts -> calibrated gain, with its local band.
        familiarity: the head's probability that the evidence covers a prompt -> familiarity in [0, 1].
        nearness: cosine to the nearest centroid of the evidence -> share of the evidence that lies farther from the rest of it.
        certainty: P(family) of the likeliest family -> share of the evidence whose family is less sure.
        unfamiliar_below: familiarity under which the verdict is `maybe`.
        small_budget: thinking tokens granted where the verdict is `maybe`.
    """

    gain_logs: Banded
    gain_prior: Banded
    familiarity: Curve
    nearness: Curve
    certainty: Curve
    unfamiliar_below: float = Field(ge=0, le=1)
    small_budget: int = Field(gt=0, le=LARGEST_SMALL_BUDGET)
