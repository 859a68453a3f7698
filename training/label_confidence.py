"""How far a label can be trusted: the probability that its sign is right, from the number and spread of attempts.

Normal approximation. An arm's score is a mean over n attempts; the variance of one attempt is moderated, that is
mixed with its source's pooled variance as if that had been seen in PRIOR_ATTEMPTS more attempts (Smyth 2004, "Linear
models and empirical Bayes methods for assessing differential expression", eq. for s-tilde squared):

    s² = (PRIOR_ATTEMPTS · pooled + Σ(y − ȳ)²) / (PRIOR_ATTEMPTS + n − 1)
    se² = s²_direct / n_direct + s²_reasoning / n_reasoning

`pooled` is the source's within-arm variance, itself mixed with the total variance of the source's scores in that arm
as if that had been seen in POOL_PRIOR more attempts: the total bounds the within-arm variance from above, so a source
without repeats is taken for as noisy as it can be. Tokens are taken as known: their noise is small beside a score's.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PRIOR_ATTEMPTS = 4.0
POOL_PRIOR = 10.0
LEAST_VARIANCE = 0.01
"""Of one attempt: no grader repeats itself for ever, however few the attempts that happened to agree."""

Floats = npt.NDArray[np.float64]
_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True, kw_only=True)
class ArmScores:
    """The scores of one arm, pair by pair: how many, their mean, and the sum of squares around it."""

    count: Floats
    mean: Floats
    squares: Floats

    def variance_of_mean(self, source: npt.NDArray[np.int64]) -> Floats:
        """Return the moderated variance of each pair's mean; NaN where nothing is scored."""
        free = np.maximum(self.count - 1, 0)
        pooled = _per_source(source, self.squares) + POOL_PRIOR * self._total(source)
        pooled = np.maximum(pooled / (_per_source(source, free) + POOL_PRIOR), LEAST_VARIANCE)
        one = (PRIOR_ATTEMPTS * pooled[source] + self.squares) / (PRIOR_ATTEMPTS + free)
        return quotient(one, self.count)

    def _total(self, source: npt.NDArray[np.int64]) -> Floats:
        """Return each source's variance of all scores in this arm."""
        mean = np.nan_to_num(self.mean)
        count = np.maximum(_per_source(source, self.count), 1)
        centre = _per_source(source, self.count * mean) / count
        between = self.count * (mean - centre[source]) ** 2
        return (_per_source(source, self.squares) + _per_source(source, between)) / count


def standard_error(direct: ArmScores, reasoning: ArmScores, source: npt.NDArray[np.int64]) -> Floats:
    """Return the standard error of each pair's gain; NaN where an arm has no score."""
    return np.sqrt(direct.variance_of_mean(source) + reasoning.variance_of_mean(source))


def sign_confidence(value: Floats, error: Floats) -> Floats:
    """Return P(the true value has the sign of this one); a half at zero, NaN where unknown."""
    return normal(np.abs(value) / error)


def band_confidence(value: Floats, error: Floats, margin: float) -> Floats:
    """Return P(the true value is within ± margin)."""
    return normal((margin - value) / error) - normal((-margin - value) / error)


def normal(z: Floats) -> Floats:
    """Return the standard normal distribution function."""
    answer: Any = _erf(z / math.sqrt(2.0))
    return np.asarray(0.5 * (1.0 + answer.astype(np.float64)), dtype=np.float64)


def group_sum(group: npt.NDArray[np.int64], values: Floats, groups: int) -> Floats:
    """Return the sum of the values of each group."""
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64)


def quotient(total: Floats, count: Floats) -> Floats:
    """Return total / count, NaN where there is nothing to divide by."""
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0), dtype=np.float64)


def _per_source(source: npt.NDArray[np.int64], values: Floats) -> Floats:
    return group_sum(source, values, int(source.max()) + 1 if len(source) else 0)
