"""Fits the heads: gain, score per arm, tokens and the label classifiers, all on one reduced input.

Reduced input z = [PCA of the ask, PCA of the whole, named features, cosine to each family of the taxonomy]. Gain is the mean of gradient boosting and a ridge
regression; scores, tokens and labels are gradient boosting (scikit-learn's HistGradientBoosting*).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from contract.bundle import QUANTILES
from contract.profiles import Profile
from contract.records import Verdict
from training.config import TrainConfig
from training.evidence import Rows
from training.graph import Linear, Reduction

VERDICTS = (Verdict.USE, Verdict.MAYBE, Verdict.AVOID)
"""Order of the classes of the label classifiers."""

RIDGE_ALPHA = 2000.0
"""Chosen on the training sources (leave one source out); see docs/decisions."""

CENTROIDS = 150
"""Centroids of the evidence's asks that familiarity measures its distance to."""

Array = NDArray[Any]


@dataclass
class Heads:
    """Fitted estimators and matrices, as `training.export` turns them into one graph."""

    reduction: Reduction
    trees: dict[str, Any]
    gain_linear: Linear
    smearing: float
    scaling: dict[str, Linear]
    familiar: Linear
    centroids: Array
    tasks: tuple[str, ...]

    def reduced(self, embeddings: Array, features: Array) -> Array:
        """Return z [n, c] float32, by the graph's own arithmetic: a last-bit difference could cross a tree's threshold."""
        session = onnxruntime.InferenceSession(self.reduction.model(), providers=["CPUExecutionProvider"])
        (z,) = session.run(["z"], {"embeddings": embeddings, "features": features})
        return np.asarray(z)

    def predict(self, embeddings: Array, features: Array) -> dict[str, Array]:
        """Return what the exported graph returns, computed by scikit-learn and numpy."""
        z = self.reduced(embeddings, features)
        ask = embeddings[:, : self.reduction.dimension]
        out = {name: self.trees[name].predict(z) for name in ("score_direct", "score_reasoning")}
        out["gain"] = (self.trees["gain"].predict(z) + self.gain_linear(z)[:, 0]) / 2
        out["extra_tokens"] = np.exp(self.trees["log_extra_tokens"].predict(z)) * self.smearing
        for kind in ("extra", "thinking"):
            out[f"{kind}_quantiles"] = np.exp(
                np.column_stack([self.trees[f"log_{kind}_{q}"].predict(z) for q in QUANTILES])
            )
        for name, scaling in self.scaling.items():
            logits = scaling(np.log(np.clip(self.trees[f"label_{name}"].predict_proba(z), 1e-6, 1.0)))
            exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
            out[f"p_{name}"] = exponent / exponent.sum(axis=1, keepdims=True)
        near = (ask @ self.centroids.T).max(axis=1, keepdims=True)
        out["familiar"] = 1 / (1 + np.exp(-self.familiar(np.hstack([z, near]))[:, 0]))
        out["task_similarity"] = ask @ self.reduction.task_centroids.T
        return out


def fit(pairs: Rows, thinking: Rows, unfamiliar: Rows, profiles: Mapping[str, Profile], config: TrainConfig) -> Heads:
    """Fit all heads but the probability scaling, which `training.calibrate` fits on its own split.

    Args:
        pairs: labelled pairs and pseudo-observations (gain, scores, weight; extra_tokens null where unknown).
        thinking: attempts of thinking modes (thinking_tokens, weight) and pseudo-observations.
        unfamiliar: made-up texts that no evidence covers.
        profiles: the profiles to classify labels for.
        config: the run's settings.
    """
    d = pairs.embeddings.shape[1] // 2
    centroids, by_task, tasks = _centroids(pairs, d, config)
    reduction = Reduction(d, _pca(pairs.embeddings[:, :d], config), _pca(pairs.embeddings[:, d:], config), by_task)
    nothing = Linear(np.zeros(0), np.zeros(0))
    heads = Heads(reduction, {}, nothing, 1.0, {}, nothing, centroids, tasks)
    z, table = heads.reduced(pairs.embeddings, pairs.features), pairs.table
    weight = table.weight.to_numpy()
    for name in ("gain", "score_direct", "score_reasoning"):
        heads.trees[name] = _regressor(config).fit(z, table[name].astype(float), weight)
    heads.gain_linear = _ridge(z, table.gain.to_numpy(float), weight)
    _fit_tokens(heads, pairs, thinking, config)
    price = np.exp(heads.trees["log_extra_tokens"].predict(z)) * heads.smearing
    for name, profile in profiles.items():
        labels = labels_of(table.gain.to_numpy(float), price, profile)
        heads.trees[f"label_{name}"] = _classifier(z, labels, weight, config)
        heads.scaling[name] = Linear(np.eye(3), np.zeros(3))
    heads.familiar = _familiarity(heads, pairs, unfamiliar)
    return heads


def labels_of(gain: Array, extra_tokens: Array, profile: Profile) -> Array:
    """Return the class index (use 0, maybe 1, avoid 2) of each row at the expected price of thinking."""
    net = gain - extra_tokens / profile.tokens_per_point
    return np.where(net > profile.margin, 0, np.where(net < -profile.margin, 2, 1))


