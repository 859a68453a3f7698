"""Prompts with one arm through labels, training and evaluation, on simulated traffic whose truth is known."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contract.profiles import load_profiles
from training.config import TrainConfig
from training.files import write_table
from training.labels import label
from training.one_arm import COLUMNS, gain_lines, mean_gains, with_pseudo_outcomes
from training.simulate import SOURCE, attempts_at, simulate_logs
from training.taxonomy import load_taxonomy

ROOT = Path(__file__).resolve().parents[2]
PROFILES = load_profiles(ROOT / "data" / "profiles.yaml")


@pytest.fixture(scope="module")
def pool():
    return simulate_logs(load_taxonomy(), 400, attempts=1, seed=6)


@pytest.fixture(scope="module")
def cache():
    """The one of the commands, which embed the same prompts."""
    return ROOT / "data" / "cache"


def one_arm(pool, seed, *, logged=True):
    """Return new attempts at the pool's prompts, in one arm each: P(reasoning) rises with their difficulty."""
    rng = np.random.default_rng(seed)
    texts = pool.table.drop_duplicates("prompt_id").prompt.to_numpy()
    chance = (0.9 - 0.8 * pool.truth.expected_score_direct.rank(pct=True)).to_numpy(float)
    table = attempts_at(pool.truth, texts, 1, rng).assign(p_reasoning=np.repeat(chance, 2) if logged else np.nan)
    thinks = np.repeat(rng.random(len(chance)) < chance, 2)
    return table[(table.arm == "reasoning").to_numpy(bool) == thinks].reset_index(drop=True)


@pytest.mark.slow
def test_the_interval_of_the_mean_gain_holds_the_truth_and_the_naive_difference_does_not(pool, cache):
    """The small version of benchmarks/interval_coverage.py."""
    true, covered, estimates, naive = pool.truth.expected_gain.mean(), 0, [], []
    for seed in range(6):
        log = one_arm(pool, seed)
        scores = label(log, PROFILES).assign(output_tokens_direct=np.nan, output_tokens_reasoning=np.nan)
        labelled, strata = with_pseudo_outcomes(scores, cache)  # without tokens, whose models take as long again
        assert strata[0].refused is None
        gain = mean_gains(labelled)[SOURCE]["one_arm"]
        covered += gain["interval"][0] <= true <= gain["interval"][1]
        estimates.append(gain["mean"])
        naive.append(log.score[log.arm == "reasoning"].mean() - log.score[log.arm == "direct"].mean())
    assert covered >= 5
    assert abs(np.mean(estimates) - true) < 0.05
    assert abs(np.mean(naive) - true) > 0.15


def test_pairs_and_one_arm_stand_beside_each_other_in_labels(pool, cache):
    both = pool.table[pool.table.prompt_id.isin(pool.truth.prompt_id[:100])]
    single = one_arm(pool, 3)
    single = single[~single.prompt_id.isin(both.prompt_id)]
    labelled, _ = with_pseudo_outcomes(label(pd.concat([both, single]), PROFILES), cache)
    paired = labelled.gain.notna()
    assert paired.sum() == 100
    assert labelled.loc[paired, list(COLUMNS)].isna().all().all()
    assert labelled.loc[~paired, list(COLUMNS)].notna().all().all()
    assert (labelled.label_balanced[~paired] == "unscored").all()
    gains = mean_gains(labelled)[SOURCE]
    assert [gains[kind]["n"] for kind in ("pairs", "one_arm", "all")] == [100, 300, 400]
    assert "pairs" in next(gain_lines({SOURCE: gains}))
    nothing = {"n": 0, "mean": None, "interval": None}
    assert list(gain_lines({SOURCE: {"pairs": nothing, "one_arm": nothing, "all": nothing}})) == []


def test_nothing_is_embedded_where_no_arm_can_be_compared(pool, cache, monkeypatch):
    monkeypatch.setattr("training.one_arm.Encoder", None)
    direct = pool.table[pool.table.arm == "direct"]
    labelled, strata = with_pseudo_outcomes(label(direct, PROFILES), cache)
    assert labelled[list(COLUMNS)].isna().all().all()
    assert "0 scored prompts in the reasoning arm, 20 needed" in strata[0].text()


@pytest.mark.slow
def test_a_log_of_one_arm_is_labelled_trained_on_and_evaluated(pool, tmp_path, thinkworth, few_families, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)
    for module in ("one_arm", "evaluate"):  # how good a label is, the test above says
        monkeypatch.setattr(f"training.{module}.TrainConfig", partial(TrainConfig, iterations=20))
    few_families(tmp_path)
    log = tmp_path / "traffic.parquet"
    write_table(one_arm(pool, 0, logged=False), log)

    def run(*arguments):
        done = thinkworth(*arguments)
        assert done.code == 0, done.err
        return done

    told = json.loads(run("label", log, "--out", "labels.parquet", "--json").out)
    assert told["one_arm"][0]["refused"] is None
    assert told["gains"][SOURCE]["pairs"] == {"n": 0, "mean": None, "interval": None}
    assert pd.read_parquet(tmp_path / "labels.parquet").gain_dr.notna().mean() > 0.8
    assert "one arm: simulated, simulated-model" in run("label", log).out
    assert "gain_dr" not in pd.read_parquet(_labelled_without(run, log, tmp_path)).columns
    (tmp_path / "quick.yaml").write_text("iterations: 20\ncomponents: 16\n")
    trained = run("train", log, "--out", "bundle", "--config", "quick.yaml", "--no-register")
    assert "one arm: simulated, simulated-model" in trained.err
    assert "prompts with one arm, doubly robust mean gain" in trained.out
    manifest = json.loads((tmp_path / "bundle" / "manifest.json").read_text())
    assert manifest["training"]["one_arm"][0]["source"] == SOURCE
    assert "doubly robust mean gain" in run("evaluate", "bundle", log).out


def _labelled_without(run, log, folder):
    run("label", log, "--out", "plain.parquet", "--no-pseudo-outcomes")
    return folder / "plain.parquet"
