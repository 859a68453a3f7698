"""Calibration on a split of its own: probability scaling, the gain curve with its local band, familiarity, the budget."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from contract.bundle import QUANTILES, Calibration, Curve
from contract.profiles import Profile
from training.evidence import Rows
from training.graph import Linear
from training.heads import Heads, labels_of

KNOTS = 14
"""Local means of the gain curve."""

Z95 = 1.959964
PRIOR_SD = 0.1
"""Declared spread of the true gain within a family of the taxonomy: its prompts are no more certain than this."""

COVERAGE = 0.9
"""Share of prompts whose thinking is to fit the budget."""

SMALL_BUDGET = 1024
"""Thinking tokens granted to `maybe`: the smallest budget that every provider with a budget accepts."""

Array = NDArray[Any]


def calibrate(
    heads: Heads, pairs: Rows, thinking: Rows, unfamiliar: Rows, profiles: Mapping[str, Profile]
) -> Calibration:
    """Fit the probability scaling of `heads` in place and return the curves that `contract.policy` applies."""
    out = heads.predict(pairs.embeddings, pairs.features)
    gain, weight = pairs.table.gain.to_numpy(float), pairs.table.weight.to_numpy(float)
    for name, profile in profiles.items():
        heads.scaling[name] = _scaling(out[f"p_{name}"], labels_of(gain, out["extra_tokens"], profile), weight)
    negative = heads.predict(unfamiliar.embeddings, unfamiliar.features)["familiar"]
    return Calibration(
        gain=gain_curve(out["gain"], gain, weight, pairs.table.prior.to_numpy(bool)),
        familiarity=_familiarity(out["familiar"], negative),
        unfamiliar_below=0.5,
        budget_scale=_budget_scale(heads, thinking),
        small_budget=SMALL_BUDGET,
    )


def gain_curve(predicted: Array, gain: Array, weight: Array, prior: Array) -> Curve:
    """Return the isotonic map of predicted gain to realised gain, with a 95 % band of the local mean at each knot.

    Knots hold equal effective weight. A pseudo-observation of weight s stands for s observations with spread PRIOR_SD.
    """
    order = np.argsort(predicted, kind="stable")
    predicted, gain, weight, prior = predicted[order], gain[order], weight[order], prior[order]
    position = (np.cumsum(weight) - weight / 2) / weight.sum()
    x, mean, error = [], [], []
    for part in np.array_split(np.arange(KNOTS), KNOTS):
        inside = (position >= part[0] / KNOTS) & (position < (part[-1] + 1) / KNOTS)
        if inside.sum() < 2:
            continue
        w, y = weight[inside], gain[inside]
        count = w.sum() ** 2 / (w**2 / np.where(prior[inside], np.maximum(w, 1.0), 1.0)).sum()
        centre = np.average(y, weights=w)
        variance = np.average((y - centre) ** 2 + np.where(prior[inside], PRIOR_SD**2, 0.0), weights=w)
        x.append(float(np.average(predicted[inside], weights=w)))
        mean.append(float(centre))
        error.append(float(np.sqrt(max(variance, 1e-4) / count)))
    knots, spread = np.array(x), np.array(error)
    rise = IsotonicRegression().fit(knots, np.array(mean), 1 / spread**2).predict(knots)
    for value in np.unique(rise):  # knots that the isotonic fit pools share one mean, and its precision
        pooled = rise == value
        spread[pooled] = 1 / np.sqrt((1 / spread[pooled] ** 2).sum())
    lower = np.maximum.accumulate(rise - Z95 * spread)
    upper = np.minimum.accumulate((rise + Z95 * spread)[::-1])[::-1]
    keep = np.r_[True, np.diff(knots) > 1e-9]
    return Curve(
        x=tuple(map(float, knots[keep])), y=tuple(map(float, rise[keep])),
        lower=tuple(map(float, np.minimum(lower, rise)[keep])), upper=tuple(map(float, np.maximum(upper, rise)[keep])),
    )  # fmt: skip


def _scaling(probabilities: Array, labels: Array, weight: Array) -> Linear:
    """Platt scaling of three classes (vector scaling): a logistic regression on the log-probabilities."""
    x = np.log(np.clip(probabilities, 1e-6, 1.0))
    if len(np.unique(labels)) < 3:
        return Linear(np.eye(3), np.zeros(3))
    model = LogisticRegression(C=1.0, max_iter=2000).fit(x, labels, weight)
    return Linear(model.coef_.T, model.intercept_)


def _familiarity(evidence: Array, unfamiliar: Array) -> Curve:
    """Map the familiarity head so that 0.5 parts the evidence from made-up texts at equal error rates."""
    grid = np.linspace(0.001, 0.999, 999)
    errors = np.abs([(evidence < t).mean() - (unfamiliar >= t).mean() for t in grid])
    threshold = float(grid[int(np.argmin(errors))])
    high = max(float(np.quantile(evidence, 0.5)), threshold + 1e-3)
    return Curve(x=(0.0, threshold, high + 1e-6), y=(0.0, 0.5, 1.0))


def _budget_scale(heads: Heads, thinking: Rows) -> float:
    """Return the one-sided conformal factor on the upper thinking quantile: n + 1 corrected, 1 where there is no row."""
    if thinking.table.empty:
        return 1.0
    top = heads.predict(thinking.embeddings, thinking.features)["thinking_quantiles"][:, QUANTILES.index(COVERAGE)]
    ratio = np.sort(thinking.table.thinking_tokens.to_numpy(float) / np.maximum(top, 1.0))
    rank = min(int(np.ceil((len(ratio) + 1) * COVERAGE)), len(ratio))
    return float(np.clip(ratio[rank - 1], 0.25, 4.0))
