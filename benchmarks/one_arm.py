"""What labels from ordinary traffic are worth: one arm of every logged pair is hidden by a confounded rule, as JSON.

    python benchmarks/one_arm.py LOGS... [--folds 5] [--out FILE]

For each file, by folds of its prompts: P(reasoning) rises with the difficulty of a prompt from .1 to .9, where difficulty is the
failure in the direct arm that a ridge regression on embeddings expects (out of fold, by no model of ours); a draw from it leaves
each (prompt, model) one arm. The real pipeline trains on the other folds, once with both arms and once with the one, export and
parity check included, and the exported bundles order the held-out *pairs*. Beside them the naive baseline: the unadjusted
difference of the arms' mean scores in the prompt's task, which it is told. Of the mean gain, the doubly robust estimate and the
naive difference stand beside the truth. BIG-Bench Hard is fitted on here, as an experiment: nothing of it ships.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write
from sklearn.linear_model import Ridge

from contract.encoder import Encoder
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.records import PAIR_KEY
from contract.scorer import Scorer
from training import pipeline
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import predictions, realised_extra_tokens
from training.evidence import Rows, fraction, outcome_rows, unit_rows
from training.labels import label
from training.logs import Logs, read_logs
from training.metrics import interval, mean_interval, q
from training.pseudo_outcomes import pseudo_outcomes
from training.taxonomy import load_taxonomy

KEY = list(PAIR_KEY)
LEAST, MOST = 0.1, 0.9
DRAW, DEAL = 11, 12


def difficulty(pairs: Rows) -> Any:
    """Return the failure in the direct arm that is expected of each pair, out of fold."""
    fold = (fraction(pairs.table.group, DEAL) * 5).astype(int)
    out = np.empty(len(fold))
    for k in range(5):
        seen = fold != k
        model = Ridge(alpha=3.0).fit(pairs.embeddings[seen], pairs.table.score_direct.astype(float)[seen])
        out[~seen] = 1 - model.predict(pairs.embeddings[~seen])
    return out


def hidden(table: pd.DataFrame, pairs: Rows) -> pd.DataFrame:
    """Return the attempts of the pairs with one arm of each left."""
    chance = LEAST + (MOST - LEAST) * pd.Series(difficulty(pairs)).rank(pct=True)
    kept = pairs.table[KEY].assign(kept=np.random.default_rng(DRAW).random(len(chance)) < chance)
    drawn = table.merge(kept, on=KEY, how="inner")
    return drawn[(drawn.arm == "reasoning") == drawn.kept].drop(columns="kept").reset_index(drop=True)


def trained(logs: Logs, table: pd.DataFrame, folder: Path) -> Scorer:
    pipeline.run(
        replace(logs, table=table.reset_index(drop=True)), folder / "bundle", files=(), profiles=load_profiles(find("data/profiles.yaml")),
        taxonomy=load_taxonomy(), config=TrainConfig(), cache_folder=ROOT / "data" / "cache", registering=False, say=lambda _: None,
    )  # fmt: skip
    return Scorer.load(folder / "bundle")


def naive(seen: pd.DataFrame, pairs: Rows) -> Any:
    """Return, for each pair, the difference of the arms' mean scores in its task; the difference of all where a task lacks one."""
    mean = seen.groupby([seen.task.astype(str), seen.arm]).score.mean().unstack()
    every = seen.groupby("arm").score.mean()
    difference = (mean["reasoning"] - mean["direct"]).fillna(every["reasoning"] - every["direct"])
    return pairs.table.task.astype(str).map(difference).fillna(every["reasoning"] - every["direct"]).to_numpy(float)


def mean_gains(one_arm: pd.DataFrame, pairs: Rows, cache: EmbeddingCache) -> dict[str, Any]:
    units = unit_rows(label(one_arm, load_profiles(find("data/profiles.yaml"))), cache)
    pseudo = pseudo_outcomes(units, np.ones(len(units.table), dtype=bool), TrainConfig())
    gain = pseudo.table.gain_dr
    there = gain.notna().to_numpy(bool)
    arms = one_arm.groupby("arm").score.mean()
    return {
        "true": float(pairs.table.gain.mean()),
        "doubly_robust": float(gain.mean()),
        "interval": mean_interval(gain[there].to_numpy(float), units.table.group[there].to_numpy(str)),
        "naive": float(arms["reasoning"] - arms["direct"]),
        "strata": [stratum.text() for stratum in pseudo.strata],
    }


def measured(logs: Logs, folds: int) -> dict[str, Any]:
    """Return the figures of one file."""
    cache = EmbeddingCache(ROOT / "data" / "cache", Encoder(find("models/encoder")))
    labelled = label(logs.table, load_profiles(find("data/profiles.yaml")))
    units = unit_rows(labelled[labelled.gain.notna()], cache)
    nothing_hidden = pseudo_outcomes(units, np.ones(len(units.table), dtype=bool), TrainConfig())
    pairs = outcome_rows(units, nothing_hidden.table, TrainConfig())
    one_arm, fold = hidden(logs.table, pairs), (fraction(pairs.table.group, DEAL + 1) * folds).astype(int)
    worth = {name: np.empty(len(fold)) for name in ("pairs", "one_arm", "naive")}
    for k in range(folds):
        judged = fold == k
        seen = pairs.table[~judged][KEY]
        with tempfile.TemporaryDirectory() as folder:
            for name, table in (("pairs", logs.table), ("one_arm", one_arm)):
                scorer = trained(logs, table.merge(seen, on=KEY), Path(folder))
                worth[name][judged] = predictions(scorer, pairs.take(judged)).worth
        worth["naive"][judged] = naive(one_arm.merge(seen, on=KEY), pairs.take(judged))
        print(f"fold {k + 1} of {folds}", flush=True)
    gain, extra, groups = (
        pairs.table.gain.to_numpy(float),
        realised_extra_tokens(pairs.table),
        pairs.table.group.to_numpy(str),
    )

    def figure(of: Any) -> dict[str, Any]:
        return {"value": float(of(np.arange(len(gain)))), "interval": interval(of, groups)}

    def q_of(name: str) -> Any:
        return lambda rows: q(worth[name][rows], gain[rows], extra[rows])

    return {
        "n": len(gain),
        "prompts": len(set(groups)),
        **{f"q_{name}": figure(q_of(name)) for name in worth},
        "share_of_q_of_pairs": figure(lambda rows: q_of("one_arm")(rows) / q_of("pairs")(rows)),
        "q_above_naive": figure(lambda rows: q_of("one_arm")(rows) - q_of("naive")(rows)),
        "mean_gain": mean_gains(one_arm, pairs, cache),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "one_arm.json")
    options, before = parser.parse_args(), provenance()
    command = f"python benchmarks/one_arm.py {' '.join(map(str, options.logs))} --folds {options.folds}"
    write(
        {
            **before,
            "command": command,
            **{path.stem: measured(read_logs([path]), options.folds) for path in options.logs},
        },
        options.out,
    )


if __name__ == "__main__":
    main()
