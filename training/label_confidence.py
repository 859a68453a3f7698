"""How far a label can be trusted, from the number and spread of attempts: a normal posterior of the gain, by empirical Bayes.

An arm's score is a mean over n attempts; the variance of one attempt is moderated, that is mixed with its source's pooled
variance as if that had been seen in PRIOR_ATTEMPTS more attempts (Smyth 2004, "Linear models and empirical Bayes methods for
assessing differential expression", eq. for s-tilde squared):

    s² = (PRIOR_ATTEMPTS · pooled + Σ(y − ȳ)²) / (PRIOR_ATTEMPTS + n − 1)
    se² = s²_direct / n_direct + s²_reasoning / n_reasoning

`pooled` is the source's within-arm variance, itself mixed with the total variance of the source's scores in that arm as if
that had been seen in POOL_PRIOR more attempts: the total bounds the within-arm variance from above, so a source without
repeats is taken for as noisy as it can be.

The gain of a pair is then drawn to the mean of its task, and that to the mean of its source and model (Lindley and Smith 1972,
"Bayes estimates for the linear model"), with the mean of a source and model unknown:

    gain | task ~ N(m_task, τ²),  m_task ~ N(m_model, ω²)
    E[gain | log] = λ · ȳ + (1 − λ) · E[m_task | log],  λ = τ² / (τ² + se²)
    V[gain | log] = λ · se² + (1 − λ)² · V[m_task | log]

τ² and ω² are those of moments (Hedges 1983; DerSimonian and Laird 1986), by source and model. Tokens are taken as known: their
noise is small beside a score's. What this is worth on held-out attempts: docs/decisions/0010.
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

WIDEST_SCORES, WIDEST_VARIANCE = 2.0, 0.25
"""Scores that each source is taken to have besides its own, and their variance, the largest in [0, 1]: one score has no spread,
which does not make it sure."""

LEAST_SIGNAL = 0.25
"""Share of the variance of gains within a task that is at least the prompts' own: without repeats it cannot be told from noise,
and it is not none. Chosen on attempts held out, docs/decisions/0010."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_erf = np.frompyfunc(math.erf, 1, 1)


@dataclass(frozen=True, kw_only=True)
class ArmScores:
    """The scores of one arm, pair by pair: how many, their mean, and the sum of squares around it."""

    count: Floats
    mean: Floats
    squares: Floats

    def variance_of_mean(self, source: Integers) -> Floats:
        """Return the moderated variance of each pair's mean; NaN where nothing is scored."""
        free = np.maximum(self.count - 1, 0)
        pooled = _per_group(source, self.squares) + POOL_PRIOR * self._total(source)
        pooled = np.maximum(pooled / (_per_group(source, free) + POOL_PRIOR), LEAST_VARIANCE)
        one = (PRIOR_ATTEMPTS * pooled[source] + self.squares) / (PRIOR_ATTEMPTS + free)
        return quotient(one, self.count)

    def _total(self, source: Integers) -> Floats:
        """Return each source's variance of all scores in this arm, of few drawn to the most that scores can have."""
        mean = np.nan_to_num(self.mean)
        count = np.maximum(_per_group(source, self.count), 1)
        centre = _per_group(source, self.count * mean) / count
        between = self.count * (mean - centre[source]) ** 2
        around = _per_group(source, self.squares) + _per_group(source, between)
        return (around + WIDEST_SCORES * WIDEST_VARIANCE) / (count - 1 + WIDEST_SCORES)


def standard_error(direct: ArmScores, reasoning: ArmScores, source: Integers) -> Floats:
    """Return the standard error of each pair's gain; NaN where an arm has no score."""
    return np.sqrt(direct.variance_of_mean(source) + reasoning.variance_of_mean(source))


@dataclass(frozen=True)
class Posterior:
    """What is known of each pair's gain: its mean and standard deviation [n], in points; NaN where an arm has no score."""

    mean: Floats
    deviation: Floats

    def of_sign(self, value: Floats, price: Floats) -> Floats:
        """Return P(gain - price has the sign of value); a half where value is zero, NaN where the gain is unknown."""
        with np.errstate(invalid="ignore"):
            return normal(np.sign(value) * (self.mean - price) / self.deviation)

    def of_band(self, price: Floats, margin: float) -> Floats:
        """Return P(gain - price is within ± margin)."""
        net = self.mean - price
        return normal((margin - net) / self.deviation) - normal((-margin - net) / self.deviation)


