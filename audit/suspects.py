"""Single decisions that are suspected: the chance that the other arm was better for the prompt, and what that would have lost.

One outcome is noise, so it only moves a posterior. A prompt's true scores in the two arms deviate from what is expected of prompts like
it, with variances BETWEEN m (1 - m) and a correlation; an attempt deviates from its prompt's with variance WITHIN m (1 - m). Both are
estimated from answers to one prompt by one model in one arm, the correlation from pairs, and declared where there are too few. What is
expected is the bundle's expectation, corrected (`audit.modelled`) and moved by what pairs and draws say of the task, and of the task, model
and profile, each drawn to the former (`audit.shrinkage`). The posterior is the linear one (normal, by two moments).

Here, and nowhere else in an audit, kinds of evidence are combined: a rank is no estimate. `evidence` says the best that a decision has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from audit.config import AuditConfig
from audit.estimates import Contrast, means
from audit.evidence import Evidence, own_arm, price
from audit.modelled import Modelled
from audit.shrinkage import shrunk
from audit.why import reasons

Array = NDArray[Any]

LEVELS = (("task",), ("task", "model", "profile"))
"""Groups of decisions whose mean gain is learned, the coarse ones first."""

LEAST_REPEATS = 100
"""Repeated answers, and pairs, from which variances, and the correlation, are estimated."""

LEAST_BETWEEN, LEAST_WITHIN, MOST_ALIKE = 0.05, 0.05, 0.8
"""Shares of m (1 - m), and the correlation: prompts differ, in their gain too, and no grader is exact."""


@dataclass(frozen=True)
class Spread:
    """How far true scores and attempts deviate: variances as shares of m (1 - m), the arms' correlation, and whether each is estimated."""

    between: float
    within: float
    correlation: float
    between_estimated: bool
    correlation_estimated: bool


@dataclass(frozen=True)
class Suspicion:
    """The posterior of every decision.

    Attributes:
        p_misroute: P(the arm that the policy took was the worse one), [n]; nan where the profile is not recorded.
        loss_points: p_misroute times the loss if so, [n].
        net_benefit: posterior mean, in points, [n].
        shift: of the expected gain, by pairs and draws, in points, [n].
        spread: of the model.
    """

    p_misroute: Array
    loss_points: Array
    net_benefit: Array
    shift: Array
    spread: Spread


def suspicion(evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled, config: AuditConfig) -> Suspicion:
    """Return the posterior of every decision."""
    table = evidence.table
    shift, doubt = _shift(table, contrasts, expected)
    m = np.column_stack([expected.score_direct - shift / 2, expected.score_reasoning + shift / 2])
    base = np.clip(m * (1 - m), 0.02, None)
    spread = _spread(evidence, m, base, config)
    gain, variance = _posterior(evidence.table, m, base, spread)
    net = gain - price(table, expected.extra_tokens, table.expected_latency_s.to_numpy(float))
    side = np.where(table.policy_reasoning, -1.0, 1.0)  # of net_benefit, where the other arm is better
    error = np.sqrt(variance + doubt)
    z = side * net / error
    return Suspicion(norm.cdf(z), error * norm.pdf(z) + side * net * norm.cdf(z), net, shift, spread)


def suspects(evidence: Evidence, found: Suspicion, expected: Modelled, config: AuditConfig) -> tuple[pd.DataFrame, int]:
    """Return the decisions that more probably than not took the worse arm, of largest expected loss, and how many there are in all.

    Columns are those of `audit_suspects` but for audit_id.
    """
    table = evidence.table
    suspected = np.flatnonzero(found.p_misroute > 0.5)
    rows = suspected[np.argsort(-found.loss_points[suspected], kind="stable")][: config.suspects]
    part, p = table.iloc[rows], found.p_misroute[rows]
    thinks = part.policy_reasoning.to_numpy(bool)
    listed = pd.DataFrame(
        {
            "decision_id": part.decision_id.to_numpy(object), "kind": np.where(thinks, "overthinking", "underthinking"),
            "evidence": evidence.best()[rows], "p_misroute": p, "regret_points": found.loss_points[rows] / p,
            "loss_points": found.loss_points[rows], "regret_tokens": np.where(thinks, 1, -1) * expected.extra_tokens[rows],
            "why": reasons(part, found.net_benefit[rows], found.shift[rows], expected.score_direct[rows], expected.score_reasoning[rows]),
        }
    )  # fmt: skip
    return listed, len(suspected)


