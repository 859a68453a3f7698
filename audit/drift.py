"""Drift: what came in and what came of it, each later day beside the first part of the period.

The population stability index over the values of a column, or over tenths of the reference, says how far; a chi-squared test, after Holm's
control over all columns and days, says whether it is more than chance. No value is a value of its own: a language that is no longer told
has drifted. A column has drifted on a day where both do: with enough decisions
any difference is significant, and with few the index is large by chance. The bundle does not tell its training data's mix: the reference is
the period's own beginning.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2_contingency

from audit.config import AuditConfig
from audit.evidence import Evidence, own_arm
from audit.figures import RECORDED, figure, section, table
from audit.slices import holm

Array = NDArray[Any]

WORDS = ("task", "language", "model", "profile", "verdict")
NUMBERS = ("familiarity", "prompt_characters", "p_use", "expected_gain", "expected_extra_tokens")
OUTCOMES = ("score", "output_tokens", "latency_s")
"""Columns of a decision that are words or numbers, and of its own outcome, arm by arm."""

LEAST = 100
"""Values of a day, and of the reference, under which a column is not looked at there."""

TENTHS = 10


def drift(evidence: Evidence, config: AuditConfig) -> dict[str, Any]:
    """Return the section on drift."""
    decided = evidence.table
    days, reference = _split(decided, config)
    rows = []
    for name, codes in _columns(decided, reference).items():
        for day in days:
            found = _compared(codes[reference], codes[day["rows"]])
            if found is not None:
                rows.append({"column": name, "day": day["day"], **found})
    told = pd.DataFrame(rows, columns=["column", "day", "n", "psi", "p_value"])
    adjusted = holm(told.p_value.to_numpy(float))
    told = told.assign(p_adjusted=adjusted, drifted=(told.psi > config.drift_psi) & (adjusted <= config.alpha))
    worst = told.sort_values("psi", ascending=False).drop_duplicates("column")
    return section(
        "Drift", f"Each day after the first {config.reference_share:.0%} of the decisions beside these. A column has drifted on a day where its "
        f"stability index is over {config.drift_psi} and a chi-squared test, adjusted for all columns and days, says that it is no chance.",
        figures={
            "drifted_columns": figure(
                float(told[told.drifted].column.nunique()) if len(told) else None, n=len(decided), evidence=RECORDED, unit="columns"
            ),
            "reference_decisions": figure(float(reference.sum()), n=len(decided), evidence=RECORDED, unit="decisions"),
        },
        tables={"worst": table("The worst day of each column", worst), "days": table("By column and day", told)},
    )  # fmt: skip


def _split(decided: pd.DataFrame, config: AuditConfig) -> tuple[list[dict[str, Any]], Array]:
    """Return the days that are compared and the decisions they are compared with: whole days, at least the first."""
    codes = decided.day.cat.codes.to_numpy(int)
    counts = np.bincount(codes, minlength=len(decided.day.cat.categories))
    before = np.cumsum(counts) - counts
    first = before < config.reference_share * len(decided)
    first[:1] = True
    names = decided.day.cat.categories.to_list()
    days = [{"day": names[i], "rows": codes == i} for i in np.flatnonzero(~first)]
    return days, first[codes] if len(codes) else np.zeros(0, bool)


def _columns(decided: pd.DataFrame, reference: Array) -> dict[str, Array]:
    """Return the number of each decision's value by column, 0 where it has none; negative: not of this column, as the arm is another."""
    out = {name: decided[name].cat.codes.to_numpy(int) + 1 for name in WORDS}
    out |= {name: _tenths(decided[name].to_numpy(float), reference) for name in NUMBERS}
    for name in OUTCOMES:
        values = own_arm(decided, name)
        for arm in ("direct", "reasoning"):
            taken = decided.reasoning.to_numpy(bool) == (arm == "reasoning")
            out[f"{name}_{arm}"] = np.where(taken, _tenths(np.where(taken, values, np.nan), reference), -1)
    return out


def _tenths(values: Array, reference: Array) -> Array:
    known = np.isfinite(values)
    seen = values[known & reference]
    edges = np.unique(np.quantile(seen, np.arange(1, TENTHS) / TENTHS)) if len(seen) else seen
    # both sides of an edge that many values equal: 0 and 1 of a checked score are two bins
    bins = np.searchsorted(edges, values, "left") + np.searchsorted(edges, values, "right")
    return np.where(known, bins + 1, 0)


def _compared(reference: Array, day: Array) -> dict[str, Any] | None:
    reference, day = reference[reference >= 0], day[day >= 0]
    if min(len(reference), len(day)) < LEAST or max(reference.max(), day.max()) == 0:  # never told
        return None
    width = int(max(reference.max(), day.max())) + 1
    counts = np.array([np.bincount(part, minlength=width) for part in (reference, day)])
    counts = counts[:, counts.sum(axis=0) > 0]
    shares = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)  # no share is 0
    psi = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    p = float(chi2_contingency(counts).pvalue) if counts.shape[1] > 1 else 1.0
    return {"n": len(day), "psi": psi, "p_value": p}
