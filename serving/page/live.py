"""Counts straight from the record, as it is now: what was decided, what came back, what is missing."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from contract.store.audit_tables import audits
from contract.store.explored import explored
from contract.store.tables import decisions, gaps, outcomes, prompts, reviews
from serving.page.asked import NONE

Period = tuple[datetime, datetime]
Conditions = list[sa.ColumnElement[bool]]

ARMS = ("reasoning", "direct")

FACETS = ("task", "model", "profile", "language", "revision")
"""Columns whose values a filter offers."""

FACETS_OF = 20_000
"""The newest decisions whose values filters offer: older ones are reached by the address, and the record may be of any size."""

FACETS_KEPT_S = 300.0
"""How long the values of filters are taken from memory."""

MOST_VALUES = 500
"""Values that one filter offers, the most frequent ones; others are reached by the address."""


def counts(connection: sa.Connection, period: Period | None = None) -> dict[str, Any]:
    """Return how much is recorded, by name; times are None where nothing is.

    Args:
        connection: to the store.
        period: first and last moment of the decisions that count, with all that was told of them whenever it was told; None: all. Lost
            records, and outcomes whose decision is not there, have no decision: they are of the whole store either way, as in an audit.
    """
    within = _in(period)
    return {
        **_decided(connection, within),
        **_told(connection, within),
        **_judged(connection, within),
        **_others(connection, within),
    }


def last_audit(connection: sa.Connection, audit_id: str | None = None) -> Mapping[str, Any] | None:
    """Return an audit, the last one unless another is named; None where there is none."""
    chosen = sa.select(audits).order_by(audits.c.time.desc(), audits.c.audit_id.desc()).limit(1)
    chosen = chosen.where(audits.c.audit_id == audit_id) if audit_id else chosen
    row = connection.execute(chosen).mappings().first()
    return dict(row) if row else None


def any_audit(connection: sa.Connection) -> bool:
    """Return whether there is an audit: what a store that answers tells at once."""
    return connection.execute(sa.select(audits.c.audit_id).limit(1)).first() is not None


def period_of(audit: Mapping[str, Any] | None) -> Period | None:
    """Return when the first and the last decision were that an audit read, None where there is no audit."""
    return (audit["since"], audit["until"]) if audit else None


def id_of(audit: Mapping[str, Any] | None) -> str | None:
    """Return the id of an audit, None where there is none."""
    return str(audit["audit_id"]) if audit else None


class Facets:
    """The values that filters offer, by column, the most frequent first; kept in memory for some minutes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, list[str]] = {}
        self._until = 0.0

    def get(self, connection: sa.Connection) -> dict[str, list[str]]:
        """Return the values by column, at most five minutes old."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = _facets(connection)
                self._until = time.monotonic() + (FACETS_KEPT_S if any(self._found.values()) else 0)
            return self._found


def _facets(connection: sa.Connection) -> dict[str, list[str]]:
    newest = sa.select(*(decisions.c[name] for name in FACETS)).order_by(decisions.c.time.desc()).limit(FACETS_OF)
    columns = list(newest.subquery("newest").c)
    totals: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
    for *values, n in connection.execute(sa.select(*columns, sa.func.count()).group_by(*columns)):
        for name, value in zip(FACETS, values, strict=True):
            totals[name][NONE if value is None else value] += n
    return {name: [value for value, _ in counted.most_common(MOST_VALUES)] for name, counted in totals.items()}


def _in(period: Period | None) -> Conditions:
    return [decisions.c.time >= period[0], decisions.c.time <= period[1]] if period else []


def _decided(connection: sa.Connection, within: Conditions) -> dict[str, Any]:
    """Return decisions by verdict and by arm, and when the first and the last one was."""
    d, number, one = decisions.c, sa.func.count, connection.execute
    return {
        "verdicts": {verdict: n for verdict, n in one(sa.select(d.verdict, number()).where(*within).group_by(d.verdict))},
        "arms": dict(zip(ARMS, one(sa.select(*(number().filter(d.arm == arm) for arm in ARMS)).where(*within)).one(), strict=True)),
        "first": one(sa.select(sa.func.min(d.time)).where(*within)).scalar(),
        "last": one(sa.select(sa.func.max(d.time)).where(*within)).scalar(),
    }  # fmt: skip


def _told(connection: sa.Connection, within: Conditions) -> dict[str, Any]:
    """Return outcomes: all, those whose decision is not there yet, those that contradict, those that came late."""
    o, number = outcomes.c, sa.func.count
    unmatched = o.decision_id.is_(None)
    chosen = sa.select(number(), number().filter(unmatched), number().filter(o.contradicts), number().filter(o.late))
    if within:
        of_them = sa.exists().where(decisions.c.decision_id == o.decision_id, *within)
        chosen = chosen.where(sa.or_(unmatched, of_them))
    return dict(zip(("outcomes", "unmatched", "contradictory", "late"), connection.execute(chosen).one(), strict=True))


def _judged(connection: sa.Connection, within: Conditions) -> dict[str, Any]:
    """Return decisions by what came back: any outcome, a score, scores of both arms, explored."""
    o, d, number = outcomes.c, decisions.c, sa.func.count
    scored = sa.case((o.score.is_not(None), o.arm))
    by_decision = sa.select(o.decision_id, sa.func.min(scored).label("first"), sa.func.max(scored).label("last"))
    told = by_decision.where(o.decision_id.is_not(None)).group_by(o.decision_id).subquery("told")
    chosen = sa.select(number(), number(told.c.first), number().filter(told.c.first != told.c.last))
    # an outcome may name a decision that is not there yet
    known = sa.exists().where(d.decision_id == told.c.decision_id, *within)
    found = dict(
        zip(("with_outcome", "scored", "observed_pairs"), connection.execute(chosen.where(known)).one(), strict=True)
    )
    drawn = sa.select(number()).select_from(decisions).where(explored(), *within)
    return {**found, "explored": connection.execute(drawn).scalar_one()}


def _others(connection: sa.Connection, within: Conditions) -> dict[str, Any]:
    """Return lost records, prompts that are kept, and decisions that were reviewed."""
    one, number = connection.execute, sa.func.count
    kept, reviewed = sa.select(number()).select_from(prompts), sa.select(number(reviews.c.decision_id.distinct()))
    if within:
        kept = kept.where(sa.exists().where(decisions.c.decision_id == prompts.c.decision_id, *within))
        reviewed = reviewed.where(sa.exists().where(decisions.c.decision_id == reviews.c.decision_id, *within))
    lost = one(sa.select(number(), sa.func.sum(gaps.c.records), sa.func.max(gaps.c.until))).one()
    return {
        "gaps": lost[0], "lost": lost[1] or 0, "lost_until": lost[2],
        "prompts": one(kept).scalar_one(), "reviewed": one(reviewed).scalar_one(),
    }  # fmt: skip
