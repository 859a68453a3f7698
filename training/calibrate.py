"""Calibration: probability scaling, the gain curves with their local bands, familiarity, the budget.

On a split of its own; by cross-fitting where the taxonomy has too few prompts to be split.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from contract.bundle import QUANTILES, Calibration, Curve
from contract.profiles import Profile
from training.evidence import Rows
from training.graph import Linear
from training.heads import Heads
from training.inputs import cross_fitted_families
from training.soft_labels import weighted_labels

KNOTS = 14
"""Largest number of local means of a gain curve."""

LEAST_BIN = 20
"""Rows of one local mean: fewer rows, fewer means."""

LEAST_VARIANCE = 0.01
"""Of one pair's gain: a grader that agreed with itself a few times is not exact."""

Z95 = 1.959964
PRIOR_SD = 0.1
"""Declared spread of the true gain within a family of the taxonomy: its prompts are no more certain than this."""

COVERAGE = 0.9
"""Share of prompts whose thinking is to fit the budget."""

SMALL_BUDGET = 1024
"""Thinking tokens granted to `maybe`: the smallest budget that every provider with a budget accepts."""

Array = NDArray[Any]


def calibrate(
    heads: Heads, pairs: Rows, thinking: Rows, unfamiliar: Rows, taxonomy: Rows, profiles: Mapping[str, Profile]
) -> Calibration:
    """Fit the probability scaling of `heads` in place and return the curves that `contract.policy` applies.

    A family has too few prompts to keep some from the fit of P(family): that of a prompt of the taxonomy is cross-fitted.

    Args:
        heads: fitted on none of the following rows, but for P(family) and the families' values, fitted on `taxonomy`.
        pairs: pairs, prompts with one arm and pseudo-observations.
        thinking: attempts of thinking modes; pseudo-observations among them are left out.
        unfamiliar: made-up texts that no evidence covers.
        taxonomy: pseudo-observations, those of `pairs` among them.
        profiles: the profiles to scale the probabilities of.
    """
    unseen, prior = cross_fitted_families(heads.inputs, taxonomy), pairs.table.prior.to_numpy(bool)
    families = heads.inputs.of(pairs)["p_family"]
    place = {group: i for i, group in enumerate(taxonomy.table.group)}
    families[prior] = unseen[[place[group] for group in pairs.table.group[prior]]]
    out, weight = heads.predict(pairs, families), pairs.table.weight.to_numpy(float)
    gain = np.where(prior, heads.gain_of(pairs.table.task), pairs.table.gain).astype(float)
    for name, profile in profiles.items():
        rows, labels, shares = weighted_labels(pairs.table, gain, out["extra_tokens"], profile)
        heads.scaling[name] = _scaling(out[f"p_{name}"][rows], labels, shares)
    # A family's only prompt is of a family that its fold does not know.
    several = taxonomy.table.task.duplicated(keep=False).to_numpy(bool)
    own, strength = heads.gain_of(taxonomy.table.task), taxonomy.table.weight.to_numpy(float)
    return Calibration(
        gain_logs=gain_curve(out["gain_logs"][~prior], gain[~prior], weight[~prior]),
        gain_prior=gain_curve((unseen @ heads.prior.gain)[several], own[several], strength[several], spread=PRIOR_SD),
        familiarity=_familiarity(out["familiar"], heads.predict(unfamiliar)["familiar"]),
        unfamiliar_below=0.5,
        budget_scale=_budget_scale(heads, thinking.logged()),
        small_budget=SMALL_BUDGET,
    )


