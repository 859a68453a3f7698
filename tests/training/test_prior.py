"""The families' values: declared, and updated by logs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.prior import PAIRS_PER_OBSERVATION, TOKENS_LOG_SD, Prior, prior_of, token_offsets


def table(*rows):
    return pd.DataFrame(rows, columns=["task", "score_direct", "score_reasoning", "extra_tokens", "weight"])


A, B = ["a", 0.9, 0.9, 500, 4.0], ["b", 0.5, 0.8, 2000, 4.0]
PAIR = ["of the log", 0.2, 1.0, 9, 1.0]
NONE = np.zeros((0, 2))


def test_declared_values_stand_in_the_order_of_the_tasks():
    prior = prior_of(table(B, A), table(), NONE, ("a", "b"))
    assert prior.gain == pytest.approx([0.0, 0.3])
    assert np.exp(prior.log_tokens) == pytest.approx([500, 2000])
    assert prior.score_direct == pytest.approx([0.9, 0.5])


def test_logged_pairs_move_the_values_of_their_family_by_their_number_against_its_strength():
    pairs = int(4 * PAIRS_PER_OBSERVATION)
    prior = prior_of(table(A, B), table(*[PAIR] * pairs), np.array([[0.0, 1.0]] * pairs), ("a", "b"))
    assert prior.gain == pytest.approx([0.0, (0.3 + 0.8) / 2])
    assert prior.score_direct == pytest.approx([0.9, (0.5 + 0.2) / 2])


def test_a_pair_counts_for_a_family_as_far_as_it_is_a_member():
    few, many = (
        prior_of(table(A, B), table(*[PAIR] * n), np.array([[0.0, share]] * n), ("a", "b"))
        for n, share in ((3, 1.0), (5, 0.6))
    )
    assert many.gain == pytest.approx(few.gain)


def test_pairs_of_no_family_move_none():
    prior = prior_of(table(A, B), table(*[PAIR] * 1000), np.zeros((1000, 2)), ("a", "b"))
    assert prior.gain == pytest.approx([0.0, 0.3])


def test_tokens_stay_the_declared_ones():
    prior = prior_of(table(A), table(*[PAIR] * 50), np.ones((50, 1)), ("a",))
    assert np.exp(prior.log_tokens) == pytest.approx([500])


def test_without_a_taxonomy_the_one_family_has_the_values_of_the_logs():
    logged = table(["a", 0.0, 1.0, 9, 1.0], ["a", 0.5, 0.5, 9, 3.0])
    prior = prior_of(table(), logged, np.ones((2, 1)), ("unknown",))
    assert prior.gain == pytest.approx([0.25])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_a_family_gains_in_the_mean_what_its_outcomes_say(scores):
    direct, reasoning = np.array(scores).T
    outcomes = Prior(direct, reasoning, *np.ones((2, len(scores)))).outcomes
    assert (outcomes >= -1e-12).all()
    assert outcomes.sum(axis=1) == pytest.approx(np.ones(len(scores)))
    assert outcomes[:, 0] - outcomes[:, 2] == pytest.approx(reasoning - direct)
    assert (np.minimum(outcomes[:, 0], outcomes[:, 2]) == 0).all(), "none gains beside one that loses"


def test_the_stronger_family_is_moved_less():
    gains = [
        prior_of(table(["a", 0.5, 0.5, 500, strength]), table(*[PAIR] * 6), np.ones((6, 1)), ("a",)).gain[0]
        for strength in (0.5, 1.0, 4.0, 100.0)
    ]
    assert gains == sorted(gains, reverse=True)
    assert 0 < gains[-1] < 0.05


def test_token_quantiles_have_the_declared_mean():
    draws = np.exp(np.random.default_rng(0).normal(-(TOKENS_LOG_SD**2) / 2, TOKENS_LOG_SD, 400_000))
    assert draws.mean() == pytest.approx(1.0, abs=0.02)
    assert np.exp(token_offsets((0.1, 0.5, 0.9))) == pytest.approx(np.quantile(draws, (0.1, 0.5, 0.9)), rel=0.02)


def test_token_offsets_rise_with_their_level_about_the_median():
    offsets = token_offsets((0.1, 0.25, 0.5, 0.75, 0.9))
    assert (np.diff(offsets) > 0).all()
    assert offsets - offsets[2] == pytest.approx(-(offsets - offsets[2])[::-1])


def prior_of_gains(gain, pairs):
    gain = np.array(gain, float)
    return Prior(np.full(len(gain), 0.5), 0.5 + gain, np.zeros(len(gain)), np.array(pairs, float))


def test_of_a_family_that_is_sure_the_band_is_that_of_its_mean():
    assert prior_of_gains([0.2, 0.0], [100, 100]).band(np.eye(2)) == pytest.approx(
        np.array([[1.959964 * 0.04] * 2, [0.0, 0.0]])
    )


def test_pairs_that_a_value_is_worth_narrow_the_band_by_their_root():
    few, many = (prior_of_gains([0.2], [pairs]).band(np.ones((1, 1))) for pairs in (50, 200))
    assert few == pytest.approx(2 * many)


def test_declared_and_logged_observations_are_worth_pairs():
    prior = prior_of(table(A, B), table(*[PAIR] * 8), np.array([[0.0, 0.5]] * 8), ("a", "b"))
    assert prior.pairs == pytest.approx([4 * PAIRS_PER_OBSERVATION, 4 * PAIRS_PER_OBSERVATION + 4])


@pytest.mark.parametrize(("gains", "side"), [([0.0, 0.2], 0), ([0.2, 0.0], 1)])
def test_the_band_reaches_towards_the_likelier_family_and_not_the_other_way(gains, side):
    family = np.array([[0.7, 0.3]])
    band = prior_of_gains(gains, [1e12, 1e12]).band(family)[0]
    likely = 0.7**3 / (0.7**3 + 0.3**3)
    assert band[side] == pytest.approx(0.2 * (likely - 0.7), abs=1e-5)
    assert band[1 - side] == pytest.approx(0, abs=1e-5)


def test_families_of_one_gain_leave_nothing_open():
    assert prior_of_gains([0.1] * 3, [1e12] * 3).band(np.array([[0.5, 0.3, 0.2]])) == pytest.approx(0, abs=1e-5)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(0.01, 1)), min_size=1, max_size=8))
def test_the_band_holds_the_mean_over_the_likeliest_families(families):
    gain, odds = np.array(families).T
    family = odds[None] / odds.sum()
    below, above = prior_of_gains(gain, np.full(len(gain), 50.0)).band(family)[0]
    mean, likely = family[0] @ gain, family[0] ** 3 @ gain / (family[0] ** 3).sum()
    assert mean - below - 1e-9 <= likely <= mean + above + 1e-9
