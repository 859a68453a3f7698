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

Mean = tuple[float | None, tuple[float, float] | None, int]
"""Value, its interval and the number of decisions that it is of; None where undefined."""


def mean_over_all(
    values: Array, decided: pd.DataFrame, *, zero: Mask, arm_counts: Array | None = None, alpha: float = 0.05
) -> Mean:
    """Return the mean over all decisions, its interval, and how many with evidence it is of; None where a stratum has none.

    The interval takes prompts as draws, by Student's t with Satterthwaite's degrees of freedom (1946) of the strata; there is none where
    a stratum has fewer than two prompts, or fewer than two outcomes of its rarer arm.

    Args:
        values: nan where there is no evidence, [n].
        decided: the decisions, [n].
        zero: value is known to be 0 whatever the evidence, [n].
        arm_counts: arms that each decision has seen, [n, 2], as `audit.estimates.means` has them.
        alpha: chance that the interval misses.
    """
    known = np.isfinite(values) & ~zero
    n = int(known.sum())
    if zero.all():  # what remains certain is told with the evidence, where there is any
        seen = int(np.isfinite(values).sum())
        return (0.0, (0.0, 0.0), seen) if seen else (None, None, 0)
    _, stratum = np.unique(_stratum(decided)[~zero], return_inverse=True)
    total, own = np.bincount(stratum), stratum[known[~zero]]
    count = np.bincount(own, minlength=len(total))
    if (count == 0).any():
        return None, None, n
    weight = total / len(decided)
    mean = np.bincount(own, values[known], len(total)) / count
    value = float((weight * mean).sum())
    _, prompt = np.unique(decided.prompt.to_numpy()[known], return_inverse=True)
    arms = None if arm_counts is None else arm_counts[known]
    wide = _half_width((weight / count)[own] * (values[known] - mean[own]), own, prompt, arms, alpha)
    return value, None if wide is None else (value - wide, value + wide), n


def without_evidence(known: Mask, decided: pd.DataFrame, matters: Mask) -> list[tuple[str, int]]:
    """Return the strata that have decisions that matter but no evidence: in words, and how many decisions."""
    stratum = _stratum(decided)
    lacking = matters & ~np.isin(stratum, stratum[known & matters])
    out = []
    for number in np.unique(stratum[lacking]):
        rows = np.flatnonzero(lacking & (stratum == number))
        first = decided.iloc[rows[0]]
        out.append((f"verdict {first.verdict}, arm {'reasoning' if first.policy_reasoning else 'direct'}", len(rows)))
    return out


def could_think(decided: pd.DataFrame) -> Mask:
    """Return where the arm reasoning could be had: elsewhere always thinking would not have thought either, [n]."""
    return np.asarray(decided.policy_reasoning.to_numpy(bool) | (decided.reasoning_budget > 0).to_numpy(bool))


def _half_width(influence: Array, stratum: Array, prompt: Array, arms: Array | None, alpha: float) -> float | None:
    """Return half of the interval's width from what each decision adds to the error; None where a stratum tells too little."""
    strata = int(stratum.max()) + 1
    cluster, of = np.unique(stratum * (int(prompt.max()) + 1) + prompt, return_inverse=True)
    within = cluster // (int(prompt.max()) + 1)
    clusters = np.bincount(within, minlength=strata)
    freedom = clusters - 1.0
    if arms is not None:
        rarer = np.min([np.bincount(stratum, arms[:, arm], strata) for arm in (0, 1)], axis=0)
        freedom = np.minimum(freedom, rarer - 1.0)
    if (freedom < 1).any():
        return None
    added = np.bincount(of, influence) * np.sqrt(clusters / (clusters - 1.0))[within]
    square = np.bincount(within, added**2, strata)
    if square.sum() == 0:
        return 0.0
    error = np.sqrt(
        (np.bincount(cluster % (int(prompt.max()) + 1), added) ** 2).sum()
    )  # a prompt may be in several strata
    return float(student.ppf(1 - alpha / 2, square.sum() ** 2 / (square**2 / freedom).sum()) * error)


def _stratum(decided: pd.DataFrame) -> Array:
    verdict = decided.verdict.cat
    return np.asarray(decided.policy_reasoning.to_numpy(int) * (len(verdict.categories) + 1) + verdict.codes + 1)