def gain_curve(predicted: Array, gain: Array, weight: Array, spread: float | None = None) -> Curve:
    """Return the monotone map of predicted to realised gain, with a 95 % band of the local mean at each knot.

    Local means of bins of equal weight, made monotone by centred isotonic regression: bins that violate the order are
    pooled into one knot at their mean (Oron and Flournoy 2017, "Centered isotonic regression"), so that the map has no
    flat steps that would tie different prompts. Without enough rows it is the identity with a band that decides nothing.

    Args:
        predicted: predicted gain, points [n].
        gain: realised gain, points [n].
        weight: observations that each row stands for, [n].
        spread: None for logged pairs, whose own scatter is the noise and whose weights only balance sources; for
            pseudo-observations, their declared spread: a row of weight s is then s observations that scatter by it.
    """
    bins = min(KNOTS, len(predicted) // LEAST_BIN)
    if bins < 2:
        return Curve(x=(-1.0, 1.0), y=(-1.0, 1.0), lower=(-1.0, -1.0), upper=(1.0, 1.0))
    order = np.argsort(predicted, kind="stable")
    predicted, gain, weight = predicted[order], gain[order], weight[order]
    position = (np.cumsum(weight) - weight / 2) / weight.sum()
    rows = _bins(position, bins)
    blocks = _pooled([_local_mean(predicted[r], gain[r], weight[r], spread) for r in rows])
    x, y, variance = (np.array([getattr(block, name) for block in blocks]) for name in ("x", "mean", "variance"))
    if len(blocks) == 1:
        x, y, variance = x + np.array([-1e-6, 1e-6]), np.repeat(y, 2), np.repeat(variance, 2)
    half = Z95 * np.sqrt(variance)
    lower = np.minimum(np.maximum.accumulate(y - half), y)
    upper = np.maximum(np.minimum.accumulate((y + half)[::-1])[::-1], y)
    return Curve(x=_floats(x), y=_floats(y), lower=_floats(lower), upper=_floats(upper))


class _Block(NamedTuple):
    """A knot in the making: where it lies, the mean there, the variance of that mean, and its weight."""

    x: float
    mean: float
    variance: float
    weight: float


def _bins(position: Array, bins: int) -> Iterator[Array]:
    """Yield the rows of each bin of equal weight that holds two rows or more."""
    which = np.minimum((position * bins).astype(int), bins - 1)
    for i in range(bins):
        if (which == i).sum() >= 2:
            yield np.flatnonzero(which == i)


def _local_mean(x: Array, gain: Array, weight: Array, spread: float | None) -> _Block:
    mean = float(np.average(gain, weights=weight))
    around = float(np.average((gain - mean) ** 2, weights=weight))
    rows = weight.sum() ** 2 / (weight**2).sum()  # Kish's effective number
    scatter = max(around, LEAST_VARIANCE) / max(rows - 1, 1.0)
    if spread is not None:  # between prompts of different families, and within the observations that they stand for
        scatter = around / max(rows - 1, 1.0) + spread**2 / weight.sum()
    return _Block(float(np.average(x, weights=weight)), mean, scatter, float(weight.sum()))


def _pooled(blocks: list[_Block]) -> list[_Block]:
    """Pool neighbours whose means fall, or that lie at one place, until none do; the mean of two is weighed by precision."""
    done: list[_Block] = []
    for block in blocks:
        done.append(block)
        while len(done) > 1 and (done[-2].mean >= done[-1].mean or done[-1].x - done[-2].x < 1e-9):
            right, left = done.pop(), done.pop()
            p, q = 1 / left.variance, 1 / right.variance
            weight = left.weight + right.weight
            x = (left.x * left.weight + right.x * right.weight) / weight
            done.append(_Block(x, (p * left.mean + q * right.mean) / (p + q), 1 / (p + q), weight))
    return done


def _floats(values: Array) -> tuple[float, ...]:
    return tuple(map(float, values))


def _scaling(probabilities: Array, labels: Array, weight: Array) -> Linear:
    """Platt scaling of three classes (vector scaling): a logistic regression on the log-probabilities."""
    x = np.log(np.clip(probabilities, 1e-6, 1.0))
    if len(np.unique(labels)) < 3:
        return Linear(np.eye(3), np.zeros(3))
    model = LogisticRegression(C=1.0, max_iter=2000).fit(x, labels, weight)
    return Linear(model.coef_.T, model.intercept_)


def _familiarity(evidence: Array, unfamiliar: Array) -> Curve:
    """Map the familiarity head so that 0.5 lies between the evidence's first and made-up texts' last hundredth (geometric mean)."""
    threshold = float(np.sqrt(np.quantile(evidence, 0.01) * np.quantile(unfamiliar, 0.99)))
    threshold = min(max(threshold, 1e-3), 1 - 1e-3)
    high = max(float(np.quantile(evidence, 0.5)), threshold + 1e-4)
    return Curve(x=(0.0, threshold, high + 1e-6), y=(0.0, 0.5, 1.0))


def _budget_scale(heads: Heads, thinking: Rows) -> float:
    """Return the one-sided conformal factor on the upper thinking quantile: n + 1 corrected, 1 where there is no row."""
    if thinking.table.empty:
        return 1.0
    top = heads.predict(thinking)["thinking_quantiles"][:, QUANTILES.index(COVERAGE)]
    ratio = np.sort(thinking.table.thinking_tokens.to_numpy(float) / np.maximum(top, 1.0))
    rank = min(int(np.ceil((len(ratio) + 1) * COVERAGE)), len(ratio))
    return float(np.clip(ratio[rank - 1], 0.25, 4.0))
