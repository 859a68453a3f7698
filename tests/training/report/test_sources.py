"""Figures over sources: the macro-mean and its intervals, differences that are paired, what pooling rewards."""

import numpy as np
import pandas as pd
import pytest

from training.metrics import q
from training.report.sources import LEAST_PAIRS, macro, one_arm, pooled, q_draws, source_report, telling


def over(table):
    """Return the macro-mean figures of a table over its sources that tell something."""
    parts = {name: part.reset_index(drop=True) for name, part in table.groupby("source")}
    return macro({name: q_draws(parts[name]) for name in telling({name: {"n": len(p)} for name, p in parts.items()})})


def test_the_macro_mean_weighs_sources_alike(told):
    large, small = told(1200), told(LEAST_PAIRS, source="small", seed=1, noise=0.5)
    made = over(pd.concat([large, small], ignore_index=True))
    each = [over(part)["q"]["q"]["value"] for part in (large, small)]
    assert made["sources"] == 2
    assert made["q"]["q"]["value"] == pytest.approx(np.mean(each))
    low, high = made["q"]["q"]["interval"]
    assert low < made["q"]["q"]["value"] < high


def test_a_source_of_few_pairs_and_one_without_a_q_have_no_part(told):
    tables = [told(300), told(LEAST_PAIRS - 1, source="few"), told(200, source="flat", gain=0.0)]
    made = over(pd.concat(tables, ignore_index=True))
    assert made["sources"] == 1
    assert made["q"]["q"]["value"] == pytest.approx(over(tables[0])["q"]["q"]["value"])
    assert over(tables[2]) == {"sources": 0, "q": {}, "over_baseline": {}}


def test_the_interval_of_a_difference_is_paired(told):
    table = told(800, noise=0.1)
    same = over(table.assign(expected_score_direct=-table.worth))["over_baseline"]["predicted difficulty"]
    assert same == {"value": 0.0, "interval": (0.0, 0.0)}
    better = over(table)["over_baseline"]
    assert all(figure["interval"][0] > 0 for figure in better.values())


def test_the_interval_of_the_macro_mean_holds_the_truth(told):
    large = told(60_000, noise=0.3)
    truth = q(large.worth.to_numpy(), large.gain.to_numpy(), large.extra_tokens.to_numpy())
    intervals = [over(told(200, noise=0.3, seed=seed))["q"]["q"]["interval"] for seed in range(10)]
    assert sum(low <= truth <= high for low, high in intervals) >= 8


def test_pooled_q_rewards_who_only_knows_the_source(told):
    gains, nothing = told(400, seed=2), told(400, source="other", gain=0.0, seed=3)
    table = pd.concat([gains, nothing], ignore_index=True).assign(worth=0.0)
    table["worth"] = (table.source == "logs").astype(float)
    made = pooled(table)
    assert made["q"]["ours"]["value"] == pytest.approx(made["q"]["source mean"]["value"], abs=0.02)
    assert made["q"]["ours"]["value"] > 0.05
    over_means, over_length = (made["over_baseline"][name] for name in ("source mean", "prompt length"))
    assert over_means["value"] == pytest.approx(made["q"]["ours"]["value"] - made["q"]["source mean"]["value"])
    assert over_means["interval"][0] <= 0 <= over_means["interval"][1]
    assert over_length["interval"][0] > 0
    assert over(table)["q"]["q"]["value"] == pytest.approx(0, abs=0.1)  # within the source it orders nothing


def test_a_source_has_all_four_orders_and_the_baselines(told, profile):
    made = source_report(told(200), profile)
    assert {"q", "q_net_benefit", "q_gain_per_token", "q_gain"} <= made.keys()
    assert set(made["q_baselines"]) == {"task mean", "predicted tokens", "prompt length", "predicted difficulty"}
    assert made["q_gain"]["value"] > made["q_baselines"]["prompt length"]["value"] + 0.1
    assert made["ece_p_use"] == made["reliability"]["p_use"]["ece"]


def test_the_order_of_the_rows_changes_no_figure_but_ties(told, profile):
    table = told(150)
    shuffled = table.sample(frac=1, random_state=0).reset_index(drop=True)
    one, other = source_report(table, profile), source_report(shuffled, profile)
    for name in ("q", "q_gain", "auc"):
        assert one[name]["value"] == pytest.approx(other[name]["value"])
    assert one["efficiency"]["ours"]["apgr"]["value"] == pytest.approx(other["efficiency"]["ours"]["apgr"]["value"])


def test_prompts_with_one_arm_have_means_alone(told):
    made = one_arm(told(100, verdict="use"))
    assert made["n"] == made["verdicts"]["use"]["n"] == 100
    assert made["verdicts"]["avoid"] == {"n": 0, "mean_gain": None, "interval": None}
    assert made["interval"][0] < made["mean_gain"] < made["interval"][1]
