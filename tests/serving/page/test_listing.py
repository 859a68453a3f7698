"""Lists page by page: every decision once, in order, whatever the order; and the same on PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from contract.errors import NotFound, StoreDown
from contract.store.opening import migrate, open_store, reading
from contract.store.tables import bundles, decisions, outcomes
from serving.page import listing, live, trends, views
from serving.page.asked import AllDecisions, Listed, Sliced, Suspected, Trended
from serving.page.report import report_html
from serving.page.store import Store

SORTS = [
    *((AllDecisions, sort) for sort in AllDecisions.model_fields["sort"].annotation.__args__),
    *((Suspected, sort) for sort in Suspected.model_fields["sort"].annotation.__args__),
]


def walk(connection, asked: Listed, audit_id, rows=30):
    found, pages = [], []
    while True:
        page = listing.page(connection, asked, audit_id, rows)
        pages.append([row["decision_id"] for row in page.rows])
        found += page.rows
        if page.after is None:
            return found, pages
        asked = asked.model_copy(update={"after": page.after, "before": None})


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(("kind", "sort"), SORTS)
def test_pages_hold_every_decision_once_in_order(filled, kind, sort, order):
    asked = kind(sort=sort, order=order)
    with reading(filled.engine) as connection:
        found, pages = walk(connection, asked, filled.audit_id)
        assert (
            len(found)
            == len({row["decision_id"] for row in found})
            == listing.count(connection, asked, filled.audit_id)
        )
        column = listing.SORTS[sort].name
        values = [row[column] for row in found]
        assert values == sorted(values, reverse=order == "desc")
        before = listing.page(connection, asked.model_copy(update={"before": pages[2][0]}), filled.audit_id, 30)
        assert [row["decision_id"] for row in before.rows] == pages[1]


def test_equal_values_are_paged_without_loss(filled):
    asked = AllDecisions(sort="thinking_budget", order="asc")
    with reading(filled.engine) as connection:
        found, _ = walk(connection, asked, None, rows=7)
        zero = [row for row in found if row["thinking_budget"] == 0]
        assert len(zero) > 50
        assert len(found) == len({row["decision_id"] for row in found}) == 400


def test_a_place_that_is_gone_is_refused(filled):
    with reading(filled.engine) as connection, pytest.raises(NotFound, match="first page"):
        listing.page(connection, AllDecisions(before="gone"), None)


@pytest.mark.parametrize(
    ("filters", "holds"),
    [
        ({"model": "(none)"}, lambda row: row["model"] is None), ({"explored": "yes"}, lambda row: 0 < row["p_reasoning"] < 1),
        ({"explored": "no"}, lambda row: row["p_reasoning"] in (0, 1)), ({"familiarity": "unfamiliar"}, lambda row: row["familiarity"] < 0.5),
        ({"familiarity": "low"}, lambda row: 0.5 <= row["familiarity"] < 0.6), ({"familiarity": "high"}, lambda row: row["familiarity"] >= 0.8),
        ({"since": "2026-09-03", "until": "2026-09-04"}, lambda row: str(row["time"].date()) in ("2026-09-03", "2026-09-04")),
        ({"q": "req-00000"}, lambda row: (row["request_id"] or "").startswith("req-00000")), ({"reviewed": "yes"}, lambda row: row["mark"] is not None),
        ({"reviewed": "unsure"}, lambda row: row["mark"] == "unsure"),
    ],
)  # fmt: skip
def test_a_filter_keeps_those_and_only_those(filled, filters, holds):
    with reading(filled.engine) as connection:
        everything, _ = walk(connection, AllDecisions(), None)
        asked = AllDecisions.model_validate(filters)
        found, _ = walk(connection, asked, None)
        assert [row["decision_id"] for row in found] == [row["decision_id"] for row in everything if holds(row)]
        assert found
        assert listing.count(connection, asked, None) == len(found)


def test_a_search_knows_no_wildcards(filled):
    with reading(filled.engine) as connection:
        assert listing.count(connection, AllDecisions(q="%"), None) == 0
        assert listing.count(connection, AllDecisions(q="req_"), None) == 0
        assert listing.count(connection, AllDecisions(q="' OR 1=1; DROP"), None) == 1


def decided(decision_id, when, **more):
    row = {column.name: None for column in decisions.c} | {
        "decision_id": decision_id, "time": when, "revision": "r", "profile": "p", "model_known": True, "task": "t", "verdict": "use", "arm": "direct",
        "policy_arm": "direct", "p_reasoning": 0.5, "effort": "none", "enforced": True, "truncated": False, "reasons": [],
    }  # fmt: skip
    numbers = {column.name: 0 for column in decisions.c if not column.nullable and row[column.name] is None}
    return row | numbers | more


def told(i, decision_id, when, **more):
    row = dict.fromkeys(column.name for column in outcomes.c)
    plain = {"arm": "direct", "attempt": 0, "source": "service", "contradicts": False, "late": False}
    return row | plain | {"outcome_id": f"o{i:03d}", "digest": str(i), "decision_id": decision_id, "time": when} | more


@pytest.fixture(params=["sqlite", "postgresql"])
def small(request, tmp_path):
    """Two decisions whose outcomes were told in parts, and one outcome that waits, in each kind of database."""
    known = f"sqlite:///{tmp_path / 'small.sqlite'}" if request.param == "sqlite" else None
    engine = open_store(known or request.getfixturevalue("postgres"))
    migrate(engine)
    day = datetime(2026, 9, 1, 23, 59, 30, tzinfo=UTC)
    with engine.begin() as connection:
        rows = [
            decided("d1", day),
            decided("d2", day + timedelta(minutes=1), verdict="avoid", p_reasoning=0.0, request_id="r%", model="m"),
        ]
        connection.execute(sa.insert(decisions), rows)
        connection.execute(
            sa.insert(bundles).values(revision="r", time=day, profiles={}, unfamiliar_below=0.5, small_budget=1)
        )
        events = [
            told(1, "d1", day, output_tokens=100, latency_s=1.0), told(2, "d1", day, score=0.0, output_tokens=100),
            told(3, "d1", day, score=1.0, contradicts=True), told(4, "d1", day, arm="reasoning", score=1.0, latency_s=3.0),
            told(5, "d2", day, score=0.5, latency_s=9.0), told(6, None, day, request_id="later", score=0.25),
        ]  # fmt: skip
        connection.execute(sa.insert(outcomes), events)
    yield engine
    engine.dispose()


def test_counts_and_trends_take_the_last_value_told(small):
    with reading(small) as connection:
        counted = live.counts(connection)
        days = trends.by_day(connection, Trended(since="2026-09-01"))
    known = {
        "with_outcome": 2,
        "scored": 2,
        "unmatched": 1,
        "contradictory": 1,
        "observed_pairs": 1,
        "explored": 1,
        "outcomes": 6,
    }
    assert {name: counted[name] for name in known} == known
    assert counted["verdicts"] == {"use": 1, "avoid": 1}
    assert [(row["day"], row["verdict"], row["n"]) for row in days["verdicts"]] == [
        ("2026-09-01", "use", 1),
        ("2026-09-02", "avoid", 1),
    ]
    score = {row["arm"]: (row["n"], row["mean"]) for row in days["score"]}
    assert score == {"direct": (2, 0.75), "reasoning": (1, 1.0)}
    assert [(row["arm"], row["n"], row["mean"]) for row in days["output_tokens"]] == [("direct", 1, 100)]
    assert [(row["arm"], row["n"], row["p50"], row["p95"]) for row in days["latency_s"]] == [
        ("direct", 2, 1.0, 9.0),
        ("reasoning", 1, 3.0, 3.0),
    ]


def test_a_period_has_its_decisions_and_what_was_told_of_them_later(small):
    with small.begin() as connection:
        later = {outcomes.c.time: datetime(2026, 9, 5, tzinfo=UTC)}
        connection.execute(sa.update(outcomes).values(later))
    with reading(small) as connection:
        first, second = connection.scalars(sa.select(decisions.c.time).order_by(decisions.c.time)).all()
        counted = live.counts(connection, (first, first))
        days = trends.by_day(connection, Trended(), (first, first))
        both = live.counts(connection, (first, second))
        everything = live.counts(connection)
    known = {
        "verdicts": {"use": 1},
        "with_outcome": 1,
        "scored": 1,
        "observed_pairs": 1,
        "explored": 1,
        "outcomes": 5,
        "unmatched": 1,
    }
    assert {name: counted[name] for name in known} == known
    assert counted["first"] == counted["last"] == first
    assert both == everything
    assert {row["day"] for rows in days.values() for row in rows} == {"2026-09-01"}
    assert {row["arm"]: row["mean"] for row in days["score"]} == {"direct": 1.0, "reasoning": 1.0}


def test_a_slice_leads_to_the_days_of_its_audit():
    row = dict.fromkeys(("task", "model", "profile", "language", "revision", "familiarity", "day")) | {
        "task": "t",
        "kind": "overthinking",
    }
    period = (datetime(2026, 9, 1, 23, tzinfo=UTC), datetime(2026, 9, 3, 1, tzinfo=UTC))
    assert views.decisions_in(row, period) == "?task=t&since=2026-09-01&until=2026-09-03&policy_arm=reasoning"
    assert (
        views.decisions_in(row | {"day": "2026-09-02"}, period)
        == "?task=t&since=2026-09-02&until=2026-09-02&policy_arm=reasoning"
    )
    assert views.decisions_in(row, None) == "?task=t&policy_arm=reasoning"


def test_a_question_is_ended_by_the_database(small):
    store = Store(lambda: small, question_s=0.2)
    assert store.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar()) == 1
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    slow = "SELECT pg_sleep(60)" if small.dialect.name == "postgresql" else endless
    with pytest.raises(StoreDown, match=r"within 0\.2 s"):
        store.read(lambda connection: connection.execute(sa.text(slow)).scalar())
    assert store.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar()) == 1


def test_every_view_and_the_report_work_in_each_database(small):
    with reading(small) as connection:
        facets = live.Facets()
        for view in views.VIEWS.values():
            assert view.gather(connection, view.asked(), facets)
        for filters in (
            {"q": "d1"},
            {"q": "r%"},
            {"familiarity": "unfamiliar", "outcome": "scored"},
            {"reviewed": "wrong"},
            {"reviewed": "no", "model": "m"},
        ):
            for kind in (AllDecisions, Suspected):
                found = listing.page(connection, kind.model_validate(filters), "none")
                assert (len(found.rows) > 0) == (kind is AllDecisions and filters != {"reviewed": "wrong"}), filters
        first = listing.page(connection, AllDecisions(), None, 1)
        second = listing.page(connection, AllDecisions(after=first.after), None, 1)
        assert [first.rows[0]["decision_id"], second.rows[0]["decision_id"]] == ["d2", "d1"]
        assert connection.execute(views.slices_of(Sliced(misrouted="yes", by="task"), "none")).all() == []
        assert views.one_decision(connection, "d1")["story"].attempts[0].values["score"] == 1.0
        assert "No audit yet" in report_html(connection, None)
