"""What a bundle is worth on held-out prompts, as parts of its card."""

from collections.abc import Iterator, Mapping
from typing import Any

from training.budget_targets import ATTEMPTS, LADDER
from training.card.cells import cell, row, table
from training.metrics import UNDEFINED, ranged, shown
from training.report.coverage import LEAST_ATTEMPTS
from training.report.sources import LEAST_PAIRS, telling


def results(holdout: Mapping[str, Any]) -> Iterator[str]:
    """Yield q, AUC and calibration by source, the macro-mean, and whether verdicts lie on the right side."""
    if not holdout["sources"]:
        yield "No pair with both arms scored was held out: nothing is measured."
        return
    yield (
        "95 % bootstrap intervals over prompts. q: normalised Qini over tokens, 0 = random, 1 = an oracle that knows the realised gains; "
        "task means: q of the task's mean gain out of fold, the task told. ECE: of P(use). –: undefined, such as the AUC where no pair "
        f"gains, or of fewer than {LEAST_PAIRS} pairs beside sources of more."
    )
    yield ""
    yield from table("source", "pairs", "q", "q of task means", "AUC for gain > 0", "ECE")
    known = telling(holdout["sources"])
    for source, report in holdout["sources"].items():
        of = report["q"], report["q_baselines"]["task mean"], report["auc"], report["ece_p_use"]
        figures = [ranged(**figure) if source in known else UNDEFINED for figure in of]
        yield row(source, f"{report['n']:,}", *figures)
    macro, every = holdout["macro"]["q"], holdout["reliability"]["p_use"]["ece"]
    means = [ranged(**macro[name]) if macro else UNDEFINED for name in ("q", "task mean")]
    yield row("macro-mean; ECE of all pairs", f"{holdout['n']:,}", *means, UNDEFINED, ranged(**every))
    yield ""
    yield _tenths(holdout["reliability"]["net_benefit"])


def _tenths(told: Mapping[str, Any]) -> str:
    """Return whether verdicts lie on the right side of 0 in the tenths of predicted net_benefit."""
    judged = f"of {told['judged']} judged, a verdict in a tenth each"
    if not told["judged"]:
        return "Too few prompts of a verdict in any tenth of predicted net_benefit: their sides are not judged."
    if not told["wrong_side"]:
        return (
            "In no tenth of predicted net_benefit does the corrected interval of what was realised lie on the wrong side of the verdict "
            f"({judged})."
        )
    wrong = "; ".join(
        f"`{w['verdict']}` in tenth {w['tenth']} (n = {w['n']:,}, {ranged(w['realised'], w['interval'], '+.3f')})"
        for w in told["wrong_side"]
    )
    return f"The corrected interval of realised net_benefit lies on the wrong side of the verdict {judged}: {wrong}."


def budget(learned: Mapping[str, Any] | None, held_out: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what budgets were learned from, and how much held-out thinking fits them.

    Args:
        learned: `budget` of the manifest's `training`; None where it has none.
        held_out: `budget` of the report; None where no need was held out.
    """
    yield from _learned(learned)
    yield ""
    if held_out is None:
        yield "No attempt of a thinking mode was held out: the coverage of budgets is not measured."
        return
    every = held_out["all"]["coverage"]
    yield _promise(held_out["level"], every, held_out["all"]["prompts"])
    yield ""
    yield from table("held out", "n", "prompts", "cut off", "coverage", "mean budget", "off a ladder, off attempts")
    yield _covered("all", held_out["all"])
    for kind in ("source", "task"):
        for name, part in held_out[kind]["parts"].items():
            yield _covered(f"{kind} {name}", part)
    left_out = ", ".join(
        f"{n:,} of a {kind}" for kind in ("source", "task") if (n := held_out[kind]["attempts_left_out"])
    )
    if left_out:
        yield ""
        yield f"In `all` but in no row of their own, of fewer than {LEAST_ATTEMPTS}: {left_out}."


def _promise(level: float, coverage: Mapping[str, Any] | None, prompts: int) -> str:
    said = (
        f"Budgets are meant to hold {100 * level:g} % of the thinking that reaches the best score. n: needs whose size is known; those that were cut "
        "off are lower bounds and no part of the coverage."
    )
    if coverage is None or coverage["interval"] is None:
        return f"{said} Whether pooled coverage is as high is not known."
    met = "includes or exceeds it" if coverage["interval"][1] >= level else "is below it"
    return f"{said} The interval of pooled coverage {met}, of {prompts:,} prompts."


def _learned(learned: Mapping[str, Any] | None) -> Iterator[str]:
    if learned is None:
        yield "What budgets were learned from is not in the manifest."
        return
    flags = "; ".join(f"`{cell(flag)}` ({n:,} attempts)" for flag, n in learned["flags"].items())
    yield (
        "What was needed is the smallest budget of a ladder that reached the prompt's best score; without a ladder, the thinking tokens used "
        "by the attempts that reached it. Cut off: attempts that hit their cap, lower bounds. "
        f"Flags accepted for the budget: {flags or 'none'}."
    )
    yield ""
    yield from table("learned from", "prompts and models", "off a ladder", "off attempts", "of these cut off")
    for source, n in learned["sources"].items():
        counts = n["prompts"], *(n["targets"].get(name, 0) for name in (LADDER, ATTEMPTS)), n["censored"]
        yield row(source, *(f"{count:,}" for count in counts))


def _covered(name: str, part: Mapping[str, Any]) -> str:
    mean, targets = part["mean_budget"], (f"{part['targets'].get(name, 0):,}" for name in (LADDER, ATTEMPTS))
    covered = UNDEFINED if part["coverage"] is None else ranged(**part["coverage"])
    return row(
        name,
        f"{part['n']:,}",
        f"{part['prompts']:,}",
        f"{part['censored']:,}",
        covered,
        shown(mean, ",.0f"),
        ", ".join(targets),
    )
