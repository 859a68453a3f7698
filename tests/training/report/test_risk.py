"""Risk and coverage: a familiarity that tells something gains, one that does not gains nothing."""

import numpy as np
import pandas as pd
import pytest

from training.report.risk import COVERAGES, LEAST_COVERED, confident, right, risk_area, risk_coverage

EMPTY = {"value": None, "interval": None}


def test_a_familiarity_that_knows_which_verdicts_hold_gains(told, profile):
    table = told(1500, noise=0.5)
    correct = right(table, profile)
    noise = np.random.default_rng(1).uniform(0, 0.3, len(table))
    made = risk_coverage(table.assign(familiarity=0.5 * np.nan_to_num(correct, nan=0.5) + noise), profile)
    assert made["gained"]["interval"][0] > 0.02
    accuracy = [p["accuracy_differ"] for p in made["points"]]
    assert accuracy[0] == 1
    assert accuracy == sorted(accuracy, reverse=True)


def test_a_familiarity_that_knows_nothing_gains_nothing(told, profile):
    low, high = risk_coverage(told(1500, noise=0.5), profile)["gained"]["interval"]
    assert low < 0 < high


def test_equal_familiarities_are_in_no_order_of_the_rows(told, profile):
    table = told(600, noise=0.5).sort_values("gain").reset_index(drop=True)
    made = risk_coverage(table.assign(familiarity=1.0), profile)
    assert abs(made["gained"]["value"]) < 0.1


def test_verdicts_are_right_by_sign_half_at_none_and_maybe_is_no_verdict(told, profile):
    table = told(5).assign(
        verdict=["use", "use", "avoid", "avoid", "maybe"], gain=[1.0, -1, -1, 0.05, 1], expected_extra_tokens=1000.0
    )
    assert right(table, profile) == pytest.approx([1, 0, 1, 0.5, np.nan], nan_ok=True)


def test_the_area_by_hand():
    area, flat = risk_area(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1.0, np.nan, 0.0, 1.0]))
    assert area == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    assert flat == pytest.approx(1 / 3)
    assert np.isnan(risk_area(np.ones(2), np.full(2, np.nan))).all()


def test_q_is_within_sources_of_enough_covered_pairs(told, profile):
    small = told(LEAST_COVERED - 1, source="small", familiarity=1.0)
    points = risk_coverage(pd.concat([told(300), small], ignore_index=True), profile)["points"]
    assert [p["coverage"] for p in points] == list(COVERAGES)
    assert points[0]["sources"] == 0
    assert points[0]["q"] is None
    assert points[-1]["sources"] == 1
    assert points[-1]["n"] == 349


def test_without_a_verdict_nothing_is_claimed(told, profile):
    made = risk_coverage(told(50, verdict="maybe"), profile)
    assert made["area"] == {"value": None, "interval": None}
    assert {p["accuracy"] for p in made["points"]} == {None}


def test_ties_decide_nothing_of_the_area(told, profile):
    table = told(800, noise=0.5)
    ties = table.assign(gain=0.0, verdict="use", familiarity=2.0)
    alone, both = (risk_coverage(t, profile) for t in (table, pd.concat([table, ties], ignore_index=True)))
    assert both["area"]["value"] == pytest.approx(alone["area"]["value"])
    assert both["points"][0]["accuracy"] == 0
    assert both["points"][0]["accuracy_differ"] is None
    assert both["points"][0]["differ"] == 0


def test_confident_verdicts_are_worth_what_they_save_and_what_they_gain(told, profile):
    table = told(5).assign(
        verdict=["use", "use", "avoid", "avoid", "maybe"], gain=[1.0, 0.0, 0.0, 1.0, 1.0], expected_extra_tokens=1000.0
    )
    sure = confident(table, profile)
    price = 1000 / profile.tokens_per_point
    assert sure["n"] == 4
    assert sure["over_never"]["value"] == pytest.approx((1 - 2 * price) / 4)
    assert sure["over_always"]["value"] == pytest.approx((2 * price - 1) / 4)
    assert sure["sources"].keys() == {"logs"}
    assert confident(told(5, verdict="maybe"), profile) == {
        "n": 0,
        "over_always": EMPTY,
        "over_never": EMPTY,
        "sources": {},
    }
