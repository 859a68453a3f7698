"""Calibration by cross-fitting: probability scaling, the gain curves with their local bands, familiarity, the budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from contract.bundle import QUANTILES
from contract.calibration import Calibration, Curve
from contract.profiles import Profile
from training.background import Base
from training.config import TrainConfig
from training.evidence import Rows, fraction, spent
from training.fitting import fit
from training.gain_curve import KNOTS, floats, gain_curve
from training.heads import SAFE, VERDICTS, Heads, equal
from training.logistic import fit_logits
from training.prior import token_offsets
from training.soft_labels import weighted_labels

FOLDS = 3
"""Folds of cross-fitting."""

DRAW = 0.0025
"""Points squared a row by which learned shares are drawn to equal ones."""

SAFE_ROWS = 8000
"""Rows as strongly as which shares are drawn to SAFE ones beside a bundle, however few there are. Chosen on learning curves; see
docs/decisions/0015."""

PRIOR_SD = 0.1
"""Declared spread of the true gain within a family of the taxonomy: its prompts are no more certain than this."""

SMALL_BUDGET = 1024
"""Thinking tokens granted to `maybe`: the smallest budget that every provider with a budget accepts."""

AS_IT_IS = Curve(x=(-1.0, 1.0), y=(-1.0, 1.0), lower=(-1.0, 1.0), upper=(-1.0, 1.0))
"""The identity on all gains, without a band."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Unseen:
    """What heads say of rows that they were not fitted on: of pairs (and the members of their means), of thinking attempts, of made-up texts."""

    pairs: dict[str, Array]
    members: dict[str, Array]
    thinking: dict[str, Array]
    unfamiliar: dict[str, Array]


def cross_fitted(
    pairs: Rows, thinking: Rows, unfamiliar: Rows, profiles: Mapping[str, Profile], config: TrainConfig, base: Base | None = None
) -> Unseen:  # fmt: skip
    """Return the outputs of heads for rows of a fold, fitted on the other folds; no prompt is in two, nor seen by `base`.

    So all rows teach the heads that are exported and all calibrate them; those have seen a little more than each of these.
    """
    parts = (pairs, thinking, unfamiliar)
    folds = [(fraction(rows.table.group, config.seed + 2) * FOLDS).astype(int) for rows in parts]
    outputs: list[dict[str, Array]] = [{}, {}, {}]
    members: dict[str, Array] = {}
    for k in range(FOLDS):
        rest = [rows.take(fold != k) for rows, fold in zip(parts, folds, strict=True)]
        heads = fit(rest[0], rest[1], rest[2], profiles, config, base)
        for rows, fold, into in zip(parts, folds, outputs, strict=True):
            told, averaged = heads.with_members(rows.take(fold == k))
            told["sure"] = told.pop("p_family").max(axis=1)
            del told["cosines"]  # of centroids that differ between folds
            _put(into, told, fold == k)
            if rows is pairs:
                _put(members, averaged, fold == k)
    return Unseen(outputs[0], members, *outputs[1:])


def _put(into: dict[str, Array], values: Mapping[str, Array], rows: Array) -> None:
    for name, value in values.items():
        into.setdefault(name, np.zeros((len(rows), *value.shape[1:])))[rows] = value


def learned_shares(members: Array, y: Array, weight: Array, toward: Array, least: int = 0) -> Array:
    """Return the shares, not negative, by which members [n, m] come nearest to y, drawn to others [m].

    Stacking by non-negative least squares (Breiman 1996, "Stacked regressions") with a ridge, as strong as DRAW of a point squared
    a row, of `least` rows or more: members that say nearly the same share alike, and a few rows decide little.
    """
    draw = np.sqrt(DRAW * weight.sum() * max(1.0, least / len(y)))
    root = np.sqrt(weight)
    x = np.vstack([members * root[:, None], draw * np.eye(len(toward))])
    shares, _ = nnls(x, np.r_[y * root, draw * toward])
    return np.asarray(shares)


