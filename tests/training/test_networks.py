"""Networks of one hidden layer: what is folded is what was fitted."""

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from training import networks
from training.config import TrainConfig
from training.networks import BATCH, NETWORKS, STEPS_PER_ITERATION, UNITS, fit_network

CONFIG = TrainConfig(iterations=20)


@pytest.fixture
def fitted(monkeypatch):
    """The networks that are fitted, as scikit-learn has them, and the inputs they were fitted on."""
    seen = []

    class Recorded(MLPRegressor):
        def fit(self, x, y, weight):
            seen.append((self, x))
            return super().fit(x, y, weight)

    monkeypatch.setattr(networks, "MLPRegressor", Recorded)
    return seen


def rows(n=600, width=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.3, (n, width))
    return x, np.abs(x[:, 0]) - x[:, 1], rng.uniform(0.5, 2, n)


def test_the_folded_maps_are_the_mean_of_what_scikit_learn_predicts(fitted):
    x, y, weight = rows()
    folded = fit_network(x, y, weight, CONFIG)
    assert len(fitted) == NETWORKS
    (_, scaled), *_ = fitted
    assert folded(x)[:, 0] == pytest.approx(
        np.mean([network.predict(scaled) for network, _ in fitted], axis=0), abs=1e-12
    )
    assert folded.hidden.weight.shape == (12, NETWORKS * UNITS)
    assert folded(x[:0]).shape == (0, 1)


def test_the_networks_differ_and_the_same_seed_fits_the_same(fitted):
    x, y, weight = rows()
    one, other = (fit_network(x, y, weight, CONFIG)(x) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    (first, scaled), (second, _), *_ = fitted
    assert np.abs(first.predict(scaled) - second.predict(scaled)).max() > 1e-3


def test_inputs_are_scaled_as_one_to_a_mean_square_of_one(fitted):
    x, y, weight = rows()
    x[:, 3] *= 50
    fit_network(x, y, weight, CONFIG)
    scaled = fitted[0][1]
    assert np.mean(scaled**2) == pytest.approx(1)
    ratio = scaled / x
    assert ratio == pytest.approx(np.full_like(ratio, ratio[0, 0])), "their relative sizes are meant"


def test_the_unit_of_the_inputs_changes_nothing():
    x, y, weight = rows()
    one, other = fit_network(x, y, weight, CONFIG)(x), fit_network(1024 * x, y, weight, CONFIG)(1024 * x)
    assert other == pytest.approx(one, abs=1e-9)


@pytest.mark.parametrize("n", [BATCH, 600, 5_000, 50_000])
def test_a_small_log_gets_as_many_steps_as_a_large_one(monkeypatch, n):
    asked = []

    class Recorded(MLPRegressor):
        def fit(self, x, y, weight):
            asked.append(self.max_iter * -(-len(x) // self.batch_size))
            self.set_params(max_iter=1)
            return super().fit(x[:BATCH], y[:BATCH], weight[:BATCH])

    monkeypatch.setattr(networks, "MLPRegressor", Recorded)
    fit_network(*rows(n), TrainConfig(iterations=150))
    assert asked == [pytest.approx(150 * STEPS_PER_ITERATION, rel=0.3)] * NETWORKS


def test_it_learns_what_is_not_linear_and_weights_are_heard():
    x, _, _ = rows(1200)
    y = np.abs(x[:, 0])
    config = TrainConfig(iterations=150)
    plain = fit_network(x, y, np.ones(1200), config)(x)[:, 0]
    assert np.corrcoef(plain, y)[0, 1] > 0.8
    assert np.abs(np.corrcoef(x[:, 0], y)[0, 1]) < 0.2
    high = np.arange(1200) % 2 == 0
    mean = fit_network(x, high.astype(float), np.where(high, 9.0, 1.0), config)(x).mean()
    assert mean == pytest.approx(0.9, abs=0.05)


def test_a_constant_is_met():
    x, _, weight = rows()
    assert fit_network(x, np.full(600, 0.25), weight, TrainConfig(iterations=100))(x) == pytest.approx(
        np.full((600, 1), 0.25), abs=0.05
    )


def test_more_iterations_fit_closer():
    x, y, weight = rows()
    few, many = (np.mean((fit_network(x, y, weight, TrainConfig(iterations=n))(x)[:, 0] - y) ** 2) for n in (10, 100))
    assert many < few
