"""What a bundle was trained on, as parts of its card."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.records import Arm
from training.card.cells import cell, row, table
from training.metrics import ranged, shown

MOVED = 0.02
"""Least move of a family's gain, in points, that the card lists."""

NAMED = 3
"""Names of a list that the card writes out; the rest are counted."""


def trained_on(training: Mapping[str, Any], licences: Mapping[str, str]) -> Iterator[str]:
    """Yield the sources with their models and licences, and of which languages and years their logs are."""
    logged = training.get("logged") or {}
    models = logged.get("models", {})
    before = training.get("started_from") or {}
    if before:
        yield f"It starts from bundle {before['revision']}, which speaks where the logs below do not."
        yield ""
    yield from table("source", "learned from", "models", "licence")
    learned = _learned(training)
    for name in dict.fromkeys([*learned, *models]):
        yield row(
            name, learned.get(name, "thinking tokens alone"), _some(models.get(name, ())) or "not in the manifest",
            licences.get(name, "not stated"),
        )  # fmt: skip
    for name, n in before.get("pairs", {}).items():
        yield row(
            f"{name}, by that bundle",
            f"{n:,} pairs" if n else "thinking tokens alone",
            "see its card",
            before.get("licences", {}).get(name, "not stated"),
        )
    role = (
        "for families and familiarity"
        if before
        else f"pseudo-observations, weight {training['prior_weight']:g} x strength"
    )
    if training["taxonomy_prompts"]:
        yield row(f"taxonomy ({role})", f"{training['taxonomy_prompts']:,} prompts", "of no model", "Apache-2.0")
    yield ""
    if left_out := training["log"].get("tasks_left_out"):
        rows = ", ".join(f"{cell(task)} ({n:,} rows)" for task, n in left_out.items())
        yield f"Tasks left out of the logs: {rows}. Licences are as the logs state them of a whole source, such tasks included."
        yield ""
    yield f"{_languages(logged)} {_years(logged)}"
    yield ""
    yield (
        f"Thinking tokens were learned from {training['thinking_attempts']:,} needs that attempts of real thinking modes told; the logs of "
        "chain-of-thought prompting teach gain only. No prompt and no embedding of one is in the bundle."
    )


def one_arm(strata: Sequence[Mapping[str, Any]], holdout: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was learned from prompts with one arm, and what they say on held-out prompts; nothing where there are none."""
    if not strata:
        return
    used = [s for s in strata if not s["refused"]]
    left_out = f"{len(strata) - len(used):,} of {len(strata):,} (source, model)"
    yield from (
        "## Prompts with one arm", "",
        "What the other arm would have scored is estimated, doubly robust: right where the rule that chose the arm looked at nothing but the "
        f"prompt, or its probability was logged. Left out, for want of an arm or of overlap: {left_out}; the manifest says why of each.", "",
    )  # fmt: skip
    if used:
        yield from ("Effective: number of prompts after weighing by inverse propensities, direct and reasoning.", "")
        yield from table("source", "model", "direct", "reasoning", "effective", "trimmed")
        for s in used:
            effective = " and ".join(shown(s[f"effective_{arm}"], ",.0f") for arm in Arm)
            yield row(
                s["source"], s["model"], f"{s['direct']:,}", f"{s['reasoning']:,}", effective, f"{s['trimmed']:.1%}"
            )
        yield ""
    if holdout:
        yield from table("source", "held-out prompts with one arm", "mean gain, doubly robust")
        for source, report in holdout.items():
            yield row(source, f"{report['n']:,}", ranged(report["mean_gain"], report["interval"], "+.3f"))
        yield ""


def families_moved(families: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the families whose gain the logs moved by MOVED or more."""
    moved = {name: f for name, f in families.items() if abs(f["gain"] - f["declared"]) >= MOVED}
    yield (
        f"Gain in points, where it moved by {MOVED:g} or more: what the taxonomy declares, and what it is with the logged prompts of the family."
    )
    yield ""
    if not moved:
        yield "No family did."
        return
    yield from table("family", "declared", "with logs")
    for name, f in moved.items():
        yield row(name, f"{f['declared']:+.3f}", f"{f['gain']:+.3f}")


def _learned(training: Mapping[str, Any]) -> dict[str, str]:
    """Return of each source how much of it was learned from, in words: pairs, and prompts with one arm."""
    alone: Counter[str] = Counter()
    for s in training["one_arm"]:
        if not s["refused"]:
            alone[s["source"]] += s["direct"] + s["reasoning"]
    words = {name: [f"{n:,} pairs"] for name, n in training["pairs"].items()}
    for name, n in alone.items():
        words.setdefault(name, []).append(f"{n:,} prompts with one arm")
    return {name: ", ".join(parts) for name, parts in words.items()}


def _languages(logged: Mapping[str, Any]) -> str:
    languages, without = logged.get("languages", {}), logged.get("without_language", 0)
    if not languages:
        return "The encoder reads English; the languages of the logs' prompts are not logged."
    told = ", ".join(f"{cell(code)} {n:,}" for code, n in languages.items())
    return f"The encoder reads English. Prompts of the logs by language: {told}{f', not logged {without:,}' if without else ''}."


def _years(logged: Mapping[str, Any]) -> str:
    first, last, undated = (logged.get(key) for key in ("first_year", "last_year", "undated"))
    if first is None:
        return "No row has a timestamp: of which years the logs are is not known."
    years = f"{first}" if first == last else f"{first} to {last}"
    return f"The logs are of {years}{f'; {undated:,} rows have no timestamp' if undated else ''}."


def _some(names: Sequence[str]) -> str:
    """Return a list of names as a cell holds it."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