def posterior(gain: Floats, error: Floats, task: Integers, model: Integers) -> Posterior:
    """Return the posterior of each pair's gain.

    Args:
        gain: as observed, in points [n]; NaN where unknown.
        error: its standard error, in points [n].
        task: number of (source, model, task) [n].
        model: number of (source, model) [n].
    """
    known = np.isfinite(gain)
    mean, deviation = np.full(len(gain), np.nan), np.full(len(gain), np.nan)
    if known.any():
        tasks, at = np.unique(task[known], return_inverse=True)
        model_of = np.zeros(len(tasks), dtype=np.int64)
        model_of[at] = model[known]
        y, noise = gain[known], error[known] ** 2
        own = _variance_of_prompts(y, noise, at, model_of)[at]
        expected, doubt = _task_means(y, own + noise, at, model_of)
        kept = own / (own + noise)
        mean[known] = kept * y + (1 - kept) * expected[at]
        deviation[known] = np.sqrt(kept * noise + (1 - kept) ** 2 * doubt[at])
    return Posterior(mean, deviation)


def _variance_of_prompts(gain: Floats, noise: Floats, task: Integers, model_of: Integers) -> Floats:
    """Return the variance of true gains within a task, for each task that of its source and model [tasks]."""
    count = np.bincount(task).astype(np.float64)
    around = (gain - (group_sum(task, gain, len(count)) / count)[task]) ** 2
    free = _per_group(model_of, count - 1)
    total = quotient(_per_group(model_of, group_sum(task, around, len(count))), free)
    noisy = quotient(_per_group(model_of, group_sum(task, noise * (1 - 1 / count[task]), len(count))), free)
    least = np.maximum(LEAST_SIGNAL * total, LEAST_VARIANCE)
    return np.where(free > 0, np.maximum(total - noisy, least), LEAST_VARIANCE)[model_of]


def _task_means(gain: Floats, variance: Floats, task: Integers, model_of: Integers) -> tuple[Floats, Floats]:
    """Return the mean gain of each task, drawn to that of its source and model, and the variance of that mean [tasks]."""
    tasks = len(model_of)
    weight = group_sum(task, 1 / variance, tasks)
    own = group_sum(task, gain / variance, tasks) / weight
    centre = quotient(_per_group(model_of, weight * own), _per_group(model_of, weight))[model_of]
    scatter = _per_group(model_of, weight * (own - centre) ** 2) - (_per_group(model_of, np.ones(tasks)) - 1)
    spread = _per_group(model_of, weight) - quotient(_per_group(model_of, weight**2), _per_group(model_of, weight))
    between = np.divide(np.maximum(scatter, 0), spread, out=np.zeros(len(spread)), where=spread > 1e-9)[model_of]
    precision = 1 / (between + 1 / weight)
    centre = quotient(_per_group(model_of, precision * own), _per_group(model_of, precision))[model_of]
    kept = between / (between + 1 / weight)
    doubt = kept / weight + (1 - kept) ** 2 / _per_group(model_of, precision)[model_of]
    return kept * own + (1 - kept) * centre, doubt


def normal(z: Floats) -> Floats:
    """Return the standard normal distribution function."""
    answer: Any = _erf(z / math.sqrt(2.0))
    return np.asarray(0.5 * (1.0 + answer.astype(np.float64)), dtype=np.float64)


def group_sum(group: Integers, values: Floats, groups: int) -> Floats:
    """Return the sum of the values of each group."""
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64)


def quotient(total: Floats, count: Floats) -> Floats:
    """Return total / count, NaN where there is nothing to divide by."""
    return np.asarray(np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0), dtype=np.float64)


def _per_group(group: Integers, values: Floats) -> Floats:
    return group_sum(group, values, int(group.max()) + 1 if len(group) else 0)
