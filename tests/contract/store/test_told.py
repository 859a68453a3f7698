"""Of each field of an attempt the last value told counts, in either form of the rule."""

import random

import pytest
import sqlalchemy as sa
import uuid_utils

from contract.store.inserting import insert
from contract.store.outcomes import VALUES
from contract.store.tables import outcomes
from contract.store.told import ATTEMPT, attempts, is_last

from .conftest import NOW

ABSENT_OR = {
    "overridden": (True, False), "score": (0.0, 0.1, 1.0), "score_kind": ("", "exact"), "defect": (False, True), "output_tokens": (0, 7),
    "thinking_tokens": (0, 2**31 - 1), "input_tokens": (1, 2), "cost_usd": (0.0, 1e-9), "gpu_seconds": (0.1 + 0.2, 3.0),
    "latency_s": (0.0, 1 / 3), "finish_reason": ("stop", "length"),
}  # fmt: skip
"""Values whose likes have been taken for absent, or lost a digit on their way."""


def events():
    """Outcomes of a few attempts: told in parts, contradicting each other, of nothing, of no known decision; in the order of their ids."""
    chance, of = random.Random(5), [str(uuid_utils.uuid7()) for _ in range(6)]
    rows = []
    for n in range(150):
        values = {name: chance.choice((None, None, *some)) for name, some in ABSENT_OR.items()}
        rows.append({
            "outcome_id": f"{n:08x}-0000-7000-8000-000000000000", "decision_id": chance.choice([*of, None]), "request_id": "r",
            "arm": chance.choice(("direct", "reasoning")), "attempt": chance.choice((0, 0, 1, 2)), "source": "s", "time": NOW,
            "contradicts": False, "late": None, "digest": str(n), **values,
        })  # fmt: skip
    return rows


@pytest.fixture
def told(store):
    """What is in the store: the events in another order than that of their ids, as a replayed journal writes them."""
    rows = events()
    with store.begin() as connection:
        insert(connection, outcomes, random.Random(6).sample(rows, len(rows)))
    return rows


def last_values(rows):
    """The rule, event by event."""
    last = {}
    for row in rows:
        if row["decision_id"] is not None:
            values = last.setdefault(tuple(row[name] for name in ATTEMPT), dict.fromkeys(VALUES))
            values |= {name: row[name] for name in VALUES if row[name] is not None}
    return last


def test_the_last_value_of_each_field_counts_and_absent_ones_are_passed_over(store, told):
    expected = last_values(told)
    assert {None in values.values() for values in expected.values()} == {True, False}
    with store.connect() as connection:
        rows = connection.execute(attempts()).mappings().all()
    found = {tuple(row[name] for name in ATTEMPT): {name: row[name] for name in VALUES} for row in rows}
    assert len(rows) == len(found)
    assert found == expected
    assert {type(values["defect"]) for values in found.values()} <= {bool, type(None)}


def test_a_row_is_the_last_exactly_where_its_value_counts(store, told):
    expected = last_values(told)
    with store.connect() as connection:
        for name in VALUES:
            asked = sa.select(*(outcomes.c[key] for key in ATTEMPT), outcomes.c[name])
            rows = connection.execute(asked.where(outcomes.c.decision_id.is_not(None), is_last(name))).all()
            of = {key: values[name] for key, values in expected.items() if values[name] is not None}
            assert {tuple(key): value for *key, value in rows} == of
            assert len(rows) == len(of)


def test_some_fields_of_some_attempts_may_be_asked_for(store, told):
    one = next(key for key in last_values(told))[0]
    with store.connect() as connection:
        rows = connection.execute(attempts(["score"], outcomes.c.decision_id == one)).all()
        names = connection.execute(attempts([])).all()
    expected = {(*key, values["score"]) for key, values in last_values(told).items() if key[0] == one}
    assert set(rows) == expected
    assert {tuple(row) for row in names} == set(last_values(told))
