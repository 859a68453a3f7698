"""Means over all decisions, from the decisions that have the evidence: stratum by stratum, as each verdict may be explored at its own rate.

A stratum is the policy's arm and the verdict: what exploration is told to look at. Its mean is that of its own evidence and weighs as all of
its decisions do. Where the value is known without evidence (nothing is saved where the policy does what it is compared with) it is 0.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

Array = NDArray[Any]
Mask = NDArray[np.bool_]

SMALL = 0.05
"""Share of the decisions that matter up to which strata with next to no evidence are taken to be like the rest."""

Mean = tuple[float | None, tuple[float, float] | None, int]
"""Value, its interval and the number of decisions that it is of; None where undefined."""


def mean_over_all(
    values: Array, decided: pd.DataFrame, *, zero: Mask, arm_counts: Array | None = None, alpha: float = 0.05
) -> Mean:
    """Return the mean over all decisions, its interval, and how many with evidence it is of; None where a stratum has none.

    The interval takes prompts as draws, by Student's t with Satterthwaite's degrees of freedom (1946) of the strata. A stratum is thin that
    has fewer than two prompts with evidence, or fewer than two outcomes of its rarer arm. Thin ones that make up no more than SMALL of what
    matters are taken to be like the rest; else there is no interval, and no mean where one has nothing at all.

    Args:
        values: nan where there is no evidence, [n].
        decided: the decisions, [n].
        zero: value is known to be 0 whatever the evidence, [n].
        arm_counts: arms that each decision has seen, [n, 2], as `audit.estimates.means` has them.
        alpha: chance that the interval misses.
    """
    known = np.isfinite(values) & ~zero
    if zero.all():  # what remains certain is told with the evidence, where there is any
        seen = int(np.isfinite(values).sum())
        return (0.0, (0.0, 0.0), seen) if seen else (None, None, 0)
    _, code = np.unique(_stratum(decided)[~zero], return_inverse=True)
    total, own = np.bincount(code), code[known[~zero]]
    _, prompt = np.unique(decided.prompt.to_numpy()[known], return_inverse=True)
    freedom = _freedom(own, prompt, len(total), None if arm_counts is None else arm_counts[known])
    thin, found, n = freedom < 1, values[known], len(own)
    if 0 < total[thin].sum() <= SMALL * total.sum():
        total = np.where(thin, 0, total * (total.sum() / total[~thin].sum()))
        kept = ~thin[own]
        own, prompt, found, n = own[kept], prompt[kept], found[kept], int(kept.sum())
    count = np.bincount(own, minlength=len(total))
    if ((count == 0) & (total > 0)).any():
        return None, None, n
    weight, count = total / len(decided), np.maximum(count, 1)
    mean = np.bincount(own, found, len(total)) / count
    value = float((weight * mean).sum())
    if (freedom[total > 0] < 1).any():
        return value, None, n
    wide = _half_width((weight / count)[own] * (found - mean[own]), own, prompt, freedom, alpha)
    return value, (value - wide, value + wide), n


def without_evidence(known: Mask, decided: pd.DataFrame, matters: Mask) -> list[tuple[str, int]]:
    """Return the strata that have decisions that matter but no evidence, if more than SMALL: in words, and how many decisions."""
    stratum = _stratum(decided)
    lacking = matters & ~np.isin(stratum, stratum[known & matters])
    if lacking.sum() <= SMALL * matters.sum():
        return []
    out = []
    for number in np.unique(stratum[lacking]):
        rows = np.flatnonzero(lacking & (stratum == number))
        first = decided.iloc[rows[0]]
        out.append((f"verdict {first.verdict}, arm {'reasoning' if first.policy_reasoning else 'direct'}", len(rows)))
    return out


def could_think(decided: pd.DataFrame) -> Mask:
    """Return where the arm reasoning could be had: elsewhere always thinking would not have thought either, [n]."""
    return np.asarray(decided.policy_reasoning.to_numpy(bool) | (decided.reasoning_budget > 0).to_numpy(bool))


def _freedom(stratum: Array, prompt: Array, strata: int, arms: Array | None) -> Array:
    """Return the degrees of freedom of each stratum's error: of its prompts, and no more than its rarer arm lets it have."""
    pairs = np.unique(np.column_stack([stratum, prompt]), axis=0)
    freedom = np.bincount(pairs[:, 0], minlength=strata) - 1.0
    if arms is None:
        return np.asarray(freedom)
    rarer = np.min([np.bincount(stratum, arms[:, arm], strata) for arm in (0, 1)], axis=0)
    return np.asarray(np.minimum(freedom, rarer - 1.0))


def _half_width(influence: Array, stratum: Array, prompt: Array, freedom: Array, alpha: float) -> float:
    """Return half of the interval's width from what each decision with evidence adds to the error."""
    pairs, of = np.unique(np.column_stack([stratum, prompt]), axis=0, return_inverse=True)
    clusters = np.bincount(pairs[:, 0], minlength=len(freedom))[pairs[:, 0]]
    added = np.bincount(of.ravel(), influence) * np.sqrt(clusters / (clusters - 1.0))
    square = np.bincount(pairs[:, 0], added**2, len(freedom))
    if square.sum() == 0:
        return 0.0
    error = np.sqrt((np.bincount(pairs[:, 1], added) ** 2).sum())  # a prompt may be in several strata
    together = square.sum() ** 2 / (square**2 / np.maximum(freedom, 1)).sum()
    return float(student.ppf(1 - alpha / 2, together) * error)


def _stratum(decided: pd.DataFrame) -> Array:
    verdict = decided.verdict.cat
    return np.asarray(decided.policy_reasoning.to_numpy(int) * (len(verdict.categories) + 1) + verdict.codes + 1)
