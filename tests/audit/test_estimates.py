"""Estimates against truths that are known, and errors against what is drawn again and again."""

import numpy as np
import pandas as pd
import pytest

from audit.config import AuditConfig
from audit.estimates import around, explored, fraction, mean_of, means, paired, weighted_difference
from audit.evidence import join, own_arm

CONFIG = AuditConfig()


@pytest.fixture(scope="module")
def evidence(planted_record):
    return join(planted_record, CONFIG)


def test_draws_and_pairs_hold_the_truth_that_the_difference_of_arms_misses(planted, read_planted):
    """The policy chooses by what is true of a prompt: the arms' plain means differ by its choice, not by thinking."""
    true = planted.truth(6000, seed=5)
    hard = 0.2 * true.policy_reasoning  # the policy thinks where prompts are hard
    true = true.assign(**{name: (true[name] - hard).clip(0.02, 0.98) for name in ("theta_direct", "theta_reasoning")})
    true["net_benefit"] = true.theta_reasoning - true.theta_direct - true.extra_tokens / true.per_point
    found = join(read_planted(true, rate=0.4, shadow=0.3, seed=5), CONFIG)
    gain = float((true.theta_reasoning - true.theta_direct).mean())
    table, thinks = found.table, found.table.reasoning.to_numpy(bool)
    score = own_arm(table, "score")
    naive = np.nanmean(score[thinks]) - np.nanmean(score[~thinks])
    for contrast in (explored(found, CONFIG), paired(found)):
        value, interval, n = mean_of(contrast.gain, table)
        assert n > 1000
        assert interval[0] < gain < interval[1]
        assert abs(value - gain) < 0.05
        net = mean_of(contrast.net_benefit, table)
        assert net[1][0] < true.net_benefit.mean() < net[1][1]
    assert abs(naive - gain) > 0.05


def test_the_ratio_estimate_agrees_and_the_doubly_robust_one_is_surer(planted_store, evidence):
    true = planted_store.true
    part = evidence.table[evidence.explored]
    value, error = weighted_difference(
        own_arm(part, "score"), part.reasoning.to_numpy(bool), part.p_reasoning.to_numpy(float), part.prompt.to_numpy()
    )
    _, interval, _ = mean_of(explored(evidence, CONFIG).gain, evidence.table)
    gain = (true.theta_reasoning - true.theta_direct).mean()
    assert abs(value - gain) < 3 * error
    assert (interval[1] - interval[0]) / 2 < 1.96 * error


def test_a_decision_without_tokens_is_priced_by_the_others(planted_record):
    """Half of the outcomes do not tell tokens: the mean extra tokens stay, and no half of them becomes zero."""
    attempts = planted_record.attempts.copy()
    attempts.loc[attempts.index % 2 == 0, "output_tokens"] = np.nan
    from dataclasses import replace

    all_told = explored(join(planted_record, CONFIG), CONFIG)
    some_told = explored(join(replace(planted_record, attempts=attempts), CONFIG), CONFIG)
    assert np.nanmean(some_told.extra_tokens) == pytest.approx(np.nanmean(all_told.extra_tokens), rel=0.03)


def test_errors_take_decisions_on_one_prompt_as_one(planted):
    rng = np.random.default_rng(2)
    found, spread = [], []
    for _ in range(300):
        values = np.repeat(rng.normal(size=40), 5)
        one = means(values, np.zeros(200, int), np.repeat(np.arange(40), 5), 1)
        found.append(one.mean[0])
        spread.append(one.error[0])
    assert np.mean(spread) == pytest.approx(np.std(found), rel=0.1)


def test_groups_are_estimated_each_by_itself():
    values, group, prompt = np.array([1.0, 3.0, 5.0, 7.0, 9.0]), np.array([0, 0, 1, -1, 2]), np.arange(5)
    found = means(values, group, prompt, 4)
    assert found.n.tolist() == [2, 1, 1, 0]
    assert found.mean[:3].tolist() == [2.0, 5.0, 9.0]
    assert np.isnan(found.mean[3])
    assert found.error[0] == pytest.approx(np.std([1, 3], ddof=1) / np.sqrt(2))
    assert np.isnan(found.error[1:]).all()


def test_an_interval_is_no_surer_than_the_rarer_arm_lets_it_be():
    rng = np.random.default_rng(0)
    values, group, prompt = rng.normal(size=200), np.zeros(200, int), np.arange(200)
    arms = np.column_stack([np.r_[np.ones(3), np.zeros(197)], np.r_[np.zeros(3), np.ones(197)]])
    free, bound = means(values, group, prompt, 1), means(values, group, prompt, 1, arms)
    assert bound.freedom[0] == 2
    assert np.ptp(bound.interval()) > 2 * np.ptp(free.interval())
    table = pd.DataFrame({"prompt": prompt})
    assert mean_of(values, table, arms)[1] == pytest.approx(np.ravel(bound.interval()))
    few = np.arange(200) < 3
    low, high = around(0.1, 0.01, few)
    assert (high - low) / 2 == pytest.approx(0.01 * 4.303, rel=1e-3)  # Student's t of two degrees of freedom
    assert around(0.1, 0.01, np.arange(200) < 1) is None


def test_one_arm_alone_explores_nothing(planted_record):
    from dataclasses import replace

    decided = planted_record.decisions
    kept = decided[decided.reasoning].index
    attempts = planted_record.attempts[planted_record.attempts.row.isin(kept) & planted_record.attempts.reasoning]
    contrast = explored(join(replace(planted_record, attempts=attempts), CONFIG), CONFIG)
    assert not contrast.rows.any()
    assert np.isnan(contrast.net_benefit).all()


def test_halves_never_part_a_prompt_and_another_seed_deals_them_anew():
    table = pd.DataFrame({"prompt": np.repeat(np.arange(500, dtype=np.uint64), 2)})
    one, other = fraction(table, 1), fraction(table, 2)
    assert (one[::2] == one[1::2]).all()
    assert abs((one < 0.5).mean() - 0.5) < 0.07
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.15
