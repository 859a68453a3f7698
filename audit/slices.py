"""Slices of decisions where one arm was the policy's: what the other would have done there, and whether it was better for sure.

A slice is misrouted where the one-sided test of its mean net_benefit says that the other arm was better, after Holm's control (1979) over
all slices of the audit that have evidence on both arms: half of alpha for the values of single columns, half for those that a search put
up. Modelled slices are never called misrouted: nobody saw the other arm.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.config import AuditConfig
from audit.estimates import Contrast, Means, fraction, means
from audit.evidence import Evidence
from audit.figures import EXPLORED
from audit.modelled import Modelled
from audit.search import COLUMNS, search

Array = NDArray[Any]
Mask = NDArray[np.bool_]

DIMENSIONS = (*COLUMNS, "day")
KINDS: Mapping[str, int] = {"overthinking": -1, "underthinking": 1}
"""Kinds of misroutes, and the side of 0 on which net_benefit says so."""

ARM_OF = {"overthinking": True, "underthinking": False}
"""Whether the policy thinks there."""

MOST_VALUES = 200
"""Values of a column that are looked at, the most frequent ones."""

STORED_AS = {"band": "familiarity"}


def slices(evidence: Evidence, contrasts: list[Contrast], expected: Modelled, config: AuditConfig) -> pd.DataFrame:
    """Return the slices, one row each per kind and evidence, as the table `audit_slices` has them but for audit_id and slice_id.

    Of slices that a search found, n and estimates are those of the half that was not searched.
    """
    table = evidence.table
    usd = _usd_per_token(table)
    rows: list[dict[str, Any]] = []
    for kind, side in KINDS.items():
        arm = table.policy_reasoning.to_numpy(bool) == ARM_OF[kind]
        for column in DIMENSIONS:
            group, labels = _groups(table, column)
            total = np.bincount(group[arm & (group >= 0)], minlength=len(labels))
            for contrast in (*contrasts, expected):
                own = arm & np.isfinite(contrast.net_benefit) & (group >= 0)
                found = _means(contrast, own, group[own], table, len(labels))
                added = _added(contrast, own, group[own], usd, len(labels))
                where = [{column: label} for label in labels]
                rows += _rows(kind, side, contrast, where, total, found, added, "dimension", config)
        for contrast in contrasts:
            rows += _searched(table, contrast, kind, side, arm, usd, config)
    return _judged(pd.DataFrame(rows, columns=[*_COLUMNS]), config)


def _searched(
    table: pd.DataFrame, contrast: Contrast, kind: str, side: int, arm: Mask, usd: Array, config: AuditConfig
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the rows of slices that are found on one half of the prompts and estimated on the other, either way round."""
    own = arm & np.isfinite(contrast.net_benefit)
    first = fraction(table, config.seed + 1) < 0.5
    rows = []
    for half in (first, ~first):
        for found in search(table, contrast, side, own & half, config):
            parts = []
            for mask in (found.rows, found.new):
                held = own & ~half & mask
                group = np.zeros(held.sum(), int)
                parts.append((_means(contrast, held, group, table, 1), _added(contrast, held, group, usd, 1)))
            (whole, added), (new, _) = parts
            total = np.array([(arm & found.rows).sum()])
            row = _rows(kind, side, contrast, [found.where], total, whole, added, "search", config)
            if row:  # what it adds to the slices found before it has to be misrouted too
                row[0]["p_value"] = max(row[0]["p_value"], float(_p(new, side)[0]))
            rows += row
    return rows


_COLUMNS = (
    "title", "where", "kind", "evidence", "found", "decisions", "evidence_n", "net_benefit", "net_benefit_lower", "net_benefit_upper",
    "p_value", "regret_points", "regret_points_total", "regret_tokens_total", "regret_usd_total",
)  # fmt: skip


def _means(contrast: Contrast | Modelled, rows: Mask, group: Array, table: pd.DataFrame, groups: int) -> Means:
    prompt = table.prompt.to_numpy()[rows]
    if isinstance(contrast, Modelled):
        return contrast.means(rows, group, prompt, groups)
    arms = contrast.arm_counts[rows] if contrast.evidence == EXPLORED else None
    return means(contrast.net_benefit[rows], group, prompt, groups, arms)


