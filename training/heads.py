"""Fits the heads: what logs say, what the prompt's family says, and by which odds of evidence the two are mixed.

For each prompt, two models speak. The *prior* knows its family alone: the mean of the families' values under P(family),
each of which is what the taxonomy declares, updated by the logged pairs of that family (`training.prior`). The *logs*
model looks at the prompt itself: gradient boosting (scikit-learn's HistGradientBoosting*) on logged pairs, and on the
taxonomy's prompts as pseudo-observations that steady it where logs are thin; its gain is the mean of the trees and the
prior, two members whose errors differ. The two models are mixed by

    from_logs = P(a weighted observation at this prompt is a logged one)

a logistic regression that tells logged pairs (weight 1 in the mean) from the taxonomy's prompts (MIXING_ODDS x strength
each): the ratio of the two densities is what it estimates (Sugiyama et al. 2012, "Density ratio estimation in machine
learning", ch. 4). Trees speak where there are logs, and not elsewhere. Tokens have a mixing weight of their own: few logs
hold those of thinking modes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression

from contract.bundle import QUANTILES
from contract.errors import InvalidInput
from contract.profiles import Profile
from contract.records import Verdict
from training.config import TrainConfig
from training.evidence import Rows
from training.graph import Linear
from training.inputs import Inputs, fit_inputs, softmax
from training.prior import Prior, prior_of, token_offsets
from training.soft_labels import weighted_labels
from training.trees import fit_classifier, fit_tree, regressor

VERDICTS = (Verdict.USE, Verdict.MAYBE, Verdict.AVOID)
"""Order of the classes of the label classifiers."""

CENTROIDS = 150
"""Centroids of the evidence's asks that familiarity measures its distance to."""

MIXING_ODDS = 10.0
"""Logged pairs that one pseudo-observation outweighs in the mixing: it states an expectation, a pair one noisy outcome.
Chosen on the training sources; see docs/decisions/0006, which calls it PRIOR_ODDS."""

SURE = 30.0
"""Logit of a mixing weight where one side has no evidence at all."""

LEAST_PROBABILITY = 1e-6

Array = NDArray[Any]


