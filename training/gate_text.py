"""The gate's report for a reader at a terminal."""

from collections.abc import Mapping
from typing import Any

from training.metrics import UNDEFINED


def gate_text(report: Mapping[str, Any]) -> str:
    """Return a report for a reader at a terminal: the outcome, and a line for each check and for each slice that fails."""
    held = report["held_out"]
    what = (
        f"{report['challenger']} against {report['champion']} on {held['prompts']:,} prompts that neither was fitted on"
    )
    lines = [f"gate: {report['outcome']}: {what}", f"  {'check':<58}{'champion':>10}{'challenger':>11}{'difference':>11}  {'interval':<19}{'n':>7}{'limit':>8}"]  # fmt: skip
    for row in [*report["checks"], *(row for row in report["slices"] if row["passed"] is False)]:
        figures = "".join(
            f"{_shown(row[name]):>{width}}"
            for name, width in (("champion", 10), ("challenger", 11), ("difference", 11))
        )
        bounds = "" if row["interval"] is None else f"[{', '.join(f'{bound:+.3f}' for bound in row['interval'])}]"
        verdict = {True: "", False: "  FAILS", None: "  not judged"}[row["passed"]]
        if row["check"].startswith("improved"):
            verdict = "  yes" if row["passed"] else "  not shown"
        lines.append(f"  {row['check']:<58}{figures}  {bounds:<19}{row['n']:>7,}{_shown(row['limit']):>8}{verdict}")
    if report["outcomes"] is None:
        lines.append("  no scored production outcome of a drawn arm is recorded")
    return "\n".join(lines)


def _shown(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}".rstrip("0").rstrip(".")
