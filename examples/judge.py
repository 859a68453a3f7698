"""Judges what an audit found, and what a new champion is worth, by the truth of examples/traffic.py; no line of it is the audit's.

python examples/judge.py slices before.csv report/slices.csv      exit code 1 where a planted slice is missed or another is accused
python examples/judge.py regret before.csv after.csv              exit code 1 where regret did not fall
python examples/judge.py first after.csv                          the time of the first decision, as an audit takes it
"""

import csv
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from traffic import CHANGED, TOKENS_PER_POINT

LEAST = 0.9
"""Share of the planted slices that has to be found."""


def read(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def reasons(row: dict[str, str]) -> bool:
    """Whether the policy's arm is reasoning: the arm that is likelier than a coin says."""
    return float(row["p_reasoning"]) > 0.5


def regret(row: dict[str, str]) -> float:
    """Expected net_benefit lost against the better arm, in points."""
    gained = float(row["net_benefit"])
    return max(-gained if reasons(row) else gained, 0.0)


def within(row: dict[str, str], found: dict[str, str]) -> bool:
    """Whether a request lies in a slice, by what the service answered to it; what a truth does not know (a day, a language) is not asked."""
    thinks = found["kind"] == "overthinking"
    return reasons(row) == thinks and all(
        not found.get(name) or row[name] == found[name] for name in ("task", "model", "revision")
    )


def slices(truth: list[dict[str, str]], found: list[dict[str, str]]) -> bool:
    accused = [one for one in found if one["misrouted"] == "True" and one["evidence"] == "explored"]
    missed, false = [], []
    for family, model in CHANGED:
        cell = [row for row in truth if (row["family"], row["model"]) == (family, model)]
        share = sum(any(within(row, one) for one in accused) for row in cell) / len(cell)
        print(f"planted {family}, {model}: {share:.0%} of {len(cell)} requests in slices that are found misrouted")
        if share < 0.5:
            missed.append((family, model))
    for one in accused:
        inside = [row for row in truth if within(row, one)]
        lost = sum(-float(row["net_benefit"]) if reasons(row) else float(row["net_benefit"]) for row in inside) / len(
            inside
        )
        print(
            f"accused: {one['title']} ({one['kind']}), n = {len(inside)}; in truth {lost:+.3f} points a request are lost there"
        )
        if lost <= 0:
            false.append(one["title"])
    recall = 1 - len(missed) / len(CHANGED)
    print(f"recall {recall:.2f}, falsely accused {len(false)} of {len(accused)}")
    return recall >= LEAST and not false


def main() -> None:
    what, *paths = sys.argv[1:]
    rows = read(paths[0])
    if what == "first":
        milliseconds = min(uuid.UUID(row["decision_id"]).int >> 80 for row in rows)
        print(datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat())
        return
    if what == "slices":
        good = slices(rows, read(paths[1]))
    else:
        before, after = (sum(map(regret, some)) / len(some) for some in (rows, read(paths[1])))
        print(f"regret a request: {before:.4f} points before, {after:.4f} after ({TOKENS_PER_POINT:,} tokens a point)")
        good = after < before
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
