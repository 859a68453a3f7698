"""What happened, in the words that predictions are compared with: realised extra tokens and realised net_benefit."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import Profile
from training.labels import UNKNOWN_EXTRA_TOKENS

Array = NDArray[Any]


def realised_extra_tokens(table: pd.DataFrame) -> Array:
    """Return the realised extra tokens, at least 1; unknown ones are the median of their source (500 where none is)."""
    extra = table.extra_tokens.astype(float)
    typical = extra.groupby(table.source).transform("median")
    return extra.fillna(typical).fillna(UNKNOWN_EXTRA_TOKENS).clip(lower=1.0).to_numpy(float)


def priced_as_logged(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are charged the tokens of their log: those whose reasoning arm is known to be a thinking mode.

    Of others (chain-of-thought prompting of some 100 tokens, and where nothing tells) the tokens say nothing of the price of
    thinking; they are charged what the bundle expects, as the labels that it is taught from are.
    """
    if "thinking_mode" not in table:
        return np.zeros(len(table), dtype=bool)
    return table.thinking_mode.fillna(False).to_numpy(bool)


def realised_net_benefit(table: pd.DataFrame, profile: Profile) -> Array:
    """Return the realised net_benefit of each pair in a profile, points [n]: its gain less the price of thinking.

    The price is that of `priced_as_logged`, filled as `realised_extra_tokens` does; latency is charged where the profile
    does and both arms' is logged (column `extra_latency_s`), as `training.labels` has it.
    """
    expected = table.expected_extra_tokens.to_numpy(float)
    tokens = np.where(priced_as_logged(table), realised_extra_tokens(table), expected)
    price = tokens / profile.tokens_per_point
    if profile.seconds_per_point is not None and "extra_latency_s" in table:
        price = price + np.nan_to_num(table.extra_latency_s.to_numpy(float)) / profile.seconds_per_point
    return np.asarray(table.gain.to_numpy(float) - price)
