"""Estimates of net_benefit by the two kinds of evidence that see both arms, and the intervals of their means.

observed_pairs: the difference of the arms' means, decision by decision.

explored: with T the drawn arm (1 reasoning), p its recorded chance, y what came of it and m_t(x) what a model expects of arm t,

    gamma_t = m_t + 1[T = t] (y - m_t) / P(T = t)        (Robins, Rotnitzky and Zhao 1994)

is right on average whatever the model, as p is known; the model, cross-fitted by prompt, only makes it less noisy. Score, tokens and
seconds have a gamma each. Beside it stands the ratio of weighted sums (Hajek 1971), which needs no model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import t as student
from sklearn.linear_model import Ridge

from audit.config import AuditConfig
from audit.evidence import Evidence, own_arm, price
from audit.figures import EXPLORED, PAIRS

Array = NDArray[Any]
Mask = NDArray[np.bool_]

FOLDS = 5
ALPHA = 10.0
"""Regularisation of the outcome models: decisions that an intercept of a task is worth."""

CODED = ("task", "model", "profile", "language", "band", "revision")
NUMERIC = ("expected_score_direct", "expected_gain", "familiarity", "p_use", "p_avoid")
LOGARITHMS = ("expected_extra_tokens", "prompt_characters")
"""What outcome models read."""


@dataclass(frozen=True)
class Contrast:
    """What thinking gained and cost by one kind of evidence, decision by decision; nan where it says nothing.

    Attributes:
        evidence: observed_pairs or explored.
        rows: decisions that it speaks of, [n].
        gain: of score, in points, [n].
        extra_tokens: [n]; where no tokens were told, as the bundle expected.
        net_benefit: gain less the price, in points, [n].
        arm_counts: which arms a decision has seen: 1 in column 0 for direct, in column 1 for reasoning, [n, 2].
    """

    evidence: str
    rows: Mask
    gain: Array
    extra_tokens: Array
    net_benefit: Array
    arm_counts: Array


def paired(evidence: Evidence) -> Contrast:
    """Return what pairs say of themselves."""
    table, rows = evidence.table, evidence.pairs & np.isfinite(evidence.table.tokens_per_point.to_numpy(float))
    gain = np.where(rows, table.score_reasoning - table.score_direct, np.nan)
    extra = (table.output_tokens_reasoning - table.output_tokens_direct).to_numpy(float)
    extra = np.where(rows, np.where(np.isfinite(extra), extra, table.expected_extra_tokens), np.nan)
    seconds = (table.latency_s_reasoning - table.latency_s_direct).to_numpy(float)
    return Contrast(
        PAIRS, rows, gain, extra, gain - price(table, extra, seconds), np.repeat(rows[:, None], 2, axis=1).astype(int)
    )


def explored(evidence: Evidence, config: AuditConfig) -> Contrast:
    """Return doubly robust pseudo-outcomes of the explored decisions: right in the mean of any slice, noise in a single one."""
    table = evidence.table
    rows = evidence.explored & np.isfinite(table.tokens_per_point.to_numpy(float))
    arms = np.column_stack([rows & ~table.reasoning, rows & table.reasoning]).astype(int)
    absent = np.full(len(table), np.nan)
    if arms.sum(axis=0).min() < FOLDS:
        return Contrast(EXPLORED, np.zeros(len(table), bool), absent, absent, absent, np.zeros_like(arms))
    part = table[rows]
    design, fold = _design(part), folds(part, config)
    gain = _gamma(part, own_arm(part, "score"), design, fold, bounds=(0.0, 1.0))
    extra = _gamma(part, own_arm(part, "output_tokens"), design, fold)
    extra = np.where(np.isfinite(extra), extra, part.expected_extra_tokens)
    seconds = None
    if np.isfinite(part.seconds_per_point.to_numpy(float)).any():
        seconds = _gamma(part, own_arm(part, "latency_s"), design, fold)
    found = np.full((3, len(table)), np.nan)
    found[:, rows] = gain, extra, gain - price(part, extra, seconds)
    return Contrast(EXPLORED, rows, found[0], found[1], found[2], arms)


def folds(table: pd.DataFrame, config: AuditConfig, of: int = FOLDS) -> Array:
    """Return a number in [0, of) for each decision, equal for equal prompts."""
    return (fraction(table, config.seed) * of).astype(int)


def fraction(table: pd.DataFrame, seed: int) -> Array:
    """Return a number in [0, 1) for each decision, equal for equal prompts; another seed deals them out anew."""
    salted = table.prompt.to_numpy(np.uint64) ^ np.uint64(np.random.default_rng(seed).integers(2**63))
    return np.asarray(pd.util.hash_array(salted) / 2.0**64)


def _gamma(part: pd.DataFrame, y: Array, design: Any, fold: Array, bounds: tuple[float, float] | None = None) -> Array:
    """Return gamma_1 - gamma_0 of y, [n]; an unknown y leaves the model's expectation, all nan where an arm tells nothing."""
    taken, p = part.reasoning.to_numpy(bool), part.p_reasoning.to_numpy(float)
    gamma = []
    for arm, chance in ((False, 1 - p), (True, p)):
        known = (taken == arm) & np.isfinite(y)
        if known.sum() < FOLDS:
            return np.full(len(part), np.nan)
        expected = np.full(len(part), y[known].mean())
        for number in range(FOLDS):
            learn = known & (fold != number)
            if learn.sum() >= FOLDS:
                judged = fold == number
                expected[judged] = Ridge(ALPHA, solver="sparse_cg").fit(design[learn], y[learn]).predict(design[judged])
        expected = expected if bounds is None else np.clip(expected, *bounds)
        gamma.append(expected + np.where(known, (np.where(known, y, 0.0) - expected) / chance, 0.0))
    return np.asarray(gamma[1] - gamma[0])


