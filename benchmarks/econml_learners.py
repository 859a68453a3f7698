"""Our pseudo-outcomes beside econml's estimators on the same folds, hidden arms and inputs, as JSON.

    pip install econml==0.17.0    # not in the lock file: nothing but this benchmark uses it
    python benchmarks/econml_learners.py LOGS... [--folds 5] [--out FILE]

One arm of every logged pair is hidden as in one_arm.py. On the other folds each way estimates the gain of a prompt from its
components and features (training.outcome_models); q and the mean gain of the held-out pairs follow. `ours` regresses with the
boosting of the heads on the targets and weights of training.pseudo_outcomes; `dr_learner` is econml's DRLearner made of the same
parts (undersmoothed logistic propensity, boosting for scores and gain); `dr_forest` and `causal_forest` are its ForestDRLearner and
CausalForestDML with the same first stages; `pairs` sees both arms. Prompts are ordered by the gain alone: tokens are no part of it.
"""

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from econml.dml import CausalForestDML
from econml.dr import DRLearner, ForestDRLearner
from one_arm import DEAL, KEY, hidden
from provenance import RESULTS, provenance, write
from sklearn.linear_model import LogisticRegression

from contract.encoder import Encoder
from contract.locate import ROOT, find
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import realised_extra_tokens
from training.evidence import Rows, fraction, unit_rows
from training.labels import label
from training.log_rows import group_codes
from training.logs import read_logs
from training.metrics import measured, q
from training.outcome_models import CHANCE_C, FOLDS, inputs_of
from training.overlap import TRIM
from training.pseudo_outcomes import pseudo_outcomes
from training.trees import fit_tree, regressor

CONFIG = TrainConfig()
TREES = 500


def of_econml(x: Any, score: Any, reasoning: Any) -> dict[str, Any]:
    """Return econml's estimators, fitted."""
    chance = LogisticRegression(C=CHANCE_C, max_iter=3000)
    parts: dict[str, Any] = {
        "model_propensity": chance,
        "model_regression": regressor(CONFIG),
        "cv": FOLDS,
        "random_state": CONFIG.seed,
    }
    forest: dict[str, Any] = {"n_estimators": TREES, "min_samples_leaf": 15, "n_jobs": 1}
    learners = {
        "dr_learner": DRLearner(model_final=regressor(CONFIG), min_propensity=TRIM, **parts),
        "dr_forest": ForestDRLearner(min_propensity=TRIM, **forest, **parts),
        "causal_forest": CausalForestDML(
            model_y=regressor(CONFIG), model_t=chance, discrete_treatment=True, cv=FOLDS, random_state=CONFIG.seed,
            **forest,
        ),
    }  # fmt: skip
    for learner in learners.values():
        learner.fit(score, reasoning.astype(int), X=x)
    return learners


def expected_gains(units: Rows, truth: Any, learn: Any) -> dict[str, Any]:
    """Return, by way, the gain expected at the prompts that were not learned from."""
    table, judged = units.table, ~learn
    stratum = group_codes(table, ("source", "model"))
    inputs = inputs_of(units, stratum, learn)
    scaled = (inputs.trees - inputs.trees[learn].mean(axis=0)) / np.maximum(inputs.trees[learn].std(axis=0), 1e-6)
    x = inputs.trees
    score = table.score_reasoning.fillna(table.score_direct).to_numpy(float)
    found = {}
    pseudo = pseudo_outcomes(units, learn, CONFIG).table
    known = learn & pseudo.target_gain.notna().to_numpy()
    tree = fit_tree(
        regressor(CONFIG), x[known], pseudo.target_gain[known].to_numpy(float), pseudo.precision[known].to_numpy(float)
    )
    found["ours"] = tree.predict(x[judged])
    for name, learner in of_econml(
        scaled[learn], score[learn], table.score_reasoning.notna().to_numpy()[learn]
    ).items():
        found[name] = np.asarray(learner.effect(scaled[judged])).ravel()
    found["pairs"] = fit_tree(regressor(CONFIG), x[learn], truth[learn]).predict(x[judged])
    return found


def figures_of(path: Path, folds: int) -> dict[str, Any]:
    """Return the figures of one file."""
    cache = EmbeddingCache(ROOT / "data" / "cache", Encoder(find("models/encoder")))
    log = read_logs([path]).table
    labelled = label(log, {})
    pairs = unit_rows(labelled[labelled.gain.notna()], cache)
    one_arm = unit_rows(label(hidden(log, pairs), {}), cache)
    truth = one_arm.table[KEY].merge(pairs.table, on=KEY, how="left", validate="one_to_one")
    gain, extra, groups = truth.gain.to_numpy(float), realised_extra_tokens(truth), truth.group.to_numpy(str)
    fold = (fraction(one_arm.table.group, DEAL + 1) * folds).astype(int)
    worth: dict[str, Any] = {}
    for k in range(folds):
        for name, values in expected_gains(one_arm, gain, fold != k).items():
            worth.setdefault(name, np.empty(len(gain)))[fold == k] = values
        print(f"fold {k + 1} of {folds}", flush=True)

    def q_of(name: str) -> Any:
        return lambda rows: q(worth[name][rows], gain[rows], extra[rows])

    others = [name for name in worth if name not in ("ours", "pairs")]
    return {
        "n": len(gain), "mean_gain_true": float(gain.mean()), "mean_gain": {name: float(values.mean()) for name, values in worth.items()},
        "q": {name: measured(q_of(name), groups) for name in worth},
        "ours_above": {name: measured(lambda rows, name=name: q_of("ours")(rows) - q_of(name)(rows), groups) for name in others},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "econml_learners.json")
    options, before = parser.parse_args(), provenance()
    command = f"python benchmarks/econml_learners.py {' '.join(map(str, options.logs))} --folds {options.folds}"
    warnings.filterwarnings("ignore", module="(econml|sklearn)")
    write(
        {**before, "command": command, **{path.stem: figures_of(path, options.folds) for path in options.logs}},
        options.out,
    )


if __name__ == "__main__":
    main()