def _added(contrast: Contrast | Modelled, rows: Mask, group: Array, usd: Array, groups: int) -> tuple[Array, Array]:
    """Return the mean extra tokens and their mean dollars by group, nan where unknown."""
    out = []
    for values in (contrast.extra_tokens[rows], (contrast.extra_tokens * usd)[rows]):
        known = np.isfinite(values)
        n = np.bincount(group[known], minlength=groups)
        sums = np.bincount(group[known], values[known], groups)
        out.append(np.where(n > 0, sums / np.maximum(n, 1), np.nan))
    return out[0], out[1]


def _rows(
    kind: str, side: int, contrast: Contrast | Modelled, where: list[dict[str, Any]], total: Array, found: Means,
    added: tuple[Array, Array], how: str, config: AuditConfig,
) -> list[dict[str, Any]]:  # fmt: skip
    lower, upper = found.interval()
    p = np.full(len(where), np.nan) if isinstance(contrast, Modelled) else _p(found, side)
    rows = []
    for i in np.flatnonzero((found.n >= config.least_decisions) & _enough(found, contrast, config)):
        regret = max(side * float(found.mean[i]), 0.0)
        other = (side if regret > 0 else 0) * total[i]
        rows.append(
            {
                "title": _title(where[i], kind), "where": where[i], "kind": kind, "evidence": contrast.evidence, "found": how,
                "decisions": int(total[i]), "evidence_n": int(found.n[i]), "net_benefit": float(found.mean[i]),
                "net_benefit_lower": float(lower[i]), "net_benefit_upper": float(upper[i]), "p_value": float(p[i]),
                "regret_points": regret, "regret_points_total": regret * int(total[i]),
                "regret_tokens_total": -other * float(added[0][i]), "regret_usd_total": -other * float(added[1][i]),
            }
        )  # fmt: skip
    return rows


def _enough(found: Means, contrast: Contrast | Modelled, config: AuditConfig) -> Mask:
    if isinstance(contrast, Contrast) and contrast.evidence == EXPLORED:
        return np.asarray(found.freedom >= config.least_of_an_arm - 1)
    return np.ones(len(found.n), bool)


def _p(found: Means, side: int) -> Array:
    return Means(found.n, side * found.mean, found.error, found.freedom).p_above(0.0)


def _judged(rows: pd.DataFrame, config: AuditConfig) -> pd.DataFrame:
    """Return the rows with p_adjusted and misrouted, the largest loss first within a kind of evidence."""
    adjusted = np.full(len(rows), np.nan)
    p = rows.p_value.to_numpy(float)
    for how in ("dimension", "search"):
        own = np.flatnonzero((rows.found == how).to_numpy(bool) & np.isfinite(p))
        adjusted[own] = np.minimum(2 * holm(p[own]), 1.0)
    out = rows.assign(p_adjusted=adjusted, misrouted=np.nan_to_num(adjusted, nan=1.0) <= config.alpha)
    out = out.sort_values(["misrouted", "regret_points_total"], ascending=False, kind="stable")
    twice = out.duplicated(["title", "kind", "evidence", "found"])  # found on either half
    out = out[~twice].reset_index(drop=True)
    for column in DIMENSIONS:
        stored = STORED_AS.get(column, column)
        out[stored] = pd.Series([where.get(column) for where in out["where"]], dtype=object)
    return out.drop(columns="where")


def holm(p: Array) -> Array:
    """Return p-values adjusted so that no true null among them is rejected, with the chance stated (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(stepped, 1.0)
    return out


def _groups(table: pd.DataFrame, column: str) -> tuple[Array, list[Any]]:
    """Return the number of each row's value, -1 for none or one that is not looked at, and the values."""
    codes = table[column].cat.codes.to_numpy(int)
    labels = list(table[column].cat.categories)
    if len(labels) <= MOST_VALUES:
        return codes, labels
    kept = np.sort(np.argsort(-np.bincount(codes[codes >= 0], minlength=len(labels)), kind="stable")[:MOST_VALUES])
    number = np.full(len(labels) + 1, -1)
    number[kept] = np.arange(len(kept))
    return number[codes], [labels[i] for i in kept]


def _title(where: Mapping[str, Any], kind: str) -> str:
    values = ", ".join(f"{STORED_AS.get(name, name)} {value}" for name, value in where.items())
    return f"{values}: {kind}"


def _usd_per_token(table: pd.DataFrame) -> Array:
    tokens = table.expected_extra_tokens.to_numpy(float)
    return np.where(tokens > 0, table.expected_cost_usd / np.where(tokens > 0, tokens, 1.0), np.nan)
