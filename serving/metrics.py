"""What /metrics tells: one table of metrics, one object that counts them, and the text that adds up those of all workers.

A label never holds what a caller wrote: models are told by their family, routes by their path in `serving.routes`, errors by their type.
To add a metric: a row of METRICS, and a method of `Metrics`.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Variable that names the folder where the workers of a service keep their figures; BentoML sets it."""

EXPOSITION = "text/plain; version=1.0.0; charset=utf-8"
"""Type of what `exposition` returns."""

SECONDS = (
    0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0,
)  # fmt: skip
"""Upper ends of the buckets of times: a remembered prompt takes half a millisecond, one that waits in a full queue two seconds."""


RESERVED_BYTES = 2**18
"""Room on the disk that is taken for each kind of figures: some thousand of them."""

logger = logging.getLogger("thinkworth")


class Metric(NamedTuple):
    """One metric.

    Attributes:
        kind: `counter`, `histogram` or `gauge`.
        text: what it is.
        labels: what it is told by.
        over: of a gauge, how the figures of the workers that live make one: `livesum`, `livemin`, or `liveall`, which keeps each
            under its process number, the label `pid`.
    """

    kind: str
    text: str
    labels: tuple[str, ...] = ()
    over: str = ""


METRICS: dict[str, Metric] = {
    "thinkworth_request_seconds": Metric("histogram", "From a request's arrival to its answer", ("route", "status")),
    "thinkworth_queue_seconds": Metric("histogram", "What a request waited for a core"),
    "thinkworth_reading_seconds": Metric("histogram", "What the graphs took for a prompt that was not remembered"),
    "thinkworth_decisions": Metric("counter", "Decisions", ("verdict", "arm", "profile", "model", "familiarity")),
    "thinkworth_readings": Metric("counter", "Prompts by where their reading came from: graphs, memory", ("source",)),
    "thinkworth_errors": Metric("counter", "Errors that were answered, by type: overloaded, deadline_passed ...", ("type",)),
    "thinkworth_records": Metric("counter", "Records by what became of them: recorded, spilled, replayed, dropped, unconfirmed", ("event",)),
    "thinkworth_outcomes": Metric("counter", "Outcomes by what became of them", ("status",)),
    "thinkworth_access": Metric("counter", "Requests by the name of the API key, and by admitted or the type of the error", ("key", "became")),
    "thinkworth_swaps": Metric("counter", "Swaps of the bundle by how they ended: swapped, refused, timed_out", ("result",)),
    "thinkworth_shadow": Metric("counter", "What became of a challenger's decisions: agreed, disagreed, dropped, failed", ("event",)),
    "thinkworth_log_lines_dropped": Metric("counter", "Lines of the log that found no room"),
    "thinkworth_reading": Metric("gauge", "Requests on a core", over="livesum"),
    "thinkworth_waiting": Metric("gauge", "Requests that wait for a core", over="livesum"),
    "thinkworth_workers": Metric("gauge", "Workers that serve a revision", ("revision",), over="livesum"),
    "thinkworth_remembered_prompts": Metric("gauge", "Prompts whose reading is remembered", over="livesum"),
    "thinkworth_store_up": Metric("gauge", "Whether every worker reaches the decision store: 1 or 0", over="livemin"),
    "thinkworth_journal_records": Metric("gauge", "Records that wait in journals for the store", over="livesum"),
    "thinkworth_worker_memory_bytes": Metric("gauge", "Resident memory of a worker", over="liveall"),
}  # fmt: skip
"""By name; of a counter without the `_total` that it is exported with."""

FROM_THE_START = (
    ("thinkworth_readings", "graphs"), ("thinkworth_readings", "memory"),
    ("thinkworth_errors", "overloaded"), ("thinkworth_errors", "deadline_passed"),
    ("thinkworth_records", "recorded"), ("thinkworth_records", "dropped"),
    ("thinkworth_swaps", "swapped"), ("thinkworth_swaps", "refused"),
)  # fmt: skip
"""Told as 0 before they happen: Prometheus sees no rise in what was not there before."""


