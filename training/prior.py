"""What is expected of each family of prompts: what the taxonomy declares, updated by the logged pairs of the family.

    value = (PAIRS_PER_OBSERVATION strength declared + sum of member weight logged) / (the same sum without values)

the mean of a conjugate normal model in which one pseudo-observation is as precise as PAIRS_PER_OBSERVATION logged pairs
(Gelman et al. 2013, "Bayesian data analysis", section 2.5); the sum of weights says how sure it is. `strength` is that of a prompt times the family's prompts; `member` is P(family) of a logged pair that is likely and near enough to count (`training.inputs.Inputs.members`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

TOKENS_LOG_SD = 1.0
"""Spread of the logarithm of thinking tokens on one prompt over models: 1.00 over the 29 models of LRMTokenEconomy."""

PAIRS_PER_OBSERVATION = 3.0
"""Logged pairs that move a family's value as much as one pseudo-observation: each pair is one noisy outcome. Chosen on
the training sources; see docs/decisions/0007."""

LIKELY = 3
"""Power of P(family) that leaves the likeliest families, smoothly. Chosen by cross-validation on taxonomy prompts; see
docs/decisions/0014."""

Z95 = 1.959964

Array = NDArray[Any]


@dataclass(frozen=True)
class Prior:
    """Values, one per family [t]; tokens are the declared ones.

    Attributes:
        score_direct: expected score without thinking.
        score_reasoning: expected score with thinking.
        log_tokens: logarithm of the expected thinking tokens.
        pairs: logged pairs that the scores are worth, the declared ones' worth included.
    """

    score_direct: Array
    score_reasoning: Array
    log_tokens: Array
    pairs: Array

    @property
    def gain(self) -> Array:
        """Expected score with thinking minus score without, [t]."""
        return np.asarray(self.score_reasoning - self.score_direct)

    @property
    def outcomes(self) -> Array:
        """Share of a family's prompts that gain a point, stay as they are, and lose one, [t, 3]: the plainest with its mean gain."""
        return np.column_stack([np.maximum(self.gain, 0), 1 - np.abs(self.gain), np.maximum(-self.gain, 0)])

    @property
    def variance(self) -> Array:
        """Posterior variance of each family's mean gain, [t]: that of a pair's outcome over the pairs it is worth."""
        return np.asarray((np.abs(self.gain) - self.gain**2) / self.pairs)

    def band(self, family: Array) -> Array:
        """Return how far below and above the mean gain of families under P(family) [n, t] the true mean may lie, [n, 2], in points.

        In squares: the 95 % band of the families' own means, and on its side the step to the mean over the likeliest families, which
        is as plausible as the mean over all. So `use` and `avoid` hold for both, or are `maybe`.
        """
        likely = family**LIKELY
        step = likely @ self.gain / likely.sum(axis=1) - family @ self.gain
        own = Z95 * np.sqrt(family**2 @ self.variance)
        return np.column_stack([np.hypot(own, np.maximum(-step, 0)), np.hypot(own, np.maximum(step, 0))])


def prior_of(taxonomy: pd.DataFrame, logged: pd.DataFrame, members: Array, tasks: Sequence[str]) -> Prior:
    """Return the families' values; where there is no taxonomy, the one family's are those of the logs.

    Args:
        taxonomy: pseudo-observations (task, scores, extra_tokens, weight).
        logged: logged pairs [n] (scores, weight).
        members: how far each logged pair counts for each family, [n, t].
        tasks: the families' names, [t].
    """
    declared = (taxonomy.task.to_numpy()[:, None] == np.array(tasks)) * PAIRS_PER_OBSERVATION
    rows = pd.concat([taxonomy, logged])
    weight = np.vstack([declared, members]) * rows.weight.to_numpy(float)[:, None]
    direct, reasoning = (
        rows[name].to_numpy(float) @ weight / weight.sum(axis=0) for name in ("score_direct", "score_reasoning")
    )
    tokens = taxonomy.groupby("task").extra_tokens.first().astype(float).reindex(list(tasks)).fillna(1.0).to_numpy()
    return Prior(direct, reasoning, np.log(np.maximum(tokens, 1.0)), weight.sum(axis=0))


def token_offsets(levels: Sequence[float]) -> Array:
    """Return log(quantile / mean) of a lognormal with spread TOKENS_LOG_SD at each level."""
    z = np.array([NormalDist().inv_cdf(level) for level in levels])
    return np.asarray(z * TOKENS_LOG_SD - TOKENS_LOG_SD**2 / 2)
