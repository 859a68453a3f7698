"""Finds the slices where the policy did worst: every conjunction of a few values, on one half of the prompts, to be confirmed on the other.

The slice of the largest mean loss over its standard error comes first; its decisions are taken out and the rest is searched again, so
that one bad corner is named once. All conjunctions are looked at: with six columns and three conditions there are 41 groupings, each
three counts by number. Measured against a tree on regret and against SliceLine (Sagadeeva and Boehm 2021) in docs/decisions/0018.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.config import AuditConfig
from audit.estimates import Contrast

Array = NDArray[Any]
Mask = NDArray[np.bool_]

COLUMNS = ("task", "model", "profile", "language", "band", "revision")
"""Of which values a slice is made; a decision without a value is in no slice of that column."""

LEAST_STATISTIC = 2.0
"""Mean loss over its standard error under which a slice is not put up for confirmation."""

SIMPLER = 0.5
"""By how much each further condition has to raise that."""


@dataclass(frozen=True)
class Found:
    """A slice: its conditions, and the decisions that no slice found before it has."""

    where: dict[str, Any]
    rows: Mask
    new: Mask


def search(table: pd.DataFrame, contrast: Contrast, side: int, half: Mask, config: AuditConfig) -> list[Found]:
    """Return slices of largest loss on a half, the worst first; masks are over all decisions [n].

    Args:
        table: decisions, with COLUMNS as categories.
        contrast: one kind of evidence.
        side: 1 to search where direct was answered and thinking was worth it, -1 where it was not and reasoning was answered.
        half: decisions to search in, those with the arm and evidence of it, [n].
        config: the audit's settings.
    """
    loss, left = side * contrast.net_benefit[half], np.ones(half.sum(), bool)
    within = table[half]
    groupings = [_grouping(within, names) for names in _conjunctions(within, config.conditions)]
    arms = contrast.arm_counts[half]
    found: list[Found] = []
    taken = np.zeros(len(table), bool)
    while len(found) < config.candidates:
        scored = [_best(grouping, loss, left, arms, config) for grouping in groupings]
        best = max(scored, default=None, key=lambda one: one[0])
        if best is None or best[0] < LEAST_STATISTIC:
            break
        _, grouping, number = best
        where = grouping.values(within, number)
        rows = matching(table, where)
        found.append(Found(where, rows, rows & ~taken))
        taken |= rows
        left &= grouping.code != number
    return found


def matching(table: pd.DataFrame, where: dict[str, Any]) -> Mask:
    """Return which decisions have all the values, [n]."""
    mask = np.ones(len(table), bool)
    for name, value in where.items():
        mask &= (table[name] == value).to_numpy(bool)
    return mask


@dataclass(frozen=True)
class _Grouping:
    """The cells of some columns: the number of each row's, -1 where it lacks a value; of each cell, the numbers of its values in one."""

    names: Sequence[str]
    code: Array
    cells: Array

    def values(self, table: pd.DataFrame, number: int) -> dict[str, Any]:
        """Return the values of a cell by column."""
        rest, out = int(self.cells[number]), {}
        for name in reversed(self.names):
            rest, own = divmod(rest, len(table[name].cat.categories))
            out[name] = table[name].cat.categories[own]
        return {name: out[name] for name in self.names}


def _conjunctions(table: pd.DataFrame, most: int) -> list[tuple[str, ...]]:
    """Return the sets of columns, fewer first; a column whose value all decisions share says nothing."""
    telling = [name for name in COLUMNS if len(np.unique(table[name].cat.codes)) > 1]
    return [names for size in range(1, most + 1) for names in combinations(telling, size)]


def _grouping(table: pd.DataFrame, names: Sequence[str]) -> _Grouping:
    code = np.zeros(len(table), int)
    for name in names:
        own = table[name].cat.codes.to_numpy(int)
        code = np.where((code < 0) | (own < 0), -1, code * len(table[name].cat.categories) + own)
    there = np.flatnonzero(code >= 0)
    code[there], cells = pd.factorize(code[there])
    return _Grouping(names, code, np.asarray(cells))


def _best(
    grouping: _Grouping, loss: Array, left: Mask, arms: Array, config: AuditConfig
) -> tuple[float, _Grouping, int]:
    """Return the largest statistic of the grouping's cells, less what its conditions cost, and the cell."""
    rows = left & (grouping.code >= 0)
    code, values, groups = grouping.code[rows], loss[rows], len(grouping.cells)
    n = np.bincount(code, minlength=groups)
    rarer = np.min([np.bincount(code, arms[rows, arm], groups) for arm in (0, 1)], axis=0)
    mean = np.bincount(code, values, groups) / np.maximum(n, 1)
    variance = np.bincount(code, values**2, groups) / np.maximum(n, 1) - mean**2
    enough = (n >= config.least_decisions) & (rarer >= config.least_of_an_arm) & (variance > 0)
    if not enough.any():
        return -np.inf, grouping, 0
    statistic = np.where(enough, mean * np.sqrt(n / np.where(enough, variance, 1.0)), -np.inf)
    number = int(statistic.argmax())
    return float(statistic[number]) - SIMPLER * (len(grouping.names) - 1), grouping, number
