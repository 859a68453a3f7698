"""Judges what an audit found, and what a new champion is worth, by the truth of examples/traffic.py; no line of it is the audit's.

    python examples/judge.py slices before.csv report/slices.csv store/decisions.sqlite
                                                        exit code 1 where a planted slice is missed or another is accused
    python examples/judge.py regret before.csv after.csv              exit code 1 where regret did not fall
    python examples/judge.py first after.csv                          the time of the first decision, as an audit takes it

A planted slice is found where an accused one holds at least .8 of the decisions that either of both holds. An accused slice is false where
the policy was right in it, in the mean of the truth.
"""

import csv
import sqlite3
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path

from traffic import CHANGED, TOKENS_PER_POINT

RECALL, OVERLAP = 0.9, 0.8
CONDITIONS = ("task", "model", "profile", "language", "familiarity", "revision", "day")
BANDS = ((0.8, "high"), (0.6, "middle"), (0.0, "low"))


def read(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def reasons(row: dict[str, str]) -> bool:
    """Whether the policy's arm is reasoning: the arm that is likelier than a coin says."""
    return float(row["p_reasoning"]) > 0.5


def lost(row: dict[str, str]) -> float:
    """Expected net_benefit lost by the policy's arm, in points; negative where it is the better one."""
    return -float(row["net_benefit"]) if reasons(row) else float(row["net_benefit"])


def conditions(store: str) -> dict[str, dict[str, str]]:
    """Return what a slice may be told by, of each decision of a store."""
    with sqlite3.connect(store) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT *, date(time) AS day FROM decisions").fetchall()
        edge = dict(connection.execute("SELECT revision, unfamiliar_below FROM bundles").fetchall())
    found = {}
    for row in rows:
        band = next(name for least, name in BANDS if row["familiarity"] >= least)
        band = "unfamiliar" if row["familiarity"] < edge[row["revision"]] else band
        found[row["decision_id"]] = {
            **{name: row[name] for name in CONDITIONS if name != "familiarity"},
            "familiarity": band,
        }
    return found


def slices(truth: list[dict[str, str]], found: list[dict[str, str]], told: dict[str, dict[str, str]]) -> bool:
    accused = []
    for one in found:
        if one["misrouted"] != "True" or one["evidence"] != "explored":
            continue
        of_the_arm = [row for row in truth if reasons(row) == (one["kind"] == "overthinking")]
        own = [row for row in of_the_arm if all(one[c] in ("", str(told[row["decision_id"]][c])) for c in CONDITIONS)]
        mean = sum(map(lost, own)) / len(own)
        print(
            f"accused: {one['title']}, {one['found']}, n = {len(own)}; in truth {mean:+.3f} points a request are lost there"
        )
        accused.append(({row["decision_id"] for row in own}, mean))
    missed = []
    for family, model in CHANGED:
        planted = {
            row["decision_id"]
            for row in truth
            if row["family"] == family and row["model"] == (model or row["model"]) and lost(row) > 0
        }
        best = max((len(planted & own) / len(planted | own) for own, _ in accused), default=0.0)
        print(
            f"planted: {family}, {model or 'both models'}, n = {len(planted)}; overlap with the nearest accused slice {best:.2f}"
        )
        if best < OVERLAP:
            missed.append((family, model))
    false = sum(mean <= 0 for _, mean in accused)
    recall = 1 - len(missed) / len(CHANGED)
    print(f"recall {recall:.2f}, falsely accused {false} of {len(accused)}")
    return recall >= RECALL and not false


def main() -> None:
    what, *paths = sys.argv[1:]
    rows = read(paths[0])
    if what == "first":
        milliseconds = min(uuid.UUID(row["decision_id"]).int >> 80 for row in rows)
        print(datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat())
        return
    if what == "slices":
        good = slices(rows, read(paths[1]), conditions(paths[2]))
    else:
        before, after = (sum(max(lost(row), 0.0) for row in some) / len(some) for some in (rows, read(paths[1])))
        print(f"regret a request: {before:.4f} points before, {after:.4f} after ({TOKENS_PER_POINT:,} tokens a point)")
        good = after < before
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
