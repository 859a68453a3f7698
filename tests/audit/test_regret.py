"""What a slice lost, with bounds that hold it: also where it is not sure which arm was the better one."""

import math

import numpy as np
import pytest

from audit.regret import Estimate, regret

UNKNOWN = Estimate(math.nan, math.nan, math.nan)


def test_bounds_are_those_of_the_mean_where_the_other_arm_is_better_for_sure():
    net, tokens = Estimate(-0.2, -0.3, -0.1), Estimate(500.0, 400.0, 600.0)
    found = regret(net, tokens, Estimate(0.5, 0.4, 0.6), side=-1, decisions=10)
    assert found == pytest.approx({
        "regret_points": 0.2, "regret_points_total": 2.0, "regret_points_total_lower": 1.0, "regret_points_total_upper": 3.0,
        "regret_tokens_total": 5000, "regret_tokens_total_lower": 4000, "regret_tokens_total_upper": 6000,
        "regret_usd_total": 5.0, "regret_usd_total_lower": 4.0, "regret_usd_total_upper": 6.0,
    })  # fmt: skip
    under = regret(Estimate(0.2, 0.1, 0.3), tokens, UNKNOWN, side=1, decisions=10)
    assert [under[f"regret_tokens_total{end}"] for end in ("", "_lower", "_upper")] == [-5000, -6000, -4000]
    assert all(math.isnan(under[f"regret_usd_total{end}"]) for end in ("", "_lower", "_upper"))


def test_they_hold_nothing_where_it_is_not_sure_and_are_nothing_where_the_arm_was_right():
    tokens, columns = Estimate(500.0, 400.0, 600.0), [f"regret_tokens_total{end}" for end in ("", "_lower", "_upper")]
    unsure = regret(Estimate(-0.1, -0.3, 0.1), tokens, tokens, side=-1, decisions=10)
    assert [unsure[name] for name in columns] == [5000, 0, 6000]
    assert (unsure["regret_points_total_lower"], unsure["regret_points_total_upper"]) == pytest.approx((0.0, 3.0))
    right = regret(Estimate(0.2, 0.1, 0.3), tokens, UNKNOWN, side=-1, decisions=10)
    assert [right[name] for name in columns] == [0, 0, 0]
    assert [right[f"regret_points_total{end}"] for end in ("", "_lower", "_upper")] == [0, 0, 0]
    assert math.isnan(right["regret_usd_total"])
    single = regret(Estimate(-0.2, math.nan, math.nan), tokens, tokens, side=-1, decisions=10)
    assert single["regret_tokens_total"] == 5000
    assert all(math.isnan(single[name]) for name in (columns[1], "regret_points_total_upper"))


@pytest.mark.parametrize("true_net", [-0.3, -0.05, 0.0, 0.05])
def test_the_true_regret_is_held_as_often_as_is_said(true_net):
    rng = np.random.default_rng(4)
    net, tokens = rng.normal(true_net, 0.05, 3000), rng.normal(300, 100, 3000)
    held = {"points": 0, "tokens": 0}
    true = {"points": max(-true_net, 0.0), "tokens": 300.0 if true_net < 0 else 0.0}
    for mean, extra in zip(net, tokens, strict=True):
        found = regret(
            Estimate(mean, mean - 0.098, mean + 0.098),
            Estimate(extra, extra - 196, extra + 196),
            UNKNOWN,
            side=-1,
            decisions=1,
        )
        for name, value in true.items():
            held[name] += found[f"regret_{name}_total_lower"] <= value <= found[f"regret_{name}_total_upper"]
    assert min(held.values()) > 0.935 * 3000
