"""Lists of decisions: which, in what order, from where on. SQL with bound values; names of columns come from tables here.

A page is found in a narrow index first (`ix_decisions_page`) and only its rows are read whole. Pages follow one another by key, not
by number: the thousandth is as quick as the first, and what is recorded meanwhile moves nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from contract.bands import BAND_EDGES
from contract.errors import NotFound
from contract.store.audit_tables import suspects
from contract.store.explored import is_chance
from contract.store.tables import bundles, decisions, outcomes, reviews
from serving.page.asked import NONE, Decided, Listed, Suspected

Row = Mapping[str, Any]

PAGE_ROWS = 50

EQUAL = ("task", "model", "profile", "language", "revision", "verdict", "arm", "policy_arm")
"""Filters that are columns of the same name."""

SORTS: dict[str, sa.Column[Any]] = {
    "time": decisions.c.time, "familiarity": decisions.c.familiarity, "net_benefit": decisions.c.expected_net_benefit,
    "gain": decisions.c.expected_gain, "extra_tokens": decisions.c.expected_extra_tokens, "thinking_budget": decisions.c.thinking_budget,
    "loss_points": suspects.c.loss_points, "p_misroute": suspects.c.p_misroute, "regret_points": suspects.c.regret_points,
}  # fmt: skip
"""Columns that lists are sorted by; none of them is ever NULL."""

SHOWN = (
    "decision_id", "time", "request_id", "verdict", "arm", "thinking_budget", "task", "model", "profile", "language", "revision",
    "familiarity", "expected_gain", "expected_extra_tokens", "expected_net_benefit", "p_reasoning",
)  # fmt: skip
"""Columns of a decision that a list has."""

SUSPICION = ("kind", "evidence", "p_misroute", "regret_points", "loss_points", "regret_tokens", "why")
"""Columns that a suspected one has before these."""


class Page(NamedTuple):
    """A part of a list.

    Attributes:
        rows: in the order of the list.
        after: name of the decision that the next page begins behind; None on the last page.
        before: name of the decision that the page before ends at; None on the first page.
    """

    rows: Sequence[Row]
    after: str | None
    before: str | None


def names_of(asked: Listed) -> tuple[str, ...]:
    """Return the columns of a list, in order."""
    return (*SUSPICION, *SHOWN, "mark") if isinstance(asked, Suspected) else (*SHOWN, "mark")


def page(connection: sa.Connection, asked: Listed, audit_id: str | None, rows: int = PAGE_ROWS) -> Page:
    """Return the part of a list that the address names.

    Raises:
        NotFound: the decision of `after` or `before` is not there, or no longer.
    """
    backwards = asked.before is not None
    keys = _keys(connection, asked, audit_id, backwards).limit(rows + 1).subquery("page")
    found = connection.execute(_whole(asked, audit_id, keys)).mappings().all()
    more, some = len(found) > rows, [dict(row) for row in found]
    if backwards:
        some = some[1:] if more else some  # in the order of the list the one too many comes first
        begun, ended = more, True
    else:
        some = some[:rows]
        begun, ended = asked.after is not None, more
    first, last = (some[0]["decision_id"], some[-1]["decision_id"]) if some else (asked.after, asked.before)
    return Page(some, last if ended else None, first if begun else None)


def count(connection: sa.Connection, asked: Listed, audit_id: str | None) -> int:
    """Return how many decisions the whole list has."""
    counted = sa.select(sa.func.count()).select_from(_source(asked)).where(*_conditions(connection, asked, audit_id))
    return int(connection.execute(counted).scalar_one())


def decided(asked: Decided) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on what every decision has."""
    table, found = decisions.c, []
    for name in EQUAL:
        value = getattr(asked, name)
        if value is not None:
            found.append(table[name].is_(None) if value == NONE else table[name] == value)
    if asked.familiarity:
        found += in_band(asked.familiarity)
    return found + between(table.time, asked.begin, asked.end)


def in_band(name: str) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a band of familiarity; a decision of a bundle that is not recorded is never unfamiliar."""
    familiarity, (low, high) = decisions.c.familiarity, BAND_EDGES
    unfamiliar = sa.exists().where(bundles.c.revision == decisions.c.revision, bundles.c.unfamiliar_below > familiarity)
    inside: dict[str, list[sa.ColumnElement[bool]]] = {
        "unfamiliar": [unfamiliar], "low": [familiarity < low, sa.not_(unfamiliar)],
        "middle": [familiarity >= low, familiarity < high, sa.not_(unfamiliar)], "high": [familiarity >= high, sa.not_(unfamiliar)],
    }  # fmt: skip
    return inside[name]


def between(column: sa.Column[Any], begin: Any, end: Any) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a range of times, its end excluded; None is no limit."""
    return ([column >= begin] if begin else []) + ([column < end] if end else [])


def _source(asked: Listed) -> sa.FromClause:
    if isinstance(asked, Suspected):
        return suspects.join(decisions, decisions.c.decision_id == suspects.c.decision_id)
    return decisions


