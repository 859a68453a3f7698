"""What is expected of each family of prompts: what the taxonomy declares, updated by the logged pairs of the family.

    value = (PAIRS_PER_OBSERVATION strength declared + sum of member weight logged) / (the same sum without values)

the mean of a conjugate normal model in which one pseudo-observation is as precise as PAIRS_PER_OBSERVATION logged pairs
(Gelman et al. 2013, "Bayesian data analysis", section 2.5). `strength` is that of a prompt times the family's prompts; `member` is P(family) of a logged pair that is likely and near enough to count (`training.inputs.Inputs.members`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import Profile

TOKENS_LOG_SD = 1.0
"""Spread of the logarithm of thinking tokens on one prompt over models: 1.00 over the 29 models of LRMTokenEconomy."""

PAIRS_PER_OBSERVATION = 3.0
"""Logged pairs that move a family's value as much as one pseudo-observation: each pair is one noisy outcome. Chosen on
the training sources; see docs/decisions/0007."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Prior:
    """Values, one per family [t]; `labels` holds each profile's one-hot classes [t, 3]; tokens are the declared ones."""

    score_direct: Array
    score_reasoning: Array
    log_tokens: Array
    labels: dict[str, Array]

    @property
    def gain(self) -> Array:
        """Expected score with thinking minus score without, [t]."""
        return np.asarray(self.score_reasoning - self.score_direct)


def prior_of(
    taxonomy: pd.DataFrame, logged: pd.DataFrame, members: Array, tasks: Sequence[str], profiles: Mapping[str, Profile]
) -> Prior:
    """Return the families' values; where there is no taxonomy, the one family's are those of the logs.

    Args:
        taxonomy: pseudo-observations (task, scores, extra_tokens, weight).
        logged: logged pairs [n] (scores, weight).
        members: how far each logged pair counts for each family, [n, t].
        tasks: the families' names, [t].
        profiles: the profiles to label families for.
    """
    declared = (taxonomy.task.to_numpy()[:, None] == np.array(tasks)) * PAIRS_PER_OBSERVATION
    rows = pd.concat([taxonomy, logged])
    weight = np.vstack([declared, members]) * rows.weight.to_numpy(float)[:, None]
    direct, reasoning = (
        rows[name].to_numpy(float) @ weight / weight.sum(axis=0) for name in ("score_direct", "score_reasoning")
    )
    tokens = taxonomy.groupby("task").extra_tokens.first().astype(float).reindex(list(tasks)).fillna(1.0).to_numpy()
    labels = {name: np.eye(3)[labels_of(reasoning - direct, tokens, profile)] for name, profile in profiles.items()}
    return Prior(direct, reasoning, np.log(np.maximum(tokens, 1.0)), labels)


def labels_of(gain: Array, extra_tokens: Array, profile: Profile) -> Array:
    """Return the class index (use 0, maybe 1, avoid 2) of each row at the expected price of thinking."""
    net = gain - extra_tokens / profile.tokens_per_point
    return np.where(net > profile.margin, 0, np.where(net < -profile.margin, 2, 1))


def token_offsets(levels: Sequence[float]) -> Array:
    """Return log(quantile / mean) of a lognormal with spread TOKENS_LOG_SD at each level."""
    z = np.array([NormalDist().inv_cdf(level) for level in levels])
    return np.asarray(z * TOKENS_LOG_SD - TOKENS_LOG_SD**2 / 2)
