"""Policies, what they spend where logs say so, and slices."""

import numpy as np
import pandas as pd
import pytest

from training.logs import read_logs
from training.report.arm_costs import arm_costs, spent, weighted_quantile
from training.report.policies import policies
from training.report.slices import LEAST_PAIRS, slices

COSTS = {
    "cost_usd_direct": [0.01, 0.01, np.nan], "cost_usd_reasoning": [0.05, 0.03, 0.09],
    "latency_s_direct": [1.0, 2.0, 3.0], "latency_s_reasoning": [10.0, 20.0, 30.0],
}  # fmt: skip


def test_every_policy_is_there_in_each_profile(told):
    table = told(300, verdict_fast="avoid")
    rows = {row["policy"]: row for row in policies(table, "balanced", ["balanced", "fast"])}
    assert list(rows)[:4] == ["never", "always", "ours (use thinks)", "ours (all but avoid think)"]
    assert rows["ours, fast (use thinks)"]["share"] == rows["ours, fast (all but avoid think)"]["share"] == 0
    share = rows["ours (use thinks)"]["share"]
    for name in ("random", "task mean", "predicted tokens", "prompt length", "predicted difficulty"):
        assert rows[f"{name} at the share of use"]["share"] == pytest.approx(share)
    assert rows["random at the share of all but avoid"]["share"] == rows["ours (all but avoid think)"]["share"]
    assert max(row["score"] for row in rows.values()) == rows["oracle"]["score"]
    assert rows["ours (use thinks)"]["score"] > rows["random at the share of use"]["score"]
    assert {row["cost_usd"] for row in rows.values()} == {None}


def test_what_is_spent_is_over_pairs_whose_both_arms_are_logged():
    table = pd.DataFrame(COSTS)
    made = spent(table, np.array([1.0, 0.0, 1.0]))
    assert made["cost_usd"] == pytest.approx((0.05 + 0.01) / 2)
    assert made["gpu_seconds"] is None
    assert (made["latency_p50"], made["latency_p95"]) == (10, 30)
    half = spent(table, np.full(3, 0.5))
    assert half["cost_usd"] == pytest.approx((0.03 + 0.02) / 2)
    assert (half["latency_p50"], half["latency_p95"]) == (3, 30)


def test_a_quantile_of_weights():
    values, weight = np.array([3.0, 1, 2]), np.array([0.1, 0.5, 0.4])
    assert [weighted_quantile(values, weight, level) for level in (0.0, 0.5, 0.51, 0.9, 0.95)] == [1, 1, 2, 2, 3]


def test_the_costs_of_arms_are_means_of_what_is_logged(tmp_path):
    shared = {"prompt": "p", "model": "m", "source": "s", "prompt_id": "1", "score": 1.0}
    rows = [
        {**shared, "arm": "direct", "attempt": 0, "cost_usd": 0.01, "latency_s": 1.0},
        {**shared, "arm": "direct", "attempt": 1, "cost_usd": 0.03},
        {**shared, "arm": "reasoning", "attempt": 0, "cost_usd": 0.2, "gpu_seconds": 4.0},
        {**shared, "arm": "reasoning", "attempt": 1, "pair_kind": "budget", "cost_usd": 9.0},
    ]
    pd.DataFrame(rows).to_json(tmp_path / "log.jsonl", orient="records", lines=True)
    (made,) = arm_costs(read_logs([tmp_path / "log.jsonl"]).table).to_dict("records")
    assert made["cost_usd_direct"] == pytest.approx(0.02)
    assert made["cost_usd_reasoning"] == pytest.approx(0.2)  # the rung of a ladder is no toggle
    assert made["gpu_seconds_reasoning"] == 4
    assert np.isnan(made["gpu_seconds_direct"])
    assert made["latency_s_direct"] == 1
    assert np.isnan(made["latency_s_reasoning"])


def test_slices_are_of_enough_pairs_and_count_the_others(told, profile):
    language = ["en"] * LEAST_PAIRS + ["zh"] * 3 + [None] * 7
    made = slices(told(len(language), language=language), profile)
    assert list(made) == ["source", "task", "language", "model"]
    assert list(made["language"]["parts"]) == ["en"]
    assert (made["language"]["pairs_left_out"], made["language"]["without"]) == (3, 7)
    part = made["language"]["parts"]["en"]
    assert part["n"] == sum(v["n"] for v in part["verdicts"].values()) == LEAST_PAIRS


def test_a_slice_says_what_was_realised_behind_each_verdict(told, profile):
    table = told(60, verdict=["use"] * 30 + ["avoid"] * 30, gain=[1.0] * 30 + [0.0] * 30)
    part = slices(table, profile)["source"]["parts"]["logs"]["verdicts"]
    assert part["use"]["net_benefit"]["value"] == pytest.approx(0.95)
    assert part["avoid"]["net_benefit"]["value"] == pytest.approx(-0.05)
    assert part["maybe"] == {
        "n": 0, "mean_gain": None, "interval": None, "net_benefit": {"value": None, "interval": None},
    }  # fmt: skip


def test_without_a_language_there_is_no_slice_by_it(told, profile):
    assert "language" not in slices(told(30), profile)
