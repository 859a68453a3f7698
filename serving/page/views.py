"""What each view of the page shows: gathered from one moment of the store, for the templates.

A view is a function of a connection and of what was asked for; it never renders and knows no request.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple

import sqlalchemy as sa

from contract.errors import NotFound
from contract.store.audit_tables import slices, suspects
from contract.store.reviews import MARKS
from contract.store.tables import decisions, outcomes
from serving.page import charts, listing, live, parts, trends
from serving.page.asked import AllDecisions, Asked, Nothing, Sliced, Suspected, Trended
from serving.page.sheets import Sheet, of_charts, of_overview, of_what_if
from serving.page.story import GROUPS, story

Context = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]
Gather = Callable[[sa.Connection, Any, live.Facets], Context]

MOST_SLICES = 500
"""Slices that one page shows; the download has them all."""


class View(NamedTuple):
    """A page.

    Attributes:
        title: its heading.
        template: that it is rendered by.
        asked: what it may be asked.
        gather: what it shows.
        sheets: tables that can be downloaded, of what is shown; None of a list.
        early: its top is sent before the rest is gathered, which takes long on a large store.
        stored: what its sheets are made of, where that is less than what it shows; None: all of it.
    """

    title: str
    template: str
    asked: type[Asked]
    gather: Gather
    sheets: Callable[[Context], dict[str, Sheet]] | None = None
    early: bool = False
    stored: Gather | None = None


def overview(connection: sa.Connection, asked: Asked, facets: live.Facets) -> Context:
    """Return live counts, the four readings of the last audit and what is missing."""
    return {"live": live.counts(connection), **audited(connection, asked, facets)}


def audited(connection: sa.Connection, asked: Asked, facets: live.Facets) -> Context:
    """Return what the overview has of the last audit: one row of the store, however many decisions it holds."""
    audit = live.last_audit(connection)
    report = report_of(audit)
    return {
        "audit": audit, "readings": parts.readings(report), "sections": parts.others(report), "notes": parts.notes(report),
    }  # fmt: skip


def trend(connection: sa.Connection, asked: Trended, facets: live.Facets) -> Context:
    """Return charts by day, each with its rows."""
    asked = trends.in_days(connection, asked)
    audit = live.last_audit(connection)
    report = report_of(audit)
    judged = [] if set(asked.filters()) - {"since", "until"} else _within(asked, parts.bands_by_day(report))
    return {
        "asked": asked, "facets": facets.get(connection), "charts": drawn(trends.by_day(connection, asked), judged), "audit": audit,
        "hidden": bool(parts.bands_by_day(report)) and not judged, "section": parts.trend(report),
    }  # fmt: skip


def sliced(connection: sa.Connection, asked: Sliced, facets: live.Facets) -> Context:
    """Return the slices of the last audit."""
    audit = live.last_audit(connection)
    rows = connection.execute(slices_of(asked, live.id_of(audit)).limit(MOST_SLICES)).mappings().all()
    return {
        "asked": asked, "audit": audit, "total": slices_count(connection, asked, live.id_of(audit)),
        "rows": [{**shown_slice(row), "address": decisions_in(row, live.period_of(audit))} for row in rows],
    }  # fmt: skip


def suspected(connection: sa.Connection, asked: Suspected, facets: live.Facets) -> Context:
    """Return a page of the suspected misroutes of the last audit."""
    return _list(connection, asked, facets)


def all_decisions(connection: sa.Connection, asked: AllDecisions, facets: live.Facets) -> Context:
    """Return a page of all decisions."""
    return _list(connection, asked, facets)


def what_if(connection: sa.Connection, asked: Asked, facets: live.Facets) -> Context:
    """Return what the last audit says of other profiles and thresholds."""
    audit = live.last_audit(connection)
    return {"audit": audit, "section": parts.what_if(report_of(audit))}


def one_decision(connection: sa.Connection, decision_id: str) -> Context:
    """Return a decision's story.

    Raises:
        NotFound: it is not recorded.
    """
    audit = live.last_audit(connection)
    told = story(connection, decision_id, live.id_of(audit))
    if told is None:
        raise NotFound("no such decision is recorded here; look for it in the list of decisions", field="decision_id")
    comments = {column.name: column.comment for column in (*decisions.c, *outcomes.c, *suspects.c)}
    return {"story": told, "groups": GROUPS, "comments": comments, "marks": MARKS, "audit": audit}


VIEWS: Mapping[str, View] = {
    "": View("Overview", "overview.html", Nothing, overview, of_overview, early=True, stored=audited),
    "trends": View("Trends", "trends.html", Trended, trend, of_charts, early=True),
    "slices": View("Slices", "slices.html", Sliced, sliced),
    "suspected": View("Suspected misroutes", "list.html", Suspected, suspected),
    "decisions": View("Decisions", "list.html", AllDecisions, all_decisions),
    "what-if": View("What if", "what_if.html", Nothing, what_if, of_what_if),
}
"""The views by their place under the page."""


def slices_of(asked: Sliced, audit_id: str | None) -> sa.Select[Any]:
    """Return the query of the slices that were asked for, in order; unknown values come last either way."""
    column = slices.c[asked.sort]
    ordered = column.desc().nulls_last() if asked.order == "desc" else column.asc().nulls_last()
    return sa.select(slices).where(*_conditions(asked, audit_id)).order_by(ordered, slices.c.slice_id)


def slices_count(connection: sa.Connection, asked: Sliced, audit_id: str | None) -> int:
    """Return how many slices were asked for."""
    counted = sa.select(sa.func.count()).select_from(slices).where(*_conditions(asked, audit_id))
    return int(connection.execute(counted).scalar_one())


ARM_OF = {"overthinking": "reasoning", "underthinking": "direct"}
"""The arm that a kind of misroute is about."""


def shown_slice(row: Mapping[Any, Any]) -> Context:
    """Return a slice as it is shown: its title without the kind, which is wrong only where it is misrouted, its arm and what was found."""
    lower, upper = row["net_benefit_lower"], row["net_benefit_upper"]
    right = (lower is not None and lower > 0) if row["kind"] == "overthinking" else (upper is not None and upper < 0)
    finding = "policy right" if right else "not shown to be wrong"
    finding = "modelled, never called" if row["evidence"] == "modelled" else finding
    how = {"dimension": "all", "search": "confirmed"}.get(row["found"], row["found"])
    title = row["title"].removesuffix(f": {row['kind']}")
    return {**row, "title": title, "policy_arm": ARM_OF.get(row["kind"]), "finding": finding, "how": how}


def decisions_in(row: Mapping[Any, Any], period: live.Period | None) -> str:
    """Return the query string of the list of a slice's decisions: those for which the policy chose the arm that its kind is about.

    A list knows whole days: where the audit's period begins or ends within one, the list has the rest of that day too.
    """
    same = {name: row[name] for name in ("task", "model", "profile", "language", "revision", "familiarity")}
    arm = ARM_OF.get(row["kind"])
    first, last = (moment.astimezone(UTC).date() for moment in period) if period else (None, None)
    days = {"since": row["day"] or first, "until": row["day"] or last}
    return AllDecisions().address(**same, **days, policy_arm=arm)


def drawn(by_day: Mapping[str, Rows], gained: Rows, by: str = "told") -> list[Context]:
    """Return the charts of the trends: title, what it is of, specification, and the same rows as a table; `by`: which day outcomes have."""
    score, tokens, latency = by_day["score"], by_day["output_tokens"], by_day["latency_s"]
    better = "points that the arm chosen was worth over the other; below 0 the day's choices lost"
    found = [
        ("verdicts", "Verdicts", "decisions by day", charts.verdicts(by_day["verdicts"]), by_day["verdicts"]),
        (
            "net_benefit",
            "Net benefit of choices",
            f"of the last audit, 95 % band, cut beyond 1 point: {better}",
            charts.bands(gained, "points", "+.2f"),
            gained,
        ),
        (
            "score",
            "Score by arm",
            f"mean of outcomes by the day {by}, 95 % band",
            charts.means(score, "score", ".2f"),
            score,
        ),
        (
            "output_tokens",
            "Output tokens by arm",
            f"mean an attempt by the day {by}, 95 % band",
            charts.means(tokens, "tokens", ",.0f"),
            tokens,
        ),
        ("latency_s", "Latency by arm", f"p50 and p95 by the day {by}, seconds", charts.percentiles(latency), latency),
    ]
    names = ("name", "title", "note", "spec", "rows")
    return [dict(zip(names, chart, strict=True)) for chart in found if chart[-1]]


def _list(connection: sa.Connection, asked: Suspected | AllDecisions, facets: live.Facets) -> Context:
    audit = live.last_audit(connection)
    audit_id = live.id_of(audit)
    return {
        "asked": asked, "audit": audit, "facets": facets.get(connection), "page": listing.page(connection, asked, audit_id),
        "total": listing.count(connection, asked, audit_id), "is_suspected": isinstance(asked, Suspected),
    }  # fmt: skip


def _conditions(asked: Sliced, audit_id: str | None) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = [slices.c.audit_id == (audit_id or "")]
    for name in ("kind", "evidence", "found"):
        value = getattr(asked, name)
        found += [slices.c[name] == value] if value else []
    found += [slices.c.misrouted.is_(asked.misrouted == "yes")] if asked.misrouted else []
    return found + ([slices.c[asked.by].is_not(None)] if asked.by else [])


def report_of(audit: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the report of an audit; empty where there is none."""
    return audit["report"] if audit and isinstance(audit["report"], Mapping) else {}


def _within(asked: Trended, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first, last = str(asked.since or ""), str(asked.until or "9999")
    return [row for row in rows if first <= row["day"] <= last]
