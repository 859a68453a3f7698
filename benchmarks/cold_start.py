"""What a bundle answers before it has read a log, and how soon logs overrule it, as JSON and as a drawing.

    python benchmarks/cold_start.py [--repeats 3] [--out FILE] [--drawing FILE] [--cache FOLDER]

A third of the taxonomy's English prompts is held out by digest, so that a new prompt moves no other; no Chinese prompt is ever
fitted on. The real pipeline trains on the rest and on a log without a pair, export and parity check included, and the exported
bundle answers the prompts held out in the profile `balanced`: right is the prior verdict of the prompt's family, and a `maybe` of a
use- or avoid-family is wrong. Of Chinese, `maybe` is what an English encoder owes, and the opposite verdict is the harm.

The crossover: n simulated pairs of two families whose truth turns the prior round (competition_maths gains nothing, chit_chat .3),
on prompts that are fitted on; what the bundle then says of the prompts held out of these two, by n, over several simulated logs.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from provenance import RESULTS, provenance, write

from contract.locate import ROOT, find
from contract.policy import decide
from contract.profiles import load_profiles
from contract.prompt import Prompt
from contract.records import Arm, Verdict
from contract.scorer import Scorer
from training import pipeline
from training.config import TrainConfig
from training.evidence import fraction
from training.files import write_table
from training.logs import Logs, read_logs
from training.metrics import measured
from training.simulate import simulate_logs
from training.taxonomy import Family, load_taxonomy

PROFILE = "balanced"
HELD_OUT = 1 / 3
"""Share of prompts held out: those of the highest digests, while the pipeline takes its own holdout from the lowest."""

CONFIG = TrainConfig(holdout_share=0.03)
"""The bundle's own report is not read here: little is held out for it, enough for the parity check."""

PAIRS = (0, 10, 30, 100, 300, 1000)
TRUTH = {"competition_maths": (0.5, 0.5), "chit_chat": (0.6, 0.9)}
"""Scores of the direct and the reasoning arm that contradict the prior of a use-family and of an avoid-family."""

OPPOSITE = {Verdict.USE: Verdict.AVOID, Verdict.AVOID: Verdict.USE}


def dealt(families: Sequence[Family]) -> tuple[list[Family], list[tuple[Family, str]]]:
    """Return the families with the prompts to fit on, and the prompts held out with their families."""
    fitted, held = [], []
    for family in families:
        digests = pd.Series([Prompt.from_text(text).digest for text in family.prompts])
        out = fraction(digests, 0) >= 1 - HELD_OUT
        texts = zip(family.prompts, out, strict=True)
        held += [(family, text) for text, is_out in texts if is_out]
        kept = tuple(text for text, is_out in zip(family.prompts, out, strict=True) if not is_out)
        fitted.append(family.model_copy(update={"prompts": kept}))
    return fitted, held


def trained(families: Sequence[Family], pairs: int, seed: int, folder: Path, cache: Path) -> Scorer:
    """Return the exported bundle of the taxonomy and some simulated pairs that contradict it."""
    logs = _logs(families, pairs, seed, folder)
    pipeline.run(
        logs, folder / "bundle", files=(), profiles=load_profiles(find("data/profiles.yaml")), taxonomy=families,
        config=CONFIG, cache_folder=cache, registering=False, say=lambda _: None,
    )  # fmt: skip
    return Scorer.load(folder / "bundle")


def _logs(families: Sequence[Family], pairs: int, seed: int, folder: Path) -> Logs:
    """Return `pairs` pairs whose truth is TRUTH; for none, one attempt without its other arm."""
    contradicted = [_turned(family) for family in families if family.name in TRUTH]
    table = simulate_logs(contradicted, max(pairs, 1), attempts=1, seed=seed).table
    path = folder / "logs.parquet"
    write_table(table if pairs else table[table.arm == Arm.DIRECT], path)
    return read_logs([path])


def _turned(family: Family) -> Family:
    direct, reasoning = TRUTH[family.name]
    prior = family.prior.model_copy(update={"score_direct": direct, "score_reasoning": reasoning})
    return family.model_copy(update={"prior": prior})