@dataclass
class Heads:
    """Fitted estimators and matrices, as `training.export` turns them into one graph."""

    inputs: Inputs
    prior: Prior
    centroids: Array
    trees: dict[str, Any] = field(default_factory=dict)
    linear: dict[str, Linear] = field(default_factory=dict)
    """from_logs and tokens_from_logs on u; familiar on (u, near)."""
    scaling: dict[str, Linear] = field(default_factory=dict)
    smearing: float = 1.0

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the families."""
        return self.inputs.tasks

    def gain_of(self, task: pd.Series) -> Array:
        """Return the gain of families by name, in points [n]; nan for a name that is of none."""
        return task.map(dict(zip(self.tasks, self.prior.gain, strict=True))).to_numpy(float)

    def predict(self, rows: Rows, p_family: Array | None = None) -> dict[str, Array]:
        """Return what the exported graph returns, computed by scikit-learn and numpy on the graph's own inputs.

        Args:
            rows: what to predict, [n].
            p_family: P(family) [n, t] of a classifier that has not seen the rows; the fitted one's by default.
        """
        x = self.inputs.of(rows)
        if p_family is not None:
            x["p_family"] = p_family
        z, family = x["z"], x["p_family"]
        w = _sigmoid(self.linear["from_logs"](x["u"])[:, 0])
        out = {"from_logs": w, "p_family": family, "gain_prior": family @ self.prior.gain}
        out["gain_logs"] = np.mean([self.trees["gain"].predict(z), out["gain_prior"]], axis=0)
        for name in ("score_direct", "score_reasoning"):
            out[name] = w * self.trees[name].predict(z) + (1 - w) * (family @ getattr(self.prior, name))
        out |= self._tokens(x)
        for name, scaling in self.scaling.items():
            mixed = w[:, None] * self.trees[f"label_{name}"].predict_proba(z)
            mixed += (1 - w)[:, None] * (family @ self.prior.labels[name])
            out[f"p_{name}"] = softmax(scaling(np.log(np.clip(mixed, LEAST_PROBABILITY, 1.0))))
        out["familiar"] = _sigmoid(self.linear["familiar"](self._u_near(x))[:, 0])
        return out

    def _u_near(self, x: Mapping[str, Array]) -> Array:
        """Return what familiarity reads: u, and the cosine to the nearest centroid of the evidence."""
        return np.hstack([x["u"], (x["ask"] @ self.centroids.T).max(axis=1, keepdims=True)])

    def _tokens(self, x: Mapping[str, Array]) -> dict[str, Array]:
        w = _sigmoid(self.linear["tokens_from_logs"](x["u"]))
        prior = (x["p_family"] @ self.prior.log_tokens)[:, None]
        mean = self.trees["log_extra_tokens"].predict(x["z"])[:, None] + np.log(self.smearing)
        out = {"extra_tokens": np.exp(w * mean + (1 - w) * prior)[:, 0]}
        for kind in ("extra", "thinking"):
            logs = np.column_stack([self.trees[f"log_{kind}_{q}"].predict(x["z"]) for q in QUANTILES])
            out[f"{kind}_quantiles"] = np.exp(w * logs + (1 - w) * (prior + token_offsets(QUANTILES)))
        return out


def fit(
    pairs: Rows, thinking: Rows, unfamiliar: Rows, taxonomy: Rows, profiles: Mapping[str, Profile], config: TrainConfig
) -> Heads:
    """Fit all heads but the probability scaling, which `training.calibrate` fits on its own split.

    Args:
        pairs: pairs, prompts with one arm and pseudo-observations (gain, scores, their targets, weight; extra_tokens null
            where unknown).
        thinking: attempts of thinking modes (thinking_tokens, weight) and pseudo-observations.
        unfamiliar: made-up texts that no evidence covers.
        taxonomy: pseudo-observations that P(family) and the families' values are fitted on; those of `pairs` among them.
        profiles: the profiles to classify labels for.
        config: the run's settings.
    """
    inputs = fit_inputs(pairs, taxonomy, config)
    x, table = inputs.of(pairs), pairs.table
    logged = ~table.prior.to_numpy(bool)
    prior = prior_of(taxonomy.table, table[logged], inputs.members(x)[logged], inputs.tasks, profiles)
    heads = Heads(inputs, prior, _centroids(pairs, config))
    heads.linear["from_logs"] = _from_logs(x["u"], table)
    heads.linear["tokens_from_logs"] = _from_logs(inputs.of(thinking)["u"], thinking.table)
    z = x["z"]
    weight = table.weight.to_numpy(float)
    for name in ("gain", "score_direct", "score_reasoning"):
        heads.trees[name] = fit_tree(regressor(config), z, table[f"target_{name}"].to_numpy(float), weight)
    _fit_tokens(heads, pairs, thinking, config)
    price = heads._tokens(x)["extra_tokens"]
    for name, profile in profiles.items():
        rows, labels, shares = weighted_labels(table, table.gain.to_numpy(float), price, profile)
        heads.trees[f"label_{name}"] = fit_classifier(z[rows], labels, shares, config)
        heads.scaling[name] = Linear(np.eye(3), np.zeros(3))
    heads.linear["familiar"] = _familiarity(heads, x, weight, unfamiliar)
    return heads


def _logged_or_all(rows: Rows) -> Rows:
    """Return the logged rows; the pseudo-observations where nothing is logged.

    Raises:
        InvalidInput: there is neither.
    """
    if not len(rows.table):
        raise InvalidInput(
            "no attempt of a thinking mode has a known number of tokens, and there is no taxonomy; log output_tokens of both arms "
            "and thinking_tokens, or leave prior_weight above 0",
            field="logs",
        )
    logged = rows.logged()
    return logged if len(logged.table) else rows


def _from_logs(u: Array, table: pd.DataFrame) -> Linear:
    """Fit P(logged | u) over weighted observations: the mixing weight of logs against the prior."""
    logged = ~table.prior.to_numpy(bool)
    if logged.all() or not logged.any():
        return Linear(np.zeros((u.shape[1], 1)), np.array([SURE if logged.all() else -SURE]))
    weight = table.weight.to_numpy(float) * np.where(logged, 1.0, MIXING_ODDS)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(u, logged, weight)
    return Linear(model.coef_.T, model.intercept_)


def _fit_tokens(heads: Heads, pairs: Rows, thinking: Rows, config: TrainConfig) -> None:
    """Fit the token trees on thinking modes alone: mean and quantiles of extra tokens, quantiles of thinking tokens."""
    known = pairs.table.target_extra_tokens.astype(float).to_numpy()
    rows = _logged_or_all(pairs.take(np.isfinite(known) & (known > 0) & pairs.table.thinking_mode.to_numpy(bool)))
    z, weight = heads.inputs.of(rows)["z"], rows.table.weight.to_numpy(float)
    extra = np.log(rows.table.target_extra_tokens.astype(float).to_numpy())
    mean = heads.trees["log_extra_tokens"] = fit_tree(regressor(config, min_samples_leaf=20), z, extra, weight)
    # Duan (1983), the smearing estimate
    heads.smearing = float(np.average(np.exp(extra - mean.predict(z)), weights=weight))
    rows = _logged_or_all(thinking)
    both = {"extra": (z, extra, weight)}
    thought = np.log(rows.table.thinking_tokens.astype(float).to_numpy())
    both["thinking"] = (heads.inputs.of(rows)["z"], thought, rows.table.weight.to_numpy(float))
    for kind, (x, y, w) in both.items():
        for level in QUANTILES:
            tree = regressor(config, min_samples_leaf=20, loss="quantile", quantile=level)
            heads.trees[f"log_{kind}_{level}"] = fit_tree(tree, x, y, w)


def _centroids(pairs: Rows, config: TrainConfig) -> Array:
    """Return unit centroids of the evidence's asks [c, d]; the taxonomy's prompts are all in, logs by their weight."""
    asks, prior = pairs.embeddings[:, : pairs.embeddings.shape[1] // 2], pairs.table.prior.to_numpy(bool)
    weight = pairs.table.weight.to_numpy(float)
    rng = np.random.default_rng(config.seed)
    some = rng.choice(len(asks), min(6000, len(asks)), replace=False, p=weight / weight.sum())
    chosen = np.vstack([asks[some], asks[prior]])
    means = KMeans(min(CENTROIDS, len(chosen) // 4 + 1), n_init=1, random_state=config.seed).fit(chosen)
    centres = means.cluster_centers_
    return np.asarray(centres / np.linalg.norm(centres, axis=1, keepdims=True), dtype=np.float32)


def _familiarity(heads: Heads, x: Mapping[str, Array], weight: Array, unfamiliar: Rows) -> Linear:
    """Fit the logistic head that tells the evidence from made-up texts; both sides weigh alike."""
    u = [heads._u_near(x), heads._u_near(heads.inputs.of(unfamiliar))]
    sides = [weight, np.ones(len(u[1]))]
    alike = np.concatenate([side / side.sum() for side in sides]) * sum(map(len, u)) / 2
    known = np.r_[np.ones(len(u[0])), np.zeros(len(u[1]))]
    model = LogisticRegression(C=1.0, max_iter=2000).fit(np.vstack(u), known, alike)
    return Linear(model.coef_.T, model.intercept_)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
