"""How often the policy took the worse arm and what that lost, by kind of evidence, from the slices that a search found and a test called.

Only these count: a single value, such as the one profile of all the traffic, is called misrouted too where one bad task drags its mean
over, and names decisions that were right. What a search found was named by what is wrong there, and its other half of the prompts agreed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.estimates import Contrast, mean_of
from audit.evidence import Evidence, usd_per_token
from audit.figures import MODELLED, RECORDED, figure
from audit.modelled import Modelled
from audit.search import COLUMNS, matching
from audit.slices import ARM_OF, KINDS, STORED_AS
from audit.totals import could_think, mean_over_all

Array = NDArray[Any]
Mask = NDArray[np.bool_]

NO_INTERVAL = (
    "no interval: each decision's expected loss is cut at 0, so errors of what was expected do not cancel out but add up, and nothing "
    "that was seen of the other arm says by how much"
)
"""Of the modelled regret."""


def misroutes(
    slices: pd.DataFrame, evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled
) -> dict[str, Any]:
    """Return the rates of misroutes and the regret by kind of evidence, as figures.

    The rate is the share of all decisions that lie in at least one slice that a search found and that is called misrouted with that
    evidence; its interval is over prompts, given the slices. The regret is what the other arm would have had more there, over all
    decisions: net_benefit, and the tokens and dollars that it would have saved (negative: cost).

    Args:
        slices: of `audit.slices`.
        evidence: of all decisions.
        contrasts: the kinds of evidence on both arms.
        expected: the modelled estimates.
    """
    decided, figures = evidence.table, dict[str, Any]()
    usd = usd_per_token(decided)
    for contrast in contrasts:
        for kind in KINDS:
            rows = _covered(slices, decided, contrast.evidence, kind)
            figures |= _rates(contrast, decided, kind, rows, usd)
        figures |= _over_constants(contrast, decided)
    wrong = np.where(decided.policy_reasoning, -1, 1) * expected.net_benefit
    known = int(np.isfinite(wrong).sum())
    value = float(np.nanmean(np.clip(wrong, 0, None))) if known else None
    figures["regret_modelled"] = figure(value, n=known, evidence=MODELLED, unit="points a decision", note=NO_INTERVAL)
    called = float(slices.misrouted.sum())
    figures["slices_called_misrouted"] = figure(called, n=len(slices), evidence=RECORDED, unit="slices")
    return figures


def _covered(slices: pd.DataFrame, decided: pd.DataFrame, evidence: str, kind: str) -> Mask | None:
    """Return the decisions [n] in a slice that a search found and that is called misrouted; None where no slice could be judged."""
    stored = {STORED_AS.get(name, name): name for name in COLUMNS}
    own = slices[(slices.evidence == evidence) & (slices.kind == kind)]
    if not own[list(stored)].notna().any(axis=None):  # days alone are nothing that a search looks at
        return None
    out = np.zeros(len(decided), bool)
    for row in own[own.misrouted & (own.found == "search")].to_dict("records"):
        out |= matching(decided, {name: row[column] for column, name in stored.items() if row[column] is not None})
    return np.asarray(out & (decided.policy_reasoning.to_numpy(bool) == ARM_OF[kind]))


def _rates(contrast: Contrast, decided: pd.DataFrame, kind: str, rows: Mask | None, usd: Array) -> Mapping[str, Any]:
    """Return the rate and the regret of a kind of misroute; null where no slice could be judged."""
    evidence, side = contrast.evidence, KINDS[kind]
    lost = {
        "regret": ("points a decision", side * contrast.net_benefit),
        "regret_tokens": ("tokens a decision", -side * contrast.extra_tokens),
        "regret_usd": ("usd a decision", -side * contrast.extra_tokens * usd),
    }
    if rows is None:
        units = {"rate": "share"} | {name: unit for name, (unit, _) in lost.items()}
        return {
            f"{kind}_{name}_{evidence}": figure(None, n=0, evidence=evidence, unit=unit) for name, unit in units.items()
        }
    share, interval, n = mean_of(rows.astype(float), decided)
    bounds = (
        (max(interval[0], 0.0), min(interval[1], 1.0)) if interval and rows.any() else None
    )  # no slice was called: how many might have been is not known
    out = {f"{kind}_rate_{evidence}": figure(share, bounds, n=n, evidence=evidence, unit="share")}
    for name, (unit, values) in lost.items():
        value, interval, n = mean_over_all(values, decided, zero=~rows, arm_counts=contrast.arm_counts)
        out[f"{kind}_{name}_{evidence}"] = figure(
            value, interval if rows.any() else None, n=n, evidence=evidence, unit=unit
        )
    return out


def _over_constants(contrast: Contrast, decided: pd.DataFrame) -> dict[str, Any]:
    """Return what the policy is worth over always and over never thinking, in points a decision."""
    thinks, net, out = decided.policy_reasoning.to_numpy(bool), contrast.net_benefit, {}
    sides = {"over_always": (-net, thinks | ~could_think(decided)), "over_never": (net, ~thinks)}
    for name, (values, zero) in sides.items():
        value, interval, n = mean_over_all(values, decided, zero=zero, arm_counts=contrast.arm_counts)
        out[f"{name}_{contrast.evidence}"] = figure(
            value, interval, n=n, evidence=contrast.evidence, unit="points a decision"
        )
    return out