def answers(scorer: Scorer, asked: Sequence[tuple[Family, str]]) -> pd.DataFrame:
    """Return a row for each prompt: its digest, its family and prior verdict, and what the bundle answers."""
    manifest, prompts = scorer.manifest, [Prompt.from_text(text) for _, text in asked]
    rows = []
    for (family, _), prompt, scored in zip(asked, prompts, scorer.score_many(prompts), strict=True):
        decision = decide(scored.scores, manifest.profiles[PROFILE], manifest.calibration)
        rows.append(
            {
                "group": prompt.digest, "family": family.name, "prior": family.verdict, "verdict": decision.verdict,
                "task": scored.scores.task, "net_benefit": decision.net_benefit, "familiarity": decision.familiarity,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def share(true: Any, groups: Any) -> dict[str, Any]:
    """Return the share of rows that are true, n, and its interval over prompts."""
    values = np.asarray(true, float)
    return {"n": len(values), **measured(lambda rows: float(values[rows].mean()), np.asarray(groups, str))}


def english(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how often the held-out prompts get their family's prior verdict, and what is confused."""
    right, opposite = rows.verdict == rows.prior, rows.verdict == rows.prior.map(OPPOSITE)
    confused = Counter(
        (row.family, row.prior, row.verdict, row.task) for row in rows[~right].itertuples()
    ).most_common()
    return {
        "right": share(right, rows.group),
        "opposite": share(opposite, rows.group),
        "right_task": share(rows.family == rows.task, rows.group),
        "by_prior_verdict": {
            str(prior): {"right": share(right[part.index], part.group), "opposite": share(opposite[part.index], part.group)}
            for prior, part in rows.groupby("prior")
        },
        "by_family": {
            name: {"n": len(part), "right": float(right[part.index].mean()), "opposite": int(opposite[part.index].sum())}
            for name, part in rows.groupby("family")
        },
        "confused": [
            {"family": family, "prior": prior, "verdict": verdict, "task": task, "prompts": n}
            for (family, prior, verdict, task), n in confused
        ],
    }  # fmt: skip


def chinese(rows: pd.DataFrame) -> dict[str, Any]:
    """Return how often Chinese prompts get `maybe`, their family's verdict, and the opposite one."""
    opposite = rows.verdict == rows.prior.map(OPPOSITE)
    return {
        "maybe": share(rows.verdict == Verdict.MAYBE, rows.group),
        "opposite": share(opposite, rows.group),
        "right": share(rows.verdict == rows.prior, rows.group),
        "median_familiarity": float(rows.familiarity.median()),
        "opposite_by_family": {str(name): int(n) for name, n in rows[opposite].groupby("family").size().items()},
    }


def crossover(
    cold: Scorer, families: Sequence[Family], held: Sequence[tuple[Family, str]], repeats: int, folder: Path, cache: Path
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """Return, for each contradicted family and number of pairs, what the bundle says of its held-out prompts."""
    asked = [(family, text) for family, text in held if family.name in TRUTH]
    points: dict[str, list[dict[str, Any]]] = {name: [] for name in TRUTH}
    for n in PAIRS:
        runs = range(repeats if n else 1)
        scorers = (trained(families, n, seed, folder, cache) if n else cold for seed in runs)
        rows = pd.concat([answers(scorer, asked) for scorer in scorers])
        for name, part in rows.groupby("family"):
            part = part.reset_index(drop=True)
            worth, groups = part.net_benefit.to_numpy(float), part.group.to_numpy(str)
            shares = {str(verdict): float((part.verdict == verdict).mean()) for verdict in Verdict}
            mean = measured(lambda chosen, worth=worth: float(worth[chosen].mean()), groups)  # type: ignore[misc]
            points[str(name)].append(
                {
                    "pairs": n,
                    "runs": len(runs),
                    "prompts": part.group.nunique(),
                    "net_benefit": mean,
                    "verdicts": shares,
                }
            )
            print(f"{n:>5} pairs  {name:<18} net_benefit {mean['value']:+.3f}  {shares}", flush=True)
    return points


def drawn(points: dict[str, list[dict[str, Any]]], truth: dict[str, dict[str, float]]) -> Figure:
    """Draw expected net_benefit and the shares of verdicts on held-out prompts against the pairs logged."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = figure.subplots(2, len(points), squeeze=False, sharex=True)
    for (name, curve), above, below in zip(points.items(), *panels, strict=True):
        at, ticks = np.arange(len(curve)), [f"{point['pairs']:,}" for point in curve]
        value = np.array([point["net_benefit"]["value"] for point in curve])
        bounds = np.array([point["net_benefit"]["interval"] or (np.nan, np.nan) for point in curve])
        above.fill_between(at, bounds[:, 0], bounds[:, 1], alpha=0.25, label="95 % interval over prompts")
        above.plot(at, value, marker="o", label="expected net_benefit")
        for said, style in (("prior", ":"), ("truth", "--")):
            above.axhline(truth[name][said], linestyle=style, color="grey", label=f"the {said} of the family")
        above.axhline(0, color="black", linewidth=0.6)
        above.set(title=name, ylabel="net_benefit (points)")
        above.legend()
        shares = [[point["verdicts"][str(verdict)] for point in curve] for verdict in Verdict]
        below.stackplot(at, shares, labels=[str(verdict) for verdict in Verdict], alpha=0.8)
        below.set(
            xticks=at, xticklabels=ticks, xlabel="simulated pairs of the two families", ylabel="share of verdicts"
        )
        below.legend()
    figure.suptitle(f"Logs overrule the taxonomy: held-out prompts of two contradicted families, profile {PROFILE}")
    return figure


def net_benefits(families: Sequence[Family]) -> dict[str, dict[str, float]]:
    """Return the net_benefit that the prior and the simulated truth say of each contradicted family, without caps."""
    worth = load_profiles(find("data/profiles.yaml"))[PROFILE].tokens_per_point
    return {
        family.name: {
            said: float(prior.gain - prior.thinking_tokens / worth)
            for said, prior in (("prior", family.prior), ("truth", _turned(family).prior))
        }
        for family in families
        if family.name in TRUTH
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="simulated logs of each size; 0: no crossover")
    parser.add_argument("--out", type=Path, default=RESULTS / "cold_start.json")
    parser.add_argument("--drawing", type=Path, default=RESULTS / "cold_start_crossover.svg")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "cache")
    options, figure = parser.parse_args(), provenance()
    families = load_taxonomy()
    fitted, held = dealt(families)
    foreign = [(family, text) for family in families for text in family.prompts_zh]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scorer = trained(fitted, 0, 0, folder, options.cache)
        figure |= {"profile": PROFILE, "families": len(families), "fitted": sum(len(f.prompts) for f in fitted)}
        figure |= {"english": english(answers(scorer, held)), "chinese": chinese(answers(scorer, foreign))}
        print(f"right {figure['english']['right']}\nChinese {figure['chinese']}", flush=True)
        if options.repeats:
            said = net_benefits(families)
            points = crossover(scorer, fitted, held, options.repeats, folder, options.cache)
            figure["crossover"] = {name: {**said[name], "points": points[name]} for name in points}
            options.drawing.parent.mkdir(parents=True, exist_ok=True)
            drawn(points, said).savefig(options.drawing, metadata={"Date": None})
    write(figure, options.out)


if __name__ == "__main__":
    main()
