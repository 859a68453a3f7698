"""Figures of merit against figures computed by hand, against the reference of q, and on data of a known truth."""

import importlib.util
from itertools import pairwise

import numpy as np
import pytest

from contract.locate import ROOT
from training.metrics import (
    RESAMPLES,
    auc,
    defined,
    expected_calibration_error,
    interval,
    measured,
    policy_table,
    q,
    ranged,
    shown,
    shown_interval,
)

REFERENCE = ROOT.parent / "shared" / "reference" / "q.py"


@pytest.fixture(scope="module")
def reference():
    if not REFERENCE.is_file():
        pytest.skip(f"{REFERENCE} is not there: the optional folder with the reference definition of q")
    spec = importlib.util.spec_from_file_location("reference_q", REFERENCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n", [2, 3, 17, 400, 3000])
@pytest.mark.parametrize("seed", range(4))
def test_q_is_that_of_the_reference(reference, n, seed):
    rng = np.random.default_rng(seed)
    gain, extra = rng.choice([-1.0, -0.25, 0.0, 0.5, 1.0], n), rng.lognormal(6, 1, n) + 1
    gain[:2] = 0.5, -0.25  # some order is better than another
    for worth in (rng.normal(size=n), rng.integers(0, 3, n).astype(float), gain + rng.normal(size=n), np.zeros(n)):
        assert q(worth, gain, extra) == pytest.approx(reference.q(worth, gain, extra), abs=1e-9)


@pytest.mark.parametrize(
    ("worth", "value"),
    [((3, 2, 1), 1), ((2, 3, 1), 1 / 3), ((1, 3, 2), -1), ((1, 2, 3), -1), ((2, 1, 3), -1 / 3)],
)
def test_q_by_hand(worth, value):
    # Shares of tokens 1/4, 1/4, 2/4; the first prompt alone gains: A(random) 4/24, A(oracle) 7/24, and by order the rest.
    assert q(np.array(worth), np.array([1.0, 0, 0]), np.array([1, 1, 2])) == pytest.approx(value)


def test_the_order_of_an_oracle_has_q_one_and_its_reverse_less_than_none():
    rng = np.random.default_rng(0)
    gain, extra = rng.choice([-1.0, 0.0, 1.0], 500), rng.integers(1, 4000, 500)
    assert q(gain / extra, gain, extra) == pytest.approx(1)
    assert q(-gain / extra, gain, extra) < -0.5
    assert q(gain, gain, extra) < 1  # an oracle of gain that does not look at the price


def test_random_orders_have_q_zero_on_average():
    rng = np.random.default_rng(0)
    gain, extra = rng.choice([-1.0, 0.0, 1.0], 2000), rng.integers(1, 4000, 2000)
    values = [q(rng.permutation(2000), gain, extra) for _ in range(200)]
    assert abs(np.mean(values)) < 0.02
    assert abs(q(np.zeros(2000), gain, extra)) < 0.1  # ties are a random order, not the order of the rows
    gain = np.sort(gain)
    assert abs(q(np.zeros(2000), gain, extra)) < 0.1


def test_q_takes_unknown_prices_as_one_token_at_least():
    worth, gain = np.array([2.0, 1, 3]), np.array([1.0, 0, -1])
    assert q(worth, gain, np.array([-5, 0, 3])) == q(worth, gain, np.array([1, 1, 3]))


@pytest.mark.parametrize("n", [1, 2, 7, 23, 700])
@pytest.mark.parametrize("gain", [0.0, 0.3, -0.7])
def test_q_is_undefined_where_no_order_is_better_than_another(n, gain):
    assert np.isnan(q(np.arange(n), np.full(n, gain), np.full(n, 7)))


def test_q_is_undefined_of_no_row_or_one():
    assert np.isnan(q(np.array([]), np.array([]), np.array([])))
    assert np.isnan(q(np.array([1.0]), np.array([1.0]), np.array([3])))


def test_auc_by_hand():
    gain = np.array([0.5, 0.0, 1.0, -1.0])
    assert auc(np.array([0.9, 0.8, 0.3, 0.1]), gain) == 0.75
    assert auc(np.array([0.9, 0.3, 0.3, 0.1]), gain) == 0.875
    assert auc(np.zeros(4), gain) == 0.5


@pytest.mark.parametrize("gain", [[0.0, 0.0], [1.0, 0.5], [-1.0, 0.0], []])
def test_auc_is_undefined_where_all_or_none_gain(gain):
    assert np.isnan(auc(np.arange(len(gain)), np.array(gain)))


def coverage(per_prompt, groups_of):
    """Return the share of 300 samples whose interval of the mean holds the true mean, 0."""
    rng, hits = np.random.default_rng(5), 0
    for seed in range(300):
        rows = np.repeat(rng.normal(size=60), per_prompt)
        low, high = interval(lambda r, v=rows: float(v[r].mean()), groups_of(60, per_prompt), seed=seed, resamples=200)
        hits += low <= 0 <= high
    return hits / 300


def test_an_interval_holds_the_truth_in_95_percent():
    assert 0.92 <= coverage(1, lambda n, k: np.arange(n)) <= 0.98


def test_an_interval_draws_whole_prompts():
    assert 0.92 <= coverage(4, lambda n, k: np.repeat(np.arange(n), k)) <= 0.98
    assert coverage(4, lambda n, k: np.arange(n * k)) < 0.8  # four copies are no four prompts


def test_the_rows_of_a_prompt_come_together_wherever_they_lie():
    drawn = []
    interval(lambda rows: float(len(drawn.append(rows) or rows)), np.array(list("abcabca")), resamples=50)
    for rows in drawn:
        counts = np.bincount(rows, minlength=7)
        assert counts[0] == counts[3] == counts[6]
        assert counts[1] == counts[4]
        assert counts[2] == counts[5]
        assert counts[:3].sum() == 3


def test_an_interval_is_the_same_each_time_for_the_same_seed():
    values = np.random.default_rng(0).normal(size=50)

    def mean(rows):
        return float(values[rows].mean())

    assert interval(mean, np.arange(50)) == interval(mean, np.arange(50))
    assert interval(mean, np.arange(50), seed=1) != interval(mean, np.arange(50), seed=2)
    low, high = interval(mean, np.arange(50))
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 50**0.5, rel=0.2)