def calibrate(
    heads: Heads, unseen: Unseen, pairs: Rows, thinking: Rows, profiles: Mapping[str, Profile]
) -> Calibration:
    """Fit the shares, the probability scaling and the spread of thinking tokens of `heads` in place, and return the curves that `contract.policy` applies.

    Args:
        heads: fitted on all of the following rows.
        unseen: what heads say of these rows that have not seen them.
        pairs: pairs, prompts with one arm and pseudo-observations.
        thinking: attempts of thinking modes; pseudo-observations among them are left out.
        profiles: the profiles to scale the probabilities of.
    """
    out, table = unseen.pairs, pairs.table
    prior, weight = table.prior.to_numpy(bool), table.weight.to_numpy(float)
    logged = ~prior
    if logged.any():
        each, target = spent(table[logged]), table.target_gain.to_numpy(float)[logged]
        for name, y, w in (("gain", target, weight[logged]), ("worth", target / each, weight[logged] * each)):
            toward, least = (equal(name, among=SAFE), SAFE_ROWS) if heads.base else (equal(name), 0)
            heads.shares[name] = learned_shares(unseen.members[name][logged], y, w, toward, least)
    out = out | {"gain_logs": unseen.members["gain"] @ heads.shares["gain"]}
    for name, profile in profiles.items():
        x = heads.scaled(out, name)
        rows, labels, shares = weighted_labels(table, x[:, -1], profile.margin)
        heads.scaling[name] = fit_logits(x[rows], labels, len(VERDICTS), 1.0, shares)
    heads.thinking_offsets = thinking_offsets(unseen.thinking["thinking_quantiles"], thinking.table)
    gain = np.where(prior, heads.gain_of(table.task), table.gain).astype(float)
    # A family's only prompt is of a family that its fold does not know.
    several = prior & table.task.where(prior).duplicated(keep=False).to_numpy(bool)
    return Calibration(
        gain_logs=gain_curve(out["gain_logs"][~prior], gain[~prior], weight[~prior]),
        gain_prior=AS_IT_IS
        if heads.base  # whose gain is calibrated, and has its band
        else gain_curve(out["gain_prior"][several], gain[several], weight[several], spread=PRIOR_SD),
        familiarity=_familiarity(out["familiar"], unseen.unfamiliar["familiar"]),
        nearness=_share_below(out["near"], weight),
        certainty=_share_below(out["sure"], weight),
        unfamiliar_below=0.5,
        small_budget=SMALL_BUDGET,
    )


def _familiarity(evidence: Array, unfamiliar: Array) -> Curve:
    """Map the familiarity head so that 0.5 lies between the evidence's first and made-up texts' last hundredth (geometric mean)."""
    threshold = float(np.sqrt(np.quantile(evidence, 0.01) * np.quantile(unfamiliar, 0.99)))
    threshold = min(max(threshold, 1e-3), 1 - 1e-3)
    high = max(float(np.quantile(evidence, 0.5)), threshold + 1e-4)
    return Curve(x=(0.0, threshold, high + 1e-6), y=(0.0, 0.5, 1.0))


def _share_below(values: Array, weight: Array) -> Curve:
    """Map a value to the share of the evidence, by weight, that has no more of it."""
    shares = np.linspace(0, 1, KNOTS)
    x = np.quantile(values, shares, weights=weight, method="inverted_cdf")
    last = np.flatnonzero(np.diff(x, append=np.inf) > 0)  # of equal values, what has the largest share
    x, shares = x[last], shares[last]
    if len(x) == 1:
        x, shares = np.r_[x - 1e-6, x], np.r_[0.0, 1.0]
    return Curve(x=floats(x), y=floats(shares))


def thinking_offsets(quantiles: Array, thinking: pd.DataFrame) -> Array:
    """Return the QUANTILES of log thinking tokens less what unseen heads expect: a one-sided conformal bound at the highest level.

    The residual at which the weights of the smaller ones come to level x (all weights and one prompt's more), censored attempts being
    larger than any other: split conformal prediction (Romano, Patterson and Candes 2019, arXiv 1905.03222) with a constant spread on
    the log scale, where the attempts at a prompt of one model weigh 1 (Lee, Barber and Willett 2023, arXiv 2306.06342). Cross-fitted
    residuals cost it its proof: coverage is measured. Those of a lognormal where nothing is logged.

    Args:
        quantiles: outputs thinking_quantiles of heads without offsets [n, q].
        thinking: the rows (thinking_tokens, censored, weight, prior, group).
    """
    logged = ~thinking.prior.to_numpy(bool)
    if not logged.any():
        return token_offsets(QUANTILES)
    rows = thinking[logged]
    left = np.log(rows.thinking_tokens.to_numpy(float)) - np.log(quantiles[logged, QUANTILES.index(0.5)])
    left = np.where(rows.censored.to_numpy(bool), np.inf, left)
    order, weight = np.argsort(left, kind="stable"), rows.weight.to_numpy(float)
    below, one_more = np.cumsum(weight[order]), weight.sum() / rows.group.nunique()
    place = [min(int(np.searchsorted(below, level * (weight.sum() + one_more))), len(left) - 1) for level in QUANTILES]
    largest = left[np.isfinite(left)].max(initial=0.0)
    return np.maximum.accumulate(np.minimum(left[order][place], largest))
