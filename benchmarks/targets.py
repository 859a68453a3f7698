"""What the service is to reach, beside what benchmarks/service.py measured, and how long an answer takes by length: the tables of README.

    python benchmarks/targets.py [--results benchmarks/results/serving.json]

Each figure is the median of the rounds, with the least and the largest of them.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results" / "serving.json"
MB_A_MIB = 2**20 / 10**6


class Target(NamedTuple):
    """One target.

    Attributes:
        what: is measured.
        path: of the figure among the results.
        limit: that it is to reach.
        at_most: whether it is to be no more than the limit; else no less.
        unit: of both.
    """

    what: str
    path: tuple[str, ...]
    limit: float
    at_most: bool
    unit: str = ""

    def met(self, figures: Mapping[str, Any]) -> bool:
        """Return whether the median reaches the limit."""
        found = self.found(figures)["median"]
        return found <= self.limit if self.at_most else found >= self.limit

    def found(self, figures: Mapping[str, Any]) -> Mapping[str, float]:
        """Return the figure: its median, least and most."""
        for name in self.path:
            figures = figures[name]
        return figures


ONE_CLIENT = ("latency", "64 tokens", "concurrency 1")
ONE_CORE = "throughput on one core"

TARGETS = (
    Target("One client, 64 tokens: p50 over HTTP less that of the bare call", (*ONE_CLIENT, "p50_less_bare_ms"), 2, True, " ms"),
    Target("One client, 64 tokens: p99 over p50", (*ONE_CLIENT, "p99_over_p50"), 4, True),
    Target("32 clients, 64 tokens: throughput on one core over the bare call's there", (ONE_CORE, "64 tokens", "over_bare"), 0.85, False),
    Target("A repeated prompt: p50 over that of an endpoint that does nothing", ("repeated prompt", "over_noop"), 1.3, True),
    Target("The encoder: texts a second over sentence-transformers' (torch, batches of 32)", ("embedding", "over_theirs"), 4, False),
    Target("/predict_batch of 256: prompts a second over the bare call's on all cores", ("batch of 256", "over_bare"), 0.95, False),
    Target("From the command to the first answer of /readyz", ("cold_start_s",), 5, True, " s"),
    Target("Memory of a worker at the end", ("worker_mb",), 400, True, " MB"),
)  # fmt: skip


def told(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each target with what was measured; those of what was not measured are left out."""
    return [
        {"what": one.what, "limit": one.limit, "at_most": one.at_most, "found": one.found(figures)["median"], "met": one.met(figures)}
        for one in TARGETS if one.path[0] in figures
    ]  # fmt: skip


def table(figures: Mapping[str, Any]) -> str:
    """Return the targets as Markdown."""
    lines = ["| | target | measured | |", "|---|---|---|---|"]
    for one in TARGETS:
        if one.path[0] not in figures:
            continue
        found, sign = one.found(figures), "at most" if one.at_most else "at least"
        spread = f"{found['median']:.3g}{one.unit} [{found['least']:.3g}, {found['most']:.3g}]"
        lines.append(
            f"| {one.what} | {sign} {one.limit:g}{one.unit} | {spread} | {'met' if one.met(figures) else 'missed'} |"
        )
    return "\n".join(lines)


def latencies(figures: Mapping[str, Any]) -> str:
    """Return as Markdown how long one client waits by length, and the throughput on one core over the bare call's there, where it was measured."""
    lines = [
        "| one client | bare call, p50 | over HTTP, p50 | p95 | p99 | throughput on one core over the bare call's |",
        "|---|---|---|---|---|---|",
    ]
    for name, by_clients in figures["latency"].items():
        one, core = by_clients["concurrency 1"], figures[ONE_CORE].get(name)
        bare, p50, p95, p99 = (one[key] for key in ("bare_p50_ms", "p50_ms", "p95_ms", "p99_ms"))
        spread = f"{p50['median']:.1f} ms [{p50['least']:.1f}, {p50['most']:.1f}]"
        over = (
            f"{core['over_bare']['median']:.2f} [{core['over_bare']['least']:.2f}, {core['over_bare']['most']:.2f}]"
            if core
            else "–"
        )
        lines.append(
            f"| {name} | {bare['median']:.1f} ms | {spread} | {p95['median']:.1f} ms | {p99['median']:.1f} ms | {over} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    figures = json.loads(parser.parse_args().results.read_text(encoding="utf-8"))
    print(table(figures), latencies(figures), sep="\n\n")


if __name__ == "__main__":
    main()
