"""The sections of a report: calibration, drift, what-if, the four readings."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit import calibration, drift, readings, what_if
from audit.config import AuditConfig
from audit.estimates import explored, paired
from audit.evidence import join
from audit.intervals import quantile, wilson
from audit.modelled import modelled
from audit.totals import mean_over_all
from audit.what_if import verdicts
from contract.policy import verdict_of

CONFIG = AuditConfig(resamples=50)


@pytest.fixture(scope="module")
def parts(planted_record):
    evidence = join(planted_record, CONFIG)
    return evidence, [paired(evidence), explored(evidence, CONFIG)], modelled(evidence)


def test_budgets_cover_what_stays_within_and_was_not_cut_off(put, record):
    def thought(tokens, **more):
        return {"score": 1.0, "thinking_tokens": tokens, "output_tokens": 5000, **more}

    put(
        ({}, [thought(1024)]), ({}, [thought(1025)]), ({}, [thought(9, finish_reason="length")]), ({}, [thought(9, overridden=True)]),
        ({"task": "words"}, [thought(500)]), ({}, [{"score": 1.0}]), ({}, [{"arm": "direct", "thinking_tokens": 0, "output_tokens": 1}]),
    )  # fmt: skip
    found = calibration.calibration(record(), join(record(), CONFIG), [], CONFIG)
    whole = found["figures"]["budget_coverage"]
    assert whole["value"] == 0.5
    assert whole["n"] == 4
    assert whole["lower"] < 0.5 < whole["upper"]
    rows = {row["task"]: row for row in found["tables"]["budgets"]["rows"]}
    assert rows["words"]["coverage"] == 1.0
    assert rows["sums"]["cut_off"] == pytest.approx(1 / 3)


def test_bins_hold_the_observed_score_and_a_shifted_expectation_shows(parts, planted_record):
    evidence, contrasts, _ = parts
    found = calibration.calibration(planted_record, evidence, contrasts, CONFIG)
    rows = pd.DataFrame(found["tables"]["scores"]["rows"])
    direct = rows[rows.arm == "direct"]
    assert ((direct.lower <= direct.expected_score) & (direct.expected_score <= direct.upper)).mean() >= 0.7
    shifted = replace(
        evidence, table=evidence.table.assign(expected_score_direct=evidence.table.expected_score_direct - 0.2)
    )
    worse = calibration.calibration(planted_record, shifted, contrasts, CONFIG)["figures"]["ece_direct"]
    assert worse["lower"] > found["figures"]["ece_direct"]["upper"]
    assert worse["value"] == pytest.approx(0.2, abs=0.03)


def test_a_calibrated_expectation_has_no_error_and_a_shifted_one_has_its_own():
    rng, held, zero = np.random.default_rng(4), 0, []
    for shift in (0.0, 0.15):
        for _ in range(25):
            prompt = np.arange(800) // 2
            theta = np.repeat(rng.uniform(0.2, 0.8, 400), 2)
            score = (rng.random(800) < theta).astype(float)
            part = pd.DataFrame({"prompt": prompt, "expected_score_direct": theta - shift, "reasoning": False})
            part = part.assign(score_direct=score, score_reasoning=np.nan)
            one = calibration._ece(part, "direct", AuditConfig(resamples=200))
            assert one["lower"] <= one["value"] <= one["upper"]
            assert one["n"] == 800
            held += one["lower"] <= shift <= one["upper"]
            zero.append(one["value"])
    assert held >= 46
    assert np.median(zero[:25]) < 0.015  # without the correction: .04
    assert np.mean(zero[25:]) == pytest.approx(0.15, abs=0.01)


def test_an_error_from_a_sample_says_how_many_it_is_of(monkeypatch, parts, planted_record):
    monkeypatch.setattr(calibration, "SAMPLE", 1000)
    found = calibration.calibration(planted_record, parts[0], parts[1], CONFIG)["figures"]
    assert found["ece_direct"]["n"] == found["ece_reasoning"]["n"] == 1000


def test_a_value_that_is_no_longer_told_has_drifted(parts):
    evidence, _, _ = parts
    table = evidence.table
    late = (table.time >= table.time.quantile(0.8)).to_numpy(bool)
    language = table.language.where(~late | (table.prompt % 2 == 0).to_numpy(bool))
    silent = {name: table[name].where(~late) for name in ("score_direct", "score_reasoning")}
    found = drift.drift(replace(evidence, table=table.assign(language=language, **silent)), CONFIG)
    rows = pd.DataFrame(found["tables"]["days"]["rows"])
    assert set(rows[rows.drifted].column) == {"language", "score_direct", "score_reasoning"}


def test_a_mix_that_changes_has_drifted_and_one_that_does_not_has_not(parts):
    evidence, _, _ = parts
    quiet = pd.DataFrame(drift.drift(evidence, CONFIG)["tables"]["days"]["rows"])
    assert len(quiet) > 100
    assert not quiet.drifted.any()
    late = evidence.table.time >= evidence.table.time.quantile(0.8)
    task = evidence.table.task.where(~late | (evidence.table.prompt % 2 == 0), evidence.table.task.cat.categories[0])
    found = drift.drift(replace(evidence, table=evidence.table.assign(task=task)), CONFIG)
    rows = pd.DataFrame(found["tables"]["days"]["rows"])
    assert set(rows[rows.drifted].column) == {"task"}
    assert rows[rows.drifted].day.min() >= "2026-03-16"
    assert found["figures"]["drifted_columns"]["value"] == 1


def test_a_single_day_drifts_from_nothing(put, record):
    put(*[({}, [{"score": 1.0}])] * 5)
    found = drift.drift(join(record(), CONFIG), CONFIG)
    assert found["figures"]["drifted_columns"]["value"] is None
    assert found["tables"]["days"]["rows"] == []


def test_verdicts_of_arrays_are_the_policys():
    rng = np.random.default_rng(0)
    bands = np.sort(np.round(rng.normal(0, 1, (500, 3)), 1), axis=1)
    assert verdicts(*bands.T).tolist() == [verdict_of(*map(float, band)).value for band in bands]


def test_other_prices_change_what_they_must(parts, planted_record):
    evidence, contrasts, expected = parts
    rows = pd.DataFrame(what_if.what_if(planted_record, evidence, contrasts, expected)["tables"]["scenarios"]["rows"])
    assert set(rows.evidence) == {"observed_pairs", "explored", "modelled"}
    dear, cheap = (
        rows[rows.scenario == f"own profile, tokens_per_point x {factor}"].iloc[0] for factor in ("0.25", "4")
    )
    assert dear.share_avoid > cheap.share_avoid
    assert dear.share_use < cheap.share_use
    by_draws = rows[rows.evidence == "explored"]
    assert by_draws.n.between(1, evidence.explored.sum()).all()
    assert ((by_draws.usd_change - by_draws.output_tokens_change * 1e-5).abs() < 1e-6).all()


def test_a_policy_that_always_thinks_is_worth_what_the_pairs_say(put, record):
    scored = [{"score": 1.0, "output_tokens": 1100}, {"arm": "direct", "score": 0.0, "output_tokens": 100}]
    never = {
        "arm": "direct",
        "policy_arm": "direct",
        "p_reasoning": 0.0,
        "expected_gain": -0.2,
        "expected_gain_lower": -0.3,
        "expected_gain_upper": -0.1,
    }
    put(*[(never, scored)] * 3, *[({}, scored)] * 2)
    evidence = join(record(), CONFIG)
    rows = what_if.what_if(record(), evidence, [paired(evidence)], modelled(evidence))["tables"]["scenarios"]["rows"]
    own = next(row for row in rows if row["scenario"] == "profile balanced" and row["evidence"] == "observed_pairs")
    assert own["share_reasoning"] == own["share_reasoning_now"] == 0.4
    assert own["changed"] == own["score_change"] == 0


def avoid_alone_explored(record):
    """Return the record with the arms of verdict avoid drawn, and those of all others the policy's."""
    decided = record.decisions
    p = decided.p_reasoning.where(decided.verdict == "avoid", decided.policy_reasoning.astype(float))
    return replace(record, decisions=decided.assign(p_reasoning=p))


