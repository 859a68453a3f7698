"""Counts straight from the record, as it is now: what was decided, what came back, what is missing."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from contract.store.audit_tables import audits
from contract.store.tables import bundles, decisions, gaps, outcomes, prompts, reviews
from serving.page.asked import NONE

FACETS = ("task", "model", "profile", "language", "revision")
"""Columns whose values a filter offers."""

FACETS_KEPT_S = 60.0
"""How long the values of filters are taken from memory: they are all that needs all of the record."""

MOST_VALUES = 500
"""Values that one filter offers, the most frequent ones; others are reached by the address."""


def counts(connection: sa.Connection) -> dict[str, Any]:
    """Return how much is recorded, by name; times are None where nothing is."""
    one, number = connection.execute, sa.func.count
    d, o = decisions.c, outcomes.c
    told = sa.select(o.decision_id).where(o.decision_id.is_not(None)).distinct().subquery()
    known = sa.exists().where(d.decision_id == told.c.decision_id)
    first, last = one(sa.select(sa.func.min(d.time), sa.func.max(d.time))).one()
    lost = one(sa.select(number(), sa.func.sum(gaps.c.records), sa.func.max(gaps.c.until))).one()
    return {
        "verdicts": _by(connection, d.verdict),
        "arms": _by(connection, d.arm),
        "first": first,
        "last": last,
        "outcomes": one(sa.select(number()).select_from(outcomes)).scalar_one(),
        "with_outcome": one(sa.select(number()).select_from(told).where(known)).scalar_one(),
        "scored": one(sa.select(number(o.decision_id.distinct())).where(o.score.is_not(None))).scalar_one(),
        "unmatched": one(sa.select(number()).select_from(outcomes).where(o.decision_id.is_(None))).scalar_one(),
        "contradictory": one(sa.select(number()).select_from(outcomes).where(o.contradicts)).scalar_one(),
        "late": one(sa.select(number()).select_from(outcomes).where(o.late)).scalar_one(),
        "observed_pairs": one(sa.select(number()).select_from(_pairs())).scalar_one(),
        "explored": one(_explored()).scalar_one(),
        "gaps": lost[0],
        "lost": lost[1] or 0,
        "lost_until": lost[2],
        "prompts": one(sa.select(number()).select_from(prompts)).scalar_one(),
        "reviewed": one(sa.select(number(reviews.c.decision_id.distinct()))).scalar_one(),
        "bundles": one(sa.select(number()).select_from(bundles)).scalar_one(),
    }


def last_audit(connection: sa.Connection, audit_id: str | None = None) -> Mapping[str, Any] | None:
    """Return an audit, the last one unless another is named; None where there is none."""
    chosen = sa.select(audits).order_by(audits.c.time.desc(), audits.c.audit_id.desc()).limit(1)
    chosen = chosen.where(audits.c.audit_id == audit_id) if audit_id else chosen
    row = connection.execute(chosen).mappings().first()
    return dict(row) if row else None


def id_of(audit: Mapping[str, Any] | None) -> str | None:
    """Return the id of an audit, None where there is none."""
    return str(audit["audit_id"]) if audit else None


class Facets:
    """The values that filters offer, by column, the most frequent first; kept in memory for a minute."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, list[str]] = {}
        self._until = 0.0

    def get(self, connection: sa.Connection) -> dict[str, list[str]]:
        """Return the values by column, at most a minute old."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = _facets(connection)
                self._until = time.monotonic() + (FACETS_KEPT_S if any(self._found.values()) else 0)
            return self._found


def _facets(connection: sa.Connection) -> dict[str, list[str]]:
    columns = [decisions.c[name] for name in FACETS]
    totals: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for *values, n in connection.execute(sa.select(*columns, sa.func.count()).group_by(*columns)):
        for name, value in zip(FACETS, values, strict=True):
            totals[name][NONE if value is None else value] += n
    return {name: [value for value, _ in counted.most_common(MOST_VALUES)] for name, counted in totals.items()}


def _by(connection: sa.Connection, column: sa.Column[Any]) -> dict[str, int]:
    return {value: n for value, n in connection.execute(sa.select(column, sa.func.count()).group_by(column))}


def _pairs() -> sa.Subquery:
    """Decisions whose both arms have a score."""
    o = outcomes.c
    scored = sa.select(o.decision_id).where(o.score.is_not(None), o.decision_id.is_not(None)).group_by(o.decision_id)
    return scored.having(sa.func.min(o.arm) != sa.func.max(o.arm)).subquery()


def _explored() -> sa.Select[Any]:
    """Decisions whose arm was drawn and has a score."""
    d, o = decisions.c, outcomes.c
    scored = sa.exists().where(o.decision_id == d.decision_id, o.arm == d.arm, o.score.is_not(None))
    return sa.select(sa.func.count()).select_from(decisions).where(d.p_reasoning > 0, d.p_reasoning < 1, scored)
