"""What bundles are worth on what they were not fitted on: trains without each part of the evidence in turn and evaluates on it, as JSON.

    python benchmarks/cross_validation.py LOGS... --without prompts|tasks|source [--leave-out-task TASK...] [--out FILE]

The real pipeline runs, export and parity check included, once for each part that is left out; the answers of the exported bundles to
their parts make one report, as `thinkworth evaluate` does of one bundle. Parts are five folds of prompts; eight folds of tasks, each
task whole in one; or each source of LEAST_PAIRS scored pairs or more, and then prompts of the other files of which more than half the
words stand in that source in the same runs of `RUN` words are left out with it (the same questions, in another wording around them).

Choices between models are made on this with the training files, never on a test source. Folds of a test source's prompts are an
experiment that says what logs of one's own are worth; such a bundle never ships. The taxonomy is written in sight of all training sources.
"""

import argparse
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.scorer import Scorer
from training import pipeline
from training.commands_train import without_tasks
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import LEAST_PAIRS, headline, judged_rows, report_of, told
from training.evidence import prompts_of
from training.labels import label
from training.logs import Logs, read_logs
from training.taxonomy import load_taxonomy

RUN = 8
PROMPT_FOLDS, TASK_FOLDS = 5, 8


def runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of RUN words of a text; all its words where it has fewer."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + RUN]) for i in range(max(len(words) - RUN + 1, 1))}


def shared(table: pd.DataFrame, others: Iterable[str]) -> Any:
    """Return which rows' prompts [n] stand in the texts for more than half."""
    known = set().union(*map(runs, others))
    own = [runs(prompt.whole) for prompt in prompts_of(table)]
    return np.array([len(mine & known) > len(mine) / 2 for mine in own])


def dealt(names: "pd.Series[str]", folds: int) -> Any:
    """Return the fold of each row, [n]: equal names in one fold, all folds alike in names."""
    unique = np.unique(names.to_numpy(str))
    order = np.random.default_rng(0).permutation(len(unique))
    return np.asarray(names.map(dict(zip(unique, order % folds, strict=True))).to_numpy(int))


def parts(log: pd.DataFrame, without: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield a name, and which rows of the log are left out [n], and which of those are judged [n]."""
    if without == "source":
        pairs = label(log, {}).query("gain.notna()").groupby("source").size()
        for source in sorted(pairs[pairs >= LEAST_PAIRS].index):
            own = (log.source == source).to_numpy(bool)
            again = shared(log, {prompt.whole for prompt in prompts_of(log[own])})
            yield str(source), own | again, own
        return
    digests = pd.Series([prompt.digest for prompt in prompts_of(log)], index=log.index)
    names = digests if without == "prompts" else log.source.astype(str) + "/" + log.task.astype("string").fillna("")
    fold = dealt(names, PROMPT_FOLDS if without == "prompts" else TASK_FOLDS)
    for k in np.unique(fold):
        again = digests.isin(digests[fold == k]).to_numpy(bool)  # a prompt may be of two tasks
        yield f"fold {k + 1} of {fold.max() + 1}", again, fold == k


def answers(logs: Logs, left_out: Any, judged: Any, folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train on the rows that are not left out; return the bundle's answers to the judged ones beside what was realised, and its profiles."""
    table, profiles, cache = logs.table, load_profiles(find("data/profiles.yaml")), ROOT / "data" / "cache"
    pipeline.run(
        replace(logs, table=table[~left_out].reset_index(drop=True)), folder / "bundle", files=(), profiles=profiles,
        taxonomy=load_taxonomy(), config=TrainConfig(holdout_share=0.02), cache_folder=cache, registering=False, say=lambda _: None,
    )  # fmt: skip
    scorer, own = Scorer.load(folder / "bundle"), table[judged].reset_index(drop=True)
    return told(scorer, judged_rows(label(own, profiles), EmbeddingCache(cache, scorer.encoder), own)), profiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--without", choices=("prompts", "tasks", "source"), required=True)
    parser.add_argument("--leave-out-task", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    options, before = parser.parse_args(), provenance()
    logs = without_tasks(read_logs(options.logs), options.leave_out_task)
    found, profiles = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, left_out, judged in parts(logs.table, options.without):
            table, profiles = answers(logs, left_out, judged, Path(folder))
            found.append(table)
            print(
                f"{name}: {len(table):,} pairs judged, {int(left_out.sum() - judged.sum()):,} other attempts left out",
                flush=True,
            )
    report = report_of(pd.concat(found, ignore_index=True), profiles, f"bundles without {options.without}")
    print(headline(report), flush=True)
    known = {
        "files": [path.name for path in options.logs],
        "without": options.without,
        "left_out_tasks": options.leave_out_task,
    }
    write({**before, **known, **report}, options.out or RESULTS / f"without_{options.without}.json")


if __name__ == "__main__":
    main()
