"""What the gate compares, its limits, and how a row of its table comes about."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from contract.yaml_file import configured
from training.metrics import FEWEST_PROMPTS

Array = NDArray[Any]

OUTCOMES = ("prompt", "arm", "p_reasoning", "score", "output_tokens", "arm_champion", "arm_challenger")
"""Columns of recent production outcomes, one row a decision whose outcome is known.

prompt: a digest; decisions on one prompt are resampled together. arm: the one that was used. p_reasoning: P(arm = reasoning | request)
as it was drawn. score, output_tokens: of the answer. arm_champion, arm_challenger: what each bundle's answer to the request is; null where it
was stored without text and embedding.
"""

SHOWN, IMPROVED = 0.95, 0.975
"""Levels of the intervals of floors and of improvements."""

RESAMPLES = 1000
"""Bootstrap resamples behind the interval of a mean."""


class GateConfig(BaseModel):
    """Limits of the gate.

    Attributes:
        least_prompts: held-out prompts of which fewer decide nothing.
        q_drop: macro-mean of q that may be lost.
        ece_rise: calibration error of P(use) that may be gained.
        coverage_drop: share of needs within the budget that may be lost.
        slice_loss: net_benefit a prompt, in points, that a slice may lose.
        outcome_loss: net_benefit a decision, in points, that recent outcomes may lose.
        latency_ratio: time of an answer over the champion's, medians side by side; noise of a shared machine stays under 2.
        latency_ms: milliseconds that are never too many more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    least_prompts: int = Field(50, ge=2)
    q_drop: float = Field(0.0, ge=0, lt=1)
    ece_rise: float = Field(0.02, ge=0, lt=1)
    coverage_drop: float = Field(0.02, ge=0, lt=1)
    slice_loss: float = Field(0.02, ge=0, lt=1)
    outcome_loss: float = Field(0.0, ge=0, lt=1)
    latency_ratio: float = Field(3.0, ge=2)
    latency_ms: float = Field(5.0, ge=0)


def load_gate(path: Path | None) -> GateConfig:
    """Return the limits of a YAML file, or the documented ones.

    Raises:
        InvalidInput: the file cannot be read, or has an unknown key (the known ones are listed) or a value out of range.
    """
    return configured(GateConfig, path, "gate")


class Side(NamedTuple):
    """What one bundle answers to the held-out rows, in the order of the other's.

    Attributes:
        revision: of the bundle.
        told: rows of evidence beside its answers (`training.evaluate.told`), with `thinking_mode` and `language`.
        budgets: needs of thinking tokens beside its budgets (`training.report.answers.budgeted`).
        latency_ms: median time of an answer, heads and encoder, measured beside the other's; None: not measured.
        timed: answers behind that.
    """

    revision: str
    told: pd.DataFrame
    budgets: pd.DataFrame
    latency_ms: float | None
    timed: int = 0


def row(
    check: str, sides: tuple[float | None, float | None], *, n: int, limit: float | None, passed: bool | None,
    difference: float | None = None, interval: Sequence[float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a row of the table; difference is challenger less champion, passed None where nothing could be judged."""
    return {
        "check": check, "champion": sides[0], "challenger": sides[1], "difference": difference,
        "interval": None if interval is None else [float(bound) for bound in interval], "n": n, "limit": limit, "passed": passed,
    }  # fmt: skip


def floor(
    check: str, sides: tuple[float, float], bounds: tuple[float, float] | None, *, n: int, limit: float, sign: int = 1
) -> dict[str, Any]:
    """Return the row of a floor; `sign` is -1 where more is worse."""
    if bounds is None or not np.isfinite(sides).all():
        return row(check, (None, None), n=n, limit=limit, passed=None)
    difference = sides[1] - sides[0]
    worse = sign * difference < -limit and max(sign * bound for bound in bounds) < 0
    return row(check, sides, n=n, limit=limit, passed=not worse, difference=difference, interval=bounds)


def bounds_of(values: Array, level: float = SHOWN) -> tuple[float, float] | None:
    """Return the percentile interval of resampled values, undefined ones left out; None where all are."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_bounds(values: Array, groups: Array, level: float = SHOWN) -> tuple[float, float] | None:
    """Return the bootstrap interval of the mean of values [n] over prompts, from the prompts' sums; None of fewer than FEWEST_PROMPTS."""
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    size = np.bincount(code)
    if len(size) < FEWEST_PROMPTS:
        return None
    total, rng = np.bincount(code, weights=values), np.random.default_rng(7)
    draws = (rng.integers(0, len(size), len(size)) for _ in range(RESAMPLES))
    return bounds_of(np.array([total[drawn].sum() / size[drawn].sum() for drawn in draws]), level)
