"""The calibration curves: monotone, local, honest about how little they rest on."""

import numpy as np
import pytest

from training.calibrate import KNOTS, LEAST_BIN, Z95, _familiarity, calibrate, gain_curve
from training.heads import fit

from .test_heads import CONFIG, PROFILES, evidence, made_up


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


def test_familiarity_parts_the_two_at_one_half():
    curve = _familiarity(np.linspace(0.9, 1.0, 500), np.linspace(0.0, 0.1, 500))
    assert curve.at(0.9) > 0.5 > curve.at(0.1)


@pytest.fixture(scope="module")
def fitted():
    rows = evidence(400)
    place = np.arange(len(rows.table)) % 4
    rows.table["group"] = [f"g{i}" for i in range(len(rows.table))]
    seen, kept = rows.take(place > 0), rows.take(place == 0)
    return fit(seen, seen, made_up(), rows.pseudo(), PROFILES, CONFIG), kept, rows.pseudo()


def test_each_model_has_a_curve_of_its_own_rows(fitted):
    heads, kept, taxonomy = fitted
    calibration = calibrate(heads, kept, kept, made_up(), taxonomy, PROFILES)
    assert calibration.gain_logs.y == pytest.approx(np.full(len(calibration.gain_logs.y), -0.2), abs=0.05)
    assert calibration.gain_prior.at(0.4) == pytest.approx(0.4, abs=0.05)
    assert calibration.gain_prior.at(0.0) == pytest.approx(0.0, abs=0.05)
    assert 0.25 <= calibration.budget_scale <= 4


def test_the_curve_of_the_prior_is_of_cross_fitted_families(fitted, monkeypatch):
    """Families that no classifier knows are all alike: then the curve has one height, whatever the fitted ones say."""
    heads, kept, taxonomy = fitted
    monkeypatch.setattr(
        "training.calibrate.cross_fitted_families",
        lambda inputs, rows: np.full((len(rows.table), len(inputs.tasks)), 0.5),
    )
    calibration = calibrate(heads, kept, kept, made_up(), taxonomy, PROFILES)
    assert calibration.gain_prior.at(0.4) == pytest.approx(calibration.gain_prior.at(0.0))
    assert calibration.gain_prior.at(0.4) == pytest.approx(heads.prior.gain.mean(), abs=0.02)


def test_without_a_logged_thinking_token_budgets_are_not_scaled(fitted):
    heads, kept, taxonomy = fitted
    assert calibrate(heads, kept, kept.pseudo(), made_up(), taxonomy, PROFILES).budget_scale == 1.0
