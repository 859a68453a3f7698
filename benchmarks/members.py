"""What each way to learn an order is worth: q on what was left out of the members of the heads, of other learners, and of other settings, as JSON.

    python benchmarks/members.py LOGS... [--leave-out-task TASK...] [--setting NAME=VALUE...] [--out FILE]

Everything is fitted without the judged part, as the pipeline fits it (labels, soft targets, weights of sources, the taxonomy's
pseudo-observations), but without export, calibration and learned shares: folds of prompts over all files, and each source of
LEAST_PAIRS pairs or more, as `cross_validation.py` deals them. Orders:

    heads               the members below in equal shares, cut to the family where no logs are near: the heads as they are
    trees, network, linear, gain, balance, background    the members alone (`training.heads.MEMBERS`): boosting, a network and a
                        linear correction of gain per token, boosting of the gain (direct uplift), P(gain) - P(loss) of three
                        classes, and the family
    trees + linear      boosting and the linear correction, half each
    gain per token      the gain of the heads over the tokens that they expect
    T-learner           two boostings, of either arm's score
    nearest             mean gain of the NEAREST nearest logged pairs, by the cosine of ask and whole; without the taxonomy
    NAME=VALUE          the heads with that setting of `training.config`, one for each --setting

Where both arms of a prompt are logged, other meta-learners are the direct one: an X-learner has no outcome to impute, a DR-learner's
pseudo-outcome is the gain itself, and the R-learner's loss over both arms, (y1 - m - t/2)^2 + (y0 - m + t/2)^2, is least at t = y1 - y0.
`over` is what the heads have over an order, paired over prompts; choices are made on training files alone.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from cross_validation import CONFIG, parts
from provenance import RESULTS, provenance, write

from contract.encoder import Encoder
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from training import evidence, pipeline
from training.commands_train import without_tasks
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.fitting import fit
from training.heads import MEMBERS, Heads, mixed_gain, read_by_trees
from training.labels import label
from training.logs import Logs, read_logs
from training.report.sources import mean_of, q_draws, telling
from training.taxonomy import load_taxonomy
from training.trees import fit_tree, regressor

NEAREST = 40

PROFILES = load_profiles(find("data/profiles.yaml"))


def fitted(logs: Logs, cache: EmbeddingCache, config: TrainConfig) -> tuple[Heads, evidence.Rows]:
    """Return the heads of some logs and the taxonomy, and the rows that they were fitted on."""
    labelled, needs = label(logs.table, PROFILES), logs.for_budgets()
    pairs, _ = pipeline._outcomes(labelled, cache, config, lambda _: None)
    rows, thinking, made_up = pipeline._evidence(logs, needs, pairs, load_taxonomy(), cache, config, None)
    return fit(rows, thinking, made_up, PROFILES, config), rows


def read(heads: Heads, rows: evidence.Rows) -> Any:
    """Return what the trees of the heads read of rows, [n, Heads.width]."""
    target = heads.targets.of(rows.table.model)
    x = heads.inputs.of(rows, target)
    return read_by_trees(x, heads.background.of(rows, target, x["p_family"]))


def beside(heads: Heads, known: evidence.Rows, rows: evidence.Rows, config: TrainConfig) -> dict[str, Any]:
    """Return the orders of rows by the members and by learners that see the same rows of evidence, [n] by name."""
    out, members = heads.with_members(rows)
    orders = dict(zip(MEMBERS["worth"], members["worth"].T, strict=True))
    orders["trees + linear"] = orders["trees"] + orders["linear"]
    orders["gain per token"] = mixed_gain(out) / out["extra_tokens"]
    z, weight, judged = read(heads, known), known.table.weight.to_numpy(float), read(heads, rows)
    score = [
        fit_tree(regressor(config), z, known.table[f"target_score_{arm}"].to_numpy(float), weight).predict(judged)
        for arm in ("reasoning", "direct")
    ]
    orders["T-learner"] = score[0] - score[1]
    pairs = known.paired()
    cosines, gain = rows.embeddings @ pairs.embeddings.T, pairs.table.gain.to_numpy(float)
    orders["nearest"] = gain[np.argpartition(-cosines, NEAREST, axis=1)[:, :NEAREST]].mean(axis=1)
    return orders


def judged_without(
    logs: Logs, left_out: Any, judged: Any, settings: dict[str, TrainConfig], cache: EmbeddingCache
) -> pd.DataFrame:
    """Return the pairs of the judged rows, with a column `by NAME` of each order fitted without the rows left out."""
    pairs = label(logs.take(judged).table, PROFILES).query("gain.notna()")
    rows, orders = evidence.unit_rows(pairs, cache), {}
    for name, config in {"heads": CONFIG, **settings}.items():
        heads, known = fitted(logs.take(~left_out), cache, config)
        orders[name] = heads.outputs(rows)["worth"]
        if name == "heads":
            orders |= beside(heads, known, rows, config)
    return rows.table.assign(**{f"by {name}": order for name, order in orders.items()})


def compared(table: pd.DataFrame) -> dict[str, Any]:
    """Return q of each order within each source and their macro-mean, and what the heads have over each other order."""
    names = [column.removeprefix("by ") for column in map(str, table) if column.startswith("by ")]
    draws, report = {}, {}
    for source, part in table.groupby("source"):
        own = part.reset_index(drop=True)
        draws[source] = q_draws(own, {name: own[f"by {name}"].to_numpy(float) for name in names})
        report[str(source)] = {"n": len(own), "q": draws[source].held(), "over": draws[source].over()}
    mean = mean_of([draws[source] for source in telling(report)])
    return {"n": len(table), "sources": report, "macro": {"q": mean.held(), "over": mean.over()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--leave-out-task", nargs="*", default=[])
    parser.add_argument("--setting", nargs="*", default=[], help="NAME=VALUE of training.config, each compared alone")
    parser.add_argument("--out", type=Path, default=RESULTS / "members.json")
    options, figure = parser.parse_args(), provenance()
    names = " ".join(path.name for path in options.logs)
    figure["command"] = f"python benchmarks/members.py {names} --leave-out-task {' '.join(options.leave_out_task)}"
    settings = {
        text: TrainConfig.model_validate({**CONFIG.model_dump(), **dict([text.split("=", 1)])})
        for text in options.setting
    }
    logs = without_tasks(read_logs(options.logs), options.leave_out_task)
    cache = EmbeddingCache(ROOT / "data" / "cache", Encoder(find("models/encoder")))
    for without in ("prompts", "source"):
        found = []
        for name, left_out, judged in parts(logs, without):
            found.append(judged_without(logs, left_out, judged, settings, cache))
            print(f"{without}, {name}: {len(found[-1]):,} pairs", flush=True)
        figure[f"without_{without}"] = compared(pd.concat(found, ignore_index=True))
    write(figure, options.out)


if __name__ == "__main__":
    main()
