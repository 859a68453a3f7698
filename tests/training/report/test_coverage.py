"""How much thinking fits its budget, by hand."""

import numpy as np
import pytest

from training.report.coverage import LEAST_ATTEMPTS, constant_of, coverage, coverage_by


def test_coverage_by_hand():
    tokens, budget = np.array([100.0, 200, 300, 400, 900]), np.array([100.0, 250, 200, 500, 1000])
    cut = np.array([False, False, False, False, True])
    made = coverage(tokens, budget, cut, np.arange(5))
    assert (made["n"], made["prompts"], made["censored"]) == (4, 4, 1)
    assert made["coverage"]["value"] == 0.75
    assert made["coverage_at_least"]["value"] == 0.6  # the attempt that was cut off counts as a miss
    assert made["mean_budget"] == 262.5
    assert made["constant_budget"] == 300  # three of four fit
    assert made["saved"]["value"] == pytest.approx(1 - 262.5 / 300)


def test_a_budget_that_follows_the_need_saves_against_a_constant_one():
    tokens = np.random.default_rng(0).lognormal(6, 1, 400)
    made = coverage(tokens, tokens, np.zeros(400, bool), np.arange(400))
    assert made["coverage"]["value"] == 1
    assert made["saved"]["interval"][0] > 0.5
    flat = coverage(tokens, np.full(400, np.quantile(tokens, 0.9)), np.zeros(400, bool), np.arange(400))
    assert flat["saved"]["value"] == pytest.approx(0, abs=0.02)


def test_attempts_that_were_all_cut_off_tell_no_coverage():
    made = coverage(np.ones(3), np.ones(3), np.ones(3, bool), np.arange(3))
    assert (made["n"], made["censored"], made["coverage"], made["saved"]) == (0, 3, None, None)


@pytest.mark.parametrize(("share", "budget"), [(0, 1), (0.5, 2), (0.51, 3), (1, 4)])
def test_the_smallest_constant_of_a_coverage(share, budget):
    assert constant_of(np.array([4.0, 1, 3, 2]), share) == budget


def test_small_parts_are_left_out_and_counted():
    source = np.array(["a"] * LEAST_ATTEMPTS + ["b"] * 3)
    n = len(source)
    made = coverage_by({"source": source}, np.ones(n), np.ones(n), np.zeros(n, bool), np.arange(n))
    assert made["all"]["n"] == n
    assert list(made["source"]["parts"]) == ["a"]
    assert made["source"]["attempts_left_out"] == 3


def test_each_part_says_what_its_needs_were_read_off():
    n, half = 2 * LEAST_ATTEMPTS, LEAST_ATTEMPTS
    source, of = np.array(["a", "b"]).repeat(half), np.array(["ladder", *["attempts"] * (n - 1)])
    cut = np.arange(n) == 0
    made = coverage_by({"source": source}, np.ones(n), np.ones(n), cut, np.arange(n), of)
    assert made["all"]["targets"] == {"attempts": n - 1, "ladder": 1}  # what was cut off counts too
    parts = made["source"]["parts"]
    assert (parts["a"]["targets"], parts["b"]["targets"]) == ({"attempts": half - 1, "ladder": 1}, {"attempts": half})
    assert coverage_by({}, np.ones(n), np.ones(n), cut, np.arange(n))["all"]["targets"] == {}
