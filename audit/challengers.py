"""Champion and challengers on the decisions that both judged: where they differ, and what a request is worth under each.

With d a decision's net_benefit of thinking by one kind of evidence (`audit.estimates`; of drawn arms doubly robust, whatever a policy would
have done), a policy that thinks on the share t of it is worth the mean of t d over never thinking. Both policies are valued on the same
decisions, at these decisions' own prices, so the difference is of what they do differently alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.estimates import Contrast
from audit.evidence import Evidence
from audit.figures import MODELLED, RECORDED, figure, section, table
from audit.intervals import wilson
from audit.modelled import Modelled
from audit.reading import Record
from audit.totals import mean_over_all

Array = NDArray[Any]

VERDICTS = ("use", "maybe", "avoid")
COMPARED = (
    "challenger", "decisions", "verdicts_differ", "verdicts_differ_lower", "verdicts_differ_upper", "arms_differ", "evidence", "n",
    *(f"{name}{end}" for name in ("champion", "challenger_worth", "difference") for end in ("", "_lower", "_upper")),
)  # fmt: skip
CROSSED = ("challenger", "champion_verdict", *VERDICTS)


def challengers(
    record: Record, evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled
) -> dict[str, Any]:
    """Return the section on challengers: of each, how often it says otherwise, and what either policy is worth by each kind of evidence."""
    decided, said = evidence.table, record.shadows
    kinds: list[tuple[str, Array, Array | None]] = [(c.evidence, c.net_benefit, c.arm_counts) for c in contrasts]
    kinds.append((MODELLED, expected.net_benefit, None))
    compared: list[dict[str, Any]] = []
    crossed: list[dict[str, Any]] = []
    for name in sorted(set(said.challenger)):
        own = said[said.challenger == name]
        rows = own.row.to_numpy(int)
        part, thinks = decided.iloc[rows], own.reasoning.to_numpy(float)
        now, verdict = part.policy_reasoning.to_numpy(float), part.verdict.astype(object).to_numpy()
        told = {
            "challenger": name,
            "decisions": len(rows),
            **_differ(verdict, own.verdict.to_numpy(object), now != thinks),
        }
        for kind, net_benefit, arms in kinds:
            seen = None if arms is None else arms[rows]
            compared.append({**told, "evidence": kind, **_worth(part, now, thinks, net_benefit[rows], seen)})
        crossed += [
            {"challenger": name, "champion_verdict": word}
            | {other: int(((verdict == word) & (own.verdict == other)).sum()) for other in VERDICTS}
            for word in VERDICTS
        ]
    both = said.row.nunique()
    return section(
        "Challengers",
        "Bundles that judged the same requests beside the one that answered, off the hot path. Worth is the net_benefit a request, in points, over "
        "never thinking: of the policy as it was, without its exploration, and of the challenger's; the difference above 0 speaks for the challenger. "
        "Where few arms were drawn its interval is wide; modelled is what the answering bundle itself expects, and so partial to it. What a "
        "busy service dropped is not in it.",
        figures={"judged_by_both": figure(float(both), n=len(decided), evidence=RECORDED, unit="decisions")},
        tables={
            "compared": table("Champion and challenger", compared, COMPARED),
            "verdicts": table("Verdicts of champion (rows) and challenger", crossed, CROSSED),
        },
    )  # fmt: skip


def _differ(verdict: Array, other: Array, arms: Array) -> dict[str, float | None]:
    share, interval = wilson(int((verdict != other).sum()), len(verdict))
    lower, upper = interval or (None, None)
    return {
        "verdicts_differ": share, "verdicts_differ_lower": lower, "verdicts_differ_upper": upper,
        "arms_differ": float(arms.mean()) if len(arms) else None,
    }  # fmt: skip


def _worth(
    part: pd.DataFrame, now: Array, thinks: Array, net_benefit: Array, arms: Array | None
) -> dict[str, float | int | None]:
    """Return what champion and challenger are worth a request, and the difference, each with its interval; n: decisions with evidence."""
    out: dict[str, float | int | None] = {"n": int(np.isfinite(net_benefit).sum())}
    for name, share in (("champion", now), ("challenger_worth", thinks), ("difference", thinks - now)):
        value, interval, _ = mean_over_all(share * net_benefit, part, zero=share == 0, arm_counts=arms)
        lower, upper = interval or (None, None)
        out |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
    return out
