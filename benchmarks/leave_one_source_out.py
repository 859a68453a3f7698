"""What a bundle is worth on a source that it was not fitted on: trains without each source in turn and evaluates on it, as JSON.

    python benchmarks/leave_one_source_out.py LOGS... [--leave-out-task TASK] [--out FILE]

The real pipeline runs, export and parity check included, once for each source of LEAST_PAIRS scored pairs or more; the other
files stay in, but for prompts of which more than half the words stand in the source that is left out in the same runs of
`RUN` words (the same questions, in another wording around them). Choices between models are made on this and on held-out
prompts of the training files, never on a test source. The taxonomy is written in sight of all training sources.
"""

import argparse
import re
import tempfile
from collections.abc import Iterable
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
from training.evaluate import LEAST_PAIRS, evaluate, headline
from training.evidence import prompts_of
from training.labels import label
from training.logs import Logs, read_logs
from training.taxonomy import load_taxonomy

RUN = 8
KEPT = ("n", "prompts", "mean_gain", "q", "auc", "verdicts")


def runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of RUN words of a text; all its words where it has fewer."""
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + RUN]) for i in range(max(len(words) - RUN + 1, 1))}


def shared(table: pd.DataFrame, others: Iterable[str]) -> Any:
    """Return which rows' prompts [n] stand in the texts for more than half."""
    known = set().union(*map(runs, others))
    own = [runs(prompt.whole) for prompt in prompts_of(table)]
    return np.array([len(mine & known) > len(mine) / 2 for mine in own])


def left_out(logs: Logs, source: str, folder: Path, cache: Path) -> dict[str, Any]:
    """Train on all sources but one; return the report on that one."""
    table, profiles = logs.table, load_profiles(find("data/profiles.yaml"))
    own, rest = (table[mask].reset_index(drop=True) for mask in (table.source == source, table.source != source))
    again = shared(rest, {prompt.whole for prompt in prompts_of(own)})
    pipeline.run(
        replace(logs, table=rest[~again].reset_index(drop=True)), folder / "bundle", files=(), profiles=profiles,
        taxonomy=load_taxonomy(), config=TrainConfig(), cache_folder=cache, registering=False, say=lambda _: None,
    )  # fmt: skip
    scorer = Scorer.load(folder / "bundle")
    report = evaluate(scorer, label(own, profiles), EmbeddingCache(cache, scorer.encoder))
    print(f"\n{int(again.sum()):,} attempts of the other files are left out with it; {headline(report)}", flush=True)
    return {"attempts_left_out_with_it": int(again.sum()), **{key: report["sources"][source][key] for key in KEPT}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--leave-out-task", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS / "leave_one_source_out.json")
    options, before = parser.parse_args(), provenance()
    logs = without_tasks(read_logs(options.logs), options.leave_out_task)
    pairs = label(logs.table, load_profiles(find("data/profiles.yaml"))).query("gain.notna()").groupby("source").size()
    sources: dict[str, Any] = {}
    figure = {**before, "files": [path.name for path in options.logs], "sources": sources}
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(pairs[pairs >= LEAST_PAIRS].index):
            sources[source] = left_out(logs, source, Path(folder), ROOT / "data" / "cache")
    for name in ("q", "auc"):
        known = [report[name]["value"] for report in sources.values() if report[name]["value"] is not None]
        figure[f"macro_{name}"] = float(np.mean(known)) if known else None
    write(figure, options.out)


if __name__ == "__main__":
    main()
