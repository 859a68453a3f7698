"""Figures read off cost against quality, by hand and against their definitions."""

import numpy as np
import pytest

from training.report.curves import (
    Curve,
    aiq,
    apgr,
    cpt,
    curve,
    efficiency,
    hull,
    oracle,
    random,
    thinned,
    tokens_saved,
)

DIRECT, GAIN, EXTRA = np.array([0.0, 0.5, 0.5, 1.0]), np.array([1.0, 0.5, 0.0, -1.0]), np.array([100.0, 300, 200, 400])


def test_a_curve_by_hand():
    points = curve(np.array([4, 3, 2, 1]), DIRECT, GAIN, EXTRA)
    assert points.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert points.tokens.tolist() == [0, 25, 100, 150, 250]
    assert points.score.tolist() == [0.5, 0.75, 0.875, 0.875, 0.625]


def test_tied_prompts_are_switched_together_in_whatever_order_the_rows_lie():
    order, swap = np.array([1.0, 1.0, 0.0, 0.0]), [1, 0, 3, 2]
    one, other = curve(order, DIRECT, GAIN, EXTRA), curve(order, DIRECT[swap], GAIN[swap], EXTRA[swap])
    assert one.share.tolist() == [0, 0.5, 1]
    assert all(a.tolist() == b.tolist() for a, b in zip(one, other, strict=True))


def test_figures_by_hand():
    points = curve(np.array([4, 3, 2, 1]), DIRECT, GAIN, EXTRA)  # recovers 0, 2, 3, 3 and 1 of the gap of .125
    assert apgr(points) == pytest.approx((1 + 2.5 + 3 + 2) / 4)
    assert cpt(points, 0.5) == pytest.approx(0.25 / 4)
    assert cpt(points, 0.8) == pytest.approx(0.1)
    area = 25 * 0.625 + 75 * 0.8125 + 150 * 0.875  # the hull does not fall after its top
    assert aiq(points) == pytest.approx(area / 250)
    needed = 25 * (0.99 * 0.625 - 0.5) / 0.25
    assert tokens_saved(points) == pytest.approx(1 - needed / 250)


def test_a_random_order_recovers_half_and_needs_as_many_calls_as_it_recovers():
    gain = np.array([1.0, 0.0, 0.0, 0.0])
    points = random(np.zeros(4), gain, EXTRA)
    assert apgr(points) == pytest.approx(0.5)
    assert cpt(points, 0.8) == pytest.approx(0.8)
    assert aiq(points) == pytest.approx(0.125)
    assert tokens_saved(points) == pytest.approx(0.01)
    shuffled = [
        apgr(curve(np.random.default_rng(i).permutation(400), np.zeros(400), np.tile(gain, 100), np.ones(400)))
        for i in range(50)
    ]
    assert np.mean(shuffled) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("gain", [np.zeros(4), np.array([-1.0, 0, 0, 0.5])])
def test_without_a_gap_nothing_is_recovered(gain):
    points = curve(np.arange(4.0), DIRECT, gain, EXTRA)
    assert np.isnan([apgr(points), cpt(points, 0.5), cpt(points, 0.8)]).all()
    assert np.isfinite(aiq(points))


def test_where_thinking_harms_all_its_tokens_are_saved():
    assert tokens_saved(curve(np.arange(4.0), DIRECT, np.array([-1.0, 0, 0, 0.5]), EXTRA)) == 1.0


def test_the_oracle_is_no_worse_than_any_order():
    rng = np.random.default_rng(3)
    direct, gain, extra = rng.uniform(size=200), rng.choice([-1.0, 0.0, 1.0], 200), rng.integers(1, 900, 200)
    best = aiq(curve(oracle(gain, extra), direct, gain, extra))
    assert all(aiq(curve(rng.normal(size=200), direct, gain, extra)) < best for _ in range(20))


def test_the_hull_is_above_every_point_and_bends_one_way():
    rng = np.random.default_rng(4)
    x, y = np.r_[0, np.cumsum(rng.uniform(0.1, 1, 60))], rng.normal(size=61)
    at, height = hull(x, y)
    assert (np.interp(x, at, height) >= y - 1e-12).all()
    assert (np.diff(height) >= 0).all()
    slope = np.diff(height) / np.diff(at)
    assert (np.diff(slope) <= 1e-12).all()
    assert set(at) <= set(x)


def test_the_report_has_intervals_of_ours_alone_and_the_curves_of_all():
    rng = np.random.default_rng(5)
    gain, extra, groups = rng.choice([0.0, 1.0], 120), rng.integers(1, 900, 120).astype(float), np.arange(120)
    orders = {"ours": gain + 0.3 * rng.normal(size=120), "task mean": rng.normal(size=120)}
    made = efficiency(orders, np.zeros(120), gain, extra, groups, of="ours")
    assert list(made) == ["ours", "task mean", "random", "oracle"]
    low, high = made["ours"]["apgr"]["interval"]
    assert low < made["ours"]["apgr"]["value"] < high
    assert made["task mean"]["apgr"]["interval"] is None
    for figures in made.values():
        assert figures["curve"]["score"][0] == 0
        assert figures["curve"]["score"][-1] == pytest.approx(gain.mean(), abs=1e-5)
        assert figures["curve"]["tokens"][-1] == pytest.approx(extra.mean(), abs=1e-5)


def test_of_one_prompt_there_is_no_interval():
    made = efficiency({"ours": np.ones(2)}, np.zeros(2), np.ones(2), np.ones(2), np.array(["p", "p"]), of="ours")
    assert made["ours"]["apgr"] == {"value": 0.5, "interval": None}


def test_a_thinned_curve_keeps_its_ends():
    points = Curve(np.linspace(0, 1, 1000), np.linspace(0, 50, 1000), np.linspace(0.2, 0.4, 1000))
    thin = thinned(points)
    assert (len(thin["share"]), thin["tokens"][0], thin["tokens"][-1], thin["score"][-1]) == (41, 0, 50, 0.4)
