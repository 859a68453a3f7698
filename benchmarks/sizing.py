"""How many pods a rate of requests needs, from what benchmarks/service.py measured, with the arithmetic: the table of docs/deploy.md.

    python benchmarks/sizing.py [--rates 100 1000 10000] [--hits 0] [--use 0.6] [--results benchmarks/results/serving.json]

Measured: requests a second of a service on one core that are all new (`throughput on one core`, the realistic mix), the milliseconds of a
repeated one and the memory of a worker. Reckoned, for a rate r, a share h of repeated prompts, c cores a pod and a target u of their use:

    s = (1 - h) / throughput + h x hit          seconds of a core that a request costs
    pods = ceil(r x s / (c x u)) + 1            one more: a pod may be away, for a new version or with its machine
    memory = pods x (w x worker + supervisor)   w workers a pod, and the process that starts them anew

A repeated prompt's milliseconds are taken as if all of them were the core's: that is more than they cost.
"""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results" / "serving.json"
CORES_A_POD = 2
WORKERS_A_POD = 2
SUPERVISOR_MB = 136
"""Memory of BentoML's first process, 130 MiB; it answers nothing, and does not grow."""

RATES = (100, 1_000, 10_000)
USE = 0.6
"""Of the cores, as deploy/kubernetes/autoscaler.yaml aims at it: a queue at 60 % is short, at 90 % it is nine waiting requests long (M/M/1)."""


class Measured(NamedTuple):
    """What a service on one core does.

    Attributes:
        requests_per_s: new prompts of the realistic mix that it answers a second.
        hit_ms: milliseconds of a prompt that it remembers.
        worker_mb: memory of a worker.
    """

    requests_per_s: float
    hit_ms: float
    worker_mb: float


class Sized(NamedTuple):
    """What a rate needs."""

    rate: float
    busy_cores: float
    pods: int
    memory_gb: float


def measured(figures: Mapping[str, Any]) -> Measured:
    """Return what a run of benchmarks/service.py found, medians of its rounds."""
    return Measured(
        figures["throughput on one core"]["mix"]["requests_per_s"]["median"],
        figures["repeated prompt"]["hit_p50_ms"]["median"],
        figures["worker_mb"]["median"],
    )


def core_seconds(m: Measured, hits: float) -> float:
    """Return the seconds of a core that a request costs, with a share of them remembered."""
    return (1 - hits) / m.requests_per_s + hits * m.hit_ms / 1000


def sized(m: Measured, rate: float, *, hits: float = 0.0, use: float = USE, cores: int = CORES_A_POD) -> Sized:
    """Return what a rate of requests a second needs."""
    busy = rate * core_seconds(m, hits)
    pods = math.ceil(round(busy / (cores * use), 9)) + 1
    return Sized(rate, busy, pods, pods * (WORKERS_A_POD * m.worker_mb + SUPERVISOR_MB) / 1000)


def table(m: Measured, rates: tuple[float, ...] = RATES, *, hits: float = 0.0, use: float = USE) -> str:
    """Return the sizes as Markdown, and the arithmetic of the last rate."""
    rows = [sized(m, rate, hits=hits, use=use) for rate in rates]
    lines = ["| requests/s | busy cores | pods of 2 cores | cores | memory, GB |", "|---|---|---|---|---|"]
    lines += [
        f"| {r.rate:,.0f} | {r.busy_cores:.1f} | {r.pods} | {r.pods * CORES_A_POD} | {r.memory_gb:.1f} |" for r in rows
    ]
    cost, last = core_seconds(m, hits), rows[-1]
    lines += [
        "",
        f"{last.rate:,.0f} requests/s: a request costs (1 - {hits:g}) / {m.requests_per_s:.1f} + {hits:g} x {m.hit_ms / 1000:.4f} s = {cost * 1000:.2f} ms of a core, "
        f"so {last.busy_cores:.1f} cores are busy; {last.busy_cores:.1f} / ({CORES_A_POD} x {use:g}) = {last.pods - 1} pods, and one more. "
        f"Memory: {last.pods} x ({WORKERS_A_POD} x {m.worker_mb:.0f} + {SUPERVISOR_MB}) MB.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rates", type=float, nargs="+", default=RATES, help="requests a second")
    parser.add_argument("--hits", type=float, default=0.0, help="share of requests whose prompt was asked before")
    parser.add_argument("--use", type=float, default=USE, help="share of its cores that a pod is to use")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    if not options.results.is_file():
        parser.error(f"{options.results} is not there; `python benchmarks/service.py` writes it")
    figures = measured(json.loads(options.results.read_text(encoding="utf-8")))
    print(table(figures, tuple(options.rates), hits=options.hits, use=options.use))


if __name__ == "__main__":
    main()
