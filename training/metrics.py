"""Figures of merit on paired rows. Every one takes arrays [n]; intervals are 95 % bootstrap percentiles over prompts."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

Array = NDArray[Any]

RESAMPLES = 300
"""Bootstrap resamples behind an interval."""


def q(worth: Array, gain: Array, extra_tokens: Array) -> float:
    """Return the normalised Qini over tokens: 0 = random, 1 = an oracle that knows the realised gains.

    (A(worth) - A(random)) / (A(oracle) - A(random)); A = area under score gained per prompt against share of tokens spent
    when prompts are switched to reasoning in descending worth (ties in a fixed random order). Within one source; nan where
    no order is better than another.
    """
    worth, gain, extra = (
        np.asarray(worth, float),
        np.asarray(gain, float),
        np.maximum(np.asarray(extra_tokens, float), 1.0),
    )
    shuffle = np.random.default_rng(0).permutation(len(worth))

    def area(key: Array) -> float:
        order = shuffle[np.argsort(-key[shuffle], kind="stable")]
        spent = np.concatenate([[0.0], np.cumsum(extra[order])])
        gained = np.concatenate([[0.0], np.cumsum(gain[order])]) / len(gain)
        return float(np.trapezoid(gained, spent / spent[-1]))

    random = gain.mean() / 2
    best = area(gain / extra) - random
    return (area(worth) - random) / best if best > 0 else float("nan")


def auc(worth: Array, gain: Array) -> float:
    """Return the area under the ROC of worth for gain > 0; nan where all or none gain."""
    positive = np.asarray(gain) > 0
    return float(roc_auc_score(positive, worth)) if 0 < positive.sum() < len(positive) else float("nan")


def interval(
    figure: Callable[[Array], float], groups: Array, *, seed: int = 7, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """Return the 95 % interval of `figure(rows)` when whole prompts are drawn with replacement."""
    rng = np.random.default_rng(seed)
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(code[order]) > 0, True])
    members = [order[a:b] for a, b in pairwise(starts)]
    single = len(members) == len(code)
    values = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(members), len(members))
        rows = order[drawn] if single else np.concatenate([members[i] for i in drawn])
        values.append(figure(rows))
    finite = np.array(values)[np.isfinite(values)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


def expected_calibration_error(probability: Array, happened: Array, bins: int = 15) -> float:
    """Return the ECE over equal-mass bins: sum of |mean outcome - mean probability| weighed by the bin's share."""
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [len(part) * abs(happened[part].mean() - probability[part].mean()) for part in parts]
    return float(sum(gaps) / len(probability))


def policy_table(
    arms: dict[str, Array], score_direct: Array, gain: Array, extra_tokens: Array, groups: Array
) -> list[dict[str, Any]]:
    """Return one row per policy (name -> share of thinking per prompt in [0, 1]): share, score and extra tokens, with intervals."""
    rows = []
    for name, think in arms.items():
        think = np.asarray(think, float)
        score, tokens = score_direct + think * gain, think * extra_tokens
        rows.append(
            {
                "policy": name, "share": float(think.mean()), "score": float(score.mean()),
                "score_interval": _mean_interval(score, groups),
                "extra_tokens": float(tokens.mean()),
                "extra_tokens_interval": _mean_interval(tokens, groups),
                "points_per_1k_tokens": float((think * gain).sum() / tokens.sum() * 1000) if tokens.sum() > 0 else None,
            }
        )  # fmt: skip
    return rows


def _mean_interval(values: Array, groups: Array) -> tuple[float, float]:
    return interval(lambda rows: float(values[rows].mean()), groups)
