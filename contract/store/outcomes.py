"""What came of decisions: outcomes are added, never changed, and each is said to be new, a repetition, a contradiction or of nothing known.

One attempt of one decision may be told in parts (tokens when the answer ends, a score when it is graded): readers take the last
value told of each field, in the order of the outcomes' ids.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
import uuid_utils

from contract.store.inserting import insert
from contract.store.opening import reading, take_your_time
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
            told before: both are kept, the last one told counts; `unknown`, no such decision yet: kept until there is one.
        late: told more than LATE_AFTER after its decision; None where that is unknown.
        candidates: decisions that have the request id, or the one of that id; the newest of several is taken.
    """

    decision_id: str | None
    status: Status
    late: bool | None
    candidates: int


Key = tuple[str, str, int]
"""Decision (or request, while that is all that is known), arm and attempt."""

Last = dict[str, tuple[str, Any]]
"""Of each field the last value told, after the id of the outcome that told it."""


class _Decision(NamedTuple):
    time: datetime
    request_id: str | None


def new_id() -> str:
    """Return the id of an outcome as it is told: readers take the last value told, also where its record waited in a journal meanwhile."""
    return str(uuid_utils.uuid7())


def tell(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> list[Told]:
    """Add outcomes within the connection's transaction and return what became of each, in order; one whose id is there is not added again.

    Args:
        connection: its transaction is written in.
        rows: columns of `outcomes`: outcome_id (`new_id`), decision_id or request_id, arm, source, and at least one of VALUES; attempt is 0
            and time is now where absent.
    """
    by_request = _decisions_of(connection, {row["request_id"] for row in rows if not row.get("decision_id")})
    named = [row.get("decision_id") or by_request.get(row["request_id"], ("", 0))[0] for row in rows]
    known = _known(connection, {name for name in named if name})
    _join(connection, {*by_request, *(one.request_id for one in known.values() if one.request_id)})
    there = _there(connection, {row["outcome_id"] for row in rows})
    before = _told_before(connection, rows, named)
    told, new = [], []
    for row, decision_id in zip(rows, named, strict=True):
        decided, when = known.get(decision_id), row.get("time") or datetime.now(UTC)
        values = {name: row[name] for name in VALUES if row.get(name) is not None}
        last = before.setdefault(_key(row, decision_id), {})
        found = {name: value for name, (_, value) in last.items()}
        again = row["outcome_id"] in there or values.items() <= found.items()
        late = None if decided is None else when - decided.time > LATE_AFTER
        candidates = (
            int(decided is not None) if row.get("decision_id") else by_request.get(row["request_id"], ("", 0))[1]
        )
        status = "repeated" if again else _status(values, found, known=decided is not None)
        told.append(Told(decision_id or None, status, late, candidates))
        if not again:
            new.append(_row(row, values, decision_id, when, late, contradicts=_differs(values, found)))
            _learn(last, row["outcome_id"], values)
    insert(connection, outcomes, new)
    return told


def match_waiting(engine: sa.Engine) -> int:
    """Join outcomes that were told by request id before their decision was there, to the newest decision on it; return how many.

    Those that wait are looked through without a lock, and joined some hundred at a time: whoever records meanwhile is not held up.
    """
    waits, known = outcomes.c.decision_id.is_(None), sa.exists().where(decisions.c.request_id == outcomes.c.request_id)
    with reading(engine) as connection:
        take_your_time(connection)
        found = connection.scalars(sa.select(outcomes.c.request_id).where(waits, known).distinct()).all()
    joined = 0
    for some in _blocks(found):
        with engine.begin() as connection:
            joined += _join(connection, some)
    return joined


def _join(connection: sa.Connection, requests: Collection[str]) -> int:
    """Join the outcomes of some requests that wait for their decision; return how many."""
    waiting = sa.select(outcomes.c.outcome_id, outcomes.c.request_id, outcomes.c.time)
    waiting = waiting.where(outcomes.c.decision_id.is_(None))
    rows = [
        row for some in _blocks(requests) for row in connection.execute(waiting.where(outcomes.c.request_id.in_(some)))
    ]
    by_request = _decisions_of(connection, {row.request_id for row in rows})
    times = _known(connection, {decision_id for decision_id, _ in by_request.values()})
    joined = [
        {
            "own": row.outcome_id,
            "decision": (found := by_request[row.request_id][0]),
            "is_late": row.time - times[found].time > LATE_AFTER,
        }
        for row in rows
        if row.request_id in by_request
    ]
    if joined:
        update = sa.update(outcomes).where(outcomes.c.outcome_id == sa.bindparam("own"))
        connection.execute(update.values(decision_id=sa.bindparam("decision"), late=sa.bindparam("is_late")), joined)
    return len(joined)


def _status(values: Mapping[str, Any], found: Mapping[str, Any], *, known: bool) -> Status:
    if _differs(values, found):
        return "contradictory"
    if not known:
        return "unknown"
    return "completed" if found else "new"


def _differs(values: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    return any(name in found and found[name] != value for name, value in values.items())


def _key(row: Mapping[str, Any], decision_id: str | None) -> Key:
    return decision_id or f"request {row['request_id']}", row["arm"], row.get("attempt") or 0


def _learn(last: Last, outcome_id: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name not in last or last[name][0] < outcome_id:
            last[name] = (outcome_id, value)


def _row(
    row: Mapping[str, Any], values: Mapping[str, Any], decision_id: str, when: datetime, late: bool | None, *, contradicts: bool
) -> dict[str, Any]:  # fmt: skip
    content = json.dumps([*_key(row, decision_id), dict(values)], sort_keys=True)
    return {
        **values, "outcome_id": row["outcome_id"], "decision_id": decision_id or None, "request_id": row.get("request_id"),
        "arm": row["arm"], "attempt": row.get("attempt") or 0, "source": row["source"], "time": when, "contradicts": contradicts, "late": late,
        # a value that was told, changed and is told again is news: its id makes it another row
        "digest": hashlib.sha256(f"{content}{row['outcome_id'] if contradicts else ''}".encode()).hexdigest(),
    }  # fmt: skip


def _decisions_of(connection: sa.Connection, requests: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return the newest decision of each request id, and how many have it."""
    found: dict[str, tuple[str, int]] = {}
    column = decisions.c.request_id
    for some in _blocks(requests):
        newest = sa.select(column, sa.func.max(decisions.c.decision_id), sa.func.count())
        rows = connection.execute(newest.where(column.in_(some)).group_by(column))
        found |= {request: (decision_id, n) for request, decision_id, n in rows}
    return found


def _known(connection: sa.Connection, ids: Iterable[str]) -> dict[str, _Decision]:
    found: dict[str, _Decision] = {}
    column = decisions.c.decision_id
    for some in _blocks(ids):
        asked = sa.select(column, decisions.c.time, decisions.c.request_id).where(column.in_(some))
        found |= {row.decision_id: _Decision(row.time, row.request_id) for row in connection.execute(asked)}
    return found


def _there(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Return which outcomes are in the store."""
    column = outcomes.c.outcome_id
    return {one for some in _blocks(ids) for one in connection.scalars(sa.select(column).where(column.in_(some)))}


def _told_before(connection: sa.Connection, rows: Sequence[Mapping[str, Any]], named: Sequence[str]) -> dict[Key, Last]:
    """Return what was told of the attempts of these decisions, and of requests that no decision is known of."""
    requests = {row["request_id"] for row, decision_id in zip(rows, named, strict=True) if not decision_id}
    told: dict[Key, Last] = {}
    for column, keys in ((outcomes.c.decision_id, set(filter(None, named))), (outcomes.c.request_id, requests)):
        for some in _blocks(keys):
            asked = sa.select(outcomes).where(column.in_(some))
            if column is outcomes.c.request_id:
                asked = asked.where(outcomes.c.decision_id.is_(None))
            for row in connection.execute(asked).mappings():
                values = {name: row[name] for name in VALUES if row[name] is not None}
                _learn(told.setdefault(_key({**row}, row["decision_id"]), {}), row["outcome_id"], values)
    return told


def _blocks(keys: Iterable[str]) -> Iterator[list[str]]:
    ordered = sorted(keys)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
