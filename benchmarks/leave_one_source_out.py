"""What a bundle is worth on a source that it never saw: trains without each source in turn and evaluates on it, as JSON.

    python benchmarks/leave_one_source_out.py LOGS... [--leave-out-task TASK] [--out FILE]

The real pipeline runs, export and parity check included, once a source with scored pairs; the other files stay in. Choices
between models are made on this and on held-out prompts of the training files, never on a test source.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write

from contract.encoder import Encoder
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.scorer import Scorer
from training import pipeline
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import LEAST_PAIRS, evaluate, headline
from training.labels import label
from training.logs import Logs, read_logs
from training.taxonomy import load_taxonomy


def left_out(logs: Logs, source: str, folder: Path, cache: Path) -> dict[str, Any]:
    """Train on all sources but one; return the report on that one."""
    table, profiles = logs.table, load_profiles(find("data/profiles.yaml"))
    rest = replace(logs, table=table[table.source != source].reset_index(drop=True))
    pipeline.run(
        rest, folder / "bundle", files=(), profiles=profiles, taxonomy=load_taxonomy(), config=TrainConfig(),
        cache_folder=cache, registering=False, say=lambda _: None,
    )  # fmt: skip
    scorer = Scorer.load(folder / "bundle")
    own = label(table[table.source == source].reset_index(drop=True), profiles)
    report = evaluate(scorer, own, EmbeddingCache(cache, Encoder(find("models/encoder"))))
    print(headline(report), flush=True)
    return report["sources"][source]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--leave-out-task", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS / "leave_one_source_out.json")
    options = parser.parse_args()
    logs = read_logs(options.logs)
    kept = logs.table[~logs.table.task.isin(options.leave_out_task)].reset_index(drop=True)
    logs = replace(logs, table=kept)
    pairs = label(kept, load_profiles(find("data/profiles.yaml"))).query("gain.notna()").groupby("source").size()
    sources = {}
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(pairs[pairs >= LEAST_PAIRS].index):
            report = left_out(logs, source, Path(folder), ROOT / "data" / "cache")
            sources[source] = {key: report[key] for key in ("n", "prompts", "mean_gain", "q", "auc", "verdicts")}
    macro = {name: sum(s[name]["value"] for s in sources.values()) / len(sources) for name in ("q", "auc")}
    write(
        {**provenance(), "files": [path.name for path in options.logs], "sources": sources, "macro": macro}, options.out
    )


if __name__ == "__main__":
    main()