def test_what_one_verdict_was_explored_for_says_nothing_of_the_others(planted, planted_store):
    true, record = planted_store.true, avoid_alone_explored(planted_store.record)
    evidence = join(record, CONFIG)
    draws, expected = explored(evidence, CONFIG), modelled(evidence)
    figures = readings.finance(record, evidence, [draws], expected)["figures"]
    always, never = (figures[f"tokens_saved_against_{name}_explored"] for name in ("always", "never"))
    saved = true.extra_tokens[~true.policy_reasoning].sum()
    assert always["lower"] < saved < always["upper"]
    assert always["n"] == evidence.explored.sum()
    assert never["value"] is None
    rows = pd.DataFrame(what_if.what_if(record, evidence, [draws], expected)["tables"]["scenarios"]["rows"])
    dear = rows[(rows.scenario == "own profile, tokens_per_point x 0.25") & (rows.evidence == "explored")].iloc[0]
    assert dear.changed > 0
    assert np.isnan(dear.score_change)  # fewer would think, and nobody saw these without
    assert np.isnan(dear.net_benefit_change)


def test_verdicts_explored_at_rates_of_their_own_weigh_as_their_decisions_do(planted, read_planted):
    """The policy that thinks is explored three times as seldom: a plain mean would weigh it a third."""
    true = planted.truth(6000, seed=4)
    record = read_planted(true, rate=1.0, seed=4)
    seldom = record.decisions.policy_reasoning & (record.decisions.prompt % 3 > 0)
    p = record.decisions.p_reasoning.where(~seldom, 1.0)
    evidence = join(replace(record, decisions=record.decisions.assign(p_reasoning=p)), CONFIG)
    draws = explored(evidence, CONFIG)
    found = readings.finance(record, evidence, [draws], modelled(evidence))["figures"][
        "tokens_saved_against_never_explored"
    ]
    spent = -true.extra_tokens[true.policy_reasoning].sum()
    assert found["lower"] < spent < found["upper"]
    plain = -np.nanmean(np.where(record.decisions.policy_reasoning, draws.extra_tokens, 0.0)[evidence.explored]) * 6000
    assert not found["lower"] < plain < found["upper"]


