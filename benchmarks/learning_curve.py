"""How fast a bundle learns from logs of one's own: q on held-out prompts by the pairs logged, as JSON and as a drawing.

    python benchmarks/learning_curve.py BUNDLE LOGS... [--pairs 100 250 ...] [--draws 3] [--held-out 2000] [--out FILE] [--drawing FILE]

BUNDLE is what training starts from; it must not have seen the logs. Some prompts are held out; of the rest, as many pairs as each size
says are drawn, DRAWS times, and the real pipeline, export and parity check included, trains on them with `--warm-start BUNDLE` and
without. The exported bundles order the prompts held out. Beside them: BUNDLE as it is; the task means of the same pairs, drawn to their
mean as by TASK_PAIRS pairs, which know the true task of each prompt; the length of the prompt. Figures are means over draws, with 95 %
bootstrap intervals over the held-out prompts; `ahead` is what the started bundle has over each of the others, of the same resamples.

With logs that are for tests alone this is an experiment, and no such bundle ships. The JSON is a table for `thinkworth evaluate --include`.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from provenance import RESULTS, provenance, write

from contract.bundle import Bundle
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.records import PAIR_KEY
from contract.scorer import Scorer
from training import pipeline
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import judged_rows, told
from training.evidence import Rows, prompts_of
from training.labels import label
from training.logs import Logs, read_logs
from training.metrics import held, qs, resampled
from training.report.outcomes import realised_extra_tokens
from training.taxonomy import load_taxonomy

PAIRS = (100, 250, 500, 1000, 2000, 4000)
TASK_PAIRS = 2.0
STARTED, ALONE, AS_IT_IS, TASK_MEANS, LENGTH = "warm start", "without", "bundle as it is", "task means", "length"
CACHE = ROOT / "data" / "cache"


def dealt(log: pd.DataFrame, held_out: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labelled pairs to draw from, and those of `held_out` prompts; no prompt is in both."""
    labelled = label(log, load_profiles(find("data/profiles.yaml")))
    pairs = labelled[labelled.gain.notna()].reset_index(drop=True)
    digests = np.array([prompt.digest for prompt in prompts_of(pairs)])
    held = np.random.default_rng(0).permutation(np.unique(digests))[:held_out]
    out = np.isin(digests, held)
    return pairs[~out].reset_index(drop=True), pairs[out].reset_index(drop=True)


def trained(logs: Logs, files: Sequence[Path], pairs: pd.DataFrame, start: Bundle | None, folder: Path) -> Scorer:
    """Return the exported bundle of some pairs, started from a bundle or not."""
    own = pd.MultiIndex.from_frame(logs.table[list(PAIR_KEY)]).isin(pd.MultiIndex.from_frame(pairs[list(PAIR_KEY)]))
    pipeline.run(
        replace(logs, table=logs.table[own].reset_index(drop=True)), folder / "bundle", files=files, start=start,
        profiles=load_profiles(find("data/profiles.yaml")), taxonomy=load_taxonomy(), config=TrainConfig(holdout_share=0.02),
        cache_folder=CACHE, registering=False, say=lambda _: None,
    )  # fmt: skip
    return Scorer.load(folder / "bundle")


def task_means(pairs: pd.DataFrame, judged: pd.DataFrame) -> Any:
    """Return the mean gain of each judged row's task over pairs, drawn to that of all."""
    mean = pairs.gain.mean()
    by_task = pairs.groupby("task").gain.agg(["sum", "size"]).reindex(judged.task.to_numpy()).fillna(0.0)
    return ((by_task["sum"] + TASK_PAIRS * mean) / (by_task["size"] + TASK_PAIRS)).to_numpy(float)


def orders(
    logs: Logs, files: Sequence[Path], drawn: pd.DataFrame, start: Bundle, rows: Rows, without: bool, folder: Path
) -> dict[str, Any]:  # fmt: skip
    """Return what orders the judged rows after the drawn pairs, by name."""
    found = {STARTED: told(trained(logs, files, drawn, start, folder), rows).worth.to_numpy(float)}
    if without:
        found[ALONE] = told(trained(logs, files, drawn, None, folder), rows).worth.to_numpy(float)
    return found | {TASK_MEANS: task_means(drawn, rows.table)}


