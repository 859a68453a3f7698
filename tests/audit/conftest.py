"""Stores that audits read: made by hand, decision by decision, or planted with a known truth."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from audit.config import AuditConfig
from audit.reading import Record, read
from audit.report import Audit, audit
from contract.store.opening import migrate, open_store, reading
from contract.store.outcomes import new_id
from contract.store.records import Record as Written
from contract.store.writing import write

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PROFILE = {"tokens_per_point": 20000, "max_thinking_tokens": 8192, "margin": 0.02, "maybe_arm": "small_budget"}
DECISION = {
    "revision": "r1", "profile": "balanced", "model": "m", "model_known": True, "task": "sums", "language": "en", "verdict": "use",
    "arm": "reasoning", "policy_arm": "reasoning", "p_reasoning": 0.5, "thinking_budget": 1024, "reasoning_budget": 1024, "effort": "low",
    "enforced": True, "truncated": False, "familiarity": 0.9, "p_use": 0.6, "p_maybe": 0.3, "p_avoid": 0.1, "expected_score_direct": 0.5,
    "expected_gain": 0.2, "expected_gain_lower": 0.1, "expected_gain_upper": 0.3, "expected_extra_tokens": 1000.0,
    "expected_net_benefit": 0.15, "prompt_characters": 40, "reasons": [],
}  # fmt: skip
OUTCOME = {"arm": "reasoning", "attempt": 0, "source": "test"}


@pytest.fixture(scope="session")
def planted() -> ModuleType:
    """The generator of planted stores: a file of its own, as a benchmark uses it too."""
    spec = importlib.util.spec_from_file_location("planted", Path(__file__).parent / "planted.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    """An empty store."""
    engine = open_store(f"sqlite:///{tmp_path / 'decisions.sqlite'}")
    migrate(engine)
    yield engine
    engine.dispose()


Told = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.fixture
def put(engine: sa.Engine) -> Callable[..., list[str]]:
    """What writes decisions, each with its outcomes, as the service does; returns their ids. A minute lies between two."""

    def put(*told: Told, bundle: bool = True) -> list[str]:
        ids = [f"{i:08x}-0000-7000-8000-000000000000" for i in range(len(told))]
        with engine.begin() as connection:
            if bundle:
                row = {
                    "revision": "r1",
                    "time": NOON,
                    "profiles": {"balanced": PROFILE},
                    "unfamiliar_below": 0.3,
                    "small_budget": 1024,
                }
                write(connection, [Written("bundles", row)])
            for i, (decision, outcomes) in enumerate(told):
                at = NOON + timedelta(minutes=i)
                write(connection, [Written("decisions", {**DECISION, "decision_id": ids[i], "time": at, **decision})])
                for outcome in outcomes:
                    own = {} if "request_id" in outcome else {"decision_id": ids[i]}
                    write(
                        connection,
                        [Written("outcomes", {**OUTCOME, "outcome_id": new_id(), **own, "time": at, **outcome})],
                    )
        return ids

    return put


@pytest.fixture
def record(engine: sa.Engine) -> Callable[..., Record]:
    """What reads the store."""

    def record(**period: Any) -> Record:
        with reading(engine) as connection:
            return read(connection, **period)

    return record


@pytest.fixture(scope="session")
def read_rows(planted: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Record]:
    """What writes rows of the tables into a store of its own and reads it."""

    def read_rows(*rows: Any) -> Record:
        engine = open_store(f"sqlite:///{tmp_path_factory.mktemp('planted') / 'decisions.sqlite'}")
        migrate(engine)
        planted.fill(engine, *rows)
        with reading(engine) as connection:
            found = read(connection)
        engine.dispose()
        return found

    return read_rows


@pytest.fixture(scope="session")
def read_planted(planted: ModuleType, read_rows: Callable[..., Record]) -> Callable[..., Record]:
    """What makes outcomes of a planted truth, writes them into a store of its own and reads it."""

    def read_planted(true: Any, **options: Any) -> Record:
        return read_rows(*planted.rows(true, **options))

    return read_planted


class Planted(NamedTuple):
    """What is true, the slices that are planted in it, what a store of it holds, and the audit of that."""

    true: Any
    slices: tuple[Any, ...]
    record: Record
    audit: Audit


@pytest.fixture(scope="session")
def planted_store(planted: ModuleType, read_planted: Callable[..., Record]) -> Planted:
    """10,000 decisions whose arm was drawn, every seventh with both arms; a slice of one condition is planted, and one of two."""
    slices = (
        planted.Slice({"task": "task_03"}, "overthinking", 0.3),
        planted.Slice({"task": "task_07", "profile": "balanced"}, "underthinking", 0.3),
    )
    true = planted.truth(10_000, slices, seed=3)
    record = read_planted(true, rate=1.0, shadow=0.15, seed=3)
    return Planted(true, slices, record, audit(record, AuditConfig(resamples=50), time=NOON))


@pytest.fixture(scope="session")
def planted_record(planted_store: Planted) -> Record:
    """What the planted store holds."""
    return planted_store.record
