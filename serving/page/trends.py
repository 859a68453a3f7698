"""What was decided and what came of it, day by day (UTC)."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from contract.store.tables import decisions, outcomes
from contract.store.told import is_last
from serving.page.asked import NONE, Trended
from serving.page.listing import between
from serving.page.live import Period

DEFAULT_DAYS = 14
"""Days up to the last decision where the address names none."""

MEASURES = ("score", "output_tokens")
"""What outcomes are averaged of, by arm; beside the percentiles of latency."""

Rows = list[dict[str, Any]]


def in_days(connection: sa.Connection, asked: Trended) -> Trended:
    """Return what was asked for with a first day: two weeks up to the last one, unless it names one."""
    if asked.since is not None:
        return asked
    end = asked.until or _last_day(connection)
    return asked.model_copy(update={"since": end - timedelta(days=DEFAULT_DAYS - 1)}) if end else asked


def by_day(connection: sa.Connection, asked: Trended, period: Period | None = None) -> dict[str, Rows]:
    """Return rows with `day` by name of series: verdicts (of decisions), score, output_tokens and latency_s (of outcomes, by the day told).

    Of each attempt the last value told counts. A percentile is the nearest rank. A day without a value has no row.

    Args:
        connection: to the store.
        asked: days, and which decisions.
        period: first and last moment of the decisions of an audit: outcomes are then theirs, whenever they were told, and by the
            decision's day, as the audit has them; the days of `asked` do not matter.
    """
    chosen = _Chosen(asked, period)
    found = {"verdicts": _verdicts(connection, chosen), "latency_s": _latency(connection, chosen)}
    return found | {name: _means(connection, chosen, name) for name in MEASURES}


class _Chosen(NamedTuple):
    """What trends are of: days by which a thing was decided or told, or the decisions of a period."""

    asked: Trended
    period: Period | None

    def within(self, column: sa.Column[Any]) -> list[sa.ColumnElement[bool]]:
        if self.period:
            return [decisions.c.time >= self.period[0], decisions.c.time <= self.period[1]]
        return between(column, self.asked.begin, self.asked.end)


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


def _verdicts(connection: sa.Connection, of: _Chosen) -> Rows:
    d = decisions.c
    day = _day(connection, d.time).label("day")
    chosen = sa.select(day, d.verdict, sa.func.count(), sa.func.avg(d.familiarity)).where(*_narrowed(of.asked))
    chosen = chosen.where(*of.within(d.time)).group_by(day, d.verdict).order_by(day, d.verdict)
    names = ("day", "verdict", "n", "familiarity")
    return _rows(names, connection.execute(chosen))


def _told(connection: sa.Connection, of: _Chosen, name: str) -> sa.Select[Any]:
    """Return day, arm and the last value told of each attempt of a known decision."""
    o = outcomes.c
    when = decisions.c.time if of.period else o.time
    chosen = sa.select(_day(connection, when).label("day"), o.arm, o[name].label("value")).select_from(outcomes)
    chosen = chosen.where(o.decision_id.is_not(None), is_last(name))
    narrowed = _narrowed(of.asked)
    if narrowed or of.period:
        chosen = chosen.join(decisions, decisions.c.decision_id == o.decision_id).where(*narrowed)
    return chosen.where(*of.within(o.time))


def _means(connection: sa.Connection, of: _Chosen, name: str) -> Rows:
    told = _told(connection, of, name).subquery("told").c
    value = sa.cast(told.value, sa.Float)
    chosen = sa.select(told.day, told.arm, sa.func.count(), sa.func.avg(value), sa.func.avg(value * value))
    rows = connection.execute(chosen.group_by(told.day, told.arm).order_by(told.day, told.arm))
    return [
        {"day": str(day), "arm": arm, "n": n, "mean": mean, **_band(n, mean, square, 1.0 if name == "score" else None)}
        for day, arm, n, mean, square in rows
    ]


def _band(n: int, mean: float, square: float, most: float | None) -> dict[str, float | None]:
    """Return the normal 95 % interval of a mean of values from 0 to `most`; None of a single value."""
    if n < 2:
        return {"lower": None, "upper": None}
    half = 1.96 * (max(square - mean * mean, 0.0) / (n - 1)) ** 0.5
    return {"lower": max(mean - half, 0.0), "upper": mean + half if most is None else min(mean + half, most)}


def _latency(connection: sa.Connection, of: _Chosen) -> Rows:
    told = _told(connection, of, "latency_s")
    rows = connection.execute(told.order_by(*told.selected_columns))
    found = []
    for (day, arm), of_both in groupby(rows, key=itemgetter(0, 1)):
        values = [value for _, _, value in of_both]
        found.append(
            {
                "day": str(day),
                "arm": arm,
                "n": len(values),
                "p50": _nearest_rank(values, 50),
                "p95": _nearest_rank(values, 95),
            }
        )
    return found


def _nearest_rank(rising: Sequence[float], percent: int) -> float:
    return rising[(len(rising) * percent + 99) // 100 - 1]


def _rows(names: Iterable[str], rows: Iterable[Any]) -> Rows:
    return [dict(zip(names, (str(row[0]), *row[1:]), strict=True)) for row in rows]
