"""What a bundle expected of both arms, corrected by what came of the arm taken: an estimate of the rest, and marked as one.

Of the arm taken, the error of the expected score is seen: its mean over all, and that of each task and model, drawn to the former by
empirical Bayes (`audit.shrinkage`). Of the other arm it is not. It is taken to be off by its own mean where it was taken elsewhere (else by
that of the arm taken: a stricter grader is one for both), and by CARRIED of the arm taken's deviation in the task and model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.estimates import Means, means
from audit.evidence import Evidence, own_arm, price
from audit.figures import MODELLED
from audit.shrinkage import shrunk

Array = NDArray[Any]

CARRIED = 0.5
"""Share of an arm's deviation in a task and model that the other arm, unseen there, is taken to have too."""


@dataclass(frozen=True)
class Modelled:
    """Corrected expectations, decision by decision.

    Attributes:
        score_direct: expected, corrected, [n].
        score_reasoning: expected, corrected, [n].
        extra_tokens: as the bundle expected, [n].
        net_benefit: in points, [n]; nan where the profile is not recorded.
        cell: number of the (task, model) whose correction it has, [n].
        variance: of each cell's correction, of the arms that were seen there, [cells].
    """

    score_direct: Array
    score_reasoning: Array
    extra_tokens: Array
    net_benefit: Array
    cell: Array
    variance: Array
    evidence: str = MODELLED

    def means(self, rows: Array, group: Array, prompt: Array, groups: int) -> Means:
        """Return the mean net_benefit by group of the rows [m]; errors hold the corrections', not what was never seen of the other arm."""
        found = means(self.net_benefit[rows], group, prompt, groups)
        there = group >= 0
        both, count = np.unique(group[there] * len(self.variance) + self.cell[rows][there], return_counts=True)
        of, cell = both // len(self.variance), both % len(self.variance)
        share = count / np.maximum(np.bincount(of, count, groups), 1)[of]
        added = np.bincount(of, share**2 * self.variance[cell], groups)
        return Means(found.n, found.mean, np.sqrt(found.error**2 + added), found.freedom)


def modelled(evidence: Evidence) -> Modelled:
    """Return the corrected expectations of all decisions."""
    table = evidence.table
    cell = _cells(table)
    cells = int(cell.max(initial=-1)) + 1
    expected = np.column_stack([table.expected_score_direct, table.expected_score_direct + table.expected_gain])
    corrections = [_correction(table, expected[:, arm], bool(arm), cell, cells) for arm in (0, 1)]
    (mean_d, own_d, var_d), (mean_r, own_r, var_r) = corrections
    mean_d, mean_r = (
        x if np.isfinite(x) else y if np.isfinite(y) else 0.0 for x, y in ((mean_d, mean_r), (mean_r, mean_d))
    )
    dev_d = np.where(np.isfinite(own_d), own_d, np.where(np.isfinite(own_r), CARRIED * own_r, 0.0))
    dev_r = np.where(np.isfinite(own_r), own_r, np.where(np.isfinite(own_d), CARRIED * own_d, 0.0))
    direct = np.clip(expected[:, 0] + mean_d + dev_d[cell], 0, 1)
    reasoning = np.clip(expected[:, 1] + mean_r + dev_r[cell], 0, 1)
    extra = table.expected_extra_tokens.to_numpy(float)
    net = reasoning - direct - price(table, extra, table.expected_latency_s.to_numpy(float))
    return Modelled(direct, reasoning, extra, net, cell, var_d + var_r)


def _correction(table: pd.DataFrame, expected: Array, arm: bool, cell: Array, cells: int) -> tuple[float, Array, Array]:
    """Return an arm's mean error, each cell's deviation from it (nan where the arm was not seen there) and that one's variance."""
    score = own_arm(table, "score")
    seen = (table.reasoning.to_numpy(bool) == arm) & np.isfinite(score)
    if not seen.any():
        return float("nan"), np.full(cells, np.nan), np.zeros(cells)
    error = score[seen] - expected[seen]
    overall = float(error.mean())
    found = means(error - overall, cell[seen], table.prompt.to_numpy()[seen], cells)
    known = np.isfinite(found.error) & (found.error > 0)
    if known.sum() < 2:
        return overall, np.where(found.n > 0, 0.0, np.nan), np.zeros(cells)
    own, variance = np.where(found.n > 0, 0.0, np.nan), np.zeros(cells)
    own[known], variance[known] = shrunk(found.mean[known], found.error[known] ** 2)
    return overall, own, variance


def _cells(table: pd.DataFrame) -> Array:
    task, model = table.task.cat.codes.to_numpy(int), table.model.cat.codes.to_numpy(int) + 1
    _, code = np.unique(task * (model.max(initial=0) + 1) + model, return_inverse=True)
    return code.astype(int)
