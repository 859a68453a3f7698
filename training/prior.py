"""What the taxonomy declares of each family, as arrays, and how many observations it stands for."""

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

Array = NDArray[Any]


@dataclass(frozen=True)
class Prior:
    """Declared values, one per family [t]; `labels` holds each profile's one-hot classes [t, 3]."""

    gain: Array
    score_direct: Array
    score_reasoning: Array
    log_tokens: Array
    labels: dict[str, Array]


def prior_of(pairs: pd.DataFrame, tasks: Sequence[str], profiles: Mapping[str, Profile]) -> Prior:
    """Return the families' values from the pseudo-observations of a table; zeros where there is no taxonomy."""
    names = ["gain", "score_direct", "score_reasoning", "extra_tokens"]
    declared = pairs[pairs.prior.astype(bool)].groupby("task")[names].first().astype(float)
    values = declared.reindex(list(tasks)).fillna({"extra_tokens": 1.0}).fillna(0.0)
    gain, tokens = values.gain.to_numpy(), values.extra_tokens.to_numpy()
    labels = {name: np.eye(3)[labels_of(gain, tokens, profile)] for name, profile in profiles.items()}
    return Prior(
        gain, values.score_direct.to_numpy(), values.score_reasoning.to_numpy(), np.log(np.maximum(tokens, 1.0)), labels
    )


def labels_of(gain: Array, extra_tokens: Array, profile: Profile) -> Array:
    """Return the class index (use 0, maybe 1, avoid 2) of each row at the expected price of thinking."""
    net = gain - extra_tokens / profile.tokens_per_point
    return np.where(net > profile.margin, 0, np.where(net < -profile.margin, 2, 1))


def token_offsets(levels: Sequence[float]) -> Array:
    """Return log(quantile / mean) of a lognormal with spread TOKENS_LOG_SD at each level."""
    z = np.array([NormalDist().inv_cdf(level) for level in levels])
    return np.asarray(z * TOKENS_LOG_SD - TOKENS_LOG_SD**2 / 2)
