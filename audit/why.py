"""Why a decision is suspected, in sentences; no word of a prompt is in them."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]

TELLING = 0.01
"""Points under which a shift is not worth a sentence."""


def reasons(part: pd.DataFrame, net: Array, shift: Array, direct: Array, reasoning: Array) -> list[list[str]]:
    """Return the reasons of each decision of a list.

    Args:
        part: the decisions [n], with their outcomes.
        net: posterior mean net_benefit, in points, [n].
        shift: of the gain by evidence on both arms, in points, [n].
        direct: expected score of the arm direct, [n].
        reasoning: expected score of the arm reasoning, [n].
    """
    columns = (
        "policy_reasoning", "reasoning", "task", "model", "profile", "expected_net_benefit", "score_direct", "score_reasoning",
        "expected_extra_tokens", "tokens_per_point", "band", "verdict",
    )  # fmt: skip
    listed = part[list(columns)].to_dict("records")
    return [
        _of(row, *numbers) for row, numbers in zip(listed, zip(net, shift, direct, reasoning, strict=True), strict=True)
    ]


def _of(row: dict[Any, Any], net: float, shift: float, direct: float, reasoning: float) -> list[str]:
    arm = "reasoning" if row["policy_reasoning"] else "direct"
    out = [
        f"verdict {row['verdict']}, so the policy takes the arm {arm}: net_benefit of thinking is estimated at {net:+.3f} points, "
        f"where the bundle expected {row['expected_net_benefit']:+.3f}"
    ]
    if row["reasoning"] != row["policy_reasoning"]:
        out.append(
            f"the arm {'reasoning' if row['reasoning'] else 'direct'} was drawn instead: what came of that arm is known"
        )
    for name, expected in (("direct", direct), ("reasoning", reasoning)):
        score = row[f"score_{name}"]
        if np.isfinite(score):
            out.append(f"the arm {name} scored {score:.2f}, where {expected:.2f} was expected")
    if abs(shift) >= TELLING:
        where = ", ".join(f"{name} {row[name]}" for name in ("task", "model", "profile") if isinstance(row[name], str))
        out.append(f"evidence on both arms in {where} moves the gain by {shift:+.3f} points")
    tokens = row["expected_extra_tokens"]
    out.append(f"{tokens:,.0f} extra tokens cost {tokens / row['tokens_per_point']:.3f} points")
    if row["band"] == "unfamiliar":
        out.append("the bundle's evidence does not cover prompts like this one")
    return out
