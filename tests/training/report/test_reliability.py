"""Calibration against data of a known truth: what is calibrated is not flagged, what is on the wrong side is."""

import numpy as np
import pytest

from contract.profiles import Profile
from training.report.outcomes import realised_net_benefit
from training.report.reliability import LEAST_PROMPTS, clustered, measured_ece, reliability, tenths


def test_of_calibrated_predictions_no_verdict_is_on_the_wrong_side(told, profile):
    made = reliability(told(4000), profile)["net_benefit"]
    assert made["wrong_side"] == []
    assert made["judged"] >= 6
    assert [t["n"] for t in made["tenths"]] == [400] * 10
    inside = [low <= t["predicted"] <= high for t in made["tenths"] for low, high in [t["interval"]]]
    assert sum(inside) >= 9


def test_a_verdict_whose_net_benefit_was_of_the_other_sign_is_flagged_with_its_tenth(told, profile):
    table = told(2000)
    top = table.net_benefit >= table.net_benefit.quantile(0.9)
    (wrong,) = reliability(table.assign(gain=table.gain.where(~top, -1.0)), profile)["net_benefit"]["wrong_side"]
    assert (wrong["tenth"], wrong["verdict"], wrong["n"]) == (10, "use", 200)
    assert wrong["interval"][1] < 0
    bottom = table.net_benefit <= table.net_benefit.quantile(0.1)
    flipped = table.assign(gain=table.gain.where(~bottom, 1.0))
    (wrong,) = reliability(flipped, profile)["net_benefit"]["wrong_side"]
    assert (wrong["tenth"], wrong["verdict"]) == (1, "avoid")
    assert wrong["interval"][0] > 0


def test_maybe_is_never_on_the_wrong_side(told, profile):
    made = reliability(told(500, verdict="maybe", gain=-1.0), profile)["net_benefit"]
    assert (made["judged"], made["wrong_side"]) == (0, [])


def test_too_few_prompts_are_not_judged():
    n = 10 * (LEAST_PROMPTS - 1)
    groups, use = np.arange(n), np.full(n, "use")
    made = tenths(np.linspace(0.1, 1, n), np.full(n, -1.0), use, groups)
    assert (made["judged"], made["wrong_side"]) == (0, [])
    more = tenths(np.linspace(0.1, 1, n + 10), np.full(n + 10, -1.0), np.full(n + 10, "use"), np.arange(n + 10))
    assert len(more["wrong_side"]) == more["judged"] == 10


def test_the_mix_of_verdicts_adds_up(told, profile):
    table = told(1001)
    parts = reliability(table, profile)["net_benefit"]["tenths"]
    assert sum(sum(t["verdicts"].values()) for t in parts) == 1001
    assert all(sum(t["verdicts"].values()) == t["n"] for t in parts)


def test_an_interval_at_a_stricter_level_is_wider_and_holds_the_truth_as_often_as_it_says():
    rng, hits = np.random.default_rng(8), 0
    for _ in range(2000):
        values, groups = np.repeat(rng.choice([-1.0, 0.0, 1.0], 40), 3), np.repeat(np.arange(40), 3)
        low, high = clustered(values, groups, comparisons=10)
        narrow = clustered(values, groups)
        assert low < narrow[0] < narrow[1] < high
        hits += low <= 0 <= high
    assert 0.985 <= hits / 2000 <= 1.0


def test_four_copies_of_a_prompt_are_one():
    values = np.random.default_rng(0).normal(size=50)
    one, four = clustered(values, np.arange(50)), clustered(np.repeat(values, 4), np.repeat(np.arange(50), 4))
    assert four == pytest.approx(one)


def test_of_some_prompts_that_all_did_the_same_the_next_may_not():
    low, high = clustered(np.full(25, -0.01), np.arange(25))
    assert low < 0 < high
    assert clustered(np.array([1.0, 2.0]), np.array(["p", "p"])) is None
    assert clustered(np.array([]), np.array([])) is None


def test_the_error_of_p_use_is_that_of_labels_in_the_profile(told):
    table = told(3000).assign(expected_extra_tokens=0.0)
    dear = Profile(tokens_per_point=1e9, max_thinking_tokens=1)
    made = reliability(table, dear)["p_use"]
    assert made["ece"]["value"] < 0.05
    low, high = made["ece"]["interval"]
    assert 0 <= low < made["ece"]["value"] <= high < 0.1
    assert len(made["bins"]) == 15
    assert sum(b["n"] for b in made["bins"]) == 3000
    assert reliability(table.assign(p_use=1 - table.p_use), dear)["p_use"]["ece"]["value"] > 0.2


def test_the_interval_of_a_calibrated_forecast_reaches_0_and_that_of_a_wrong_one_does_not():
    rng = np.random.default_rng(5)
    groups, p = np.arange(500).astype(str), rng.uniform(0.1, 0.9, 500)
    made = [measured_ece(p, (rng.uniform(size=500) < p).astype(float), groups) for _ in range(10)]
    assert np.mean([one["value"] for one in made]) > 0.04  # which is noise
    assert np.mean([one["interval"][0] for one in made]) < 0.02
    wrong = measured_ece(p, (rng.uniform(size=500) < 1 - p).astype(float), groups)
    low, high = wrong["interval"]
    assert 0.2 < low < wrong["value"] <= high


def test_a_thinking_mode_is_charged_its_logged_tokens_and_other_arms_the_expected_ones(told, profile):
    table = told(4).assign(gain=0.0, extra_tokens=[2000.0, 4000, np.nan, 100], expected_extra_tokens=1000.0)
    assert realised_net_benefit(table, profile) == pytest.approx([-0.05] * 4)
    known = table.assign(thinking_mode=[True, True, True, False])
    assert realised_net_benefit(known, profile) == pytest.approx([-0.1, -0.2, -0.1, -0.05])  # the median fills the gap


def test_latency_is_charged_where_the_profile_does_and_it_is_known(told):
    slow = Profile(tokens_per_point=20_000, max_thinking_tokens=1, seconds_per_point=100)
    table = told(2).assign(gain=0.0, extra_latency_s=[5.0, np.nan])
    assert realised_net_benefit(table, slow) == pytest.approx([-0.1, -0.05])
