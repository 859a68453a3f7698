"""Recent outcomes for the gate: which arm each of two bundles answers to decisions whose arm was drawn."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from contract.locate import ROOT
from contract.prompt import Prompt
from contract.scorer import Scorer
from training.embedding_cache import EmbeddingCache
from training.production import recent_outcomes
from training.recorded import DRAWN

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EASY, HARD = "What is 1 + 9900?", "Prove that there are infinitely many primes congruent to 3 modulo 4."


@pytest.fixture(scope="module")
def scorer():
    return Scorer.load(ROOT / "models" / "default")


@pytest.fixture
def found(scorer, tmp_path):
    def run(*rows, unseen=lambda digests: np.ones(len(digests), bool)):
        given = [{
            "decision_id": str(i), "time": NOW, "digest": f"digest {i}", "profile": "balanced", "model": "m", "revision": "other", "arm": "direct",
            "policy_arm": "reasoning", "p_reasoning": 0.5, "score": 1.0, "output_tokens": 10, "shadow": None, "prompt": None, "messages": None,
        } | row for i, row in enumerate(rows)]  # fmt: skip
        return recent_outcomes(
            pd.DataFrame(given)[list(DRAWN)], [scorer, scorer], EmbeddingCache(tmp_path, scorer.encoder), unseen
        )

    return run


def test_the_arms_are_those_that_the_bundles_answer(found):
    table = found({"prompt": EASY}, {"messages": '[{"role": "user", "content": "' + HARD + '"}]'})
    assert table.arm_champion.tolist() == table.arm_challenger.tolist() == ["direct", "reasoning"]
    assert table.prompt.tolist() == ["digest 0", "digest 1"]


def test_without_a_prompt_only_who_answered_is_known(found, scorer):
    shadow = {scorer.manifest.revision: {"arm": "direct"}}
    table = found({}, {"revision": scorer.manifest.revision}, {"shadow": shadow})
    assert table.arm_champion.fillna("unknown").tolist() == ["unknown", "reasoning", "direct"]


def test_prompts_that_a_training_has_fitted_on_do_not_judge(found):
    digest = Prompt.from_text(HARD).digest
    table = found({"prompt": EASY}, {"prompt": HARD}, {}, unseen=lambda digests: digests.ne(digest).to_numpy())
    assert table.prompt.tolist() == ["digest 0", "digest 2"]


def test_old_decisions_and_those_of_other_profiles_do_not_count(found):
    table = found(
        {"prompt": EASY},
        {"prompt": EASY, "time": NOW - timedelta(days=31)},
        {"prompt": EASY, "profile": "quality_critical"},
    )
    assert len(table) == 1
