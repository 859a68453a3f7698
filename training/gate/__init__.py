"""Is a challenger fit to take the champion's place? Pure: from answers of both to the same held-out rows to a table of checks.

A floor fails where the challenger is worse by more than its limit *and* the paired 95 % interval of the difference excludes 0: noise
alone trips it seldom. `improved` needs more: the interval of an improvement excludes 0. There are two of them, what the verdicts are worth and
the order of prompts, so each interval is at 97.5 % (Bonferroni). Outcomes:

    refused      a floor fails
    promotable   none does, and one of the two improved
    not better   else
"""

from typing import Any, Literal

import pandas as pd

from contract.profiles import Profile
from training.gate import checks
from training.gate.sides import OUTCOMES, GateConfig, Side, load_gate, row

__all__ = ["NOT_BETTER", "OUTCOMES", "PROMOTABLE", "REFUSED", "GateConfig", "Side", "judge", "load_gate"]

Outcome = Literal["promotable", "not better", "refused"]

PROMOTABLE: Outcome = "promotable"
NOT_BETTER: Outcome = "not better"
REFUSED: Outcome = "refused"


def judge(
    champion: Side, challenger: Side, profile: Profile, config: GateConfig, outcomes: pd.DataFrame | None = None
) -> dict[str, Any]:
    """Return the gate's report, as JSON takes it: outcome, checks and slices (`training.gate.sides.row`), what was held out and which outcomes counted.

    Args:
        champion: the version in use.
        challenger: the one to take its place.
        profile: says what a point is worth.
        config: the limits.
        outcomes: recent ones (`OUTCOMES`); None: none are recorded.

    Raises:
        InvalidInput: outcomes lack a column.
    """
    both = checks.paired(champion.told, challenger.told, profile)
    pairs, prompts = both[~both.modelled], int(both.group.nunique())
    enough = prompts >= config.least_prompts
    table = [row("held-out prompts", (None, None), n=prompts, limit=config.least_prompts, passed=enough)]
    slices: list[dict[str, Any]] = []
    improvements: list[dict[str, Any]] = []
    if prompts > 1:
        order, slices = checks.order(pairs), list(checks.slices(both, config))
        improvements = checks.improvements(both, order)
        table += [
            checks.q(order, config, len(pairs)), checks.calibration(pairs, profile, config),
            checks.coverage(champion.budgets, challenger.budgets, config), checks.worst(slices, config),
        ]  # fmt: skip
    table += [
        checks.latency(champion, challenger, config),
        checks.recent(outcomes, profile, config),
    ]
    failed = [one["check"] for one in table if one["passed"] is False]
    better = [one["check"] for one in improvements if one["passed"]]
    return {
        "outcome": REFUSED if failed else PROMOTABLE if better else NOT_BETTER, "failed": failed, "improved": better,
        "champion": champion.revision, "challenger": challenger.revision, "checks": [*table, *improvements], "slices": slices,
        "limits": config.model_dump(), "held_out": {"rows": len(both), "prompts": prompts, "pairs": len(pairs)},
        "outcomes": None if outcomes is None else len(outcomes),
    }  # fmt: skip