def test_as_many_resamples_as_were_asked_for():
    calls = []
    interval(lambda rows: float(len(calls.append(1) or rows)), np.arange(5))
    assert len(calls) == RESAMPLES


@pytest.mark.parametrize("groups", [[], ["a"], ["a", "a", "a"]])
def test_fewer_than_two_prompts_have_no_interval(groups):
    assert interval(lambda rows: 1.0, np.array(groups)) is None


def test_two_prompts_have_an_interval():
    assert interval(lambda rows: float(rows.mean()), np.array(["a", "b"])) == (0, 1)


def test_resamples_without_a_figure_are_left_out_and_none_with_one_is_no_interval():
    gain = np.array([1.0, 0.0, 0.0, 0.0])
    assert interval(lambda rows: auc(gain[rows], gain[rows]), np.arange(4)) == (1, 1)
    assert interval(lambda rows: float("nan"), np.arange(4)) is None


def test_a_measured_figure_is_null_where_it_is_undefined():
    gain, groups = np.array([1.0, 0.0, 1.0, 0.0]), np.arange(4)
    assert measured(lambda r: auc(gain[r], gain[r]), groups) == {"value": 1.0, "interval": (1.0, 1.0)}
    assert measured(lambda r: auc(gain[r], gain[r] * 0), groups) == {"value": None, "interval": None}
    assert measured(lambda r: float(gain[r].mean()), groups * 0) == {"value": 0.5, "interval": None}


