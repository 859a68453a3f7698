from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from contract.errors import InvalidRequest, NotFound
from contract.store.opening import migrate, open_store
from contract.store.reviews import add_review, history, latest, settled
from contract.store.tables import decisions

NOW = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def connection(tmp_path):
    engine = open_store(f"sqlite:///{tmp_path / 'reviews.sqlite'}")
    migrate(engine)
    row = {column.name: 0 for column in decisions.c if not column.nullable} | {"time": NOW, "reasons": []}
    with engine.begin() as connection:
        connection.execute(sa.insert(decisions), [row | {"decision_id": name} for name in ("d1", "d2", "d3")])
        yield connection
    engine.dispose()


def mark(connection, decision_id, reviewer, *marks):
    for i, one in enumerate(marks):
        when = NOW + timedelta(minutes=i)
        add_review(connection, decision_id=decision_id, mark=one, comment=f" {i} ", reviewer=f" {reviewer} ", time=when)


def test_marks_are_added_and_the_last_one_of_each_reviewer_counts(connection):
    mark(connection, "d1", "ada", "wrong", "right")
    mark(connection, "d1", "bob", "wrong")
    assert [(r.mark, r.reviewer, r.comment) for r in history(connection, "d1")] == [
        ("wrong", "bob", "0"), ("right", "ada", "1"), ("wrong", "ada", "0"),
    ]  # fmt: skip
    assert [(r.reviewer, r.mark) for r in latest(connection)] == [("ada", "right"), ("bob", "wrong")]
    assert history(connection, "d2") == []


def test_a_decision_is_settled_by_those_who_are_sure(connection):
    mark(connection, "d1", "ada", "right")
    mark(connection, "d1", "bob", "wrong")
    mark(connection, "d2", "ada", "unsure")
    for name in ("ada", "bob", "cy"):
        mark(connection, "d3", name, "unsure" if name == "cy" else "wrong")
    found = {one.decision_id: one for one in settled(connection)}
    assert {name: one.mark for name, one in found.items()} == {"d1": None, "d2": None, "d3": "wrong"}
    assert (found["d3"].right, found["d3"].wrong, found["d3"].unsure) == (0, 2, 1)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"mark": "good"}, InvalidRequest), ({"reviewer": " "}, InvalidRequest), ({"reviewer": "x" * 201}, InvalidRequest),
        ({"comment": "x" * 4001}, InvalidRequest), ({"comment": "\0"}, InvalidRequest), ({"decision_id": "d9"}, NotFound),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused(connection, changed, error):
    with pytest.raises(error):
        add_review(connection, **{"decision_id": "d1", "mark": "right", "comment": "", "reviewer": "ada"} | changed)
    assert latest(connection) == []