def _shift(table: pd.DataFrame, contrasts: Sequence[Contrast], expected: Modelled) -> tuple[Array, Array]:
    """Return by how much evidence on both arms moves the expected gain, and the variance that is left of that, [n]."""
    shift = np.zeros(len(table))
    own = ((table.expected_gain_upper - table.expected_gain_lower) / 3.92).to_numpy(float) ** 2  # of the bundle's band
    left = np.where(np.isfinite(own), own, 0.0)
    modelled_gain = expected.score_reasoning - expected.score_direct
    for names in LEVELS:
        cell = _cells(table, names)
        cells = int(cell.max(initial=-1)) + 1
        precision, total = np.zeros(cells), np.zeros(cells)
        for contrast in contrasts:
            rows = np.isfinite(contrast.gain)
            values = contrast.gain[rows] - modelled_gain[rows] - shift[rows]
            found = means(values, cell[rows], table.prompt.to_numpy()[rows], cells, contrast.arm_counts[rows])
            weight = (
                np.where(np.isfinite(found.error) & (found.error > 0) & (found.freedom >= 4), found.error, np.inf)
                ** -2.0
            )
            precision += weight
            total += weight * np.nan_to_num(found.mean)
        known = precision > 0
        if known.sum() < 2:
            continue
        moved, doubt = np.zeros(cells), np.full(cells, np.inf)
        moved[known], doubt[known] = shrunk(total[known] / precision[known], 1 / precision[known])
        shift += moved[cell]
        left = np.minimum(left, doubt[cell])
    return shift, left


def _spread(evidence: Evidence, m: Array, base: Array, config: AuditConfig) -> Spread:
    """Return the variances and the correlation, estimated where there is enough to."""
    table = evidence.table
    key = ("prompt", "model", "reasoning")
    score, arm = own_arm(table, "score"), table.reasoning.to_numpy(int)
    rows = np.flatnonzero(np.isfinite(score))
    if not len(rows):
        return Spread(1 / (config.concentration + 1), 1.0, config.correlation, False, False)
    error, scale = score[rows] - m[rows, arm[rows]], base[rows, arm[rows]]
    attempts = np.where(arm == 1, table.scored_reasoning, table.scored_direct)[rows]
    whole = float((error**2).mean() / scale.mean())
    codes = np.unique(
        table.iloc[rows][list(key)].assign(model=table.model.cat.codes.iloc[rows]).to_numpy(np.uint64),
        axis=0,
        return_inverse=True,
    )[1]
    size, total, square = np.bincount(codes), np.bincount(codes, error), np.bincount(codes, error**2)
    repeated, products = size > 1, float((size * (size - 1.0)).sum())
    estimated = bool((size[repeated] - 1).sum() >= LEAST_REPEATS)
    between = 1 / (config.concentration + 1)
    if estimated:
        between = float((total**2 - square)[repeated].sum() / products / scale.mean())
    between = min(max(between, LEAST_BETWEEN), 1.0)
    within = max((whole - between) * float(attempts.mean()), LEAST_WITHIN)
    pairs = evidence.pairs
    correlation, told = config.correlation, bool(pairs.sum() >= LEAST_REPEATS)
    if told:
        both = (table[["score_direct", "score_reasoning"]].to_numpy(float) - m)[pairs]
        correlation = float(both.prod(axis=1).mean() / (between * np.sqrt(base[pairs].prod(axis=1)).mean()))
    return Spread(between, within, min(max(correlation, -MOST_ALIKE), MOST_ALIKE), estimated, told)


def _posterior(table: pd.DataFrame, m: Array, base: Array, spread: Spread) -> tuple[Array, Array]:
    """Return the posterior mean of the gain and its variance, [n]: two prompt effects, correlated, each seen through noise or not at all."""
    v = spread.between * base
    covariance = spread.correlation * np.sqrt(v.prod(axis=1))
    attempts = table[["scored_direct", "scored_reasoning"]].to_numpy(float)
    seen = attempts > 0
    score = np.where(seen, table[["score_direct", "score_reasoning"]].to_numpy(float), m)
    precision = np.where(seen, attempts / (spread.within * base), 0.0)
    determinant = v.prod(axis=1) - covariance**2
    a = v[:, 1] / determinant + precision[:, 0]
    b = v[:, 0] / determinant + precision[:, 1]
    c = -covariance / determinant
    inverse = a * b - c**2
    pull = precision * (score - m)
    direct, reasoning = (b * pull[:, 0] - c * pull[:, 1]) / inverse, (a * pull[:, 1] - c * pull[:, 0]) / inverse
    return m[:, 1] + reasoning - m[:, 0] - direct, (a + b + 2 * c) / inverse


def _cells(table: pd.DataFrame, names: Sequence[str]) -> Array:
    code = np.zeros(len(table), int)
    for name in names:
        code = code * (len(table[name].cat.categories) + 1) + table[name].cat.codes.to_numpy(int) + 1
    return np.unique(code, return_inverse=True)[1].astype(int)
