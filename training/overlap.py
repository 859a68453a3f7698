"""Where both arms were possible: the strata of ordinary traffic, the propensities of their arms, and what overlaps.

A stratum is a (source, model). A comparison of arms rests on prompts that either arm could have got; where the rule that
chose the arm leaves none, there is nothing to learn, and the stratum is refused with its reason.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.metrics import auc, defined, shown

TRIM = 0.02
"""A row whose propensity is nearer to 0 or 1 than this is trimmed: no comparison to its other arm exists."""

CLIP = 0.05
"""Nearest to 0 or 1 that a kept propensity counts: at most 20 rows' weight for one row."""

LEAST_EFFECTIVE = 20.0
"""Effective rows of each arm that a stratum needs."""

MOST_TOLD_APART = 0.975
"""AUC above which the arms have no overlap, whatever single propensities say: half of the prompts at .025, half at .975."""

SURE, FAR = 5.0, 0.4
"""Standard errors, and AUC, by which logged propensities must run against the arms before they are taken for another's."""

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """What became of the prompts of one (source, model) that have one arm scored.

    Attributes:
        direct, reasoning: prompts by the arm that they have.
        logged: share of them whose propensity was logged.
        trimmed: share without overlap, left out.
        effective_direct, effective_reasoning: Kish's effective number of rows of each arm under inverse-propensity weights
            (Kish 1965): (sum of w)^2 / sum of w^2.
        told_apart: area under the ROC of the propensities for the arm; 1 where the rule left nothing to chance.
        refused: why the stratum is left out, or None.
    """

    source: str
    model: str
    direct: int
    reasoning: int
    logged: float
    trimmed: float = 0.0
    effective_direct: float | None = None
    effective_reasoning: float | None = None
    told_apart: float | None = None
    refused: str | None = None

    def text(self) -> str:
        """Return the stratum as a line for a terminal."""
        counts = f"{self.source}, {self.model}: {self.direct:,} direct, {self.reasoning:,} reasoning"
        if self.effective_direct is None or self.effective_reasoning is None:
            return f"{counts}; refused: {self.refused}"
        known = (
            f"effective {self.effective_direct:,.0f} and {self.effective_reasoning:,.0f}, trimmed {self.trimmed:.1%}"
        )
        propensities = f"propensities logged {self.logged:.0%}, AUC {shown(self.told_apart, '.2f')}"
        return f"{counts}; {known}, {propensities}" + (f"; refused: {self.refused}" if self.refused else "")


def open_strata(stratum: Array, reasoning: Mask, single: Mask) -> Mask:
    """Return which rows belong to a stratum with LEAST_EFFECTIVE rows of either arm or more.

    Args:
        stratum: number of each row's stratum, from 0, [n].
        reasoning: the rows whose one arm is reasoning, [n].
        single: the rows that have one arm, [n].
    """
    size = int(stratum.max()) + 1 if len(stratum) else 0
    arms = [np.bincount(stratum[single & (reasoning == arm)], minlength=size) for arm in (False, True)]
    return np.asarray((np.minimum(*arms) >= LEAST_EFFECTIVE)[stratum] & single)


def overlapping(propensity: Array) -> Mask:
    """Return which propensities leave both arms a chance; an unknown one does not."""
    return np.asarray((propensity >= TRIM) & (propensity <= 1 - TRIM))


def strata_of(
    table: pd.DataFrame, stratum: Array, reasoning: Mask, single: Mask, kept: Mask, propensity: Array
) -> list[Stratum]:
    """Return the strata that have rows with one arm, with their overlap.

    Args:
        table: source, model and p_reasoning of the rows, [n].
        stratum: number of each row's stratum, [n].
        reasoning: the rows whose one arm is reasoning, [n].
        single: the rows that have one arm, [n].
        kept: the rows of open strata whose propensity overlaps, [n].
        propensity: clipped P(reasoning) of the kept rows, [n].
    """
    found = []
    for code in np.unique(stratum[single]):
        rows = np.flatnonzero(single & (stratum == code))
        first, thinks = table.iloc[rows[0]], reasoning[rows]
        counted = Stratum(
            source=str(first.source), model=str(first.model), direct=int((~thinks).sum()), reasoning=int(thinks.sum()),
            logged=float(table.p_reasoning.iloc[rows].notna().mean()),
        )  # fmt: skip
        logged = table.p_reasoning.iloc[rows].to_numpy(float, na_value=np.nan)
        found.append(_with_overlap(counted, thinks, kept[rows], propensity[rows], logged))
    return found


def _with_overlap(stratum: Stratum, reasoning: Mask, kept: Mask, propensity: Array, logged: Array) -> Stratum:
    least = min(stratum.direct, stratum.reasoning)
    if least < LEAST_EFFECTIVE:
        arm = "direct" if least == stratum.direct else "reasoning"
        why = f"{least:,} scored prompts in the {arm} arm, {LEAST_EFFECTIVE:g} needed; collect that arm of some prompts"
        return replace(stratum, refused=why)
    direct, thought = _effective(1 - propensity[kept & ~reasoning]), _effective(propensity[kept & reasoning])
    told_apart = defined(auc(np.where(np.isnan(propensity), 0.5, propensity), reasoning))
    overlaps = min(direct, thought) >= LEAST_EFFECTIVE and (told_apart or 0.0) <= MOST_TOLD_APART
    return replace(
        stratum, trimmed=float(1 - kept.mean()), effective_direct=direct, effective_reasoning=thought, told_apart=told_apart,
        refused=_misfit(logged, reasoning) or (None if overlaps else _NO_OVERLAP),
    )  # fmt: skip


def _misfit(logged: Array, reasoning: Mask) -> str | None:
    """Return why logged propensities cannot be those of the reasoning arm, or None where they may be.

    Prompts that got reasoning have a propensity that is no lower on average than that of the others, also where one arm is
    scored more often.
    """
    there = np.isfinite(logged)
    e, thinks = logged[there], reasoning[there]
    away, share = e - e.mean() if len(e) else e, thinks.mean() if len(e) else 0.0
    sure = (away * (thinks - share)).sum() < -SURE * np.sqrt((away**2).sum() * share * (1 - share))
    area = defined(auc(e, thinks)) if sure else None
    if area is None or area > FAR:
        return None
    why = f"p_reasoning is lower where reasoning was chosen (AUC {area:.2f})"
    return f"{why}; log P(arm = reasoning | request), whichever arm was chosen, or leave it out"


_NO_OVERLAP = "no overlap: the prompts tell the arm, next to none could have got either; collect both arms of some, or let chance choose the arm of a share of the traffic and log p_reasoning"


def _effective(probability: Array) -> float:
    weight = 1 / probability
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0