def _conditions(connection: sa.Connection, asked: Listed, audit_id: str | None) -> list[sa.ColumnElement[bool]]:
    table, found = decisions.c, decided(asked)
    if isinstance(asked, Suspected):
        found.append(suspects.c.audit_id == (audit_id or ""))
        found += [suspects.c.kind == asked.kind] if asked.kind else []
        found += [suspects.c.evidence == asked.evidence] if asked.evidence else []
    if asked.q:
        found.append(_begins(connection, asked.q.strip()))
    if asked.digest:
        found.append(table.prompt_digest == asked.digest)
    if asked.conversation:
        found.append(table.conversation_id == asked.conversation)
    if asked.explored:
        drawn = is_chance(table.p_reasoning)
        found.append(drawn if asked.explored == "yes" else sa.not_(drawn))
    if asked.outcome:
        told = sa.exists().where(outcomes.c.decision_id == table.decision_id)
        told = told.where(outcomes.c.score.is_not(None)) if asked.outcome == "scored" else told
        found.append(sa.not_(told) if asked.outcome == "waiting" else told)
    return found + ([_reviewed(asked.reviewed)] if asked.reviewed else [])


def _begins(connection: sa.Connection, text: str) -> sa.ColumnElement[bool]:
    """Return that an id begins with a text, in a form that an index answers; a search has no wildcards."""
    found = []
    for column in (decisions.c.decision_id, decisions.c.request_id):
        ordered = column.collate("C") if connection.dialect.name == "postgresql" else column
        found.append(sa.and_(ordered >= text, ordered < text + "\U0010ffff"))
    return sa.or_(*found)


def _reviewed(wanted: str) -> sa.ColumnElement[bool]:
    of_it = reviews.c.decision_id == decisions.c.decision_id
    if wanted in ("yes", "no"):
        there = sa.exists().where(of_it)
        return there if wanted == "yes" else sa.not_(there)
    newer = reviews.alias("newer")
    replaced = sa.exists().where(
        newer.c.decision_id == reviews.c.decision_id,
        newer.c.reviewer == reviews.c.reviewer,
        newer.c.review_id > reviews.c.review_id,
    )
    return sa.exists().where(of_it, reviews.c.mark == wanted, sa.not_(replaced))


def _keys(connection: sa.Connection, asked: Listed, audit_id: str | None, backwards: bool) -> sa.Select[Any]:
    """Return the ids and sort values of the rows from the place on, forwards or backwards."""
    column, falling = SORTS[asked.sort], (asked.order == "desc") != backwards  # type: ignore[attr-defined]
    identity = decisions.c.decision_id
    chosen = sa.select(identity, column.label("sorted_by")).select_from(_source(asked))
    chosen = chosen.where(*_conditions(connection, asked, audit_id))
    place = asked.before or asked.after
    if place:
        value = _value_at(connection, asked, audit_id, place)
        beyond, nearer = (column < value, column <= value) if falling else (column > value, column >= value)
        tie = identity < place if falling else identity > place
        chosen = chosen.where(nearer, sa.or_(beyond, tie))
    return chosen.order_by(column.desc() if falling else column, identity.desc() if falling else identity)


def _value_at(connection: sa.Connection, asked: Listed, audit_id: str | None, place: str) -> Any:
    there = sa.select(SORTS[asked.sort]).select_from(_source(asked)).where(decisions.c.decision_id == place)  # type: ignore[attr-defined]
    if isinstance(asked, Suspected):
        there = there.where(suspects.c.audit_id == (audit_id or ""))
    row = connection.execute(there).first()
    if row is None:
        raise NotFound("the list has no such decision to go on from; begin at its first page", field="after")
    return row[0]


def _whole(asked: Listed, audit_id: str | None, keys: sa.Subquery) -> sa.Select[Any]:
    """Return the rows of the keys with all that the list shows, in the order of the list."""
    source = keys.join(decisions, decisions.c.decision_id == keys.c.decision_id)
    columns: list[Any] = [decisions.c[name] for name in SHOWN]
    if isinstance(asked, Suspected):
        of_audit = sa.and_(suspects.c.decision_id == keys.c.decision_id, suspects.c.audit_id == (audit_id or ""))
        source = source.join(suspects, of_audit)
        columns += [suspects.c[name] for name in SUSPICION]
    of_it = sa.select(reviews.c.mark).where(reviews.c.decision_id == keys.c.decision_id).correlate(keys)
    mark = of_it.order_by(reviews.c.review_id.desc()).limit(1).scalar_subquery()
    falling = asked.order == "desc"
    order = (keys.c.sorted_by, keys.c.decision_id)
    chosen = sa.select(*columns, mark.label("mark")).select_from(source)
    return chosen.order_by(*(column.desc() if falling else column.asc() for column in order))


def everything(asked: Listed) -> Listed:
    """Return the same list from its first page on."""
    return asked.model_copy(update={"after": None, "before": None})
