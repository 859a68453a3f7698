"""Pseudo-outcomes on units made for them: two kinds of prompts, a known gain, a rule that sends the hard ones to reasoning."""

import numpy as np
import pandas as pd
import pytest

from contract.features import FEATURE_NAMES
from training.config import TrainConfig
from training.evidence import Rows, outcome_rows
from training.overlap import CLIP
from training.pseudo_outcomes import pseudo_outcomes

D, N, GAIN = 16, 600, 0.2
CONFIG = TrainConfig(iterations=30, components=4)


def units(*, chance=(0.2, 0.8), seed=0, logged=False, pairs=0):
    """Easy prompts (axis 0) score .9 without thinking, hard ones (axis 1) .3; all gain GAIN by it, and 400 or 900 tokens."""
    rng = np.random.default_rng(seed)
    hard = np.arange(N) % 2
    view = rng.normal(0, 0.05, (N, D))
    view[np.arange(N), hard] += 1
    score = np.column_stack([np.where(hard, 0.3, 0.7), np.where(hard, 0.3, 0.7) + GAIN])
    drawn = (rng.random((N, 2)) < score).astype(float)
    tokens = np.column_stack([np.full(N, 100.0), np.where(hard, 1000.0, 500.0)])
    thinks = rng.random(N) < np.array(chance)[hard]
    told = np.column_stack([~thinks, thinks]) | (np.arange(N) < pairs)[:, None]
    table = pd.DataFrame(
        {
            "source": "s", "model": "m", "task": None, "prompt_id": [str(i) for i in range(N)],
            "group": [f"{(i * 2654435761) % 2**52:013x}" for i in range(N)],
            "p_reasoning": np.array(chance)[hard] if logged else np.nan,
        }
    )  # fmt: skip
    for arm, name in enumerate(("direct", "reasoning")):
        table[f"score_{name}"] = np.where(told[:, arm], drawn[:, arm], np.nan)
        table[f"output_tokens_{name}"] = np.where(told[:, arm], tokens[:, arm], np.nan)
    table["gain"] = table.score_reasoning - table.score_direct
    table["extra_tokens"] = table.output_tokens_reasoning - table.output_tokens_direct
    features = rng.normal(0, 1, (N, len(FEATURE_NAMES))).astype(np.float32)
    return Rows(np.hstack([view, view]).astype(np.float32), features, table)


ALL = np.ones(N, dtype=bool)


def of(rows, learn=ALL):
    return pseudo_outcomes(rows, learn, CONFIG)


@pytest.fixture(scope="module")
def pseudo():
    return of(units())


def test_the_rule_makes_the_difference_of_the_arms_lie_and_the_pseudo_outcomes_do_not():
    """One log may miss by its noise, one in twenty beyond 1.96 errors; the mean of six may not, nor may two of them."""
    naive, errors = [], []
    for seed in range(6):
        rows = units(seed=seed)
        naive.append(rows.table.score_reasoning.mean() - rows.table.score_direct.mean())
        gain = of(rows).table.gain_dr
        assert gain.count() > 0.98 * N, "a few lie out of the overlap"
        errors.append((gain.mean() - GAIN) / (gain.std() / np.sqrt(gain.count())))
    assert np.mean(naive) < 0.05
    assert np.sum(np.abs(errors) > 1.96) <= 1
    assert abs(np.mean(errors)) < 1.96 / np.sqrt(6)


def test_the_gain_is_the_difference_of_the_arms_pseudo_outcomes(pseudo):
    table = pseudo.table
    np.testing.assert_allclose(table.gain_dr, table.score_reasoning_dr - table.score_direct_dr)
    np.testing.assert_allclose(table.target_gain, table.target_score_reasoning - table.target_score_direct)


def test_targets_keep_the_mean_and_a_part_of_the_noise(pseudo):
    weight = 1 / pseudo.table.variance
    assert np.average(pseudo.table.target_gain, weights=weight) == pytest.approx(
        np.average(pseudo.table.gain_dr, weights=weight), abs=0.01
    )
    assert pseudo.table.target_gain.std() < 0.5 * pseudo.table.gain_dr.std()


def test_extra_tokens_have_the_right_mean_and_targets_tell_the_kinds_apart(pseudo):
    hard, table = np.arange(N) % 2 == 1, pseudo.table
    assert table.extra_tokens_dr.mean() == pytest.approx(650, rel=0.1)
    assert table.target_extra_tokens[hard].mean() > 1.2 * table.target_extra_tokens[~hard].mean()
    assert table.target_extra_tokens.mean() == pytest.approx(650, rel=0.1)


def test_a_row_without_tokens_has_no_token_outcome_and_keeps_its_gain():
    rows = units()
    rows.table.loc[:9, ["output_tokens_direct", "output_tokens_reasoning"]] = np.nan
    table = of(rows).table
    assert table.extra_tokens_dr[:10].isna().all()
    assert table.extra_tokens_dr[10:].notna().all()
    assert table.gain_dr.notna().all()