def _regressor(config: TrainConfig, **more: Any) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=config.iterations, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=15, l2_regularization=5.0,
        max_features=0.3, early_stopping=False, random_state=config.seed, **more,
    )  # fmt: skip


def _classifier(z: Array, labels: Array, weight: Array, config: TrainConfig) -> HistGradientBoostingClassifier:
    """Fit P(label); a class that never occurs gets one row of almost no weight, so that there are always three."""
    model = HistGradientBoostingClassifier(
        max_iter=config.iterations // 2, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=15, l2_regularization=5.0,
        max_features=0.3, early_stopping=False, random_state=config.seed,
    )  # fmt: skip
    z = np.vstack([z, np.repeat(z.mean(axis=0, keepdims=True), 3, axis=0)])
    return model.fit(z, np.r_[labels, 0, 1, 2], np.r_[weight, 1e-3, 1e-3, 1e-3])


def _fit_tokens(heads: Heads, pairs: Rows, thinking: Rows, config: TrainConfig) -> None:
    known = pairs.table.extra_tokens.astype(float).to_numpy()
    rows = pairs.take(np.isfinite(known) & (known > 0) & pairs.table.thinking_mode.to_numpy(bool))
    z, weight = heads.reduced(rows.embeddings, rows.features), rows.table.weight.to_numpy()
    log_extra = np.log(rows.table.extra_tokens.astype(float).to_numpy())
    small = {"min_samples_leaf": 20}
    mean = _regressor(config).set_params(**small).fit(z, log_extra, weight)
    heads.trees["log_extra_tokens"] = mean
    residual = np.exp(log_extra - mean.predict(z))
    heads.smearing = float(np.average(residual, weights=weight))  # Duan (1983), the smearing estimate
    zt, wt = heads.reduced(thinking.embeddings, thinking.features), thinking.table.weight.to_numpy()
    log_thinking = np.log(thinking.table.thinking_tokens.astype(float).to_numpy())
    for level in QUANTILES:
        quantile = {"loss": "quantile", "quantile": level}
        heads.trees[f"log_extra_{level}"] = _regressor(config, **quantile).set_params(**small).fit(z, log_extra, weight)
        heads.trees[f"log_thinking_{level}"] = (
            _regressor(config, **quantile).set_params(**small).fit(zt, log_thinking, wt)
        )


def _pca(x: Array, config: TrainConfig) -> Linear:
    components = min(config.components, *x.shape)
    pca = PCA(components, random_state=config.seed).fit(x)
    weight = pca.components_.T.astype(np.float32)
    return Linear(weight, (-pca.mean_ @ weight).astype(np.float32))


def _ridge(z: Array, y: Array, weight: Array) -> Linear:
    mean, scale = z.mean(axis=0), z.std(axis=0) + 1e-6
    model = Ridge(alpha=RIDGE_ALPHA).fit((z - mean) / scale, y, weight)
    coefficient = (model.coef_ / scale).astype(np.float64)
    return Linear(coefficient[:, None], np.array([model.intercept_ - mean @ coefficient]))


def _centroids(pairs: Rows, d: int, config: TrainConfig) -> tuple[Array, Array, tuple[str, ...]]:
    asks, prior = pairs.embeddings[:, :d], pairs.table.prior.to_numpy(bool)
    rng = np.random.default_rng(config.seed)
    chosen = asks if len(asks) <= 6000 else asks[rng.choice(len(asks), 6000, replace=False, p=_even(pairs))]
    chosen = np.vstack([chosen, asks[prior]])
    clusters = (
        KMeans(min(CENTROIDS, len(chosen) // 4 + 1), n_init=1, random_state=config.seed).fit(chosen).cluster_centers_
    )
    tasks = tuple(dict.fromkeys(pairs.table.task[prior])) or ("unknown",)
    by_task = [
        asks[prior & (pairs.table.task == task).to_numpy()].mean(axis=0) if prior.any() else asks.mean(axis=0)
        for task in tasks
    ]
    return _unit(clusters), _unit(np.stack(by_task)), tasks


def _even(pairs: Rows) -> Array:
    weight = pairs.table.weight.to_numpy(float)
    return np.asarray(weight / weight.sum())


def _unit(x: Array) -> Array:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def _familiarity(heads: Heads, pairs: Rows, unfamiliar: Rows) -> Linear:
    """Fit the logistic head that tells the evidence from made-up texts; both sides weigh alike."""
    parts = []
    for rows in (pairs, unfamiliar):
        near = (rows.embeddings[:, : heads.reduction.dimension] @ heads.centroids.T).max(axis=1, keepdims=True)
        parts.append(np.hstack([heads.reduced(rows.embeddings, rows.features), near]))
    x, y = np.vstack(parts), np.r_[np.ones(len(parts[0])), np.zeros(len(parts[1]))]
    weight = (
        np.r_[pairs.table.weight / pairs.table.weight.sum(), np.full(len(parts[1]), 1 / len(parts[1]))] * len(x) / 2
    )
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-3
    model = LogisticRegression(C=0.02, max_iter=2000).fit((x - mean) / scale, y, weight)
    coefficient = model.coef_[0] / scale
    return Linear(coefficient[:, None], np.array([model.intercept_[0] - mean @ coefficient]))
