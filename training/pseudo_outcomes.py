"""Doubly robust pseudo-outcomes of the prompts with one arm logged: what thinking would have gained and cost there.

Ordinary traffic holds one arm a prompt, chosen by somebody's rule: hard prompts went to reasoning, so the difference of the
arms' means lies. With T the arm (1 reasoning), e the propensity P(T = 1 | x) and mu_t the expected score of arm t at x:

    gamma_t = mu_t + 1[T = t] (y - mu_t) / P(T = t | x),    gain_dr = gamma_1 - gamma_0

(Robins, Rotnitzky and Zhao 1994; Kennedy 2023, "Towards optimal doubly robust estimation of heterogeneous causal effects"):
right on average where either e or mu is. Tokens likewise. e and mu are cross-fitted by prompt (Chernozhukov et al. 2018): no
row is judged by a model that has seen its prompt, or the prompts kept for calibration and the holdout. A pseudo-outcome is an
expectation plus noise: it is regressed on, never thresholded into a label.

Assumed, and not testable from the log: the rule that chose the arm looked at nothing but the prompt, or its probability was
logged (p_reasoning).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.records import Arm
from training.config import TrainConfig
from training.evidence import Rows, fraction
from training.log_rows import group_codes
from training.outcome_models import FOLDS, Fit, Inputs, chance, cross_fitted, inputs_of, mean_score, mean_tokens
from training.overlap import CLIP, Stratum, open_strata, overlapping, strata_of

KEPT = 0.25
"""Share of its own residual that a row's training target keeps, the rest is left to the outcome models; docs/decisions/0009."""

TASK_ROWS = 20.0
"""Rows after which a task's own mean residual counts as much as that of its source and model."""

LEAST_VARIANCE = 0.01
"""Of one score around its expectation: no grader is exact."""

LEAST_GRADED = 0.05
"""Share of scores strictly between 0 and 1 from which on a stratum's answers are graded, not checked."""

COLUMNS = (
    "gain_dr", "score_direct_dr", "score_reasoning_dr", "extra_tokens_dr", "variance", "precision", "propensity", "target_gain",
    "target_score_direct", "target_score_reasoning", "target_extra_tokens", "gain_if_low", "gain_if_high", "p_high",
)  # fmt: skip
"""Of the table of pseudo-outcomes."""

ARMS = (Arm.DIRECT.value, Arm.REASONING.value)

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Pseudo:
    """Pseudo-outcomes, row by row, null where there is none, and the overlap that they rest on.

    Columns of `table`:
        gain_dr, score_direct_dr, score_reasoning_dr: in points; an outcome with its noise, which may leave [0, 1].
        extra_tokens_dr: in tokens; null where no tokens were logged.
        variance: of gain_dr given the prompt, in points squared.
        precision: how many pairs of one attempt an arm the row is worth: the variance of their gain, over `variance`.
        propensity: P(reasoning) as it was used.
        target_gain, target_score_direct, target_score_reasoning: what a model is best fitted on: the outcome models' expectation
            with the mean residual of the row's task and KEPT of its own, so that the means of tasks stay doubly robust.
        target_extra_tokens: the token models' expectation, scaled to the stratum's doubly robust mean, at least 1.
        gain_if_low, gain_if_high, p_high: the gain had the missing arm scored at the lower or the higher of two points, and
            the chance of the latter. Checked answers score 0 or 1; of graded scores the points are one standard deviation
            around their expectation. Given the prompt, the two arms are taken as independent.
    """

    table: pd.DataFrame
    strata: tuple[Stratum, ...]


