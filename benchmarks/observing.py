"""Microseconds of CPU a request that metrics, lines and traces cost, and those of BentoML's own middlewares beside them, as JSON.

    python benchmarks/observing.py [--rounds 15] [--out benchmarks/results/observing.json]

An application that answers at once stands for the service; one decision, made once by the shipped bundle, is noted in each request's trail.
CPU time of the process, so that a busy machine distorts it less; everything in turn, round by round; the median of the rounds. Metrics are kept in
files as in a service's workers. What lines and traces cost is the event loop's share and that of the thread that writes or sends them.
"""

import argparse
import asyncio
import contextlib
import io
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write

REQUESTS = 1_000
SCOPE = {
    "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http", "root_path": "",
    "path": "/predict", "raw_path": b"/predict", "query_string": b"", "server": ("127.0.0.1", 3000), "client": ("127.0.0.1", 5000),
}  # fmt: skip
HEADERS = [(b"host", b"127.0.0.1:3000"), (b"content-type", b"application/json"), (b"content-length", b"30")]
SAMPLED, UNSAMPLED = (
    (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flag) for flag in (b"01", b"00")
)
STEPS = ("asked", "begun", "encoded", "read", "resumed", "decided", "recorded")


def applications() -> dict[str, tuple[Any, list[Any]]]:
    """Return what is timed: an application, and headers that are added."""
    from bentoml._internal.container import BentoMLContainer
    from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.util.http import parse_excluded_urls

    import serving.service  # noqa: F401  # configures BentoML as the service does
    from contract.bundle import in_use
    from contract.scorer import Scorer
    from contract.settings import Settings
    from serving.metrics import metrics_of_process
    from serving.observing.lines import Lines
    from serving.observing.middleware import Observed
    from serving.observing.observer import Observer
    from serving.observing.tracing import Tracing
    from serving.observing.trail import TRAIL, Seen
    from serving.router import Router
    from serving.schemas import PredictRequest

    router = Router(Scorer.load(in_use()))
    request = PredictRequest(prompt="What is 1 + 9900?", model="gpt-5", request_id="req-1")
    seen = Seen(request, router.decide(request), False, router)

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if TRAIL in scope:
            for step in STEPS:
                scope[TRAIL].note(step)
            scope[TRAIL].seen.append(seen)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def observed(*, lines: bool = False, traces: bool = False) -> Observed:
        observer = Observer(Settings(), metrics_of_process())
        if lines:
            observer.lines, observer._line_a_decision = Lines("json", lambda: None, stream=io.StringIO()), True
        if traces:
            observer.tracing = Tracing(InMemorySpanExporter())
        return Observed(bare, lambda: observer)

    provider = BentoMLContainer.tracer_provider.get()
    nothing = parse_excluded_urls(".*")
    return {
        "bare": (bare, []),
        "metrics": (observed(), []),
        "metrics and lines": (observed(lines=True), []),
        "metrics and traces, unsampled": (observed(traces=True), [UNSAMPLED]),
        "metrics and traces, sampled": (observed(traces=True), [SAMPLED]),
        "BentoML's metrics": (RunnerTrafficMetricsMiddleware(bare, namespace="bentoml"), []),
        "BentoML's traces, off": (OpenTelemetryMiddleware(bare, tracer_provider=provider), []),
        "BentoML's traces, off, sampled by the caller": (OpenTelemetryMiddleware(bare, tracer_provider=provider), [SAMPLED]),
        "BentoML's traces, excluded": (OpenTelemetryMiddleware(bare, excluded_urls=nothing), []),
    }  # fmt: skip


async def microseconds(app: Any, headers: list[Any]) -> float:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(_: Any) -> None:
        pass

    begun = time.process_time()
    for _ in range(REQUESTS):
        await app({**SCOPE, "headers": [*HEADERS, *headers]}, receive, send)
    return (time.process_time() - begun) / REQUESTS * 1e6


async def measured(rounds: int) -> dict[str, float]:
    apps = applications()
    times: dict[str, list[float]] = {name: [] for name in apps}
    for app, headers in apps.values():
        await microseconds(app, headers)  # warm
    for _ in range(rounds):
        for name, (app, headers) in apps.items():
            times[name].append(await microseconds(app, headers))
    medians = {name: statistics.median(found) for name, found in times.items()}
    bare = medians.pop("bare")
    return {"bare": round(bare, 1), **{name: round(found - bare, 1) for name, found in medians.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=RESULTS / "observing.json")
    arguments = parser.parse_args()
    about = provenance()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        cost = asyncio.run(measured(arguments.rounds))
    write({"what": "microseconds of CPU a request, over the bare application", **about, "us": cost}, arguments.out)


if __name__ == "__main__":
    main()
