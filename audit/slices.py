"""Slices of decisions where one arm was the policy's: what the other would have done there, and whether it was better for sure.

A slice is misrouted where the one-sided test of its mean net_benefit says that the other arm was better, after Holm's control (1979) over
all slices of the audit that have evidence on both arms: half of alpha for the values of single columns, half for those that a search put
up. Modelled slices are never called misrouted: nobody saw the other arm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.config import AuditConfig
from audit.estimates import Contrast, Means, fraction, means
from audit.evidence import Evidence, usd_per_token
from audit.figures import EXPLORED
from audit.modelled import Modelled
from audit.regret import estimates, regret
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


@dataclass(frozen=True)
class _View:
    """The decisions where the policy took one arm, seen by one kind of evidence.

    Attributes:
        table: all decisions [n].
        kind: of misroute that this arm may be.
        contrast: the evidence.
        arm: the policy took the arm, [n].
        usd: dollars of an output token, [n].
        config: the audit's settings.
    """

    table: pd.DataFrame
    kind: str
    contrast: Contrast | Modelled
    arm: Mask
    usd: Array
    config: AuditConfig

    @property
    def side(self) -> int:
        return KINDS[self.kind]

    @property
    def own(self) -> Mask:
        """Decisions with the arm and the evidence, [n]."""
        return self.arm & np.isfinite(self.contrast.net_benefit)

    def means(self, rows: Mask, group: Array, groups: int) -> Means:
        """Return the mean net_benefit of rows by group."""
        prompt, contrast = self.table.prompt.to_numpy()[rows], self.contrast
        if isinstance(contrast, Modelled):
            return contrast.means(rows, group, prompt, groups)
        return means(contrast.net_benefit[rows], group, prompt, groups, self._arm_counts(rows))

    def p(self, found: Means) -> Array:
        """Return the p-values of the other arm not being better; nan where the evidence does not tell."""
        if isinstance(self.contrast, Modelled):
            return np.full(len(found.n), np.nan)
        return Means(found.n, self.side * found.mean, found.error, found.freedom).p_above(0.0)

    def added(self, rows: Mask, group: Array, groups: int) -> tuple[Means, Means]:
        """Return the mean extra tokens of rows and their mean dollars by group, nan where unknown.

        Errors are over prompts; those of modelled tokens do not hold how far the bundle's expectation is off.
        """
        tokens, arms = self.contrast.extra_tokens, self._arm_counts(rows)
        out = []
        for values in (tokens[rows], (tokens * self.usd)[rows]):
            known = np.isfinite(values)
            prompt, counts = self.table.prompt.to_numpy()[rows][known], None if arms is None else arms[known]
            out.append(means(values[known], group[known], prompt, groups, counts))
        return out[0], out[1]

    def _arm_counts(self, rows: Mask) -> Array | None:
        """Return which arm each of the rows has seen, where a mean needs both."""
        if isinstance(self.contrast, Modelled) or self.contrast.evidence != EXPLORED:
            return None
        return self.contrast.arm_counts[rows]

    def enough(self, found: Means) -> Mask:
        """Return the groups that the evidence says enough of."""
        told = found.n >= self.config.least_decisions
        return told & (found.freedom >= self.config.least_of_an_arm - 1) if self.contrast.evidence == EXPLORED else told

    def rows(
        self, where: Sequence[Mapping[str, Any]], total: Array, rows: Mask, group: Array, how: str
    ) -> list[dict[str, Any]]:
        """Return a row of each group that there is enough evidence of.

        Args:
            where: conditions of each group.
            total: decisions of each, with or without the evidence.
            rows: decisions that the estimates are of, [n].
            group: number of each of these.
            how: the slices were found.
        """
        found = self.means(rows, group, len(where))
        net, tokens, usd = (estimates(one) for one in (found, *self.added(rows, group, len(where))))
        p, out = self.p(found), []
        for i in np.flatnonzero(self.enough(found)).tolist():
            out.append(
                {
                    "title": _title(where[i], self.kind), "where": where[i], "kind": self.kind, "evidence": self.contrast.evidence,
                    "found": how, "decisions": int(total[i]), "evidence_n": int(found.n[i]), "net_benefit": net[i].mean,
                    "net_benefit_lower": net[i].lower, "net_benefit_upper": net[i].upper, "p_value": float(p[i]),
                    **regret(net[i], tokens[i], usd[i], side=self.side, decisions=int(total[i])),
                }
            )  # fmt: skip
        return out


_COLUMNS = (
    "title", "where", "kind", "evidence", "found", "decisions", "evidence_n", "net_benefit", "net_benefit_lower", "net_benefit_upper",
    "p_value", "regret_points", *(f"regret_{unit}_total{end}" for unit in ("points", "tokens", "usd") for end in ("", "_lower", "_upper")),
)  # fmt: skip


def slices(evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled, config: AuditConfig) -> pd.DataFrame:
    """Return the slices, one row each per kind and evidence, as the table `audit_slices` has them but for audit_id and slice_id.

    Of slices that a search found, n and estimates are those of the half that was not searched.
    """
    table = evidence.table
    usd, rows = usd_per_token(table), []
    for kind in KINDS:
        arm = table.policy_reasoning.to_numpy(bool) == ARM_OF[kind]
        kinds: list[Contrast | Modelled] = [*contrasts, expected]
        views = [_View(table, kind, one, arm, usd, config) for one in kinds]
        for column in DIMENSIONS:
            group, labels = _groups(table, column)
            if len(np.unique(group[arm])) < 2:  # as in a search: one value for all tells nothing of where
                continue
            total = np.bincount(group[arm & (group >= 0)], minlength=len(labels))
            where = [{column: label} for label in labels]
            for view in views:
                own = view.own & (group >= 0)
                rows += view.rows(where, total, own, group[own], "dimension")
        for view, contrast in zip(views, contrasts, strict=False):
            rows += _searched(view, contrast)
    return _judged(pd.DataFrame(rows, columns=[*_COLUMNS]), config)


def _searched(view: _View, contrast: Contrast) -> list[dict[str, Any]]:
    """Return the rows of slices that are found on one half of the prompts and estimated on the other, either way round."""
    first = fraction(view.table, view.config.seed + 1) < 0.5
    rows = []
    for half in (first, ~first):
        held = view.own & ~half
        for found in search(view.table, contrast, view.side, view.own & half, view.config):
            whole, new = held & found.rows, held & found.new
            total = np.array([(view.arm & found.rows).sum()])
            row = view.rows([found.where], total, whole, np.zeros(whole.sum(), int), "search")
            if row:  # what it adds to the slices found before it has to be misrouted too
                row[0]["p_value"] = max(
                    row[0]["p_value"], float(view.p(view.means(new, np.zeros(new.sum(), int), 1))[0])
                )
            rows += row
    return rows


def _judged(rows: pd.DataFrame, config: AuditConfig) -> pd.DataFrame:
    """Return the rows with p_adjusted and misrouted, the largest regret first within a kind of evidence."""
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
