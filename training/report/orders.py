"""Orders in which prompts may be switched to thinking: ours, and the baselines that it must beat."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FOLDS = 5
"""Folds of the task means: each prompt's is that of the others' prompts."""

OURS = "ours"
BASELINES = ("task mean", "predicted tokens", "prompt length", "predicted difficulty")
"""What an order is compared with: the mean gain of the task, which it is told; the fewest predicted extra tokens first; the
longest prompt first; the lowest predicted direct score first."""

Array = NDArray[Any]


def our_orders(table: pd.DataFrame) -> dict[str, Array]:
    """Return the bundle's orders [n] by the name of their figure: its headline's, by net_benefit, by gain per token, by gain."""
    gain, tokens = table.expected_gain.to_numpy(float), table.expected_extra_tokens.to_numpy(float)
    return {
        "q": table.worth.to_numpy(float),
        "q_net_benefit": table.net_benefit.to_numpy(float),
        "q_gain_per_token": gain / np.maximum(tokens, 1.0),
        "q_gain": gain,
    }


def baselines(table: pd.DataFrame) -> dict[str, Array]:
    """Return the orders [n] of `BASELINES`, highest first."""
    orders = (
        task_means(table),
        -table.expected_extra_tokens.to_numpy(float),
        table.characters.to_numpy(float),
        -table.expected_score_direct.to_numpy(float),
    )
    return dict(zip(BASELINES, orders, strict=True))


def source_means(table: pd.DataFrame) -> Array:
    """Return the mean gain of each row's source, [n]: what recognising the source alone is worth."""
    return np.asarray(table.groupby("source").gain.transform("mean").to_numpy(float))


def task_means(table: pd.DataFrame, folds: int = FOLDS) -> Array:
    """Return the mean gain of each row's (source, task) over the prompts of the other folds, [n].

    A prompt is in one fold with all its models. Where no other fold has the task, it is the mean of the source in them, and
    where none has the source, of all.
    """
    _, code = np.unique(table.group.to_numpy(str), return_inverse=True)
    fold = np.random.default_rng(0).permutation(code.max() + 1)[code] % folds if len(code) else code
    gain = table.gain.astype(float)
    source, task = table.source.astype(str), table.task.astype("string").fillna("")
    keys: Mapping[str, list[Any]] = {"task": [source, task], "source": [source], "all": [np.zeros(len(table), int)]}
    mean = np.full(len(table), np.nan)
    for by in keys.values():
        total, own = gain.groupby(by).agg(["sum", "size"]), gain.groupby([*by, fold]).agg(["sum", "size"])
        rows = pd.MultiIndex.from_arrays(by) if len(by) > 1 else pd.Index(by[0])
        every = total.reindex(rows).to_numpy(float)
        inside = own.reindex(pd.MultiIndex.from_arrays([*by, fold])).to_numpy(float)
        rest = every - inside
        with np.errstate(invalid="ignore", divide="ignore"):
            outside = np.where(rest[:, 1] > 0.5, rest[:, 0] / rest[:, 1], np.nan)
        mean = np.where(np.isnan(mean), outside, mean)
    return np.asarray(np.nan_to_num(mean))


def thinking_share(order: Array, share: float) -> Array:
    """Return how far each prompt thinks, in [0, 1] [n], when a share of them does, highest first; ties share alike."""
    n = len(order)
    wanted = share * n
    if not n or wanted <= 0:
        return np.zeros(n)
    edge = np.sort(order)[::-1][min(int(np.ceil(wanted)), n) - 1]
    above, tied = order > edge, order == edge
    return np.where(above, 1.0, np.where(tied, np.clip((wanted - above.sum()) / tied.sum(), 0.0, 1.0), 0.0))
