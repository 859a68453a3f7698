"""Fits the heads: what logs say, what the prompt's family says, and by which odds of evidence the two are mixed.

For each prompt, two models speak. The *prior* knows its family alone: the mean of the families' values under P(family),
each of which is what the taxonomy declares, updated by the logged pairs of that family (`training.prior`). The *logs*
model looks at the prompt itself and at the target model (`training.target_models`): boosted trees (scikit-learn's
HistGradientBoosting*), a network, a linear correction of the prior, and the prior, members whose errors differ, by shares that
`training.calibrate` learns. They are fitted on logged pairs, and on the taxonomy's prompts as pseudo-observations that steady
them where logs are thin. The two models are mixed by

    from_logs = P(a weighted observation at this prompt is a logged one)

a logistic regression that tells logged pairs (weight 1 in the mean) from the taxonomy's prompts (MIXING_ODDS x strength
each): the ratio of the two densities is what it estimates (Sugiyama et al. 2012, "Density ratio estimation in machine
learning", ch. 4), times how far logs reach by the cosine to the nearest cluster of them (`training.clusters`). Tokens have a mixing weight of their own: few logs
hold those of thinking modes.

`worth` orders prompts that share a budget: gain per token, in points for as many extra tokens as the target model spends on
average. It is fitted on gain / spent with weights spent, whose minimiser is E[gain] / E[spent]; a quotient of two predictions
would follow the noise of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import QUANTILES, Neighbourhood
from contract.records import Verdict
from training.clusters import Cover
from training.evidence import Rows
from training.graph import Linear, Network
from training.inputs import Inputs, softmax
from training.prior import Prior, token_offsets
from training.scripts import Scripts
from training.target_models import TargetModels

VERDICTS = (Verdict.USE, Verdict.MAYBE, Verdict.AVOID)
"""Order of the classes of a profile's probabilities; outcomes (a gain, none, a loss) stand in the same order."""

MEMBERS = {
    "gain": ("trees", "balance", "linear", "family"),
    "worth": ("trees", "network", "linear", "gain", "balance", "family"),
}
"""What is averaged: trees of the figure itself, a network, a linear correction of what the family says, the trees of gain, P(a gain) less
P(a loss), and what the family says."""

LEAST_PROBABILITY = 0.01
"""Of an outcome, as scaling reads it: the logarithm of less would follow the graph's single precision."""
DEAREST = 2.0
"""Price of thinking, in points, beyond which the probabilities of labels change no more: no score rises by as much."""

Array = NDArray[Any]


def equal(name: str) -> Array:
    """Return equal shares of the members of a figure."""
    return np.full(len(MEMBERS[name]), 1 / len(MEMBERS[name]))


