"""The model card that lies in every bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.bundle import Calibration
from contract.records import Arm
from training.evaluate import telling
from training.metrics import ranged, shown

MOVED = 0.02
"""Least move of a family's gain, in points, that the card lists."""


def card(
    *,
    revision: str,
    training: dict[str, Any],
    licences: dict[str, str],
    holdout: dict[str, Any],
    calibration: Calibration,
) -> str:
    """Return the card as Markdown: what it was trained on, with which results, and what it does not know."""
    lines = [
        f"# Bundle {revision}", "",
        "Answers, per prompt and before the call, whether a model's thinking is worth its tokens: `use`, `maybe` or `avoid`, and a "
        "thinking budget. `avoid` means no uplift, never merely easy. It is no accuracy button and no safety layer.", "",
        "## Trained on", "", *_start(training), "| source | pairs | licence |", "|---|---|---|",
        *(f"| {_cell(name)} | {count} | {_cell(licences.get(name, 'not stated'))} |" for name, count in _learned(training)),
        *(f"| {_cell(name)}, by that bundle | {count:,} | {_cell(licences.get(name, 'not stated'))} |" for name, count in _before(training)),
        f"| taxonomy (pseudo-observations, weight {training['prior_weight']:g} x strength) | {training['taxonomy_prompts']:,} prompts | Apache-2.0 |",
        "", f"Thinking tokens were learned from {training['thinking_attempts']:,} attempts of real thinking modes; the logs of chain-of-thought "
        "prompting teach gain only. No prompt and no embedding of one is in the bundle.", "",
        "## Results on held-out prompts of the same sources", "",
        "95 % bootstrap intervals over prompts. q: normalised Qini over tokens, 0 = random, 1 = an oracle that knows the realised gains. "
        "–: undefined, such as the AUC where no pair gains, or of so few pairs that it says nothing.", "",
        "| source | pairs | q | AUC for gain > 0 |", "|---|---|---|---|",
    ]  # fmt: skip
    telling_sources = telling(holdout["sources"])
    for source, report in holdout["sources"].items():
        figures = [ranged(**report[name]) if source in telling_sources else "–" for name in ("q", "auc")]
        lines.append(f"| {_cell(source)} | {report['n']:,} | {' | '.join(figures)} |")
    lines += ["", *_one_arm(training["one_arm"], holdout["one_arm"])] if training["one_arm"] else []
    moved = {name: f for name, f in training["families"].items() if abs(f["gain"] - f["declared"]) >= MOVED}
    lines += [
        "",
        "## Families that logs moved",
        "",
        f"Gain in points, where it moved by {MOVED:g} or more: what the taxonomy declares, and what it is with the logged prompts of the family.",
        "",
        *(["| family | declared | with logs |", "|---|---|---|"] if moved else ["No family did."]),
        *(f"| {name} | {f['declared']:+.3f} | {f['gain']:+.3f} |" for name, f in moved.items()),
        "",
        "## What it does not know",
        "",
        "- Prompts in languages other than English, encoded or meaningless text: it answers `maybe` with low familiarity.",
        "- Your models: gains of one model say little of another's. Train on your own logs; the taxonomy's prior is a starting point.",
        "- Families that no log covers rest on the taxonomy alone, which is judgement backed by published evidence.",
        f"- `maybe` is granted {calibration.small_budget} thinking tokens; under familiarity {calibration.unfamiliar_below:g} it is always `maybe`.",
        "",
    ]
    return "\n".join(lines)


def _start(training: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what the training started from, in words; nothing of one that started from nothing."""
    if not training.get("started_from"):
        return ()
    return (
        f"It starts from bundle {training['started_from']['revision']}, which speaks where the logs below do not.",
        "",
    )


def _before(training: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each source, with its pairs, that the bundle was trained on which the training started from."""
    yield from (training.get("started_from") or {}).get("pairs", {}).items()


def _learned(training: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each source with how much of it was learned from, in words: pairs, and prompts with one arm."""
    for name, n in training["pairs"].items():
        yield name, f"{n:,}"
    alone: Counter[str] = Counter()
    for s in training["one_arm"]:
        if not s["refused"]:
            alone[s["source"]] += s["direct"] + s["reasoning"]
    for name, n in alone.items():
        yield name, f"{n:,} prompts with one arm"


def _one_arm(strata: Sequence[Mapping[str, Any]], holdout: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was learned from prompts with one arm, and what they say on held-out prompts."""
    used = [s for s in strata if not s["refused"]]
    left_out = f"{len(strata) - len(used):,} of {len(strata):,} (source, model)"
    yield from (
        "## Prompts with one arm", "",
        "What the other arm would have scored is estimated, doubly robust: right where the rule that chose the arm looked at nothing but the "
        f"prompt, or its probability was logged. Left out, for want of an arm or of overlap: {left_out}; the manifest says why of each.",
    )  # fmt: skip
    if used:
        yield from ("", "Effective: number of prompts after weighing by inverse propensities, direct and reasoning.")
        yield from ("", "| source | model | direct | reasoning | effective | trimmed |", "|---|---|---|---|---|---|")
    for s in used:
        effective = " and ".join(shown(s[f"effective_{arm}"], ",.0f") for arm in Arm)
        counts = f"{s['direct']:,} | {s['reasoning']:,} | {effective} | {s['trimmed']:.1%}"
        yield f"| {_cell(s['source'])} | {_cell(s['model'])} | {counts} |"
    if holdout:
        yield from ("", "| source | held-out prompts with one arm | mean gain, doubly robust |", "|---|---|---|")
    for source, report in holdout.items():
        yield f"| {_cell(source)} | {report['n']:,} | {ranged(report['mean_gain'], report['interval'], '+.3f')} |"


def _cell(text: str) -> str:
    """Return text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
