"""How often the 95 % interval of the doubly robust mean gain holds the truth, on simulated one-arm logs, as JSON.

    python benchmarks/interval_coverage.py [--simulations 200] [--prompts 1000]

A pool of POOL simulated prompts stands for the traffic, its mean expected gain is the truth. Each simulation draws prompts from
it, then one arm each, P(reasoning) rising from .1 to .9 with difficulty, then an attempt. The interval is the one that `thinkworth
label` prints; beside it stands the naive one, of the difference of the arms' means. Two rules, of which the first is the claim:

    model    difficulty is what a ridge regression on embeddings expects, as a gateway's own rule might; every second simulation
             logs the propensity, the others leave it to be estimated
    family   difficulty is that of the prompt's family, whatever its neighbours': a rule that the embedding shows dimly, estimated
"""

import argparse
import os
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write
from scipy.stats import binomtest
from sklearn.linear_model import Ridge

from contract.encoder import Encoder
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.prompt import Prompt
from training.embedding_cache import EmbeddingCache
from training.evidence import embed
from training.labels import label
from training.one_arm import mean_gains, with_pseudo_outcomes
from training.simulate import SOURCE, Simulated, attempts_at, simulate_logs
from training.taxonomy import load_taxonomy

POOL, SEED = 8000, 21
LEAST, MOST = 0.1, 0.9
CACHE = ROOT / "data" / "cache"


def chances(pool: Simulated, cache: EmbeddingCache) -> dict[str, Any]:
    """Return P(reasoning) of each prompt of the pool under each rule."""
    easy = pool.truth.expected_score_direct
    texts = pool.table.drop_duplicates("prompt_id").prompt
    embeddings, _ = embed([Prompt.from_text(text) for text in texts], cache)
    ease = {
        "model": pd.Series(Ridge(alpha=3.0).fit(embeddings, easy).predict(embeddings)),
        "family": easy.groupby(pool.truth.task).transform("mean"),
    }
    return {rule: (LEAST + (MOST - LEAST) * (1 - e.rank(pct=True))).to_numpy(float) for rule, e in ease.items()}


def one_arm_log(pool: Simulated, chance: Any, prompts: int, seed: int, *, logged: bool) -> pd.DataFrame:
    """Return a log of prompts of the pool with one arm each."""
    rng = np.random.default_rng(seed)
    texts = pool.table.drop_duplicates("prompt_id").prompt.to_numpy()
    drawn = rng.choice(len(texts), prompts, replace=False)
    table = attempts_at(pool.truth.iloc[drawn].reset_index(drop=True), texts[drawn], 1, rng)
    thinks = np.repeat(rng.random(prompts) < chance[drawn], 2)
    table = table.assign(p_reasoning=np.repeat(chance[drawn], 2) if logged else np.nan)
    return table[(table.arm == "reasoning").to_numpy(bool) == thinks].reset_index(drop=True)


def naive(table: pd.DataFrame) -> tuple[float, float]:
    """Return the 95 % interval of the difference of the arms' mean scores."""
    arms = table.groupby("arm").score.agg(["mean", "var", "size"])
    difference, error = arms["mean"]["reasoning"] - arms["mean"]["direct"], np.sqrt((arms["var"] / arms["size"]).sum())
    return difference - 1.96 * error, difference + 1.96 * error


def simulation(pool: Simulated, chance: Any, prompts: int, seed: int, logged: bool) -> dict[str, Any]:
    """Return what one simulated log says of the mean gain."""
    true = float(pool.truth.expected_gain.mean())
    log = one_arm_log(pool, chance, prompts, seed, logged=logged)
    labelled, _ = with_pseudo_outcomes(label(log, load_profiles(find("data/profiles.yaml"))), CACHE)
    gain, unadjusted = mean_gains(labelled)[SOURCE]["one_arm"], naive(log)
    low, high = gain["interval"]
    return {
        "logged": logged, "covers": low <= true <= high, "naive": unadjusted[0] <= true <= unadjusted[1],
        "mean": gain["mean"], "width": high - low,
    }  # fmt: skip


def simulated(pool: Simulated, chance: Any, prompts: int, seeds: range, *, logging: bool) -> dict[str, Any]:
    """Return the figures of one rule; with `logging`, odd seeds log their propensities."""
    true = float(pool.truth.expected_gain.mean())
    with joblib.parallel_config(backend="loky", n_jobs=os.cpu_count(), inner_max_num_threads=1):
        job = joblib.delayed(simulation)
        rows = joblib.Parallel()(job(pool, chance, prompts, seed, logging and seed % 2 == 1) for seed in seeds)
    table = pd.DataFrame(rows)
    covered = int(table.covers.sum())
    exact = binomtest(covered, len(table)).proportion_ci(0.95)
    by_logged = table.groupby("logged").agg(
        simulations=("covers", "size"), covered=("covers", "sum"), mean=("mean", "mean")
    )
    return {
        "simulations": len(table), "covered": covered, "share": covered / len(table), "interval": [exact.low, exact.high],
        "propensity_logged": {str(k).lower(): v for k, v in by_logged.to_dict("index").items()}, "true_mean_gain": true,
        "mean_estimate": float(table["mean"].mean()), "spread_of_estimates": float(table["mean"].std(ddof=0)),
        "mean_width": float(table.width.mean()), "covered_by_naive": int(table.naive.sum()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS / "interval_coverage.json")
    options, before = parser.parse_args(), provenance()
    pool = simulate_logs(load_taxonomy(), POOL, attempts=1, seed=SEED)
    chance = chances(pool, EmbeddingCache(CACHE, Encoder(find("models/encoder"))))
    command = f"python benchmarks/interval_coverage.py --simulations {options.simulations} --prompts {options.prompts}"
    figure = {**before, "command": command, "prompts": options.prompts}
    seeds = {"model": range(options.simulations), "family": range(max(options.simulations // 10, 1))}
    for rule, numbers in seeds.items():
        figure[f"rule_{rule}"] = simulated(pool, chance[rule], options.prompts, numbers, logging=rule == "model")
    write(figure, options.out)


if __name__ == "__main__":
    main()
