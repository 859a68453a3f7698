"""The heads: what logs say, what the prompt's family says, and by which odds of evidence the two are mixed.

For each prompt, two models speak. The *prior* knows its family alone: the mean of the families' values under P(family),
each of which is what the taxonomy declares, updated by the logged pairs of that family (`training.prior`). The *logs*
model looks at the prompt itself and at the target model (`training.target_models`): boosted trees (scikit-learn's
HistGradientBoosting*), a network, a linear correction of the prior, and the prior, members whose errors differ, by shares that
`training.calibrate` learns. They are fitted on logged pairs, and on the taxonomy's prompts as pseudo-observations that steady
them where logs are thin. Where a training starts from a bundle, that bundle speaks in place of the prior (`training.background`), the
logs model reads what it says, and is fitted on logged pairs alone. The two models are mixed by

    from_logs = P(a weighted observation at this prompt is a logged one)

a logistic regression that tells logged pairs (weight 1 in the mean) from the taxonomy's prompts (MIXING_ODDS x strength
each): the ratio of the two densities is what it estimates (Sugiyama et al. 2012, "Density ratio estimation in machine
learning", ch. 4), times how far logs reach by the cosine to the nearest cluster of them (`training.clusters`). Beside a bundle, which knows the
taxonomy, it is that reach alone. Tokens have a mixing weight of their own: few logs hold those of thinking modes.

`worth` orders prompts that share a budget: gain per token, in points for as many extra tokens as the target model spends on
average. It is fitted on gain / spent with weights spent, whose minimiser is E[gain] / E[spent]; a quotient of two predictions
would follow the noise of both.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import QUANTILES, Neighbourhood
from contract.records import Verdict
from training.background import Background, Base, Families
from training.clusters import Cover
from training.evidence import Rows
from training.extent import Extent
from training.graph import Linear, Network
from training.inputs import Inputs, softmax
from training.prior import Prior
from training.target_models import TargetModels

VERDICTS = (Verdict.USE, Verdict.MAYBE, Verdict.AVOID)
"""Order of the classes of a profile's probabilities; outcomes (a gain, none, a loss) stand in the same order."""

MEMBERS = {
    "gain": ("trees", "balance", "linear", "background"),
    "worth": ("trees", "network", "linear", "gain", "balance", "background"),
}
"""What is averaged: trees of the figure itself, a network, a linear correction of what the background says, the trees of gain, P(a gain)
less P(a loss), and what the background says."""

SAFE = ("linear", "background")
"""Members that few logs of one's own do not spoil, where the background is a bundle."""

LEAST_PROBABILITY = 0.01
"""Of an outcome, as scaling reads it: the logarithm of less would follow the graph's single precision."""
DEAREST = 2.0
"""Price of thinking, in points, beyond which the probabilities of labels change no more: no score rises by as much."""

Array = NDArray[Any]


def equal(name: str, among: Collection[str] | None = None) -> Array:
    """Return equal shares of the members of a figure, of some of them alone where these are named."""
    named = np.array([among is None or member in among for member in MEMBERS[name]], float)
    return np.asarray(named / named.sum())


