"""What the arms of each pair cost beside tokens, where logs say so: dollars, GPU seconds, latency."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.records import PAIR_KEY, Arm
from training.logs import is_paired

COSTS = ("cost_usd", "gpu_seconds", "latency_s")
"""Columns of the log: dollars, GPU seconds, seconds from request to last token."""

Array = NDArray[Any]


def arm_costs(log: pd.DataFrame) -> pd.DataFrame:
    """Return, for each (source, prompt_id, model) of a log, the mean of each cost in each arm: `cost_usd_direct`, ...

    Over the attempts that say it; nan where none does. Attempts that are no toggle pair are left aside, as labels leave them.
    """
    rows = log[is_paired(log)]
    keys = rows[list(PAIR_KEY)].drop_duplicates()
    out = keys.set_index(list(PAIR_KEY))
    for arm in Arm:
        part = rows[(rows.arm == arm.value).to_numpy(bool)]
        known = part[list(PAIR_KEY)].assign(**{name: _floats(part, name) for name in COSTS})
        means = known.groupby(list(PAIR_KEY))[list(COSTS)].mean()
        out = out.join(means.add_suffix(f"_{arm.value}"))
    return out.reset_index()


def spent(table: pd.DataFrame, think: Array) -> dict[str, float | None]:
    """Return what a policy spends a prompt, over the pairs whose both arms are logged; None where none is.

    Args:
        table: pairs with the columns of `arm_costs`, [n].
        think: share of thinking of each, in [0, 1] [n].

    Returns:
        cost_usd and gpu_seconds: means; latency_p50 and latency_p95: quantiles, in seconds, of the arms' mean latencies.
    """
    out: dict[str, float | None] = {}
    for name in ("cost_usd", "gpu_seconds"):
        direct, reasoning, known = _arms(table, name)
        total = direct + think * (reasoning - direct)
        out[name] = float(total[known].mean()) if known.any() else None
    direct, reasoning, known = _arms(table, "latency_s")
    values = np.concatenate([direct[known], reasoning[known]])
    weight = np.concatenate([1 - think[known], think[known]])
    for name, level in (("latency_p50", 0.5), ("latency_p95", 0.95)):
        out[name] = weighted_quantile(values, weight, level) if known.any() else None
    return out


def weighted_quantile(values: Array, weight: Array, level: float) -> float:
    """Return the least value under or at which a share `level` of the weight lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) >= level * weight.sum() - 1e-12
    return float(values[order][int(np.argmax(reached))])


def known_pairs(table: pd.DataFrame, costs: Sequence[str] = COSTS) -> dict[str, int]:
    """Return how many pairs have each cost logged in both arms."""
    return {name: int(_arms(table, name)[2].sum()) for name in costs}


def _arms(table: pd.DataFrame, name: str) -> tuple[Array, Array, NDArray[np.bool_]]:
    direct, reasoning = (_floats(table, f"{name}_{arm.value}") for arm in (Arm.DIRECT, Arm.REASONING))
    return direct, reasoning, ~(np.isnan(direct) | np.isnan(reasoning))


def _floats(table: pd.DataFrame, name: str) -> Array:
    if name not in table:
        return np.full(len(table), np.nan)
    return np.asarray(table[name].to_numpy(float, na_value=np.nan))