def figures(by_draw: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Any]:
    """Return q of each order, the mean over draws, and what the started bundle has over the others."""
    table = rows.table
    gain, extra, names = table.gain.to_numpy(float), realised_extra_tokens(table), list(by_draw[0])

    def means(chosen: Any) -> Any:
        return np.mean(
            [qs([draw[name][chosen] for name in names], gain[chosen], extra[chosen]) for draw in by_draw], axis=0
        )

    value, draws = means(np.arange(len(gain))), resampled(means, table.group.to_numpy(str))
    ours = names.index(STARTED)

    return {
        "q": {name: held(value[i], draws[:, i]) for i, name in enumerate(names)},
        "ahead": {
            name: held(value[ours] - value[i], draws[:, ours] - draws[:, i]) for i, name in enumerate(names) if i != ours
        },
    }  # fmt: skip


def drawn(points: Sequence[Mapping[str, Any]], note: str) -> Figure:
    """Draw q of each order by the pairs logged, with its 95 % interval."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes, pairs = figure.subplots(), [point["pairs"] for point in points]
    for name in points[0]["q"]:
        said = [point["q"][name] for point in points]
        (line,) = axes.plot(pairs, [one["value"] for one in said], marker="o", label=name)
        low, high = zip(*(one["interval"] for one in said), strict=True)
        axes.fill_between(pairs, low, high, color=line.get_color(), alpha=0.12)
    axes.set(
        xscale="log", xlabel="pairs logged", ylabel="q on held-out prompts", title="Learning from logs of one's own"
    )
    axes.set_xticks(pairs, [f"{n:,}" for n in pairs])
    axes.minorticks_off()
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.36))
    figure.supxlabel(note, fontsize=6, wrap=True)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--pairs", nargs="+", type=int, default=list(PAIRS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--held-out", type=int, default=2000)
    parser.add_argument(
        "--without", action=argparse.BooleanOptionalAction, default=True, help="train without the start too"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "learning_curve.json")
    parser.add_argument("--drawing", type=Path, default=RESULTS / "learning_curve.svg")
    options, before = parser.parse_args(), provenance()
    logs, start = read_logs(options.logs), Bundle(options.bundle)
    pool, judged = dealt(logs.table, options.held_out)
    scorer = Scorer(start)
    rows = judged_rows(judged, EmbeddingCache(CACHE, scorer.encoder), logs.table)
    as_it_is = told(scorer, rows)
    same = {AS_IT_IS: as_it_is.worth.to_numpy(float), LENGTH: as_it_is.characters.to_numpy(float)}
    points = []
    with tempfile.TemporaryDirectory() as folder:
        for n in options.pairs:
            drawn = [pool.sample(n, random_state=draw) for draw in range(options.draws)]
            found = [
                orders(logs, options.logs, pairs, start, rows, options.without, Path(folder)) | same for pairs in drawn
            ]
            points.append({"pairs": n, **figures(found, rows)})
            print(n, {name: round(figure["value"], 3) for name, figure in points[-1]["q"].items()}, flush=True)
    columns = [*points[0]["q"]]
    note = (
        f"q on {len(rows.table):,} held-out pairs of {', '.join(path.name for path in options.logs)}, mean of {options.draws} draws, starting "
        f"from {start.manifest.revision}; 95 % bootstrap intervals over prompts. An experiment: it fits on these logs."
    )
    table = {
        "title": "Learning from logs of one's own",
        "columns": ["pairs", *columns],
        "rows": [[point["pairs"], *(point["q"][name] for name in columns)] for point in points],
        "note": note,
    }
    known = {"files": [path.name for path in options.logs], "bundle": start.manifest.revision, "draws": options.draws}
    write({**before, **known, **table, "points": points}, options.out)
    drawn(points, note).savefig(options.drawing, metadata={"Date": None})


if __name__ == "__main__":
    main()
