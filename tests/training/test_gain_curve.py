"""The gain curve: monotone, local, honest about how little it rests on."""

import numpy as np
import pytest

from training.gain_curve import CLOSEST, KNOTS, LEAST_BIN, gain_curve
from training.prior import Z95


def pairs(n, seed=0, noise=0.6):
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(-0.2, 0.6, n)
    return predicted, predicted / 2 + rng.normal(0, noise, n), np.ones(n)


def test_the_curve_finds_the_true_slope():
    curve = gain_curve(*pairs(40_000))
    assert curve.at(0.4) - curve.at(0.0) == pytest.approx(0.2, abs=0.03)


def test_the_band_covers_the_true_local_mean_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        low, high = gain_curve(*pairs(2_000, seed)).band(0.2)
        covered += low <= 0.1 <= high
    assert covered >= 180


def test_more_pairs_give_a_narrower_band():
    few, many = (np.subtract(*gain_curve(*pairs(n)).band(0.2)[::-1]) for n in (400, 40_000))
    assert many < few / 3


def test_a_fall_is_pooled_and_no_two_knots_share_a_value():
    predicted = np.linspace(0, 1, 1400)
    curve = gain_curve(predicted, predicted + np.sin(25 * predicted) / 4, np.ones(1400))
    assert len(curve.y) > 2
    assert len(curve.y) < KNOTS
    assert all(b > a for a, b in zip(curve.y, curve.y[1:], strict=False))


def test_too_few_rows_decide_nothing():
    curve = gain_curve(*pairs(2 * LEAST_BIN - 1))
    assert curve.band(0.3) == (-1.0, 1.0)
    assert curve.at(0.3) == pytest.approx(0.3)


def test_equal_predictions_give_their_mean():
    curve = gain_curve(np.zeros(500), np.r_[np.zeros(250), np.ones(250)], np.ones(500))
    assert curve.at(0.0) == pytest.approx(0.5)


def test_a_pseudo_observation_counts_as_often_as_it_is_strong():
    predicted, gain = np.linspace(0, 1, 400), np.linspace(0, 1, 400)
    weak, strong = (gain_curve(predicted, gain, np.full(400, s), spread=0.1) for s in (1.0, 100.0))
    assert np.subtract(*strong.band(0.5)[::-1]) < np.subtract(*weak.band(0.5)[::-1])
    alone = np.full(400, 0.5)
    one = gain_curve(predicted, alone, np.full(400, 4.0), spread=0.1)
    assert (one.upper[0] - one.lower[0]) / 2 == pytest.approx(Z95 * 0.1 / np.sqrt(4 * 400), rel=0.01)


def test_knots_are_never_closer_than_single_precision_can_follow():
    predicted = np.r_[np.linspace(0, 1e-5, 300), np.linspace(0.5, 0.6, 300)]
    curve = gain_curve(predicted, predicted + np.linspace(0, 0.5, 600), np.ones(600))
    assert min(np.diff(curve.x)) >= CLOSEST
