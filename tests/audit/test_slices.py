"""What is planted is found and named as it was planted; what is not there is not."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control

from audit.config import AuditConfig
from audit.estimates import Contrast, explored, paired
from audit.evidence import join
from audit.modelled import modelled
from audit.search import search
from audit.slices import holm, slices

CONFIG = AuditConfig()


@pytest.fixture(scope="module")
def found(planted_store):
    return join(planted_store.record, CONFIG), planted_store.audit.slices


def test_planted_slices_are_found_by_their_conditions_and_their_loss_is_held(found):
    _, table = found
    called = table[table.misrouted & (table.found == "search") & (table.evidence == "explored")]
    assert set(called.title) >= {"task task_03: overthinking", "task task_07, profile balanced: underthinking"}
    for _, row in called.iterrows():
        lost = -0.3 if row.kind == "overthinking" else 0.3
        assert row.net_benefit_lower < lost < row.net_benefit_upper
        assert row.regret_points == pytest.approx(abs(row.net_benefit))
        assert row.regret_points_total == pytest.approx(row.regret_points * row.decisions)


def test_nothing_else_is_called_misrouted(found, planted_store):
    true, planted = planted_store.true, planted_store.slices
    _, table = found
    wrong = np.any([one.rows(true) for one in planted], axis=0)
    for _, row in table[table.misrouted].iterrows():
        own = np.ones(len(true), bool)
        for name in ("task", "model", "profile", "language", "revision"):
            if isinstance(row[name], str):
                own &= (true[name] == row[name]).to_numpy(bool)
        own &= (true.policy_reasoning == (row.kind == "overthinking")).to_numpy(bool)
        side = -1 if row.kind == "overthinking" else 1
        assert side * true.mean_net_benefit[own].mean() > 0, row.title
        assert (own & wrong).any()


def test_kinds_of_evidence_stand_apart_and_the_modelled_one_calls_nothing_misrouted(found):
    evidence, table = found
    whole = table[(table.profile == "balanced") & (table.found == "dimension") & (table.kind == "overthinking")]
    assert sorted(whole.evidence) == ["explored", "modelled", "observed_pairs"]
    n = whole.set_index("evidence").evidence_n
    thinks = (evidence.table.policy_reasoning & (evidence.table.profile == "balanced")).to_numpy(bool)
    assert n["observed_pairs"] == (evidence.pairs & thinks).sum()
    assert n["explored"] == (evidence.explored & thinks).sum()
    assert n["modelled"] == thinks.sum()
    model = table[table.evidence == "modelled"]
    assert not model.misrouted.any()
    assert model.p_value.isna().all()


def test_the_other_arms_tokens_are_saved_by_overthinking_and_spent_by_underthinking(found):
    _, table = found
    called = table[table.misrouted & (table.found == "search")].set_index("kind")
    assert called.regret_tokens_total["overthinking"].max() > 0
    assert called.regret_tokens_total["underthinking"].max() < 0
    assert called.regret_usd_total["overthinking"].max() == pytest.approx(
        called.regret_tokens_total["overthinking"].max() * 1e-5, rel=1e-6
    )


def test_what_was_planted_is_within_the_bounds_of_the_regret(found, planted_store):
    _, table = found
    true = planted_store.true
    called = table[table.misrouted & (table.found == "search") & (table.evidence == "explored")].set_index("title")
    for one in planted_store.slices:
        kept = ", ".join(f"{name} {value}" for name, value in one.where.items())
        row, rows = called.loc[f"{kept}: {one.kind}"], one.rows(true)
        assert row.regret_points_total_lower < one.loss * rows.sum() < row.regret_points_total_upper
        saved = (1 if one.kind == "overthinking" else -1) * true.extra_tokens[rows].sum()
        assert row.regret_tokens_total_lower < saved < row.regret_tokens_total_upper
        assert row.regret_usd_total_upper == pytest.approx(row.regret_tokens_total_upper * 1e-5, rel=1e-6)
    for unit in ("points", "tokens", "usd"):
        lower, value, upper = (table[f"regret_{unit}_total{end}"] for end in ("_lower", "", "_upper"))
        assert ((lower <= value) & (value <= upper)).all()
    right = table[(table.net_benefit_lower > 0) & (table.kind == "overthinking")]
    assert len(right)
    assert (right[["regret_points_total_upper", "regret_tokens_total_lower", "regret_tokens_total_upper"]] == 0).all(
        axis=None
    )


def test_a_policy_that_is_right_everywhere_has_no_misrouted_slice(planted, read_planted):
    """Two stores in which most slices gain nothing either way: at 5 % each and without control, some would be called."""
    called = uncontrolled = 0
    for seed in range(2):
        record = read_planted(planted.truth(3000, seed=seed, even=0.6), rate=1.0, shadow=0.1, seed=seed)
        evidence = join(record, CONFIG)
        table = slices(evidence, [paired(evidence), explored(evidence, CONFIG)], modelled(evidence), CONFIG)
        called += int(table.misrouted.sum())
        uncontrolled += int((table.p_value < 0.05).sum())
    assert called == 0
    assert uncontrolled > 3


def columns(n, **given):
    rng = np.random.default_rng(1)
    values = {
        "task": list("abcd"),
        "model": list("xyz"),
        "profile": ["p", "q"],
        "language": ["en", None],
        "band": ["high"],
        "revision": ["r"],
    }
    table = pd.DataFrame({name: rng.choice(np.array(own, dtype=object), n) for name, own in values.items()} | given)
    return table.astype("category")


def test_the_search_names_the_cell_that_loses_and_no_more_than_it_takes():
    table = columns(8000)
    own = ((table.task == "b") & (table.profile == "q")).to_numpy(bool)
    net = np.random.default_rng(2).normal(0.05, 1, 8000) - 0.8 * own
    contrast = Contrast("observed_pairs", np.ones(8000, bool), net, net, net, np.ones((8000, 2), int))
    found = search(table, contrast, -1, np.ones(8000, bool), CONFIG)
    assert found[0].where == {"task": "b", "profile": "q"}
    assert (found[0].rows == own).all()
    assert not any((one.new & own).any() for one in found[1:])
    assert search(table, contrast, 1, np.zeros(8000, bool), CONFIG) == []


def test_decisions_without_a_value_are_in_no_slice_of_it():
    table = columns(4000)
    silent = table.language.isna().to_numpy(bool)
    net = np.where(silent, -1.0, 0.5) + np.random.default_rng(0).normal(0, 0.1, 4000)
    contrast = Contrast("observed_pairs", np.ones(4000, bool), net, net, net, np.ones((4000, 2), int))
    found = search(table, contrast, 1, np.ones(4000, bool), CONFIG)
    assert found[0].where == {"language": "en"}
    assert not (found[0].rows & silent).any()


def test_holm_is_stricter_than_benjamini_and_hochberg_and_keeps_the_order():
    p = np.array([0.04, 0.001, 0.03, 0.5, 0.001])
    assert holm(p) == pytest.approx([0.09, 0.005, 0.09, 0.5, 0.005])
    assert (holm(p) >= false_discovery_control(p)).all()
    assert len(holm(np.array([]))) == 0
