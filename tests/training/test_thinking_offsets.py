"""Thinking tokens: a one-sided bound whose coverage is that of its level."""

import numpy as np
import pandas as pd
import pytest

from contract.bundle import QUANTILES
from training.calibrate import thinking_offsets
from training.prior import token_offsets

BEST = QUANTILES.index(0.9)


def attempts(n, rng, *, each=1, cap=np.inf, spread=0.8):
    """Return what heads expect [n], the tokens that were needed, and the rows: `each` attempts a prompt, those over the cap censored."""
    expected = np.exp(rng.normal(6, 1, n)).repeat(each)
    needed = expected * np.exp(rng.normal(0, spread, n * each)) * np.exp(rng.normal(0, 0.5, n)).repeat(each)
    limit = cap * expected
    rows = pd.DataFrame(
        {"thinking_tokens": np.minimum(needed, limit), "censored": needed > limit, "weight": 1 / each, "prior": False,
         "group": np.arange(n).repeat(each).astype(str)}
    )  # fmt: skip
    return expected, needed, rows


def offsets_of(expected, rows):
    """Return the offsets where heads without any say the median at every level."""
    return thinking_offsets(np.repeat(expected[:, None], len(QUANTILES), axis=1), rows)


@pytest.mark.parametrize("each", [1, 4])
def test_a_new_attempt_is_covered_as_often_as_the_level_says(each):
    covered = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        expected, _, rows = attempts(60, rng, each=each)
        offsets = offsets_of(expected, rows)
        new, needed, _ = attempts(400, rng)
        covered.append([(needed <= new * np.exp(offset)).mean() for offset in offsets])
    assert np.mean(covered, axis=0) == pytest.approx(QUANTILES, abs=0.025)
    assert np.mean(covered, axis=0)[BEST] >= 0.895


def test_the_bound_of_few_prompts_keeps_its_level_on_average():
    """Nineteen prompts: the 18th of them is exceeded by a new one 2 times of 20, exactly."""
    covered = []
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        expected, _, rows = attempts(19, rng)
        new, needed, _ = attempts(50, rng)
        covered.append((needed <= new * np.exp(offsets_of(expected, rows)[BEST])).mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


def test_attempts_that_hit_their_cap_still_count_as_longer_than_it():
    """A cap that 7 % meet: the bound is the one of uncapped attempts; as finished ones they would pull it below its level."""
    rng = np.random.default_rng(0)
    expected, needed, rows = attempts(40_000, rng, cap=4.0)
    assert 0.04 < rows.censored.mean() < 0.1
    offsets = offsets_of(expected, rows)
    assert (needed <= expected * np.exp(offsets[BEST])).mean() == pytest.approx(0.9, abs=0.005)
    dropped = ~rows.censored.to_numpy(bool)
    without = offsets_of(expected[dropped], rows[dropped])
    assert (needed <= expected * np.exp(without[BEST])).mean() < 0.87


def test_where_too_many_hit_their_cap_the_bound_is_the_largest_that_was_seen_and_finite():
    expected, _, rows = attempts(2_000, np.random.default_rng(0), cap=1.5)
    assert rows.censored.mean() > 0.2
    offsets = offsets_of(expected, rows)
    finished = ~rows.censored.to_numpy(bool)
    largest = np.log(rows.thinking_tokens[finished] / expected[finished]).max()
    assert offsets[BEST] == pytest.approx(largest)
    assert np.isfinite(offsets_of(expected, rows.assign(censored=True))).all()


def test_offsets_never_fall_with_their_level_and_ignore_pseudo_observations():
    expected, _, rows = attempts(300, np.random.default_rng(0))
    offsets = offsets_of(expected, rows)
    assert (np.diff(offsets) >= 0).all()
    strange = rows.assign(thinking_tokens=1e9, prior=True)
    both = offsets_of(np.r_[expected, expected], pd.concat([rows, strange], ignore_index=True))
    np.testing.assert_array_equal(both, offsets)


def test_where_nothing_is_logged_offsets_are_the_declared_ones():
    expected, _, rows = attempts(5, np.random.default_rng(0))
    assert offsets_of(expected, rows.assign(prior=True)) == pytest.approx(token_offsets(QUANTILES))


def test_many_attempts_at_one_prompt_do_not_outvote_the_others():
    expected, _, rows = attempts(100, np.random.default_rng(0))
    loud = pd.DataFrame(
        {"thinking_tokens": 1e6, "censored": False, "weight": 1 / 5000, "prior": False, "group": "loud"},
        index=range(5000),
    )
    both = offsets_of(np.r_[expected, np.full(5000, 400.0)], pd.concat([rows, loud], ignore_index=True))
    assert both == pytest.approx(offsets_of(expected, rows), abs=0.25)
