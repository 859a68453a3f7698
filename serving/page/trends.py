"""What was decided and what came of it, day by day (UTC)."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from contract.store.tables import decisions, outcomes
from serving.page.asked import NONE, Trended
from serving.page.listing import between

DEFAULT_DAYS = 30
"""Days up to the last decision where the address names none."""

MEASURES = ("score", "output_tokens")
"""What outcomes are averaged of, by arm; beside the percentiles of latency."""

Rows = list[dict[str, Any]]


def in_days(connection: sa.Connection, asked: Trended) -> Trended:
    """Return what was asked for with a first day: thirty days up to the last one, unless it names one."""
    if asked.since is not None:
        return asked
    end = asked.until or _last_day(connection)
    return asked.model_copy(update={"since": end - timedelta(days=DEFAULT_DAYS - 1)}) if end else asked


def by_day(connection: sa.Connection, asked: Trended) -> dict[str, Rows]:
    """Return rows with `day` by name of series: verdicts (of decisions), score, output_tokens and latency_s (of outcomes, by the day told).

    Of each attempt the last value told counts. A percentile is the nearest rank. A day without a value has no row.
    """
    found = {"verdicts": _verdicts(connection, asked), "latency_s": _latency(connection, asked)}
    return found | {name: _means(connection, asked, name) for name in MEASURES}


def _last_day(connection: sa.Connection) -> date | None:
    last = connection.execute(sa.select(sa.func.max(decisions.c.time))).scalar()
    return last.date() if last else None


def _day(connection: sa.Connection, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Return the day of a time as the database gives it: the beginning of SQLite's text, or a date."""
    plain = sa.type_coerce(column, sa.String)
    return sa.func.substr(plain, 1, 10) if connection.dialect.name == "sqlite" else sa.func.date(column)


def _narrowed(asked: Trended) -> list[sa.ColumnElement[bool]]:
    found = []
    for name in ("task", "model", "profile"):
        value, column = getattr(asked, name), decisions.c[name]
        if value is not None:
            found.append(column.is_(None) if value == NONE else column == value)
    return found


def _verdicts(connection: sa.Connection, asked: Trended) -> Rows:
    d = decisions.c
    day = _day(connection, d.time).label("day")
    chosen = sa.select(day, d.verdict, sa.func.count(), sa.func.avg(d.familiarity)).where(*_narrowed(asked))
    chosen = chosen.where(*between(d.time, asked.begin, asked.end)).group_by(day, d.verdict).order_by(day, d.verdict)
    names = ("day", "verdict", "n", "familiarity")
    return _rows(names, connection.execute(chosen))


def _told(connection: sa.Connection, asked: Trended, name: str) -> sa.Subquery:
    """Return the last value told of each attempt, with day and arm."""
    o = outcomes.c
    attempt = (sa.func.coalesce(o.decision_id, o.request_id), o.arm, o.attempt)
    age = sa.func.row_number().over(partition_by=attempt, order_by=o.outcome_id.desc()).label("age")
    chosen = sa.select(_day(connection, o.time).label("day"), o.arm, o[name].label("value"), age)
    chosen = chosen.where(o[name].is_not(None), *between(o.time, asked.begin, asked.end))
    if narrowed := _narrowed(asked):
        chosen = chosen.join(decisions, decisions.c.decision_id == o.decision_id).where(*narrowed)
    every = chosen.subquery("every")
    return sa.select(every.c.day, every.c.arm, every.c.value).where(every.c.age == 1).subquery("told")


def _means(connection: sa.Connection, asked: Trended, name: str) -> Rows:
    told = _told(connection, asked, name).c
    value = sa.cast(told.value, sa.Float)
    chosen = sa.select(told.day, told.arm, sa.func.count(), sa.func.avg(value), sa.func.avg(value * value))
    rows = connection.execute(chosen.group_by(told.day, told.arm).order_by(told.day, told.arm))
    return [
        {"day": str(day), "arm": arm, "n": n, "mean": mean, **_band(n, mean, square)}
        for day, arm, n, mean, square in rows
    ]


def _band(n: int, mean: float, square: float) -> dict[str, float | None]:
    """Return the normal 95 % interval of a mean; None of a single value."""
    if n < 2:
        return {"lower": None, "upper": None}
    half = 1.96 * (max(square - mean * mean, 0.0) / (n - 1)) ** 0.5
    return {"lower": mean - half, "upper": mean + half}


def _latency(connection: sa.Connection, asked: Trended) -> Rows:
    told = _told(connection, asked, "latency_s").c
    of_day = (told.day, told.arm)
    rank = sa.func.row_number().over(partition_by=of_day, order_by=told.value).label("rank")
    n = sa.func.count().over(partition_by=of_day).label("n")
    ranked = sa.select(*of_day, told.value, rank, n).subquery("ranked").c
    chosen = sa.select(ranked.day, ranked.arm, ranked.n, ranked.value, ranked.rank)
    # ceil(share * n) in whole numbers: both databases divide integers by cutting
    p50, p95 = (ranked.n * 50 + 99) // 100, (ranked.n * 95 + 99) // 100
    rows = connection.execute(
        chosen.where(sa.or_(ranked.rank == p50, ranked.rank == p95)).order_by(*chosen.selected_columns[:2], ranked.rank)
    )
    by_day: dict[tuple[str, str], dict[str, Any]] = {}
    for day, arm, count, value, at in rows:
        row = by_day.setdefault((str(day), arm), {"day": str(day), "arm": arm, "n": count, "p50": value, "p95": value})
        row["p95" if at == (count * 95 + 99) // 100 else "p50"] = value
    return list(by_day.values())


def _rows(names: Iterable[str], rows: Iterable[Any]) -> Rows:
    return [dict(zip(names, (str(row[0]), *row[1:]), strict=True)) for row in rows]


def as_series(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> Rows:
    """Return rows in long form: a row of day, arm, `series` and `value` for each of the columns, which map to words."""
    return [
        {"day": row["day"], "arm": row["arm"], "series": f"{row['arm']}, {words}", "value": row[name], "n": row["n"]}
        for row in rows for name, words in columns.items()
    ]  # fmt: skip
