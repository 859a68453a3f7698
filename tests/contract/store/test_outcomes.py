"""Outcomes: late, repeated, completed, contradictory and of nothing known; added, never changed."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from contract.store import tables
from contract.store.outcomes import match_waiting, tell
from contract.store.writing import insert

from .conftest import NOW


@pytest.fixture
def told(store):
    """What tells outcomes, and returns their statuses."""

    def run(*rows):
        with store.begin() as connection:
            return tell(connection, rows)

    return run


@pytest.fixture
def known(store, decision):
    row = decision(request_id="r")
    with store.begin() as connection:
        insert(connection, tables.decisions, [row])
    return row["decision_id"]


def rows_of(store):
    with store.connect() as connection:
        return connection.execute(sa.select(tables.outcomes).order_by(tables.outcomes.c.outcome_id)).mappings().all()


def test_an_outcome_is_of_its_decision_by_either_id(told, known, outcome, store):
    by_request, by_decision = told(
        outcome(request_id="r", score=1.0), outcome(decision_id=known, arm="direct", score=0.0)
    )
    assert (by_request.decision_id, by_request.status, by_request.late, by_request.candidates) == (
        known,
        "new",
        False,
        1,
    )
    assert (by_decision.decision_id, by_decision.status) == (known, "new")
    assert [row["decision_id"] for row in rows_of(store)] == [known, known]


def test_what_is_told_twice_is_kept_once(told, known, outcome, store):
    first = outcome(decision_id=known, score=1.0, output_tokens=10)
    assert [one.status for one in told(first, first)] == ["new", "repeated"]
    assert [one.status for one in told(first, outcome(request_id="r", score=1.0))] == ["repeated", "repeated"]
    assert len(rows_of(store)) == 1


def test_parts_complete_each_other(told, known, outcome, store):
    parts = [outcome(decision_id=known, output_tokens=10), outcome(decision_id=known, score=0.5)]
    assert [one.status for one in told(*parts)] == ["new", "completed"]
    assert [one.status for one in told(outcome(decision_id=known, score=0.5, output_tokens=10))] == ["repeated"]
    assert [row["contradicts"] for row in rows_of(store)] == [False, False]


def test_a_contradiction_is_kept_beside_what_it_contradicts(told, known, outcome, store):
    values = [outcome(decision_id=known, score=score) for score in (1.0, 0.0, 1.0)]
    assert [one.status for one in told(*values)] == ["new", "contradictory", "contradictory"]
    assert [(row["score"], row["contradicts"]) for row in rows_of(store)] == [(1.0, False), (0.0, True), (1.0, True)]


def test_attempts_and_arms_are_apart(told, known, outcome):
    values = [outcome(decision_id=known, score=1.0), outcome(decision_id=known, score=0.0, attempt=1), outcome(decision_id=known, score=0.0, arm="direct")]  # fmt: skip
    assert {one.status for one in told(*values)} == {"new"}


def test_an_unscored_outcome_is_not_of_score_zero(told, known, outcome, store):
    told(outcome(decision_id=known, output_tokens=0))
    assert (rows_of(store)[0]["score"], rows_of(store)[0]["output_tokens"]) == (None, 0)


@pytest.mark.parametrize(("after", "late"), [(timedelta(hours=23), False), (timedelta(hours=25), True)])
def test_an_outcome_a_day_after_its_decision_is_late(told, known, outcome, after, late):
    assert told(outcome(decision_id=known, score=1.0, time=NOW + after))[0].late is late


def test_of_several_decisions_on_one_request_the_newest_is_taken(told, store, decision, outcome):
    rows = [decision(request_id="again") for _ in range(3)]
    with store.begin() as connection:
        insert(connection, tables.decisions, rows)
    (one,) = told(outcome(request_id="again", score=1.0))
    assert (one.decision_id, one.candidates) == (rows[-1]["decision_id"], 3)


def test_an_outcome_before_its_decision_waits_and_is_joined(told, store, decision, outcome):
    late = decision(request_id="later")
    assert [(one.decision_id, one.status, one.late) for one in told(outcome(request_id="later", score=1.0), outcome(decision_id=late["decision_id"], arm="direct", score=0.0))] == [
        (None, "unknown", None), (late["decision_id"], "unknown", None),
    ]  # fmt: skip
    assert [one.status for one in told(outcome(request_id="later", score=1.0))] == ["repeated"]
    assert match_waiting(store) == 0
    with store.begin() as connection:
        insert(connection, tables.decisions, [late])
    assert [match_waiting(store), match_waiting(store)] == [1, 0]
    assert rows_of(store)[0]["late"] is False
    assert {row["decision_id"] for row in rows_of(store)} == {late["decision_id"]}
    assert [one.status for one in told(outcome(decision_id=late["decision_id"], score=1.0))] == ["repeated"]


def test_hostile_ids_are_values_and_nothing_else(told, store, decision, outcome):
    hostile = "'); DROP TABLE decisions; --"
    with store.begin() as connection:
        insert(connection, tables.decisions, [decision(request_id=hostile)])
    assert told(outcome(request_id=hostile, score=1.0, finish_reason='"; DELETE FROM outcomes; --'))[0].status == "new"
    assert rows_of(store)[0]["finish_reason"] == '"; DELETE FROM outcomes; --'


def test_more_keys_than_one_question_takes(told, store, decision, outcome):
    rows = [decision(request_id=f"r{i}") for i in range(1001)]
    with store.begin() as connection:
        insert(connection, tables.decisions, rows)
    found = told(*(outcome(request_id=f"r{i}", score=1.0) for i in range(1001)))
    assert [one.decision_id for one in found] == [row["decision_id"] for row in rows]


def test_an_outcome_that_waited_is_joined_when_it_is_told_of_again(told, store, decision, outcome):
    told(outcome(request_id="later", score=1.0))
    with store.begin() as connection:
        insert(connection, tables.decisions, [decision(request_id="later")])
    assert [one.status for one in told(outcome(request_id="later", score=1.0))] == ["repeated"]
    assert len(rows_of(store)) == 1


def test_a_request_that_nothing_was_decided_on_has_no_candidate(told, outcome):
    assert [
        one.candidates for one in told(outcome(request_id="none", score=1.0), outcome(decision_id="none", score=1.0))
    ] == [0, 0]


def test_looking_for_what_can_be_joined_needs_no_lock_that_a_writer_holds(told, store, outcome):
    told(*(outcome(request_id=f"never {i}", score=1.0) for i in range(50)))
    with store.begin() as writer:  # holds the file with SQLite
        insert(writer, tables.outcomes, [])
        assert match_waiting(store) == 0
