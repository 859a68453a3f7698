"""What a bundle answers to rows of evidence: its decisions, and the budgets that it recommends."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import Manifest
from contract.policy import decide, full_budget
from contract.profiles import default_name
from contract.scorer import Scorer
from contract.scores import Scores
from training.budget_targets import accepted_flags
from training.evidence import Rows
from training.report.coverage import coverage_by

Array = NDArray[Any]


def predictions(scorer: Scorer, rows: Rows) -> pd.DataFrame:
    """Return the bundle's answers, one row each.

    In the default profile: worth (the headline's order), expected_gain, expected_extra_tokens, net_benefit, verdict,
    familiarity, p_use, thinking_budget; expected_score_direct, family (the nearest of the taxonomy), and verdict_P and arm_P for each
    profile P.
    """
    manifest = scorer.manifest
    name = default_name(manifest.profiles)
    told = []
    for scores in _scores(scorer, rows):
        made = {p: decide(scores, profile, manifest.calibration) for p, profile in manifest.profiles.items()}
        decision = made[name]
        told.append(
            {
                "worth": scores.worth, "expected_gain": decision.gain, "expected_extra_tokens": decision.extra_tokens,
                "net_benefit": decision.net_benefit, "verdict": str(decision.verdict), "familiarity": decision.familiarity,
                "p_use": scores.probabilities[name][0], "thinking_budget": decision.thinking_budget,
                "expected_score_direct": scores.score_direct, "family": scores.task,
                **{f"verdict_{p}": str(other.verdict) for p, other in made.items()},
                **{f"arm_{p}": str(other.arm) for p, other in made.items()},
            }
        )  # fmt: skip
    return pd.DataFrame(told)


def budgeted(scorer: Scorer, rows: Rows) -> pd.DataFrame:
    """Return rows of needed thinking tokens (`training.evidence.thinking_rows`) beside the full budget of each, column `budget`."""
    return rows.table.assign(budget=[float(full_budget(scores)) for scores in _scores(scorer, rows)])


def budgets(told: pd.DataFrame, manifest: Manifest, log: pd.DataFrame) -> dict[str, Any] | None:
    """Return how many needs of thinking modes fit the full budget, see `coverage_by`; None where there are none.

    `level`: the share that budgets are calibrated for. `cap`: the default profile's; `under_cap`: the share of the whole attempts that
    fit their budget under it. `flags`: the flags of the reasoning attempts of the log, which were accepted, and how many have each.

    Args:
        told: `budgeted` of some rows.
        manifest: of the bundle.
        log: the attempts that the needs were read off, or more of them.
    """
    if told.empty:
        return None
    profile = manifest.profiles[default_name(manifest.profiles)]
    tokens, budget, censored = (told[name].to_numpy() for name in ("thinking_tokens", "budget", "censored"))
    names = {
        "source": told.source.to_numpy(str),
        "task": told.task.astype("string").fillna("not given").to_numpy(str),
    }
    groups, target_is = told.group.to_numpy(str), told.target_is.to_numpy(str)
    found = coverage_by(names, tokens, budget, censored.astype(bool), groups, target_is)
    fits = (tokens <= np.minimum(budget, profile.max_thinking_tokens))[~censored.astype(bool)]
    return found | {
        "level": manifest.quantiles[-1], "cap": profile.max_thinking_tokens, "under_cap": float(fits.mean()) if len(fits) else None,
        "flags": accepted_flags(log),
    }  # fmt: skip


def _scores(scorer: Scorer, rows: Rows) -> Iterator[Scores]:
    """Yield the heads' scores of each row: the one place where evaluation runs them."""
    out = scorer.run(rows.embeddings, rows.features, scorer.targets(rows.table.model.tolist()))
    for i in range(len(rows.table)):
        yield scorer.unpack(out, i)
