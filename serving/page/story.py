"""All that is recorded of one decision, and where its neighbours are."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from contract.store.audit_tables import suspects
from contract.store.outcomes import VALUES
from contract.store.reviews import Review, history
from contract.store.tables import bundles, decisions, outcomes, prompts
from contract.store.told import attempts
from serving.page.asked import AllDecisions

GROUPS: dict[str, tuple[str, ...]] = {
    "Request": ("time", "request_id", "conversation_id", "model", "model_known", "profile", "task", "language", "familiarity",
                "prompt_characters", "truncated", "max_thinking_tokens", "max_latency_ms", "max_output_tokens", "cached_tokens",
                "cache_charge"),
    "Answer": ("verdict", "arm", "policy_arm", "thinking_budget", "reasoning_budget", "effort", "enforced", "p_reasoning", "not_explored",
               "revision"),
    "Expected": ("expected_score_direct", "expected_gain", "expected_gain_lower", "expected_gain_upper", "expected_extra_tokens",
                 "expected_net_benefit", "expected_cost_usd", "expected_latency_s", "p_use", "p_maybe", "p_avoid"),
}  # fmt: skip
"""Columns of a decision, as the story orders them; the rest is told by parts of their own."""

NEIGHBOURS_SHOWN = 5
OUTCOMES_SHOWN = 200


class Attempt(NamedTuple):
    """What came of one attempt: the last value told of each field, and every event that told of it, the first first."""

    arm: str
    attempt: int
    values: Mapping[str, Any]
    told: list[Mapping[str, Any]]


class Neighbours(NamedTuple):
    """Other decisions that share something with this one: how many, the nearest in time, and the address of them all."""

    what: str
    total: int
    some: Sequence[Mapping[str, Any]]
    address: str


class Story(NamedTuple):
    """One decision: its row, the bundle behind it, attempts, suspicion of the last audit, reviews, the prompt's turns, neighbours."""

    decision: Mapping[str, Any]
    bundle: Mapping[str, Any] | None
    attempts: list[Attempt]
    suspicion: Mapping[str, Any] | None
    reviews: list[Review]
    turns: list[tuple[str, str]] | None
    neighbours: list[Neighbours]


def story(connection: sa.Connection, decision_id: str, audit_id: str | None) -> Story | None:
    """Return the story of a decision, None where it is not recorded."""
    row = _one(connection, sa.select(decisions).where(decisions.c.decision_id == decision_id))
    if row is None:
        return None
    of_audit = sa.select(suspects).where(suspects.c.audit_id == (audit_id or ""), suspects.c.decision_id == decision_id)
    return Story(
        decision=row,
        bundle=_one(connection, sa.select(bundles).where(bundles.c.revision == row["revision"])),
        attempts=_attempts(connection, decision_id),
        suspicion=_one(connection, of_audit),
        reviews=history(connection, decision_id),
        turns=_turns(connection, decision_id),
        neighbours=_neighbours(connection, row),
    )


def _one(connection: sa.Connection, chosen: sa.Select[Any]) -> dict[str, Any] | None:
    row = connection.execute(chosen).mappings().first()
    return dict(row) if row else None


def _attempts(connection: sa.Connection, decision_id: str) -> list[Attempt]:
    of_it = outcomes.c.decision_id == decision_id
    events = sa.select(outcomes).where(of_it).order_by(outcomes.c.outcome_id).limit(OUTCOMES_SHOWN)
    told: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in connection.execute(events).mappings():
        told.setdefault((row["arm"], row["attempt"]), []).append(dict(row))
    last = {(row["arm"], row["attempt"]): row for row in connection.execute(attempts(VALUES, of_it)).mappings()}
    return [Attempt(*key, {name: last[key][name] for name in VALUES}, told[key]) for key in sorted(told)]


def _turns(connection: sa.Connection, decision_id: str) -> list[tuple[str, str]] | None:
    kept = connection.execute(sa.select(prompts.c.turns).where(prompts.c.decision_id == decision_id)).scalar()
    return [(str(role), str(text)) for role, text in json.loads(kept)] if kept else None


def _neighbours(connection: sa.Connection, row: Mapping[str, Any]) -> list[Neighbours]:
    shared = (
        ("of the same request", "request_id", "q"),
        ("of the same conversation", "conversation_id", "conversation"),
        ("on the same prompt", "prompt_digest", "digest"),
    )
    found = []
    for what, name, filter_name in shared:
        if row[name] is None:
            continue
        same = (decisions.c[name] == row[name], decisions.c.decision_id != row["decision_id"])
        n = connection.execute(sa.select(sa.func.count()).select_from(decisions).where(*same)).scalar_one()
        d = decisions.c
        some = sa.select(d.decision_id, d.time, d.verdict, d.arm, d.task).where(*same).order_by(d.time.desc())
        rows = [dict(other) for other in connection.execute(some.limit(NEIGHBOURS_SHOWN)).mappings()]
        found.append(Neighbours(what, n, rows, AllDecisions().address(**{filter_name: row[name]})))
    return found