def test_a_figure_undefined_on_all_rows_has_no_interval_from_some_of_them():
    measure = measured(lambda rows: float("nan") if len(set(rows)) == 3 else 1.0, np.arange(3))
    assert measure == {"value": None, "interval": None}


@pytest.mark.parametrize(
    ("value", "held"), [(0.5, 0.5), (0, 0.0), (np.float64(1), 1.0), (np.nan, None), (np.inf, None)]
)
def test_a_report_holds_defined_figures(value, held):
    assert defined(value) == held
    assert type(defined(value)) in (float, type(None))


def test_how_people_read_a_figure():
    assert (shown(0.12345), shown(None), shown(-0.5, "+.1f")) == ("0.123", "–", "-0.5")
    assert (shown_interval((0.1, 0.25)), shown_interval([1, 2], ".1f"), shown_interval(None)) == (
        "[0.100, 0.250]", "[1.0, 2.0]", "[–]",
    )  # fmt: skip
    assert ranged(0.5, (0.25, 0.75), "+.2f") == "+0.50 [+0.25, +0.75]"
    assert (ranged(0.5, None), ranged(None, None)) == ("0.500 [–]", "–")


@pytest.mark.parametrize(("bins", "error"), [(1, 0.25), (2, 0.25), (3, 0.325), (4, 0.3), (15, 0.3)])
def test_calibration_error_by_hand(bins, error):
    # In two bins: |.15 - .5| and |.85 - 1|, each of half the rows. In three: .35 of two rows, .2 and .1 of one.
    order = np.array([2, 0, 3, 1])
    probability, happened = np.array([0.1, 0.2, 0.8, 0.9])[order], np.array([0.0, 1, 1, 1])[order]
    expected = {3: (2 * 0.35 + 0.2 + 0.1) / 4}.get(bins, error)
    assert expected_calibration_error(probability, happened, bins) == pytest.approx(expected)


def test_calibration_error_of_15_bins_by_default():
    rng = np.random.default_rng(0)
    probability = rng.uniform(size=600)
    happened = (rng.uniform(size=600) < probability).astype(float)
    assert expected_calibration_error(probability, happened) == expected_calibration_error(probability, happened, 15)
    assert expected_calibration_error(probability, happened) < 0.08
    assert expected_calibration_error(probability, 1 - happened) > 0.3
    assert expected_calibration_error(happened, happened) == 0
    assert np.isnan(expected_calibration_error(np.array([]), np.array([])))


def test_policies_by_hand():
    gain, extra = np.array([0.5, -0.25, 0.0, 0.0]), np.array([100.0, 300.0, 200.0, 400.0])
    arms = {
        "never": np.zeros(4), "always": np.ones(4), "first": np.array([True, False, False, False]), "half": np.full(4, 0.5),
    }  # fmt: skip
    rows = {row["policy"]: row for row in policy_table(arms, np.array([0.5, 0.5, 1, 0]), gain, extra, np.arange(4))}
    assert list(rows) == list(arms)
    figures = {n: (r["share"], r["score"], r["extra_tokens"], r["points_per_1k_tokens"]) for n, r in rows.items()}
    assert figures == {
        "never": (0, 0.5, 0, None),
        "always": (1, 0.5625, 250, 0.25),
        "first": (0.25, 0.625, 25, 5),
        "half": (0.5, 0.53125, 125, 0.25),
    }
    assert rows["never"]["extra_tokens_interval"] == (0, 0)
    for row in rows.values():
        assert row["score_interval"][0] <= row["score"] <= row["score_interval"][1]
    widths = [high - low for low, high in (rows[name]["extra_tokens_interval"] for name in ("never", "half", "always"))]
    assert all(a < b for a, b in pairwise(widths))


def test_policies_on_one_prompt_have_no_interval():
    (row,) = policy_table({"always": np.ones(2)}, np.ones(2), np.zeros(2), np.ones(2), np.array(["a", "a"]))
    assert row["score_interval"] is None
    assert row["extra_tokens_interval"] is None
    assert row["score"] == 1