@dataclass
class Heads:
    """Fitted estimators and matrices, as `training.export` turns them into one graph."""

    inputs: Inputs
    targets: TargetModels
    prior: Prior
    cover: Cover
    base: Base | None = None
    """The bundle that the training started from."""
    trees: dict[str, Any] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    """worth on v."""
    linear: dict[str, Linear] = field(default_factory=dict)
    """from_logs, tokens_from_logs and the corrections of gain and worth on u; familiar on (u, words, near)."""
    shares: dict[str, Array] = field(default_factory=lambda: {name: equal(name) for name in MEMBERS})
    """By figure, the share of each of its MEMBERS."""
    scaling: dict[str, Linear] = field(default_factory=dict)
    """By profile, (log P(outcome), gain, price) to the logits of its labels."""
    prices: dict[str, float] = field(default_factory=dict)
    """By profile, tokens_per_point."""
    smearing: float = 1.0
    extent: Extent = field(default_factory=Extent)
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
    def background(self) -> Background:
        """What speaks where logs do not: the bundle that the training started from, else the families."""
        return self.base or Families(self.prior)

    @property
    def width(self) -> int:
        """Columns that trees read."""
        return self.inputs.width + self.background.width

    @property
    def known_neighbourhoods(self) -> tuple[Neighbourhood, ...]:
        """What logs say around each centroid of `cover`, and around those of the bundle that the training started from."""
        return self.neighbourhoods + (self.base.manifest.neighbourhoods if self.base else ())

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
        return out

    def outputs(self, rows: Rows) -> dict[str, Array]:
        """Return all outputs but the labels' probabilities, which are scaled from them."""
        return self.with_members(rows)[0]

    def with_members(self, rows: Rows) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return `outputs`, and what of them is averaged by `shares`, [n, len(MEMBERS[name])] for each name of MEMBERS."""
        target = self.targets.of(rows.table.model)
        x = self.inputs.of(rows, target)
        known = self.background.of(rows, target, x["p_family"])
        z, share = read_by_trees(x, known), self.cover.share(x["ask"])
        w = _sigmoid(self.linear["from_logs"](x["u"])[:, 0]) * share
        out = {"from_logs": w, "p_family": x["p_family"], "gain_prior": known["gain"], "prior_band": known["band"]}
        outcomes = self.trees["outcome"].predict_proba(z)
        members = self._members(x, z, known, outcomes)
        out["gain_logs"] = members["gain"] @ self.shares["gain"]
        out["worth"] = w * (members["worth"] @ self.shares["worth"]) + (1 - w) * known["worth"]
        out["score_direct"] = w * self.trees["score_direct"].predict(z) + (1 - w) * known["score_direct"]
        out |= self._tokens(z, known, target, self._tokens_weight(x["u"], share))
        out["outcomes"] = w[:, None] * outcomes + (1 - w)[:, None] * known["outcomes"]
        out["cosines"] = self._cosines(x, known)
        out["near"] = np.maximum(self._near(x), known.get("near", -1.0))
        out["familiar"] = self._familiar(x, rows, share, known.get("familiar"))
        return out, members

    def _members(
        self, x: Mapping[str, Array], z: Array, known: Mapping[str, Array], outcomes: Array
    ) -> dict[str, Array]:
        """Return the members from the inputs of rows, what the background says of them, and P(outcome) by logs."""
        gain, balance = self.trees["gain"].predict(z), outcomes[:, 0] - outcomes[:, 2]
        linear = {name: known[name] + self.linear[name](x["u"])[:, 0] for name in MEMBERS}
        worth, network = self.trees["worth"].predict(z), self.networks["worth"](x["v"])[:, 0]
        return {
            "gain": np.column_stack([gain, balance, linear["gain"], known["gain"]]),
            "worth": np.column_stack([worth, network, linear["worth"], gain, balance, known["worth"]]),
        }

    def _familiar(self, x: Mapping[str, Array], rows: Rows, share: Array, before: Array | None) -> Array:
        """Return how likely rows are of the evidence and no made-up texts, [n].

        What only the logs' own scripts hold counts as far as logs reach: beyond, families or a bundle that do not read it would answer.
        Beside a bundle that is so of all that logs find familiar and the bundle does not.
        """
        closed, held = Extent(longest=self.extent.longest).holds(rows.features), self.extent.holds(rows.features)
        read = _sigmoid(self.linear["familiar"](self.read_by_familiarity(x))[:, 0]) * (closed + (held - closed) * share)
        if before is None:
            return np.asarray(read)
        return np.asarray(share * np.maximum(read, before) + (1 - share) * before)

    def _cosines(self, x: Mapping[str, Array], known: Mapping[str, Array]) -> Array:
        """Return the cosines to the centroids of `neighbourhoods`, and to those of the bundle that the training started from."""
        own = x["ask"] @ self.cover.centres.T
        if self.base is None or not self.base.manifest.neighbourhoods:
            return np.asarray(own)
        return np.hstack([own[:, : len(self.neighbourhoods)], known["cosines"]])

    def scaled(self, out: Mapping[str, Array], profile: str) -> Array:
        """Return what the scaling of a profile reads, [n, 5]: log P(outcome), gain and price, in points."""
        logs = np.log(np.clip(out["outcomes"], LEAST_PROBABILITY, 1.0))
        gain = mixed_gain(out)
        price = np.clip(out["extra_tokens"] / self.prices[profile], 0.0, DEAREST)
        return np.column_stack([logs, gain, price])

    def read_by_familiarity(self, x: Mapping[str, Array]) -> Array:
        """Return what familiarity reads: u, the words of the ask, and the cosine to the nearest centroid of the evidence."""
        return np.hstack([x["u_words"], self._near(x)[:, None]])

    def _near(self, x: Mapping[str, Array]) -> Array:
        """Return the cosine to the nearest centroid of the evidence, of logs or of a family, [n]."""
        return np.asarray((x["ask"] @ self.centroids.T).max(axis=1))

    def _tokens_weight(self, u: Array, share: Array) -> Array:
        """Return the weight of what logs say of tokens, [n]; beside a bundle's they reach as far as logs do."""
        alone = _sigmoid(self.linear["tokens_from_logs"](u)[:, 0])
        return np.asarray(alone * share if self.base else alone)

    def _tokens(self, z: Array, known: Mapping[str, Array], target: Array, weight: Array) -> dict[str, Array]:
        w, scale = weight[:, None], target[:, 2:]
        mean = self.trees["log_extra_tokens"].predict(z)[:, None] + np.log(self.smearing)
        out = {"extra_tokens": np.exp(w * mean + (1 - w) * known["log_extra"][:, None] + scale)[:, 0]}
        thought = self.trees["log_thinking"].predict(z)[:, None] + self.thinking_offsets
        out["thinking_quantiles"] = np.exp(w * thought + (1 - w) * known["log_thinking"] + scale)
        return out


def mixed_gain(out: Mapping[str, Array]) -> Array:
    """Return the expected gain of outputs before calibration, [n]: what logs and the prior say, by the weight of the logs."""
    return np.asarray(out["from_logs"] * out["gain_logs"] + (1 - out["from_logs"]) * out["gain_prior"])


def read_by_trees(x: Mapping[str, Array], known: Mapping[str, Array]) -> Array:
    """Return what trees read of rows: their inputs' z, and what a background has for trees, [n, Heads.width]."""
    return np.hstack([x["z"], known["read"]])


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
