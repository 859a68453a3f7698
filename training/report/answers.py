"""What a bundle answers to rows of evidence: its decisions, and the budgets that it recommends."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.policy import Scores, decide, full_budget
from contract.profiles import default_name
from contract.scorer import Scorer
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evidence import Rows, thinking_rows
from training.report.coverage import coverage_by

Array = NDArray[Any]


def predictions(scorer: Scorer, rows: Rows) -> pd.DataFrame:
    """Return the bundle's answers, one row each.

    In the default profile: worth (the headline's order), expected_gain, expected_extra_tokens, net_benefit, verdict,
    familiarity, p_use, thinking_budget; expected_score_direct, and verdict_P for each profile P.
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
                "expected_score_direct": scores.score_direct,
                **{f"verdict_{p}": str(other.verdict) for p, other in made.items()},
            }
        )  # fmt: skip
    return pd.DataFrame(told)


def budgets(scorer: Scorer, log: pd.DataFrame, cache: EmbeddingCache, config: TrainConfig) -> dict[str, Any] | None:
    """Return how many attempts of thinking modes fit the full budget, see `coverage_by`; None where the log has none.

    `under_cap`: the share of the whole attempts that fit it under the default profile's cap, `cap`.
    """
    rows = thinking_rows(log, cache, config)
    if rows.table.empty:
        return None
    table, profiles = rows.table, scorer.manifest.profiles
    profile = profiles[default_name(profiles)]
    budget = np.array([full_budget(scores) for scores in _scores(scorer, rows)], float)
    tokens, censored = table.thinking_tokens.to_numpy(float), table.censored.to_numpy(bool)
    task = table.task.astype("string").fillna("not given").to_numpy(str)
    found = coverage_by(
        {"source": table.source.to_numpy(str), "task": task}, tokens, budget, censored, table.group.to_numpy(str)
    )
    fits = (tokens <= np.minimum(budget, profile.max_thinking_tokens))[~censored]
    return found | {"cap": profile.max_thinking_tokens, "under_cap": float(fits.mean()) if len(fits) else None}


def _scores(scorer: Scorer, rows: Rows) -> Iterator[Scores]:
    """Yield the heads' scores of each row: the one place where evaluation runs them."""
    out = scorer.run(rows.embeddings, rows.features, scorer.targets(rows.table.model.tolist()))
    for i in range(len(rows.table)):
        yield scorer.unpack(out, i)
