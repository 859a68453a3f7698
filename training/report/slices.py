"""The figures of parts of the pairs: by source, task, language, model and family of the taxonomy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import Profile
from contract.records import Verdict
from training.metrics import mean_measured, measured, q
from training.report.outcomes import realised_extra_tokens, realised_net_benefit

BY = ("source", "task", "language", "model", "family")
LEAST_PAIRS = 20
"""Pairs of a slice under which it is left out, and counted."""

Array = NDArray[Any]


def slices(table: pd.DataFrame, profile: Profile) -> dict[str, Any]:
    """Return, by each column of `BY` that the table has, the figures of each of its values and the pairs left out.

    Pairs without a value are left out too (`without`): they are of no language, not of one named nothing.
    """
    realised, out = realised_net_benefit(table, profile), {}
    for column in BY:
        if column not in table:
            continue
        name = table[column].astype("string")
        parts, small = {}, 0
        for value in sorted(name.dropna().unique()):
            rows = np.flatnonzero((name == value).fillna(False).to_numpy(bool))
            if len(rows) < LEAST_PAIRS:
                small += len(rows)
                continue
            parts[str(value)] = _slice(table.iloc[rows], realised[rows])
        out[column] = {"parts": parts, "pairs_left_out": small, "without": int(name.isna().sum())}
    return out


def wrong_signs(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `net_benefit` of the slices whose mean prediction and the interval of what was realised lie on opposite sides of 0."""
    found = {}
    for name, part in parts.items():
        predicted, bounds = part["net_benefit"]["predicted"], part["net_benefit"]["realised"]["interval"]
        if bounds is not None and max(predicted * bound for bound in bounds) < 0:
            found[name] = {"n": part["n"], **part["net_benefit"]}
    return found


def behind_verdicts(verdict: Array, gain: Array, realised: Array, groups: Array) -> dict[str, Any]:
    """Return for each verdict its pairs, their mean gain and mean realised net_benefit, with intervals; None where it never fell."""
    out = {}
    for side in Verdict:
        mask = verdict == side
        gained = mean_measured(gain[mask], groups[mask])
        out[str(side)] = {
            "n": int(mask.sum()), "mean_gain": gained["value"], "interval": gained["interval"],
            "net_benefit": mean_measured(realised[mask], groups[mask]),
        }  # fmt: skip
    return out


def _slice(part: pd.DataFrame, realised: Array) -> dict[str, Any]:
    gain, extra, groups = part.gain.to_numpy(float), realised_extra_tokens(part), part.group.to_numpy(str)
    worth, verdict = part.worth.to_numpy(float), part.verdict.to_numpy(str)
    return {
        "n": len(part), "prompts": len(set(groups)), "mean_gain": float(gain.mean()),
        "net_benefit": {
            "predicted": float(part.net_benefit.mean()),
            "realised": mean_measured(realised, groups),
        },
        "q": measured(lambda rows: q(worth[rows], gain[rows], extra[rows]), groups),
        "verdicts": behind_verdicts(verdict, gain, realised, groups),
    }  # fmt: skip
