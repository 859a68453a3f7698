"""A store in each database, and rows that fit its tables."""

from datetime import UTC, datetime, timedelta

import pytest
import uuid_utils

from contract.store.opening import migrate, open_store
from contract.store.outcomes import new_id

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'decisions.sqlite'}"
    return request.getfixturevalue("postgres")


@pytest.fixture
def engine(address):
    engine = open_store(address)
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine):
    migrate(engine)
    return engine


@pytest.fixture
def decision():
    """What makes the row of a decision."""

    def make(**other):
        return {
            "decision_id": str(uuid_utils.uuid7()), "request_id": None, "time": NOW, "revision": "thinkworth/1", "profile": "balanced",
            "model": "m", "model_known": True, "task": "sums", "verdict": "use", "arm": "reasoning", "policy_arm": "reasoning",
            "p_reasoning": 1.0, "thinking_budget": 1024, "reasoning_budget": 1024, "effort": "low", "enforced": True, "truncated": False,
            "familiarity": 0.9, "p_use": 0.8, "p_maybe": 0.1, "p_avoid": 0.1, "expected_score_direct": 0.5, "expected_gain": 0.2,
            "expected_gain_lower": 0.1, "expected_gain_upper": 0.3, "expected_extra_tokens": 800.0, "expected_net_benefit": 0.16,
            "prompt_characters": 12, "prompt_digest": "ab" * 32, "reasons": ["one", "two"],
        } | other  # fmt: skip

    return make


@pytest.fixture
def outcome():
    """What makes an outcome as it is told."""

    def make(**other):
        return {
            "outcome_id": new_id(),
            "arm": "reasoning",
            "source": "service",
            "time": NOW + timedelta(minutes=1),
        } | other

    return make
