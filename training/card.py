"""The model card that lies in every bundle."""

from typing import Any

from contract.bundle import Calibration
from training.evaluate import telling
from training.metrics import ranged

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
        "## Trained on", "", "| source | pairs | licence |", "|---|---|---|",
        *(f"| {_cell(name)} | {n:,} | {_cell(licences.get(name, 'not stated'))} |" for name, n in training["pairs"].items()),
        f"| taxonomy (pseudo-observations, weight {training['prior_weight']:g} x strength) | {training['taxonomy_prompts']:,} prompts | Apache-2.0 |",
        "", f"Thinking tokens were learned from {training['thinking_attempts']:,} attempts of real thinking modes; the logs of chain-of-thought "
        "prompting teach gain only. No prompt and no embedding of one is in the bundle.", "",
        "## Results on held-out prompts of the same sources", "",
        "95 % bootstrap intervals over prompts. q: normalised Qini over tokens, 0 = random, 1 = an oracle that knows the realised gains. "
        "–: undefined, such as the AUC where no pair gains, or of so few pairs that it says nothing.", "",
        "| source | pairs | q | AUC for gain > 0 |", "|---|---|---|---|",
    ]  # fmt: skip
    shown = telling(holdout["sources"])
    for source, report in holdout["sources"].items():
        figures = [ranged(**report[name]) if source in shown else "–" for name in ("q", "auc")]
        lines.append(f"| {_cell(source)} | {report['n']:,} | {' | '.join(figures)} |")
    moved = {name: f for name, f in training["families"].items() if abs(f["gain"] - f["declared"]) >= MOVED}
    lines += [
        "",
        "## Families that logs moved",
        "",
        f"Gain in points, where it moved by {MOVED:g} or more: what the taxonomy declares, and what it is with the logged pairs of the family.",
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


def _cell(text: str) -> str:
    """Return text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