def test_no_row_is_judged_by_a_model_that_has_seen_it():
    rows = units(logged=True)
    before = of(rows).table
    name = "score_reasoning" if np.isfinite(rows.table.score_reasoning[0]) else "score_direct"
    rows.table.loc[0, name] = 1 - rows.table.loc[0, name]
    after = of(rows).table
    e = before.propensity[0]
    change = 1 / (e if name == "score_reasoning" else 1 - e)
    assert abs(after.gain_dr[0] - before.gain_dr[0]) == pytest.approx(change)


def test_rows_kept_for_calibration_move_nothing_but_themselves():
    rows, learn = units(), np.arange(N) >= 100
    before = of(rows, learn).table
    arm = np.where(rows.table.score_reasoning.notna(), "score_reasoning", "score_direct")
    for i in range(100):
        rows.table.loc[i, arm[i]] = 1 - rows.table.loc[i, arm[i]]
    after = of(rows, learn).table
    pd.testing.assert_frame_equal(after[100:], before[100:])
    assert not np.allclose(after.gain_dr[:100], before.gain_dr[:100])


def test_logged_propensities_are_used_as_they_are(pseudo):
    table = of(units(logged=True)).table
    assert set(table.propensity.round(9)) == {0.2, 0.8}
    assert set(pseudo.table.propensity.round(9)) != {0.2, 0.8}


def test_a_propensity_near_the_edge_is_clipped_and_one_at_it_trimmed():
    rows = units(logged=True)
    direct = np.flatnonzero(rows.table.score_direct.notna())  # what so low a propensity lets one expect
    near, at = direct[:50], direct[50:100]
    rows.table.loc[near, "p_reasoning"], rows.table.loc[at, "p_reasoning"] = 0.03, 0.001
    pseudo = of(rows)
    assert (pseudo.table.propensity[near] == CLIP).all()
    assert pseudo.table.gain_dr[at].isna().all()
    assert pseudo.strata[0].trimmed == pytest.approx(50 / N)


def test_pairs_teach_the_models_and_get_no_pseudo_outcome():
    pseudo = of(units(pairs=200))
    assert pseudo.table.gain_dr[:200].isna().all()
    assert pseudo.table.gain_dr[200:].notna().all()
    assert pseudo.strata[0].direct + pseudo.strata[0].reasoning == N - 200


def test_a_rule_without_chance_is_refused_with_the_remedy():
    pseudo = of(units(chance=(0.0, 1.0)))
    assert pseudo.table.gain_dr.isna().all()
    assert pseudo.strata[0].told_apart == pytest.approx(1)
    assert pseudo.strata[0].refused.startswith("no overlap")
    assert "log p_reasoning" in pseudo.strata[0].refused


def test_a_model_with_one_arm_is_refused_and_leaves_the_others_alone():
    rows = units()
    rows.table.loc[:199, "model"] = "always thinks"
    rows.table.loc[:199, ["score_direct", "score_reasoning"]] = [np.nan, 1.0]
    pseudo = of(rows)
    refused = {stratum.model: stratum.refused for stratum in pseudo.strata}
    assert refused["m"] is None
    assert "0 scored prompts in the direct arm, 20 needed" in refused["always thinks"]
    assert pseudo.table.gain_dr[:200].isna().all()
    assert pseudo.table.gain_dr[200:].notna().all()


def test_a_hypothetical_label_holds_the_own_score_and_the_expected_other(pseudo):
    table, rows = pseudo.table, units().table
    thinks = rows.score_reasoning.notna()
    own = rows.score_reasoning.fillna(rows.score_direct)
    expected = table.p_high * table.gain_if_high + (1 - table.p_high) * table.gain_if_low
    other = np.where(thinks, own - expected, expected + own)
    assert ((other >= 0) & (other <= 1)).all()
    assert set((table.gain_if_high - table.gain_if_low).abs().round(9)) == {1.0}  # checked answers: 0 or 1


def test_graded_scores_are_imputed_around_their_expectation():
    rows = units()
    for name in ("score_direct", "score_reasoning"):
        rows.table[name] = 0.25 + rows.table[name] / 2
    table = of(rows).table
    assert (table.gain_if_high - table.gain_if_low).abs().max() < 0.8


def test_evidence_weighs_a_pair_once_and_a_pseudo_outcome_by_its_precision():
    rows = units(pairs=200)
    pseudo = of(rows).table
    out = outcome_rows(rows, pseudo, TrainConfig(source_power=0)).table
    assert (out.modelled.to_numpy() == (np.arange(N) >= 200)).all()
    assert (out.weight[:200] == out.weight[0]).all()
    np.testing.assert_allclose(out.weight[200:] / out.weight[0], pseudo.precision[200:])
    assert 0.4 < pseudo.precision[200:].max() < 0.6  # with arms alike: a pair is worth two rows at a chance of a half
    assert out.weight.sum() == pytest.approx(200 + pseudo.precision[200:].sum())
    pd.testing.assert_series_equal(out.gain[200:], pseudo.gain_dr[200:], check_names=False)
    pd.testing.assert_series_equal(out.target_gain[:200], rows.table.gain[:200], check_names=False)
