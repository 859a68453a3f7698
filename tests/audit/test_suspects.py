"""Single decisions: a posterior that is right about how often it is right, and ranks what was lost."""

import numpy as np
import pytest

from audit.config import AuditConfig
from audit.estimates import explored, paired
from audit.evidence import join
from audit.modelled import modelled
from audit.shrinkage import shrunk
from audit.suspects import Spread, _posterior, suspects, suspicion
from training.metrics import expected_calibration_error

CONFIG = AuditConfig()


@pytest.fixture(scope="module")
def found(planted_record):
    evidence = join(planted_record, CONFIG)
    expected = modelled(evidence)
    return evidence, expected, suspicion(evidence, [paired(evidence), explored(evidence, CONFIG)], expected, CONFIG)


@pytest.fixture(scope="module")
def wrong(planted_store):
    true = planted_store.true
    side = np.where(true.policy_reasoning, -1, 1)
    return (side * true.net_benefit).to_numpy(float)


def test_the_odds_of_a_misroute_are_those_that_come_true(found, wrong):
    p = found[2].p_misroute
    assert expected_calibration_error(p, wrong > 0, 10) < 0.08
    assert (wrong[p < 0.1] > 0).mean() < 0.1
    assert (wrong[p > 0.95] > 0).mean() > 0.9
    assert (p > 0.95).sum() > 500


def test_the_list_begins_with_what_lost_most(found, wrong, planted_store):
    posterior, lost = found[2], np.clip(wrong, 0, None)
    first = np.argsort(-posterior.loss_points)[:500]
    assert lost[first].mean() > 0.7 * np.sort(lost)[-500:].mean()
    assert posterior.loss_points[first].mean() == pytest.approx(lost[first].mean(), rel=0.25)
    side = np.where(planted_store.true.policy_reasoning, -1, 1)
    as_expected = np.argsort(-(side * planted_store.true.expected_net_benefit.to_numpy()))[:500]
    assert lost[first].mean() > 3 * lost[as_expected].mean()


def test_the_list_is_cut_where_it_was_told_to_and_says_how_many_there_were(found):
    evidence, expected, posterior = found
    listed, n = suspects(evidence, posterior, expected, AuditConfig(suspects=50))
    assert len(listed) == 50 < n == (posterior.p_misroute > 0.5).sum()
    assert listed.loss_points.is_monotonic_decreasing
    assert listed.loss_points.to_numpy() == pytest.approx((listed.p_misroute * listed.regret_points).to_numpy())
    assert listed.decision_id.is_unique
    thinks = evidence.table.set_index("decision_id").policy_reasoning[listed.decision_id].to_numpy(bool)
    assert ((listed.kind == "overthinking").to_numpy() == thinks).all()
    assert ((listed.regret_tokens > 0).to_numpy() == thinks).all()


def test_one_outcome_moves_the_odds_and_many_move_them_more(put, record):
    direct = [{"arm": "direct", "score": 0.0, "attempt": i} for i in range(6)]
    base = {
        "p_reasoning": 0.0,
        "arm": "direct",
        "policy_arm": "direct",
        "expected_gain": 0.02,
        "expected_net_benefit": -0.03,
    }
    usual = [(base, [{"arm": "direct", "score": float(i % 2)}]) for i in range(40)]
    put((base, []), (base, direct[:1]), (base, direct), *usual)
    evidence = join(record(), CONFIG)
    expected = modelled(evidence)
    p = suspicion(evidence, [paired(evidence)], expected, CONFIG).p_misroute
    assert p[0] < p[1] < p[2] < 1


def test_the_posterior_is_that_of_two_correlated_normals():
    import pandas as pd

    table = pd.DataFrame({"score_direct": [0.2, np.nan, np.nan], "score_reasoning": [0.9, 0.1, np.nan]})
    table = table.assign(scored_direct=[2, 0, 0], scored_reasoning=[1, 3, 0])
    m, base, spread = np.array([[0.5, 0.6]] * 3), np.array([[0.25, 0.24]] * 3), Spread(0.3, 0.8, 0.4, True, True)
    gain, variance = _posterior(table, m, base, spread)
    for i, row in table.iterrows():
        sd = np.sqrt(0.3 * base[i])
        prior = np.diag(sd) @ np.array([[1, 0.4], [0.4, 1]]) @ np.diag(sd)
        seen = [k for k, arm in enumerate(("direct", "reasoning")) if row[f"scored_{arm}"]]
        y = np.array([row.score_direct, row.score_reasoning])[seen] - m[i][seen]
        noise = np.diag([0.8 * base[i][k] / row[f"scored_{('direct', 'reasoning')[k]}"] for k in seen])
        pull = prior[:, seen] @ np.linalg.inv(prior[np.ix_(seen, seen)] + noise) if seen else np.zeros((2, 0))
        mean, left = m[i] + pull @ y, prior - pull @ prior[seen]
        contrast = np.array([-1, 1])
        assert gain[i] == pytest.approx(contrast @ mean)
        assert variance[i] == pytest.approx(contrast @ left @ contrast)


def test_reasons_tell_the_arm_the_outcome_and_the_price(put, record):
    put(({"p_reasoning": 1.0}, [{"score": 0.0}]), ({"p_reasoning": 1.0}, [{"score": 0.0}]))
    evidence = join(record(), CONFIG)
    expected = modelled(evidence)
    posterior = suspicion(evidence, [paired(evidence)], expected, CONFIG)
    listed, n = suspects(evidence, posterior, expected, CONFIG)
    assert n == 2
    told = " ".join(listed.why[0])
    assert "the policy takes the arm reasoning" in told
    assert "the arm reasoning scored 0.00, where" in told
    assert "1,000 extra tokens cost 0.050 points" in told
    assert listed.evidence.tolist() == ["modelled", "modelled"]


def test_a_few_groups_far_off_are_kept_and_the_many_are_drawn_in():
    rng = np.random.default_rng(4)
    true = np.r_[np.zeros(95), np.full(5, 0.5)]
    mean = true + rng.normal(0, 0.1, 100)
    found, variance = shrunk(mean, np.full(100, 0.01))
    assert found[95:] == pytest.approx(mean[95:], abs=0.06)
    assert np.abs(found[:95]).mean() < 0.3 * np.abs(mean[:95]).mean()
    assert ((found - true) ** 2).mean() < 0.4 * ((mean - true) ** 2).mean()
    inside = np.abs(found - true) < 1.96 * np.sqrt(variance) + 1e-3
    assert inside.mean() > 0.85


def test_one_group_alone_is_not_moved():
    assert shrunk(np.array([3.0]), np.array([0.1]))[0].tolist() == [0.0]
