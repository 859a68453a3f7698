"""The audit, a training and the page read one record alike: the same last values, and the same decisions as explored."""

import sqlalchemy as sa

from audit.config import AuditConfig
from audit.evidence import join
from contract.store.explored import explored
from contract.store.opening import migrate, open_store, reading
from contract.store.tables import decisions, metadata
from serving.page.live import counts
from serving.page.story import story
from training.recorded import read_recorded

SCORED = {"score": 1.0}
TOKENS = {"output_tokens": 5}
OTHER_ARM = {"arm": "direct", "score": 0.0}
OVERRIDDEN = {"overridden": True}

EXPLORED = {
    "plain": ({}, [SCORED]),
    "a score of zero": ({}, [{"score": 0.0}]),
    "told in parts": ({}, [TOKENS, SCORED]),
    "contradicted": ({}, [SCORED, {"score": 0.0}]),
    "only one attempt scored": ({}, [TOKENS, {**SCORED, "attempt": 1}]),
    "both arms scored": ({}, [SCORED, OTHER_ARM]),
    "not overridden after all": ({}, [{**SCORED, **OVERRIDDEN}, {"overridden": False}]),
    "a fallback beside it": ({}, [SCORED, {**SCORED, **OVERRIDDEN, "attempt": 1}]),
    "drawn against the policy": ({"arm": "direct"}, [OTHER_ARM]),
}  # fmt: skip
NOT_EXPLORED = {
    "left out": ({"not_explored": "sticky"}, [SCORED]),
    "not enforced": ({"enforced": False}, [SCORED]),
    "sure to think": ({"p_reasoning": 1.0}, [SCORED]),
    "sure not to": ({"p_reasoning": 0.0, "arm": "direct"}, [OTHER_ARM]),
    "no outcome": ({}, []),
    "unscored": ({}, [TOKENS]),
    "another arm": ({}, [OTHER_ARM]),
    "overridden": ({}, [{**SCORED, **OVERRIDDEN}]),
    "overridden, as was told later": ({}, [{**SCORED, "overridden": False}, OVERRIDDEN]),
    "overridden, and its own attempt unscored": ({}, [TOKENS, {**SCORED, **OVERRIDDEN, "attempt": 1}]),
    "of a request that nobody knows": ({}, [{**SCORED, "request_id": "nobody"}]),
}  # fmt: skip


def test_the_same_decisions_are_explored_for_all(put, record, engine, postgres):
    ids = put(*EXPLORED.values(), *NOT_EXPLORED.values())
    expected = dict(zip(EXPLORED, ids, strict=False))
    names = dict(zip(ids, [*EXPLORED, *NOT_EXPLORED], strict=True))
    found = join(record(), AuditConfig())
    assert [names[one] for one in found.table.decision_id[found.explored]] == list(expected)
    assert found.explored.sum() + sum(found.excluded.values()) == len(ids)
    drawn = read_recorded(engine, "no encoder").drawn.decision_id
    assert [names[one] for one in sorted(drawn)] == list(expected)
    there = open_store(postgres)
    migrate(there)
    with reading(engine) as source, there.begin() as target:
        for table in (metadata.tables[name] for name in ("decisions", "outcomes")):
            target.execute(sa.insert(table), [dict(row) for row in source.execute(sa.select(table)).mappings()])
    for store in (engine, there):
        with reading(store) as connection:
            asked = sa.select(decisions.c.decision_id).where(explored()).order_by(decisions.c.time)
            assert [names[one] for one in connection.scalars(asked)] == list(expected)
            assert counts(connection)["explored"] == len(expected)
    there.dispose()


def test_the_same_value_of_an_attempt_counts_for_all(put, record, engine):
    (one,) = put(
        (
            {},
            [
                {"score": 0.2, "output_tokens": 90, "latency_s": 0.0},
                {"defect": False},
                {"score": 0.7},
                {"thinking_tokens": 0},
            ],
        )
    )
    expected = {"score": 0.7, "output_tokens": 90, "latency_s": 0.0, "defect": 0, "thinking_tokens": 0}
    names = list(expected)
    assert record().attempts[names].iloc[0].to_dict() == expected
    assert read_recorded(engine, "no encoder").drawn[["score", "output_tokens"]].values.tolist() == [[0.7, 90]]
    with reading(engine) as connection:
        (attempt,) = story(connection, one, None).attempts
    assert {name: attempt.values[name] for name in names} == expected
    assert len(attempt.told) == 4
    assert attempt.values["defect"] is False
