"""What bundles are worth on what they were not fitted on: trains without each part of the evidence in turn and evaluates on it, as JSON.

    python benchmarks/cross_validation.py LOGS... --without prompts|tasks|source [--leave-out-task TASK...]
        [--accept-budget-flag FLAG...] [--keep FOLDER] [--out FILE]

The real pipeline runs, export and parity check included, once for each part that is left out; the answers of the exported bundles to
their parts make one report, as `thinkworth evaluate` does of one bundle, their budgets too (--accept-budget-flag as there). Parts are five folds of prompts; eight folds of tasks, each
task whole in one; or each source of LEAST_PAIRS scored pairs or more, and then prompts of the other files of which more than half the
words stand in that source in the same runs of `RUN` words are left out with it (the same questions, in another wording around them).
--keep leaves each part's bundle in FOLDER/PART/bundle; those without a source are what `peers.py` takes to judge all of that source.

Choices between models are made on this with the training files, never on a test source. Folds of a test source's prompts are an
experiment that says what logs of one's own are worth; such a bundle never ships. The taxonomy is written in sight of all training sources.
"""

import argparse
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

from contract.bundle import Manifest
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.scorer import Scorer
from training import pipeline
from training.commands_train import without_tasks
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import LEAST_PAIRS, headline, judged_rows, report_of, told
from training.evidence import prompts_of, thinking_rows
from training.labels import label
from training.logs import Logs, read_logs
from training.report.answers import budgeted, budgets
from training.report.orders import BASELINES
from training.taxonomy import load_taxonomy

RUN = 8
PROMPT_FOLDS, TASK_FOLDS = 5, 8
CONFIG = TrainConfig(holdout_share=0.02)


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


def parts(logs: Logs, without: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield a name, and which rows of `Logs.for_budgets` are left out [n], and which of those are judged [n]."""
    log = logs.for_budgets()
    if without == "source":
        pairs = label(logs.table, {}).query("gain.notna()").groupby("source").size()
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


def answers(logs: Logs, left_out: Any, judged: Any, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, Manifest]:
    """Train on the rows of `Logs.for_budgets` that are not left out; return the bundle's answers to the judged pairs beside what was realised, those to the judged needs of thinking tokens, and its manifest."""
    profiles, cache_folder = load_profiles(find("data/profiles.yaml")), ROOT / "data" / "cache"
    pipeline.run(
        logs.take(~left_out), folder / "bundle", files=(), profiles=profiles, taxonomy=load_taxonomy(), config=CONFIG,
        cache_folder=cache_folder, registering=False, say=lambda _: None,
    )  # fmt: skip
    scorer, own = Scorer.load(folder / "bundle"), logs.take(judged)
    cache = EmbeddingCache(cache_folder, scorer.encoder)
    pairs = told(scorer, judged_rows(label(own.table, profiles), cache, own.table))
    return pairs, budgeted(scorer, thinking_rows(own.for_budgets(), cache, CONFIG)), scorer.manifest


def as_table(report: Mapping[str, Any], without: str) -> dict[str, Any]:
    """Return q of each source and their macro-mean beside the baselines' as a table for `thinkworth evaluate --include`."""
    macro = report["macro"]["q"]
    rows = [
        [name, part["n"], part["q"], *(part["q_baselines"][base] for base in BASELINES)]
        for name, part in report["sources"].items()
    ]
    return {
        "title": f"Bundles without the {without} that they are judged on",
        "columns": ["source", "pairs", "q", *BASELINES],
        "rows": [*rows, ["macro-mean", report["n"], macro["q"], *(macro[base] for base in BASELINES)]],
        "note": "q within each source, 95 % bootstrap intervals over prompts; each part's bundle was trained without it.",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--without", choices=("prompts", "tasks", "source"), required=True)
    parser.add_argument("--leave-out-task", nargs="*", default=[])
    parser.add_argument("--accept-budget-flag", nargs="*", default=[])
    parser.add_argument("--keep", type=Path, help="folder to leave each part's bundle in")
    parser.add_argument("--out", type=Path)
    options, before = parser.parse_args(), provenance()
    read = read_logs(options.logs, accept_budget_flags=options.accept_budget_flag)
    logs = without_tasks(read, options.leave_out_task)
    found, needs, manifest = [], [], None
    with tempfile.TemporaryDirectory() as folder:
        for name, left_out, judged in parts(logs, options.without):
            own = options.keep / re.sub(r"\W+", "_", name) if options.keep else Path(folder)
            pairs, thought, manifest = answers(logs, left_out, judged, own)
            found.append(pairs)
            needs.append(thought)
            print(
                f"{name}: {len(pairs):,} pairs and {len(thought):,} needs of thinking judged, "
                f"{int(left_out.sum() - judged.sum()):,} other attempts left out", flush=True,
            )  # fmt: skip
    if manifest is None:
        raise SystemExit(f"no source has {LEAST_PAIRS} scored pairs: nothing to leave out")
    report = report_of(pd.concat(found, ignore_index=True), manifest.profiles, f"bundles without {options.without}")
    report["budget"] = budgets(pd.concat(needs, ignore_index=True), manifest, logs.for_budgets())
    print(headline(report), flush=True)
    known = {
        "files": [path.name for path in options.logs],
        "without": options.without,
        "left_out_tasks": options.leave_out_task,
        "budget_flags": options.accept_budget_flag,
    }
    write(
        {**before, **known, **as_table(report, options.without), **report},
        options.out or RESULTS / f"without_{options.without}.json",
    )


if __name__ == "__main__":
    main()