def pseudo_outcomes(units: Rows, learn: Mask, config: TrainConfig) -> Pseudo:
    """Return the pseudo-outcomes of the units that have one arm scored.

    Args:
        units: labelled (source, prompt_id, model) with an arm scored or both [n]; the models learn from both kinds, and
            only those with one arm get a pseudo-outcome. Columns source, model, task, group, p_reasoning and, of each arm,
            score and output_tokens.
        learn: the units that models may be fitted on; others are judged by models of all of these.
        config: the run's settings.
    """
    table = units.table
    score = np.column_stack([table[f"score_{arm}"].to_numpy(float) for arm in ARMS])
    tokens = np.column_stack([table[f"output_tokens_{arm}"].to_numpy(float) for arm in ARMS])
    scored = np.isfinite(score)
    single, reasoning = scored.sum(axis=1) == 1, scored[:, 1] & ~scored[:, 0]
    stratum, task = (group_codes(table, key) for key in (("source", "model"), ("source", "model", "task")))
    fold = np.where(learn, (fraction(table.group, config.seed + 1) * FOLDS).astype(int), FOLDS)
    comparable = open_strata(stratum, reasoning, single & learn)
    possible = single & np.isin(stratum, stratum[comparable])
    propensity = table.p_reasoning.to_numpy(float, na_value=np.nan)
    if not possible.any():
        strata = strata_of(table, stratum, reasoning, single, possible, propensity)
        return Pseudo(pd.DataFrame(np.nan, index=table.index, columns=list(COLUMNS)), tuple(strata))
    x = inputs_of(units, stratum, learn)
    unlogged = np.isnan(propensity)
    if (possible & unlogged).any():
        fitted = cross_fitted(x, reasoning, comparable, fold, chance)
        propensity = np.where(unlogged, fitted, propensity)
    kept = possible & overlapping(propensity)
    clipped = np.clip(propensity, CLIP, 1 - CLIP)
    strata = strata_of(table, stratum, reasoning, single, kept, clipped)
    for refused in (s for s in strata if s.refused):
        kept &= ~((table.source == refused.source) & (table.model == refused.model)).to_numpy(bool)
    took = np.column_stack([~reasoning, reasoning]) & kept[:, None]
    design = _Design(took, np.column_stack([1 - clipped, clipped]), stratum, task, learn, fold, x)
    out = _outcomes(score, tokens, design, config)
    return Pseudo(out.assign(propensity=np.where(kept, clipped, np.nan)), tuple(strata))


@dataclass(frozen=True)
class _Design:
    """Which arm each unit has, with which chance, and who may be learned from: what scores and tokens share."""

    took: Mask
    """[n, 2], false in both columns where there is no pseudo-outcome."""
    chance: Array
    """[n, 2], P(arm)."""
    stratum: Array
    """Number of (source, model)."""
    task: Array
    """Number of (source, model, task)."""
    learn: Mask
    fold: Array
    x: Inputs

    @property
    def kept(self) -> Mask:
        return np.asarray(self.took.any(axis=1))

    def expected(self, y: Array, fit: Fit) -> Array:
        """Return the cross-fitted expectation of y in each arm [n, 2]; all null where an arm has nothing to learn from."""
        known = np.isfinite(y) & self.learn[:, None]
        if known.sum(axis=0).min() < 2:
            return np.full(y.shape, np.nan)
        columns = [cross_fitted(self.x, y[:, arm], known[:, arm], self.fold, fit) for arm in (0, 1)]
        return np.column_stack(columns)

    def gamma(self, y: Array, expected: Array) -> Array:
        """Return the pseudo-outcome of each arm, [n, 2]; null where the unit's own y is."""
        own = np.where(self.took, y, 0.0).sum(axis=1)
        corrected = expected + np.where(self.took, (own[:, None] - expected) / self.chance, 0.0)
        return np.where(self.kept[:, None], corrected, np.nan)

    def mean(self, values: Array, weight: Array) -> Array:
        """Return the weighted mean of values [n] over the learned rows of each row's stratum; 0 where there is none."""
        total, sums = self._sums(self.stratum, values, weight)
        return np.asarray(np.divide(sums, total, out=np.zeros(len(sums)), where=total > 0))

    def task_mean(self, values: Array, weight: Array) -> Array:
        """Return the mean over each row's task, drawn to that of its stratum as by TASK_ROWS rows of average weight."""
        total, sums = self._sums(self.task, values, weight)
        prior = TASK_ROWS * self.mean(weight, np.asarray(weight > 0, dtype=float))
        return np.asarray((sums + prior * self.mean(values, weight)) / np.maximum(total + prior, np.finfo(float).tiny))

    def _sums(self, group: Array, values: Array, weight: Array) -> tuple[Array, Array]:
        """Return, for each row, the sums of weight and of weight x value over the learned rows of its group."""
        there = self.learn & np.isfinite(values) & (weight > 0)
        sums = (np.bincount(group[there], w[there], int(group.max()) + 1) for w in (weight, weight * values))
        total, weighted = (one[group] for one in sums)
        return total, weighted