class Metrics:
    """The metrics of one process; `exposition` adds up those of all workers."""

    def __init__(self, registry: "CollectorRegistry | None" = None) -> None:
        """Set them up in a registry, that of the process where none is given."""
        # imported here: before BentoML has set up a worker, prometheus_client would count for one process only
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        registry = registry or REGISTRY

        def made(name: str, metric: Metric) -> Any:
            if metric.kind == "counter":
                return Counter(name, metric.text, metric.labels, registry=registry)
            if metric.kind == "histogram":
                return Histogram(name, metric.text, metric.labels, buckets=SECONDS, registry=registry)
            return Gauge(name, metric.text, metric.labels, multiprocess_mode=metric.over, registry=registry)  # type: ignore[arg-type]

        self._made = {name: made(name, metric) for name, metric in METRICS.items()}
        # a look-up by labels costs more than the counting: each is looked up once
        self._of: Callable[..., Any] = cache(
            lambda name, *labels: self._made[name].labels(*labels) if labels else self._made[name]
        )

        for name, *labels in FROM_THE_START:
            self._of(name, *labels)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Note a request that was answered."""
        self._of("thinkworth_request_seconds", route, status).observe(seconds)

    def queued(self, seconds: float) -> None:
        """Note what a request waited for a core."""
        self._of("thinkworth_queue_seconds").observe(seconds)

    def read(self, seconds: float) -> None:
        """Note what the graphs took for a prompt."""
        self._of("thinkworth_reading_seconds").observe(seconds)

    def decided(self, verdict: str, arm: str, profile: str, model: str, familiarity: str, *, remembered: bool) -> None:
        """Count a decision; `model` is a family, `familiarity` a band."""
        self._of("thinkworth_decisions", verdict, arm, profile, model, familiarity).inc()
        self._of("thinkworth_readings", "memory" if remembered else "graphs").inc()

    def refused(self, error: str) -> None:
        """Count an error that was answered, by its type."""
        self._of("thinkworth_errors", error).inc()

    def count(self, event: str, n: int) -> None:
        """Count records that were written to the store, spilled to the journal, replayed from it, dropped, or answered for unwritten."""
        self._of("thinkworth_records", event).inc(n)

    def outcomes(self, status: str, n: int) -> None:
        """Count outcomes of a status."""
        self._of("thinkworth_outcomes", status).inc(n)

    def access(self, key: str, became: str) -> None:
        """Count a request under the name of its key (the operator's, or `unknown`) and what became of it at the door."""
        self._of("thinkworth_access", key, became).inc()

    def swapped(self, result: str) -> None:
        """Count a swap of the bundle by how it ended."""
        self._of("thinkworth_swaps", result).inc()

    def shadowed(self, event: str) -> None:
        """Count what became of a challenger's decision."""
        self._of("thinkworth_shadow", event).inc()

    def dropped_line(self) -> None:
        """Count a line of the log that found no room."""
        self._of("thinkworth_log_lines_dropped").inc()

    def gauge(self, name: str, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._of(name, *labels).set(value)


@cache
def metrics_of_process() -> Metrics:
    """Return the metrics of this process, made when they are first asked for."""
    if (folder := os.environ.get(FOLDER)) and not _reserved(Path(folder)):
        from prometheus_client import values

        logger.error("no room for metrics in %s: this worker counts for itself, and /metrics does not tell it", folder)
        values.ValueClass = values.MutexValue
    return Metrics()


def _reserved(folder: Path) -> bool:
    """Take room for the figures of this process, which are written through mapped memory: without it a disk that fills up ends the process."""
    kinds = {f"gauge_{metric.over}" if metric.over else metric.kind for metric in METRICS.values()}
    made = [folder / f"{kind}_{os.getpid()}.db" for kind in kinds]
    try:
        for path in made:
            if not path.exists():
                path.write_bytes(bytes(RESERVED_BYTES))
    except OSError:
        for path in made:
            path.unlink(missing_ok=True)
        return False
    return True


_TELLING = ThreadPoolExecutor(1, "thinkworth-metrics")
"""One thread of its own: those of the event loop, which System One counts tokens on, may all be taken just when somebody looks why the service is slow."""


async def told() -> bytes:
    """Return what `exposition` does, for the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_TELLING, exposition)


def exposition() -> bytes:
    """Return the metrics of all workers in Prometheus' text format; gauges of workers that have ended are forgotten."""
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

    folder = os.environ.get(FOLDER)
    if not folder:
        return generate_latest(REGISTRY)
    # a worker that was killed has not said so itself
    for pid in {int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("gauge_live*_*.db")}:
        if not _lives(pid):
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def forget_gauges() -> None:
    """Take the gauges of this process out of what `exposition` tells: it ends."""
    from prometheus_client.multiprocess import mark_process_dead

    if os.environ.get(FOLDER):
        mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the number is another user's by now
        return False
    return True