def _design(part: pd.DataFrame) -> Any:
    """Return what outcome models read, sparse [n, columns]: values of categories, and numbers of mean 0 and variance 1."""
    n, blocks = len(part), []
    for name in CODED:
        codes = part[name].cat.codes.to_numpy(int)
        there = codes >= 0
        shape = (n, len(part[name].cat.categories))
        blocks.append(sparse.csr_array((np.ones(there.sum()), (np.flatnonzero(there), codes[there])), shape=shape))
    numbers = np.column_stack([part[list(NUMERIC)], np.log1p(part[list(LOGARITHMS)].clip(lower=0))])
    spread = numbers.std(axis=0)
    blocks.append(sparse.csr_array((numbers - numbers.mean(axis=0)) / np.where(spread > 0, spread, 1.0)))
    return sparse.csr_array(sparse.hstack(blocks))


@dataclass(frozen=True)
class Means:
    """Means of groups, with what their intervals need; arrays [groups].

    Attributes:
        n: rows.
        mean: nan of no row.
        error: standard error over prompts; nan of fewer than two.
        freedom: degrees of freedom of the error.
    """

    n: Array
    mean: Array
    error: Array
    freedom: Array

    def interval(self, alpha: float = 0.05) -> tuple[Array, Array]:
        """Return the bounds of the two-sided interval by Student's t, nan where there is none."""
        wide = student.ppf(1 - alpha / 2, np.maximum(self.freedom, 1)) * self.error
        return self.mean - wide, self.mean + wide

    def p_above(self, null: float = 0.0) -> Array:
        """Return the one-sided p-values of a mean that is not above `null`; 1 where there is no error."""
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = (self.mean - null) / self.error
        p = student.sf(statistic, np.maximum(self.freedom, 1))
        return np.where(np.isfinite(self.error) & (self.error > 0), p, 1.0)


def means(values: Array, group: Array, prompt: Array, groups: int, arm_counts: Array | None = None) -> Means:
    """Return the means of values by group, with errors that take the decisions on one prompt as one draw.

    Args:
        values: finite, [n].
        group: number of each row's group; negative: none, [n].
        prompt: of each row, [n].
        groups: how many there are.
        arm_counts: arms that each row has seen, [n, 2]: an error is known no better than the rarer arm lets it be.
    """
    there = group >= 0
    values, group, prompt = values[there], group[there], prompt[there]
    n = np.bincount(group, minlength=groups)
    mean = np.bincount(group, values, groups) / np.maximum(n, 1)
    _, code = np.unique(prompt, return_inverse=True)
    cluster, of = np.unique(group * (code.max(initial=0) + 1) + code, return_inverse=True)
    own = cluster // (code.max(initial=0) + 1)
    residual = np.bincount(of, values - mean[group], len(cluster))
    clusters = np.bincount(own, minlength=groups)
    square = np.bincount(own, residual**2, groups)
    freedom = clusters - 1.0
    if arm_counts is not None:
        rarer = np.min([np.bincount(group, arm_counts[there, arm], groups) for arm in (0, 1)], axis=0)
        freedom = np.minimum(freedom, rarer - 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(square * clusters / (clusters - 1.0)) / n
    enough = (clusters > 1) & (freedom >= 1)
    return Means(n, np.where(n > 0, mean, np.nan), np.where(enough, error, np.nan), np.maximum(freedom, 0.0))


def mean_of(
    values: Array, table: pd.DataFrame, arm_counts: Array | None = None, alpha: float = 0.05
) -> tuple[float | None, tuple[float, float] | None, int]:
    """Return the mean of the finite values of decisions, its interval over prompts, and how many there are; None where undefined.

    `arm_counts` of a `Contrast` bound the interval's degrees of freedom by the rarer arm.
    """
    known = np.isfinite(values)
    if not known.any():
        return None, None, 0
    arms = None if arm_counts is None else arm_counts[known]
    found = means(values[known], np.zeros(known.sum(), int), table.prompt.to_numpy()[known], 1, arms)
    lower, upper = (float(bound[0]) for bound in found.interval(alpha))
    return float(found.mean[0]), (lower, upper) if np.isfinite(lower) else None, int(known.sum())


def around(value: float, error: float, reasoning: Mask, alpha: float = 0.05) -> tuple[float, float] | None:
    """Return the interval of a difference of two arms by Student's t, as far as the rarer arm lets it; None where that has one outcome."""
    freedom = min(int(reasoning.sum()), int((~reasoning).sum())) - 1
    if freedom < 1 or not np.isfinite(error):
        return None
    wide = float(student.ppf(1 - alpha / 2, freedom)) * error
    return value - wide, value + wide


def weighted_difference(y: Array, reasoning: Mask, p: Array, prompt: Array) -> tuple[float, float]:
    """Return the ratio estimate of E[y | reasoning] - E[y | direct] and its standard error over prompts; nan where an arm is empty."""
    value, influence = 0.0, np.zeros(len(y))
    for arm, weight in ((1, reasoning / p), (-1, ~reasoning / (1 - p))):
        if weight.sum() == 0:
            return float("nan"), float("nan")
        mean = float((weight * y).sum() / weight.sum())
        value += arm * mean
        influence += arm * weight * (y - mean) / weight.sum()
    _, code = np.unique(prompt, return_inverse=True)
    return value, float(np.sqrt((np.bincount(code, influence) ** 2).sum()))