@dataclass
class Heads:
    """Fitted estimators and matrices, as `training.export` turns them into one graph."""

    inputs: Inputs
    targets: TargetModels
    prior: Prior
    cover: Cover
    trees: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    """worth on v."""
    linear: dict[str, Linear] = field(default_factory=dict)
    """from_logs, tokens_from_logs and the corrections of gain and worth on u; familiar on (u, near)."""
    shares: dict[str, Array] = field(default_factory=lambda: {name: equal(name) for name in MEMBERS})
    """By figure, the share of each of its MEMBERS."""
    scaling: dict[str, Linear] = field(default_factory=dict)
    """By profile, (log P(outcome), gain, price) to the logits of its labels."""
    prices: dict[str, float] = field(default_factory=dict)
    """By profile, tokens_per_point."""
    smearing: float = 1.0
    scripts: Scripts = field(default_factory=Scripts)
    usual_features: Array = field(default_factory=lambda: np.zeros(0))
    """Mean features of the evidence, [f]."""
    neighbourhoods: tuple[Neighbourhood, ...] = ()
    """What logs say around each centroid of `cover`, in its order."""
    thinking_offsets: Array = field(default_factory=lambda: np.zeros(len(QUANTILES)))
    """Quantiles of log thinking tokens less their expectation, at QUANTILES."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the families."""
        return self.inputs.tasks

    @property
    def centroids(self) -> Array:
        """Unit centroids of the evidence's asks, of logs and of families, [c, d]."""
        return np.vstack([self.cover.centres, self.inputs.centroids])

    def gain_of(self, task: pd.Series) -> Array:
        """Return the gain of families by name, in points [n]; nan for a name that is of none."""
        return task.map(dict(zip(self.tasks, self.prior.gain, strict=True))).to_numpy(float)

    def predict(self, rows: Rows) -> dict[str, Array]:
        """Return what the exported graph returns, computed by scikit-learn and numpy on the graph's own inputs."""
        out = self.outputs(rows)
        for name in self.scaling:
            out[f"p_{name}"] = softmax(self.scaling[name](self.scaled(out, name)))
        del out["outcomes"]
        return out

    def outputs(self, rows: Rows) -> dict[str, Array]:
        """Return all outputs but the labels' probabilities, and P(outcome) [n, 3], which these are scaled from, as `outcomes`."""
        return self.with_members(rows)[0]

    def with_members(self, rows: Rows) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return `outputs`, and what of them is averaged by `shares`, [n, len(MEMBERS[name])] for each name of MEMBERS."""
        target = self.targets.of(rows.table.model)
        x = self.inputs.of(rows, target)
        family, z = x["p_family"], x["z"]
        w = _sigmoid(self.linear["from_logs"](x["u"])[:, 0]) * self.cover.share(x["ask"])
        out = {"from_logs": w, "p_family": family, "gain_prior": family @ self.prior.gain}
        out["prior_band"] = self.prior.band(family)
        outcomes = self.trees["outcome"].predict_proba(z)
        members = self._members(x, outcomes)
        out["gain_logs"] = members["gain"] @ self.shares["gain"]
        out["worth"] = w * (members["worth"] @ self.shares["worth"]) + (1 - w) * self._prior_worth(family)
        out["score_direct"] = w * self.trees["score_direct"].predict(z) + (1 - w) * (family @ self.prior.score_direct)
        out |= self._tokens(x, target)
        of_family = family @ self.prior.outcomes
        out["outcomes"] = w[:, None] * outcomes + (1 - w)[:, None] * of_family
        out["cosines"] = x["ask"] @ self.cover.centres.T
        out["near"] = self._near(x)
        out["familiar"] = _sigmoid(self.linear["familiar"](self._u_near(x))[:, 0]) * self.scripts.holds(rows.features)
        return out, members

    def _members(self, x: Mapping[str, Array], outcomes: Array) -> dict[str, Array]:
        """Return the members from the inputs of rows and their P(outcome)."""
        family = x["p_family"]
        gain, balance = self.trees["gain"].predict(x["z"]), outcomes[:, 0] - outcomes[:, 2]
        known = {"gain": family @ self.prior.gain, "worth": self._prior_worth(family)}
        linear = {name: known[name] + self.linear[name](x["u"])[:, 0] for name in known}
        worth = [
            self.trees["worth"].predict(x["z"]),
            self.networks["worth"](x["v"])[:, 0],
            linear["worth"],
            gain,
            balance,
            known["worth"],
        ]
        return {
            "gain": np.column_stack([gain, balance, linear["gain"], known["gain"]]),
            "worth": np.column_stack(worth),
        }

    def _prior_worth(self, family: Array) -> Array:
        """Return the gain of families over the tokens they need, in points for as many as families need in the mean, [n]."""
        spent = np.exp(family @ self.prior.log_tokens - np.mean(self.prior.log_tokens))
        return np.asarray(family @ self.prior.gain / spent)

    def scaled(self, out: Mapping[str, Array], profile: str) -> Array:
        """Return what the scaling of a profile reads, [n, 5]: log P(outcome), gain and price, in points."""
        logs = np.log(np.clip(out["outcomes"], LEAST_PROBABILITY, 1.0))
        gain = out["from_logs"] * out["gain_logs"] + (1 - out["from_logs"]) * out["gain_prior"]
        price = np.clip(out["extra_tokens"] / self.prices[profile], 0.0, DEAREST)
        return np.column_stack([logs, gain, price])

    def _u_near(self, x: Mapping[str, Array]) -> Array:
        """Return what familiarity reads: u, and the cosine to the nearest centroid of the evidence."""
        return np.hstack([x["u"], self._near(x)[:, None]])

    def _near(self, x: Mapping[str, Array]) -> Array:
        """Return the cosine to the nearest centroid of the evidence, of logs or of a family, [n]."""
        return np.asarray((x["ask"] @ self.centroids.T).max(axis=1))

    def _tokens(self, x: Mapping[str, Array], target: Array) -> dict[str, Array]:
        w, scale = _sigmoid(self.linear["tokens_from_logs"](x["u"])), target[:, 2:]
        prior = (x["p_family"] @ self.prior.log_tokens)[:, None]
        mean = self.trees["log_extra_tokens"].predict(x["z"])[:, None] + np.log(self.smearing)
        out = {"extra_tokens": np.exp(w * mean + (1 - w) * prior + scale)[:, 0]}
        thought = self.trees["log_thinking"].predict(x["z"])[:, None] + self.thinking_offsets
        out["thinking_quantiles"] = np.exp(w * thought + (1 - w) * (prior + token_offsets(QUANTILES)) + scale)
        return out


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