def _outcomes(score: Array, tokens: Array, design: _Design, config: TrainConfig) -> pd.DataFrame:
    """Return the columns of `Pseudo.table`, without `propensity`."""
    mu = design.expected(score, mean_score(config))
    gamma = design.gamma(score, mu)
    spread = np.column_stack(
        [design.mean((score - mu)[:, arm] ** 2, design.took[:, arm] / design.chance[:, arm]) for arm in (0, 1)]
    )
    variance = (np.maximum(spread, LEAST_VARIANCE) / design.chance).sum(axis=1)
    weight = np.where(design.kept, 1 / variance, 0.0)
    precision = np.maximum(spread, LEAST_VARIANCE).sum(axis=1) / variance
    residual = gamma - mu
    bias = np.column_stack([design.task_mean(residual[:, arm], weight) for arm in (0, 1)])
    target = np.where(design.kept[:, None], mu + bias + KEPT * (residual - bias), np.nan)
    spent = design.expected(tokens, mean_tokens(config))
    extra = np.diff(design.gamma(tokens, spent))[:, 0]
    return pd.DataFrame(
        {
            "gain_dr": gamma[:, 1] - gamma[:, 0], "score_direct_dr": gamma[:, 0], "score_reasoning_dr": gamma[:, 1],
            "extra_tokens_dr": extra, "variance": np.where(design.kept, variance, np.nan),
            "precision": np.where(design.kept, precision, np.nan),
            "target_gain": target[:, 1] - target[:, 0], "target_score_direct": target[:, 0],
            "target_score_reasoning": target[:, 1], "target_extra_tokens": _target_tokens(spent, extra, weight, design),
            **_hypothetical(score, mu, np.sqrt(spread), design),
        }
    )  # fmt: skip


def _hypothetical(score: Array, mu: Array, deviation: Array, design: _Design) -> dict[str, Array]:
    """Return gain_if_low, gain_if_high and p_high; see `Pseudo`."""
    thinks = design.took[:, 1]
    own, other = (np.where(thinks, *pair) for pair in ((score[:, 1], score[:, 0]), (mu[:, 0], mu[:, 1])))
    around = np.where(thinks, deviation[:, 0], deviation[:, 1])
    graded = design.mean(np.where(design.kept, (own > 0) & (own < 1), np.nan), design.kept.astype(float)) > LEAST_GRADED
    low, high = (
        np.where(graded, np.maximum(other - around, 0), 0.0),
        np.where(graded, np.minimum(other + around, 1), 1.0),
    )
    gains = [np.where(design.kept, np.where(thinks, own - point, point - own), np.nan) for point in (low, high)]
    p_high = np.divide(other - low, high - low, out=np.full(len(own), 0.5), where=high > low)
    return {"gain_if_low": gains[0], "gain_if_high": gains[1], "p_high": np.where(design.kept, p_high, np.nan)}


def _target_tokens(spent: Array, extra: Array, weight: Array, design: _Design) -> Array:
    """Return the expected extra tokens, scaled so that their mean in a stratum is the doubly robust one."""
    expected = spent[:, 1] - spent[:, 0]
    known = np.where(np.isfinite(extra), weight, 0.0)
    right, modelled = design.mean(extra, known), design.mean(expected, known)
    scale = np.divide(right, modelled, out=np.ones_like(right), where=(right > 0) & (modelled > 0))
    return np.where(design.kept & np.isfinite(expected), np.maximum(expected * scale, 1.0), np.nan)
