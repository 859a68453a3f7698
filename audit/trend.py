"""Day by day: verdicts, scores, tokens and seconds by arm, and what thinking was worth by each kind of evidence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.estimates import Contrast, means
from audit.evidence import Evidence, own_arm
from audit.figures import section, table

Array = NDArray[Any]


def trend(evidence: Evidence, contrasts: Sequence[Contrast]) -> dict[str, Any]:
    """Return the section on days; gained_* is the mean net_benefit of the policy's arm over the other one, by decisions with that evidence."""
    decided = evidence.table
    days = list(decided.day.cat.categories)
    day = decided.day.cat.codes.to_numpy(int)
    out = pd.DataFrame({"day": days, "decisions": np.bincount(day, minlength=len(days))})
    for verdict in ("use", "maybe", "avoid"):
        out[f"share_{verdict}"] = _share((decided.verdict == verdict).to_numpy(bool), day, out.decisions)
    out["share_reasoning"] = _share(decided.reasoning.to_numpy(bool), day, out.decisions)
    for arm in ("direct", "reasoning"):
        taken = decided.reasoning.to_numpy(bool) == (arm == "reasoning")
        for name in ("score", "output_tokens", "latency_s"):
            values = np.where(taken, own_arm(decided, name), np.nan)
            known = np.isfinite(values)
            found = means(values[known], day[known], decided.prompt.to_numpy()[known], len(days))
            out[f"{name}_{arm}"] = found.mean
            if name == "score":
                out[f"score_{arm}_lower"], out[f"score_{arm}_upper"] = found.interval()
                out[f"scored_{arm}"] = found.n
            if name == "latency_s":
                out[f"latency_p95_{arm}"] = (
                    pd.Series(values).groupby(day).quantile(0.95).reindex(range(len(days))).to_numpy()
                )
    for contrast in contrasts:
        known = np.isfinite(contrast.net_benefit)
        counts = contrast.arm_counts[known]
        # what the policy gained over the arm that it did not take: below 0, the policy of that day lost by its choices
        gained = np.where(decided.policy_reasoning, 1, -1) * contrast.net_benefit
        found = means(gained[known], day[known], decided.prompt.to_numpy()[known], len(days), counts)
        prefix = f"gained_{contrast.evidence}"
        out[prefix] = found.mean
        out[f"{prefix}_lower"], out[f"{prefix}_upper"] = found.interval()
        out[f"n_{contrast.evidence}"] = found.n
    return section(
        "By day", "Scores, tokens and seconds are of the arm taken. Worth of choices is the mean net_benefit of the policy's arm over the other arm, "
        "by decisions with that evidence: below 0, the day's choices lost.", tables={"days": table("By day", out)},
    )  # fmt: skip


def _share(mask: Array, day: Array, total: "pd.Series[Any]") -> Array:
    return np.bincount(day, mask, len(total)) / np.maximum(total, 1)
