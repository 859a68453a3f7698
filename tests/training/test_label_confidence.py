import numpy as np
import pytest

from training.label_confidence import normal, posterior

RNG = np.random.default_rng(3)


def numbers(*codes):
    return np.array(codes, dtype=np.int64)


def test_a_pair_that_stands_alone_is_believed_as_far_as_its_error_allows():
    found = posterior(np.array([0.4]), np.array([0.2]), numbers(0), numbers(0))
    assert found.mean == pytest.approx([0.4])
    assert found.deviation == pytest.approx([0.2])
    assert found.of_sign(np.array([0.4]), np.zeros(1)) == pytest.approx(normal(np.array([2.0])))
    assert found.of_sign(np.array([-1.0]), np.array([0.6])) == pytest.approx(normal(np.array([1.0])))
    assert found.of_band(np.array([0.4]), 0.2) == pytest.approx([0.6827], abs=1e-4)


def test_a_noisy_gain_is_drawn_to_its_task_and_that_to_its_model():
    gain = np.r_[np.tile([0.9, 1.1], 20), -1.0, np.tile([-0.1, 0.1], 20)]
    task = np.r_[np.zeros(41), np.ones(40)].astype(np.int64)
    found = posterior(gain, np.full(81, 0.5), task, np.zeros(81, dtype=np.int64))
    assert -1 < found.mean[40] < 1
    assert found.of_sign(gain, np.zeros(81))[40] < 0.5 < found.of_sign(gain, np.zeros(81))[0]
    one = posterior(np.r_[gain[:40], 0.0], np.full(41, 0.5), np.r_[task[:40], 1], np.zeros(41, dtype=np.int64))
    assert one.mean[40] > found.mean[41:].max(), "a task of one pair leans on its model more than one of forty"


def test_the_posterior_of_a_hierarchy_covers_the_truth_and_errs_less():
    tasks, each = 40, 50
    task = np.repeat(np.arange(tasks), each)
    truth = 0.1 + 0.3 * RNG.normal(size=tasks)[task] + 0.2 * RNG.normal(size=len(task))
    error = RNG.choice([0.1, 0.3, 0.6], len(task))
    gain = truth + error * RNG.normal(size=len(task))
    found = posterior(gain, error, task, np.zeros(len(task), dtype=np.int64))
    covered = np.abs(found.mean - truth) < 1.96 * found.deviation
    assert covered.mean() == pytest.approx(0.95, abs=0.02)
    assert np.mean((found.mean - truth) ** 2) < 0.4 * np.mean((gain - truth) ** 2)
    assert np.mean(found.deviation**2) == pytest.approx(np.mean((found.mean - truth) ** 2), rel=0.15)


def test_models_do_not_speak_for_each_other_and_the_unknown_stays_unknown():
    gain, error = np.array([1.0, 0.8, np.nan, -1.0, -0.9]), np.array([0.3, 0.3, np.nan, 0.1, 0.1])
    task, model = numbers(0, 0, 0, 1, 1), numbers(0, 0, 0, 1, 1)
    both, first = posterior(gain, error, task, model), posterior(gain[:3], error[:3], task[:3], model[:3])
    np.testing.assert_allclose(both.mean[:3], first.mean)
    np.testing.assert_allclose(both.deviation[:3], first.deviation)
    assert np.isnan(both.mean[2])
    assert np.isnan(both.of_sign(gain, np.zeros(5))[2])
    assert np.isnan(both.of_band(np.zeros(5), 0.1)[2])


@pytest.mark.parametrize("size", [0, 3])
def test_nothing_known_gives_nothing(size):
    empty = np.full(size, np.nan)
    found = posterior(empty, empty, np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64))
    assert np.isnan(found.mean).all()
    assert len(found.mean) == size


def test_gains_that_are_all_alike_leave_no_division_by_zero():
    found = posterior(np.ones(50), np.full(50, 0.1), np.repeat(numbers(0, 1), 25), np.zeros(50, dtype=np.int64))
    assert found.mean == pytest.approx(np.ones(50))
    assert (found.deviation > 0).all()
