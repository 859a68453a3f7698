"""Fits the heads on evidence; `training.heads` says what they are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from contract.errors import InvalidInput
from contract.features import FEATURE_NAMES
from contract.profiles import Profile
from training.background import Base
from training.budget_targets import LADDER
from training.clusters import REACH, REACH_BESIDE_A_BUNDLE, Cover, cover, neighbourhoods
from training.config import TrainConfig
from training.evidence import Rows, spent
from training.extent import extent_of
from training.graph import Linear
from training.heads import Heads, read_by_trees
from training.inputs import fit_inputs
from training.networks import fit_network
from training.prior import Prior, prior_of
from training.soft_labels import weighted_labels
from training.target_models import TargetModels, hidden_models, target_models
from training.trees import fit_classifier, fit_tree, regressor

OUTCOME_MARGIN = 0.02
"""Gain in points that tells an outcome from none."""

CORRECTION = 10.0
"""Penalty of the linear correction: it has few rows to learn from first. Chosen on learning curves; see docs/decisions/0011."""

MIXING_ODDS = 10.0
"""Logged pairs that one pseudo-observation outweighs in the mixing: it states an expectation, a pair one noisy outcome.
Chosen on the training sources; see docs/decisions/0006, which calls it PRIOR_ODDS."""

TOKEN_PROMPTS = 50.0
"""Logged prompts of thinking modes that count as much as a bundle that knows none of them."""

SURE = 30.0
"""Logit of a mixing weight where one side has no evidence at all."""

Array = NDArray[Any]


def fit(
    pairs: Rows, thinking: Rows, unfamiliar: Rows, profiles: Mapping[str, Profile], config: TrainConfig, base: Base | None = None
) -> Heads:  # fmt: skip
    """Fit all heads but the probability scaling, which `training.calibrate` fits on rows that heads have not seen.

    Args:
        pairs: pairs, prompts with one arm and pseudo-observations (gain, scores, their targets, weight; extra_tokens null
            where unknown).
        thinking: attempts of thinking modes (thinking_tokens, weight) and pseudo-observations.
        unfamiliar: made-up texts that no evidence covers.
        profiles: the profiles to price labels for.
        config: the run's settings.
        base: the bundle to start from; what logs say is then learned from logged rows alone, of which there must be some.
    """
    inputs, table = fit_inputs(pairs, pairs.pseudo(), config), pairs.table
    logged = ~table.prior.to_numpy(bool)
    x = inputs.of(pairs)
    members = inputs.members(x)[logged]
    # Without a taxonomy, logs say what is expected of any model.
    none = members if logged.all() else np.zeros_like(members)
    declared, prior = (prior_of(table[~logged], table[logged], m, inputs.tasks) for m in (none, members))
    x_thinking = inputs.of(thinking)
    targets = _targets(declared, (pairs, x["p_family"]), (thinking, x_thinking["p_family"]), base)
    alone = logged.all() and base is None
    far = REACH if base is None else REACH_BESIDE_A_BUNDLE
    reach = Cover.everywhere(inputs.dimension) if alone else cover(pairs.logged(), config, far)
    heads = Heads(inputs, targets, prior, reach, base)
    heads.extent = extent_of(pairs)
    heads.usual_features = np.average(
        pairs.features[:, : len(FEATURE_NAMES)], axis=0, weights=table.weight.to_numpy(float)
    )
    heads.cover, heads.neighbourhoods = neighbourhoods(heads.cover, pairs.logged(), x["p_family"][logged], inputs.tasks)
    heads.linear["from_logs"] = _from_logs(x["u"], table) if base is None else _constant(x["u"], SURE)
    heads.linear["tokens_from_logs"] = _tokens_from_logs(x_thinking["u"], thinking.table, base)
    heads.linear["familiar"] = _familiarity(heads, x, table.weight.to_numpy(float), unfamiliar)
    _fit_gain(heads, pairs if base is None else pairs.logged(), config)
    _fit_tokens(heads, pairs, thinking, config)
    heads.prices = {name: profile.tokens_per_point for name, profile in profiles.items()}
    return heads


def _fit_gain(heads: Heads, rows: Rows, config: TrainConfig) -> None:
    """Fit the members of gain and worth, P(outcome) and the direct score."""
    table = rows.table
    target = heads.targets.of(table.model, hidden_models(len(table), config.seed))
    x = heads.inputs.of(rows, target)
    known = heads.background.of(rows, target, x["p_family"])
    z, weight, each = read_by_trees(x, known), table.weight.to_numpy(float), spent(table)
    gain = table.target_gain.to_numpy(float)
    targets_of = {"gain": (gain, weight), "worth": (gain / each, weight * each)}
    for name, (y, w) in targets_of.items():
        heads.trees[name] = fit_tree(regressor(config), z, y, w)
        ridge = Ridge(CORRECTION).fit(x["u"], y - known[name], w)
        heads.linear[name] = Linear(ridge.coef_[:, None], np.array([ridge.intercept_]))
    heads.networks["worth"] = fit_network(x["v"], *targets_of["worth"], config)
    heads.trees["score_direct"] = fit_tree(regressor(config), z, table.target_score_direct.to_numpy(float), weight)
    chosen, outcomes, shares = weighted_labels(table, np.zeros(len(table)), OUTCOME_MARGIN)
    heads.trees["outcome"] = fit_classifier(z[chosen], outcomes, shares, config)


def _targets(
    declared: Prior, pairs: tuple[Rows, Array], thinking: tuple[Rows, Array], base: Base | None
) -> TargetModels:
    """Return the statistics of the logged models, and of those that a bundle knows, against what the taxonomy declares for the families of their prompts, by P(family) [n, t]."""
    (told, family), (thought, family_of_thought) = pairs, thinking
    table = told.table.assign(
        expected_score_direct=family @ declared.score_direct, expected_gain=family @ declared.gain
    )
    attempts = thought.table.assign(expected_log_tokens=family_of_thought @ declared.log_tokens)
    attempts = attempts[attempts.target_is != LADDER]  # the least that sufficed, not what the model spends
    start = TargetModels(base.manifest.models, base.manifest.population) if base else None
    logged, tried = (rows[~rows.prior.to_numpy(bool)].reset_index(drop=True) for rows in (table, attempts))
    return target_models(logged, tried, start)


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


def _constant(u: Array, logit: float) -> Linear:
    """Return the map of u [n, k] to one logit."""
    return Linear(np.zeros((u.shape[1], 1)), np.array([logit]))


def _tokens_from_logs(u: Array, table: pd.DataFrame, base: Base | None) -> Linear:
    """Return the mixing weight of what logs say of tokens; beside a bundle, n / (n + TOKEN_PROMPTS) of n logged prompts."""
    if base is None:
        return _from_logs(u, table)
    prompts = table.group[~table.prior.to_numpy(bool)].nunique()
    return _constant(u, np.log(prompts / TOKEN_PROMPTS) if prompts else -SURE)


def _from_logs(u: Array, table: pd.DataFrame) -> Linear:
    """Fit P(logged | u) over weighted observations: the mixing weight of logs against the prior."""
    logged = ~table.prior.to_numpy(bool)
    if logged.all() or not logged.any():
        return _constant(u, SURE if logged.all() else -SURE)
    weight = table.weight.to_numpy(float) * np.where(logged, 1.0, MIXING_ODDS)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(u, logged, weight)
    return Linear(model.coef_.T, model.intercept_)


def _fit_tokens(heads: Heads, pairs: Rows, thinking: Rows, config: TrainConfig) -> None:
    """Fit the token trees on thinking modes alone, each less the scale of its model: extra and thinking tokens."""
    known = pairs.table.target_extra_tokens.astype(float).to_numpy()
    rows = _logged_or_all(pairs.take(np.isfinite(known) & (known > 0) & pairs.table.thinking_mode.to_numpy(bool)))
    (z, scale), weight = _z_and_scale(heads, rows), rows.table.weight.to_numpy(float)
    extra = np.log(rows.table.target_extra_tokens.astype(float).to_numpy()) - scale
    mean = heads.trees["log_extra_tokens"] = fit_tree(regressor(config, min_samples_leaf=20), z, extra, weight)
    # Duan (1983), the smearing estimate
    heads.smearing = float(np.average(np.exp(extra - mean.predict(z)), weights=weight))
    rows = _logged_or_all(thinking)
    z, scale = _z_and_scale(heads, rows)
    thought = np.log(rows.table.thinking_tokens.astype(float).to_numpy()) - scale
    tree = regressor(config, min_samples_leaf=10)
    heads.trees["log_thinking"] = fit_tree(tree, z, thought, rows.table.weight.to_numpy(float))


def _z_and_scale(heads: Heads, rows: Rows) -> tuple[Array, Array]:
    """Return what trees read, and the logarithm of each row's tokens over those of any model; 0 of a pseudo-observation."""
    target = heads.targets.of(rows.table.model)
    x = heads.inputs.of(rows, target)
    z = read_by_trees(x, heads.background.of(rows, target, x["p_family"]))
    return z, np.where(rows.table.prior.to_numpy(bool), 0.0, target[:, 2])


def _familiarity(heads: Heads, x: Mapping[str, Array], weight: Array, unfamiliar: Rows) -> Linear:
    """Fit the logistic head that tells the evidence from made-up texts; both sides weigh alike."""
    u = [heads.read_by_familiarity(x), heads.read_by_familiarity(heads.inputs.of(unfamiliar))]
    sides = [weight, np.ones(len(u[1]))]
    alike = np.concatenate([side / side.sum() for side in sides]) * sum(map(len, u)) / 2
    known = np.r_[np.ones(len(u[0])), np.zeros(len(u[1]))]
    model = LogisticRegression(C=1.0, max_iter=2000).fit(np.vstack(u), known, alike)
    return Linear(model.coef_.T, model.intercept_)
