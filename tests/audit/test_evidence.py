"""Which decision is which evidence, and why another is not."""

import numpy as np
import pytest

from audit.config import AuditConfig
from audit.estimates import paired
from audit.evidence import join, own_arm, price, usd_per_token

CONFIG = AuditConfig()
SCORED = {"score": 1.0}
DIRECT = {"arm": "direct", "score": 0.0}


def test_each_reason_against_a_draw_is_counted_once(put, record):
    put(
        ({}, [SCORED]),
        ({"not_explored": "sticky", "p_reasoning": 1.0}, [SCORED]),
        ({"enforced": False}, [SCORED]),
        ({"p_reasoning": 1.0}, [SCORED]),
        ({"p_reasoning": 0.999}, [SCORED]),
        ({}, []),
        ({}, [{**SCORED, "overridden": True}]),
        ({}, [DIRECT]),
        ({}, [{"output_tokens": 5}]),
    )
    found = join(record(), CONFIG)
    assert found.explored.tolist() == [True] + [False] * 8
    assert found.drawn.tolist() == [True] + [False] * 7 + [True]
    assert set(found.excluded.values()) == {1}
    assert len(found.excluded) == 8
    assert found.excluded["sticky"] == 1


def test_both_arms_scored_are_a_pair_whatever_was_drawn(put, record):
    put(
        ({"p_reasoning": 1.0}, [SCORED, DIRECT]),
        ({}, [SCORED, {"arm": "direct", "output_tokens": 3}]),
        ({}, [SCORED, DIRECT]),
    )
    found = join(record(), CONFIG)
    assert found.pairs.tolist() == [True, False, True]
    assert found.explored.tolist() == [False, True, True]
    assert found.best().tolist() == ["observed_pairs", "explored", "observed_pairs"]


def test_a_fallback_that_the_caller_took_is_no_pair_and_the_draw_before_it_stays(put, record):
    drawn = {"arm": "direct"}
    fallback = {**SCORED, "attempt": 1, "overridden": True}
    put((drawn, [DIRECT, fallback]), (drawn, [fallback]), ({}, [{**SCORED, "score": 0.0}, fallback]), (drawn, [DIRECT]))
    found = join(record(), CONFIG)
    assert not found.pairs.any()
    assert found.explored.tolist() == [True, False, True, True]
    assert found.excluded["overridden by the caller"] == 1
    assert found.excluded["no outcome"] == 0
    assert found.table.score_reasoning.tolist()[2] == 0.0
    assert np.isnan(found.table.score_reasoning[0])
    assert found.table.attempts.tolist() == [2, 1, 2, 1]


def test_an_arm_is_the_mean_of_its_attempts_and_absence_is_not_zero(put, record):
    put(({}, [SCORED, {"attempt": 1, "score": 0.5}, {"attempt": 2, "output_tokens": 8}, DIRECT]))
    table = join(record(), CONFIG).table
    assert table.score_reasoning[0] == 0.75
    assert table.scored_reasoning[0] == 2
    assert table.attempts_reasoning[0] == 3
    assert table.output_tokens_reasoning[0] == 8
    assert np.isnan(table.output_tokens_direct[0])
    assert own_arm(table, "score").tolist() == [0.75]


def test_a_pair_is_priced_by_its_tokens_and_by_the_expected_ones_where_they_are_unknown(put, record):
    tokens = [{**SCORED, "output_tokens": 2100}, {**DIRECT, "output_tokens": 100}]
    put(({}, tokens), ({}, [SCORED, DIRECT]))
    found = paired(join(record(), CONFIG))
    assert found.gain.tolist() == [1.0, 1.0]
    assert found.extra_tokens.tolist() == [2000.0, 1000.0]
    assert found.net_benefit == pytest.approx([1 - 2000 / 20_000, 1 - 1000 / 20_000])


def test_without_its_bundle_a_decision_has_no_price(put, record):
    put(({}, [SCORED, DIRECT]), bundle=False)
    found = join(record(), CONFIG)
    assert np.isnan(found.table.tokens_per_point[0])
    assert not paired(found).rows.any()


def test_seconds_are_charged_where_the_profile_does(put, record):
    put(({}, []), ({}, []))
    table = join(record(), CONFIG).table.assign(seconds_per_point=[np.nan, 100.0])
    tokens = np.array([2000.0, 2000.0])
    assert price(table, tokens, np.array([5.0, 5.0])) == pytest.approx([0.1, 0.15])
    assert price(table, tokens, np.full(2, np.nan)) == pytest.approx([0.1, np.nan], nan_ok=True)
    expected = table.assign(expected_latency_s=[7.0, 7.0])
    assert price(expected, tokens, np.full(2, np.nan)) == pytest.approx([0.1, 0.17])
    assert price(expected, tokens) == pytest.approx([0.1, 0.17])


def test_bands_of_familiarity_begin_with_the_bundles_own_threshold(put, record):
    put(*[({"familiarity": f}, []) for f in (0.1, 0.3, 0.6, 0.95)])
    assert join(record(), CONFIG).table.band.tolist() == ["unfamiliar", "low", "middle", "high"]


def test_dollars_a_token_are_the_bundles_and_null_where_it_had_none(put, record):
    put(({"expected_cost_usd": 0.02}, []), ({}, []), ({"expected_cost_usd": 0.0, "expected_extra_tokens": 0.0}, []))
    found = usd_per_token(join(record(), CONFIG).table)
    assert found[0] == pytest.approx(2e-5)
    assert np.isnan(found[1:]).all()


def test_net_benefit_of_a_charged_decision_holds_its_cache(put, record):
    tokens = {"output_tokens": 100}
    pair = [{**SCORED, **tokens}, {**DIRECT, **tokens}]
    put(({}, pair), ({"cache_charge": 0.3}, pair), ({"cache_charge": -0.3}, pair))
    assert paired(join(record(), CONFIG)).net_benefit == pytest.approx([1.0, 0.7, 1.3])