def test_a_stratified_mean_holds_the_truth_and_a_thin_stratum_counts_only_if_it_is_small():
    rng, held = np.random.default_rng(8), 0
    size = {"use": 500, "maybe": 200, "avoid": 300}
    decided = pd.DataFrame({"verdict": np.repeat(list(size), list(size.values())), "policy_reasoning": True})
    decided["verdict"] = decided.verdict.astype("category")
    decided["prompt"] = np.arange(1000) // 2
    centre = decided.verdict.map({"use": 1.0, "maybe": -1.0, "avoid": 5.0}).to_numpy(float)
    zero = (decided.verdict == "avoid").to_numpy(bool)
    chance = np.where(decided.verdict == "use", 0.1, 0.5)
    for _ in range(300):
        noise = np.repeat(rng.normal(0, 1, 500), 2)  # of the prompt
        values = np.where(rng.random(1000) < chance, centre + noise, np.nan)
        _, interval, n = mean_over_all(values, decided, zero=zero)
        held += interval[0] < 0.3 < interval[1]
        assert n == (np.isfinite(values) & ~zero).sum()
    assert 0.92 < held / 300 < 0.98
    maybe = (decided.verdict == "maybe").to_numpy(bool)
    assert mean_over_all(np.where(maybe, np.nan, values), decided, zero=zero)[0] is None
    few = zero | (maybe & (np.arange(1000) % 20 > 0))
    assert mean_over_all(np.where(maybe, np.nan, values), decided, zero=few)[0] is not None
    assert mean_over_all(values, decided, zero=np.ones(1000, bool))[:2] == (0.0, (0.0, 0.0))
    assert mean_over_all(np.full(1000, np.nan), decided, zero=np.ones(1000, bool)) == (None, None, 0)


def test_savings_are_those_of_the_pairs_and_an_unknown_price_is_null(put, record):
    scored = [{"score": 1.0, "output_tokens": 1100}, {"arm": "direct", "score": 1.0, "output_tokens": 100}]
    never = {"arm": "direct", "policy_arm": "direct", "p_reasoning": 0.0}
    put(*[(never, scored)] * 3, ({}, scored))
    evidence = join(record(), CONFIG)
    figures = readings.finance(record(), evidence, [paired(evidence)], modelled(evidence))["figures"]
    assert figures["tokens_saved_against_always_observed_pairs"]["value"] == 3000
    assert figures["tokens_saved_against_never_observed_pairs"]["value"] == -1000
    assert figures["usd_saved_against_always_observed_pairs"]["value"] is None
    assert figures["gpu_seconds_spent"] == {
        "value": None,
        "lower": None,
        "upper": None,
        "n": 0,
        "evidence": "observed",
        "unit": "gpu_seconds",
    }


def test_latency_defects_and_timeouts_are_told_by_arm(put, record):
    slow = {"latency_s": 30.0, "finish_reason": "timeout", "defect": True}
    put(
        ({}, [slow]),
        ({}, [{"arm": "direct", "latency_s": 1.0, "finish_reason": "stop", "defect": False}]),
        ({}, [{"score": 1.0}]),
    )
    infrastructure, risk = readings.infrastructure(record())["figures"], readings.risk(record())["figures"]
    assert infrastructure["latency_p95_reasoning"]["value"] == 30.0
    assert infrastructure["latency_p95_reasoning"]["lower"] is None
    assert infrastructure["timeouts_reasoning"]["value"] == 1.0
    assert infrastructure["timeouts_direct"]["value"] == 0.0
    assert (risk["defect_rate_reasoning"]["value"], risk["defect_rate_reasoning"]["n"]) == (1.0, 1)
    assert risk["defect_rate_direct"]["value"] == 0.0


def test_intervals_of_shares_and_quantiles_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    held = [0, 0]
    for _ in range(400):
        count = int(rng.binomial(60, 0.1))
        low, high = wilson(count, 60)[1]
        held[0] += low <= 0.1 <= high
        low, high = quantile(rng.exponential(size=200), 0.95)[1]
        held[1] += low <= np.log(20) <= high
    assert 0.93 < held[0] / 400 < 0.99
    assert 0.92 < held[1] / 400 < 0.99
    assert wilson(0, 0) == quantile(np.array([np.nan]), 0.5) == (None, None)
