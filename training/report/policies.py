"""Policies side by side: which prompts think, and what that scores and spends."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.records import Verdict
from training.metrics import policy_table
from training.report.arm_costs import spent
from training.report.orders import baselines, thinking_share
from training.report.outcomes import realised_extra_tokens

Array = NDArray[Any]


def policies(table: pd.DataFrame, profile: str, profiles: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each policy: share that thinks, score, extra tokens, points per 1,000 of them, dollars, time.

    Never, always, random and the oracle, which knows the realised gains; ours in each profile, where only `use` thinks and where
    all but `avoid` do. The baselines think on as many prompts as ours does in `profile` where `use` thinks.

    Args:
        table: predictions beside outcomes; column `verdict` for `profile` and `verdict_P` for each other P.
        profile: the profile that serves where none is named.
        profiles: all profiles of the bundle.
    """
    verdict, n = table.verdict.to_numpy(str), len(table)
    use, tried = (verdict == Verdict.USE).astype(float), (verdict != Verdict.AVOID).astype(float)
    gain, extra = table.gain.to_numpy(float), realised_extra_tokens(table)
    share = float(use.mean()) if n else 0.0
    arms: dict[str, Array] = {"never": np.zeros(n), "always": np.ones(n)}
    arms |= {"ours (use thinks)": use, "ours (all but avoid think)": tried}
    for other in profiles:
        if other != profile:
            told = table[f"verdict_{other}"].to_numpy(str)
            arms[f"ours, {other} (use thinks)"] = (told == Verdict.USE).astype(float)
            arms[f"ours, {other} (all but avoid think)"] = (told != Verdict.AVOID).astype(float)
    arms["random at the share of use"] = np.full(n, share)
    arms |= {f"{name} at the share of use": thinking_share(order, share) for name, order in baselines(table).items()}
    arms["random at the share of all but avoid"] = np.full(n, float(tried.mean()) if n else 0.0)
    arms["oracle"] = (gain > 0).astype(float)
    rows = policy_table(arms, table.score_direct.to_numpy(float), gain, extra, table.group.to_numpy(str))
    return [row | spent(table, arms[row["policy"]]) for row in rows]
