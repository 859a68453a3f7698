"""The record as frames: the last value told counts, and nothing that is absent becomes zero."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from audit import reading as module
from audit.reading import read
from contract.store.opening import migrate, open_store, reading
from contract.store.outcomes import match_waiting
from contract.store.tables import decisions

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def test_the_last_value_told_of_each_field_counts(put, record):
    put(({}, [{"score": 0.2, "output_tokens": 90}, {"score": 0.7}, {"latency_s": 3.0}, {"attempt": 1, "score": 1.0}]))
    attempts = record().attempts
    assert attempts.attempt.tolist() == [0, 1]
    assert attempts.score.tolist() == [0.7, 1.0]
    assert attempts.output_tokens[0] == 90
    assert attempts.latency_s[0] == 3.0
    assert np.isnan(attempts.output_tokens[1])
    assert record().counts["contradictory"] == 1


def test_outcomes_are_counted_by_what_became_of_them(put, record, engine):
    late = {"score": 1.0, "time": NOON + timedelta(days=3)}
    put(({"request_id": "known"}, [late]), ({}, [{"request_id": "nobody", "score": 0.0}]), ({}, []))
    counts = record().counts
    assert counts == {"outcomes": 1, "contradictory": 0, "late": 1, "waiting": 1, "lost": 0}
    assert len(record().attempts) == 1


def test_a_period_holds_its_first_moment_and_not_its_last(put, record):
    put(*[({}, [{"score": 1.0}])] * 4)
    part = record(since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=3))
    assert part.decisions.time.tolist() == [pd.Timestamp(NOON + timedelta(minutes=m)) for m in (1, 2)]
    assert part.attempts.row.tolist() == [0, 1]
    assert part.counts["outcomes"] == 2


def test_blocks_do_not_show(put, record, monkeypatch):
    tasks = ["b", "a", "c", "a", "d", "b", "e"]
    put(
        *[
            (
                {"task": task, "model": None if task == "c" else task},
                [{"score": 0.5, "finish_reason": task}] * (task != "e"),
            )
            for task in tasks
        ]
    )
    whole = record()
    monkeypatch.setattr(module, "BLOCK", 2)
    blocked = record()
    pd.testing.assert_frame_equal(whole.decisions, blocked.decisions)
    pd.testing.assert_frame_equal(whole.attempts, blocked.attempts)
    assert blocked.decisions.task.tolist() == tasks
    assert blocked.decisions.model.isna().tolist() == [task == "c" for task in tasks]
    assert blocked.attempts.finish_reason.tolist() == tasks[:-1]


def test_decisions_on_one_prompt_are_known_as_such_until_its_digest_is_purged(put, record, engine):
    put(*[({"prompt_digest": digest}, []) for digest in ("aa", "aa", "bb")])
    first, second, other = record().decisions.prompt
    assert first == second != other
    with engine.begin() as connection:
        connection.execute(sa.update(decisions).values(prompt_digest=None))
    assert record().decisions.prompt.nunique() == 3


def test_the_newest_mark_of_each_reviewer_counts(put, record, engine):
    from contract.store.tables import reviews

    ids = put(({}, []), ({}, []))
    rows = [("1", 0, "right", "a"), ("2", 0, "wrong", "a"), ("3", 0, "unsure", "b"), ("4", 1, "right", "a")]
    with engine.begin() as connection:
        for name, i, mark, who in rows:
            row = {"review_id": name, "decision_id": ids[i], "mark": mark, "comment": "", "reviewer": who, "time": NOON}
            connection.execute(sa.insert(reviews), [row])
    found = record().reviews
    assert sorted(zip(found.row, found.mark, strict=True)) == [(0, "unsure"), (0, "wrong"), (1, "right")]


def test_an_empty_store_has_every_column(record):
    empty = record()
    assert len(empty.decisions) == len(empty.attempts) == len(empty.reviews) == 0
    assert {"task", "prompt", "day", "policy_reasoning", "p_use"} <= set(empty.decisions)


def test_postgresql_gives_the_same_frames(postgres, put, record, engine):
    put(*[({"task": t}, [{"score": 0.25, "defect": True}, {"output_tokens": 7}]) for t in "abc"])
    here = record()
    there = open_store(postgres)
    migrate(there)
    with reading(engine) as source, there.begin() as target:
        for name in ("bundles", "decisions", "outcomes"):
            table = decisions.metadata.tables[name]
            target.execute(sa.insert(table), [dict(row) for row in source.execute(sa.select(table)).mappings()])
    assert match_waiting(there) == 0
    with reading(there) as connection:
        found = read(connection)
    there.dispose()
    pd.testing.assert_frame_equal(found.decisions, here.decisions)
    pd.testing.assert_frame_equal(found.attempts, here.attempts)
    assert found.counts == here.counts
    assert found.profiles == here.profiles


@pytest.mark.parametrize("column", ["expected_cost_usd", "expected_latency_s"])
def test_an_unknown_price_is_no_price_of_zero(put, record, column):
    put(({}, []))
    assert np.isnan(record().decisions[column][0])
