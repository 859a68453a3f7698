"""What came of decisions: outcomes are added, never changed, and each is said to be new, a repetition, a contradiction or of nothing known.

One attempt of one decision may be told in parts (tokens when the answer ends, a score when it is graded): readers take the last
value told of each field.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
import uuid_utils

from contract.store.inserting import insert
from contract.store.tables import decisions, outcomes

VALUES = (
    "overridden", "score", "score_kind", "defect", "output_tokens", "thinking_tokens", "input_tokens", "cost_usd", "gpu_seconds",
    "latency_s", "finish_reason",
)  # fmt: skip
"""Columns that say what came of an attempt; at least one is told."""

LATE_AFTER = timedelta(days=1)
"""How long after its decision an outcome is late: reports of that day were without it."""

AT_ONCE = 400
"""Keys in one question to the database."""

Status = Literal["new", "completed", "repeated", "contradictory", "unknown"]


class Told(NamedTuple):
    """What became of an outcome.

    Attributes:
        decision_id: the decision it came of; None while only the request is known.
        status: `new`; `completed`, an attempt told before has more values now; `repeated`, kept once; `contradictory`, another value was
            told before: both are kept, the last one counts; `unknown`, no such decision yet: kept until there is one.
        late: told more than LATE_AFTER after its decision; None where that is unknown.
        candidates: decisions that have the request id; the newest of several is taken.
    """

    decision_id: str | None
    status: Status
    late: bool | None
    candidates: int


Key = tuple[str, str, int]


def tell(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> list[Told]:
    """Add outcomes within the connection's transaction and return what became of each, in order.

    Args:
        connection: its transaction is written in.
        rows: columns of `outcomes`: decision_id or request_id, arm, and at least one of VALUES; attempt is 0 and time is now where absent.
    """
    by_request = _decisions_of(connection, {row["request_id"] for row in rows if not row.get("decision_id")})
    named = [row.get("decision_id") or by_request.get(row["request_id"], ("", 0))[0] for row in rows]
    times = _times(connection, {name for name in named if name})
    before = _told_before(connection, rows, named)
    told, new = [], []
    for row, decision_id in zip(rows, named, strict=True):
        decided = times.get(decision_id)
        when = row.get("time") or datetime.now(UTC)
        values = {name: row[name] for name in VALUES if row.get(name) is not None}
        known = before.setdefault(
            (decision_id or f"request {row['request_id']}", row["arm"], row.get("attempt") or 0), {}
        )
        status = _status(values, known, decided)
        late = None if decided is None else when - decided > LATE_AFTER
        told.append(Told(decision_id or None, status, late, by_request.get(row.get("request_id") or "", ("", 1))[1]))
        if values.items() <= known.items():
            continue
        new.append(_row(row, values, decision_id, when, late, contradicts=_differs(values, known)))
        known |= values
    if new:
        insert(connection, outcomes, new)
    return told


def match_waiting(connection: sa.Connection) -> int:
    """Join outcomes that were told by request id before their decision was there; return how many. The newest decision is taken."""
    same = sa.select(sa.func.max(decisions.c.decision_id)).where(decisions.c.request_id == outcomes.c.request_id)
    waiting = outcomes.c.decision_id.is_(None)
    statement = sa.update(outcomes).where(waiting, same.correlate(outcomes).scalar_subquery().is_not(None))
    return connection.execute(statement.values(decision_id=same.correlate(outcomes).scalar_subquery())).rowcount


def _status(values: Mapping[str, Any], known: Mapping[str, Any], decided: datetime | None) -> Status:
    if values.items() <= known.items():
        return "repeated"
    if _differs(values, known):
        return "contradictory"
    if decided is None:
        return "unknown"
    return "completed" if known else "new"


def _differs(values: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return any(name in known and known[name] != value for name, value in values.items())


def _row(
    row: Mapping[str, Any], values: Mapping[str, Any], decision_id: str, when: datetime, late: bool | None, *, contradicts: bool
) -> dict[str, Any]:  # fmt: skip
    attempt = row.get("attempt") or 0
    of = decision_id or f"request {row['request_id']}"
    content = json.dumps([of, row["arm"], attempt, dict(values)], sort_keys=True)
    return {
        **values, "outcome_id": str(uuid_utils.uuid7()), "decision_id": decision_id or None, "request_id": row.get("request_id"),
        "arm": row["arm"], "attempt": attempt, "source": row["source"], "time": when, "contradicts": contradicts, "late": late,
        # a value that was told, changed and is told again is news: the time makes it another row
        "digest": hashlib.sha256(f"{content}{when if contradicts else ''}".encode()).hexdigest(),
    }  # fmt: skip


def _decisions_of(connection: sa.Connection, requests: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return the newest decision of each request id, and how many have it."""
    found: dict[str, tuple[str, int]] = {}
    column = decisions.c.request_id
    for some in _blocks(requests):
        newest = (
            sa.select(column, sa.func.max(decisions.c.decision_id), sa.func.count())
            .where(column.in_(some))
            .group_by(column)
        )
        found |= {request: (decision_id, n) for request, decision_id, n in connection.execute(newest)}
    return found


def _times(connection: sa.Connection, ids: Iterable[str]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    column = decisions.c.decision_id
    for some in _blocks(ids):
        asked = sa.select(column, decisions.c.time).where(column.in_(some))
        found |= {row.decision_id: row.time for row in connection.execute(asked)}
    return found


def _told_before(
    connection: sa.Connection, rows: Sequence[Mapping[str, Any]], named: Sequence[str]
) -> dict[Key, dict[str, Any]]:
    """Return the last value told of each field, by decision (or request, while that is all that is known), arm and attempt."""
    requests = {row["request_id"] for row, decision_id in zip(rows, named, strict=True) if not decision_id}
    known: dict[Key, dict[str, Any]] = {}
    for column, keys in ((outcomes.c.decision_id, set(filter(None, named))), (outcomes.c.request_id, requests)):
        for some in _blocks(keys):
            asked = sa.select(outcomes).where(column.in_(some)).order_by(outcomes.c.outcome_id)
            if column is outcomes.c.request_id:
                asked = asked.where(outcomes.c.decision_id.is_(None))
            for row in connection.execute(asked).mappings():
                key = (row["decision_id"] or f"request {row['request_id']}", row["arm"], row["attempt"])
                known.setdefault(key, {}).update({name: row[name] for name in VALUES if row[name] is not None})
    return known


def _blocks(keys: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
