"""Figures of merit on paired rows. Every one takes arrays [n]; intervals are 95 % bootstrap percentiles over prompts.

A figure that is undefined is nan here and null in a report (`measured`); people read it as a dash (`shown`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

RESAMPLES = 300
"""Bootstrap resamples behind an interval."""

UNDEFINED = "–"
"""How people read a figure that is undefined."""

FEWEST_PROMPTS = 2
"""Prompts under which there is no interval."""

Interval = tuple[float, float]


def q(worth: Array, gain: Array, extra_tokens: Array) -> float:
    """Return the normalised Qini over tokens: 0 = random, 1 = an oracle that knows the realised gains.

    (A(worth) - A(random)) / (A(oracle) - A(random)); A = area under score gained per prompt against share of tokens spent
    when prompts are switched to reasoning in descending worth (ties in a fixed random order). Within one source; nan where
    no order is better than another, and of no row.
    """
    return float(qs([worth], gain, extra_tokens)[0])


def qs(orders: Sequence[Array], gain: Array, extra_tokens: Array) -> Array:
    """Return the `q` of each of several orders of the same rows, [orders]."""
    if not len(gain):
        return np.full(len(orders), np.nan)
    gain, extra = np.asarray(gain, float), np.maximum(np.asarray(extra_tokens, float), 1.0)
    shuffle = np.random.default_rng(0).permutation(len(gain))

    def area(key: Array) -> float:
        order = shuffle[np.argsort(-np.asarray(key, float)[shuffle], kind="stable")]
        spent = np.concatenate([[0.0], np.cumsum(extra[order])])
        gained = np.concatenate([[0.0], np.cumsum(gain[order])]) / len(gain)
        return float(np.trapezoid(gained, spent / spent[-1]))

    random = float(gain.mean()) / 2
    best = area(gain / extra) - random
    # Areas that no order changes still differ by their rounding.
    if best <= 1e-9 * float(np.abs(gain).max()):
        return np.full(len(orders), np.nan)
    return np.array([(area(order) - random) / best for order in orders])


def auc(worth: Array, gain: Array) -> float:
    """Return the area under the ROC of worth for gain > 0, ties half; nan where all or none gain.

    By the ranks of the positive ones (Mann and Whitney 1947): what scikit-learn's roc_auc_score returns, a hundred times sooner.
    """
    positive = np.asarray(gain) > 0
    some, none = int(positive.sum()), int((~positive).sum())
    if not some or not none:
        return float("nan")
    _, place, count = np.unique(np.asarray(worth, float), return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[positive].sum() - some * (some + 1) / 2) / (some * none))


def resampled(figures: Callable[[Array], Any], groups: Array, *, seed: int = 7, resamples: int | None = None) -> Array:
    """Return `figures(rows)` of each bootstrap resample of whole prompts, [resamples, figures]; without a row under `FEWEST_PROMPTS`.

    Args:
        figures: from row numbers to a number or several.
        groups: the prompt of each row, [n].
        seed: of the draws; equal seeds draw the same rows, so that differences of figures are paired.
        resamples: how many; `RESAMPLES` where not given.
    """
    rng = np.random.default_rng(seed)
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    order, size = np.argsort(code, kind="stable"), np.bincount(code)
    if len(size) < FEWEST_PROMPTS:
        return np.empty((0, 0))
    starts = np.concatenate([[0], np.cumsum(size)[:-1]])
    values = []
    for _ in range(resamples or RESAMPLES):
        drawn = rng.integers(0, len(size), len(size))
        length = size[drawn]
        before = np.cumsum(length) - length
        rows = order[np.repeat(starts[drawn] - before, length) + np.arange(length.sum())]
        values.append(np.atleast_1d(np.asarray(figures(rows), float)))
    return np.array(values)


def percentiles(values: Array) -> Interval | None:
    """Return the 95 % percentile interval of resampled values [resamples]; undefined ones are left out, None where all are."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


def interval(
    figure: Callable[[Array], float], groups: Array, *, seed: int = 7, resamples: int | None = None
) -> Interval | None:
    """Return the 95 % interval of `figure(rows)` when whole prompts are drawn with replacement.

    Resamples in which the figure is undefined are left out; None where all are, or from fewer than `FEWEST_PROMPTS`.
    """
    return percentiles(resampled(figure, groups, seed=seed, resamples=resamples).ravel())


def measured(of: Callable[[Array], float], groups: Array) -> dict[str, Any]:
    """Return the value of `of(all rows)` and its interval over prompts, both None where the figure is undefined."""
    value = defined(of(np.arange(len(groups))))
    return {"value": value, "interval": None if value is None else interval(of, groups)}


def held(value: float, values: Array) -> dict[str, Any]:
    """Return a figure and the interval of its resampled values [resamples] as a report holds them."""
    return {"value": defined(value), "interval": percentiles(values) if np.isfinite(value) else None}


def defined(value: float) -> float | None:
    """Return a figure as a report holds it: None where it is undefined."""
    return float(value) if np.isfinite(value) else None


def shown(value: float | None, spec: str = ".3f") -> str:
    """Return a figure as people read it; a dash where it is undefined."""
    return UNDEFINED if value is None else format(value, spec)


def shown_interval(bounds: Sequence[float] | None, spec: str = ".3f") -> str:
    """Return an interval as people read it, `[0.250, 0.370]`; a dash between the brackets where there is none."""
    return f"[{UNDEFINED if bounds is None else ', '.join(format(bound, spec) for bound in bounds)}]"


def ranged(value: float | None, interval: Sequence[float] | None, spec: str = ".3f") -> str:
    """Return a figure and its interval as people read them; one dash where the figure is undefined."""
    return UNDEFINED if value is None else f"{shown(value, spec)} {shown_interval(interval, spec)}"


def equal_mass(values: Array, bins: int) -> list[Array]:
    """Return the row numbers of bins of equal mass, lowest values first; no bin is empty."""
    order = np.argsort(values, kind="stable")
    return [part for part in np.array_split(order, bins) if len(part)]


def expected_calibration_error(probability: Array, happened: Array, bins: int = 15) -> float:
    """Return the ECE over equal-mass bins: sum of |mean outcome - mean probability| weighed by the bin's share; nan of no row."""
    if not len(probability):
        return float("nan")
    parts = equal_mass(probability, bins)
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
                "score_interval": mean_interval(score, groups),
                "extra_tokens": float(tokens.mean()),
                "extra_tokens_interval": mean_interval(tokens, groups),
                "points_per_1k_tokens": float((think * gain).sum() / tokens.sum() * 1000) if tokens.sum() > 0 else None,
            }
        )  # fmt: skip
    return rows


def mean_measured(values: Array, groups: Array) -> dict[str, Any]:
    """Return the mean of values [n] and its interval over prompts, both None of no row."""
    if not len(values):
        return {"value": None, "interval": None}
    return {"value": float(values.mean()), "interval": mean_interval(values, groups)}


def mean_interval(values: Array, groups: Array) -> Interval | None:
    """Return the 95 % interval of the mean of values [n] over prompts: that of `interval`, from the prompts' sums."""
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    size = np.bincount(code)
    if len(size) < FEWEST_PROMPTS:
        return None
    total, rng = np.bincount(code, weights=values), np.random.default_rng(7)
    means = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(0, len(size), len(size))
        means.append(total[drawn].sum() / size[drawn].sum())
    return percentiles(np.array(means))
