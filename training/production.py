"""What recent production outcomes say of two bundles: which arm each would have answered to decisions whose arm was drawn."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import default_name
from contract.scorer import Scorer
from training.embedding_cache import EmbeddingCache
from training.evidence import Rows, embed, prompts_of
from training.gate import OUTCOMES
from training.report.answers import predictions

RECENT = timedelta(days=30)
"""How far back from the newest decision outcomes count."""


def recent_outcomes(
    drawn: pd.DataFrame, scorers: Sequence[Scorer], cache: EmbeddingCache, unseen: Callable[["pd.Series[str]"], NDArray[np.bool_]]
) -> pd.DataFrame:  # fmt: skip
    """Return recent decisions with a drawn arm beside the arm that each bundle answers, columns `training.gate.OUTCOMES`.

    Decisions in the default profile of the second bundle, on prompts that no training of either has fitted on. Where neither text nor
    embedding is kept, the first bundle's arm is known if it decided, the second's if it answered as a shadow.

    Args:
        drawn: `training.recorded.Recorded.drawn`.
        scorers: champion and challenger.
        cache: embeds what is new.
        unseen: from digests of prompts to which of them no training has fitted on.
    """
    profile = default_name(scorers[1].manifest.profiles)
    recent = drawn[(drawn.profile == profile) & (drawn.time >= drawn.time.max() - RECENT)].reset_index(drop=True)
    known = (recent.prompt.notna() | recent.messages.notna()).to_numpy(bool)
    prompts = prompts_of(recent[known])
    fitted = np.zeros(len(recent), dtype=bool)
    fitted[known] = ~unseen(pd.Series([prompt.digest for prompt in prompts], dtype=object))
    rows = Rows(*embed(prompts, cache), recent.loc[known, ["model"]].reset_index(drop=True))
    arms = {}
    for name, scorer in zip(("arm_champion", "arm_challenger"), scorers, strict=True):
        revision = scorer.manifest.revision
        arm = recent.policy_arm.where(
            recent.revision == revision, recent.shadow.map(lambda told, of=revision: _shadow(told, of))
        )
        if known.any() and profile in scorer.manifest.profiles:
            arm[known] = predictions(scorer, rows)[f"arm_{profile}"].to_numpy()
        arms[name] = arm
    table: pd.DataFrame = recent.assign(**arms, prompt=recent.digest).loc[~fitted, list(OUTCOMES)]
    return table.reset_index(drop=True)


def _shadow(told: object, revision: str) -> str | None:
    """Return the arm that a bundle answered as a shadow."""
    own = told.get(revision) if isinstance(told, dict) else None
    return own.get("arm") if isinstance(own, dict) else None
