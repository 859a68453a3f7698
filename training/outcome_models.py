"""The models behind pseudo-outcomes: the chance of an arm, its expected score, its expected tokens; each cross-fitted.

They read a prompt twice: `smooth` for linear models (the embeddings of both views and the features by rank), `trees` for
boosting (principal components of the views, the features). Both hold the largest strata one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from contract.features import FEATURE_NAMES
from training.config import TrainConfig
from training.evidence import Rows
from training.inputs import components
from training.trees import fit_tree, regressor

FOLDS = 5
"""Folds that are learned from; a row of fold FOLDS is judged only."""

STRATA_COLUMNS = 30
"""Largest strata that the models tell apart; the others share one intercept."""

CHANCE_C = 2.0
"""Inverse regularisation of the propensity, weaker than the log loss would have it: what a smooth propensity misses of the rule
stays in the mean gain as a bias (Hirano, Imbens and Ridder 2003 on undersmoothing). Measured in docs/decisions/0009."""

SCORE_ALPHA = 3.0
"""Regularisation of the linear half of the expected score."""

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Predictor = Callable[["Inputs"], Array]
Fit = Callable[["Inputs", Array], Predictor]


@dataclass(frozen=True)
class Inputs:
    """What the models read, one row each: `smooth` [n, u] for linear models, `trees` [n, z] for boosting."""

    smooth: Array
    trees: Array

    def take(self, rows: Mask) -> "Inputs":
        """Return the rows of the mask."""
        return Inputs(self.smooth[rows], self.trees[rows])


def inputs_of(units: Rows, stratum: Array, learn: Mask) -> Inputs:
    """Return the inputs of units [n]; components and ranks are those of the rows that may be learned from.

    Args:
        units: their embeddings and features.
        stratum: number of each unit's stratum, from 0.
        learn: the units that may be learned from.
    """
    d = units.embeddings.shape[1] // 2
    views = (units.embeddings[:, :d], units.embeddings[:, d:])
    largest = np.argsort(-np.bincount(stratum), kind="stable")[:STRATA_COLUMNS]
    own = (stratum[:, None] == largest).astype(np.float32)
    reduced = [components(view[learn], TrainConfig())(view) for view in views]
    named, columns = units.features[:, : len(FEATURE_NAMES)], len(FEATURE_NAMES)
    ranks = np.column_stack([_rank(named[:, i], named[learn, i]) for i in range(columns)])
    smooth = np.hstack([units.embeddings, ranks / np.sqrt(columns), own])
    return Inputs(smooth.astype(np.float32), np.hstack([*reduced, named, own]).astype(np.float32))


def _rank(values: Array, known: Array) -> Array:
    """Return the rank of values among known ones, of mean 0 and variance 1: a step in a heavy tail stays a step."""
    order = np.sort(known)
    place = (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right")) / (2 * len(order))
    return np.asarray((place - 0.5) * np.sqrt(12))


def cross_fitted(x: Inputs, y: Array, rows: Mask, fold: Array, fit: Fit) -> Array:
    """Return predictions of y for all rows, each by a model fitted on those of `rows` that are of another fold."""
    out = np.full(len(y), np.nan)
    for k in np.unique(fold):
        judged, seen = fold == k, rows & (fold != k) & (fold < FOLDS)
        out[judged] = fit(x.take(seen), y[seen])(x.take(judged))
    return out


def chance(x: Inputs, reasoning: Array) -> Predictor:
    """Fit P(reasoning | x)."""
    if reasoning.all() or not reasoning.any():
        return lambda x: np.full(len(x.smooth), float(reasoning.any()))
    model = LogisticRegression(C=CHANCE_C, max_iter=1000).fit(x.smooth, reasoning)
    return lambda x: np.asarray(model.predict_proba(x.smooth)[:, 1])


def mean_score(config: TrainConfig) -> Fit:
    """Return what fits the expected score: the mean of boosting and a ridge regression, whose errors differ."""

    def fit(x: Inputs, score: Array) -> Predictor:
        tree, line = fit_tree(regressor(config), x.trees, score), Ridge(SCORE_ALPHA).fit(x.smooth, score)
        return lambda x: np.clip((tree.predict(x.trees) + line.predict(x.smooth)) / 2, 0.0, 1.0)

    return fit


def mean_tokens(config: TrainConfig) -> Fit:
    """Return what fits the expected tokens: boosting on their logarithm, with Duan's smearing (Duan 1983) back to a mean."""

    def fit(x: Inputs, tokens: Array) -> Predictor:
        tree = fit_tree(regressor(config), x.trees, np.log1p(tokens))
        smearing = float(np.mean(1 + tokens) / np.mean(np.exp(tree.predict(x.trees))))
        return lambda x: np.asarray(np.exp(tree.predict(x.trees)) * smearing - 1)

    return fit
