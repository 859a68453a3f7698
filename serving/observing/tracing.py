"""OpenTelemetry: one span a request and one a step, made of its trail when the answer is on its way.

It is set up as OpenTelemetry has it, by the environment: with OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) spans are sent there,
without one none is made. OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS and the rest are the SDK's.
On clusters an operator puts them into every container, so what we cannot do of what they ask ends no start: the log says it, and no trace is made.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from serving.observing.trail import Seen, Trail

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SPOKEN = "http/protobuf"

CLOSE_S = 5.0
"""Seconds that the end of a service waits for the spans that are not sent yet; left alone the SDK takes 30."""

logger = logging.getLogger("thinkworth")

STEPS = (
    ("thinkworth.queue", "asked", "begun"),
    ("thinkworth.encoder", "begun", "encoded"),
    ("thinkworth.heads", "encoded", "read"),
    ("thinkworth.decide", "resumed", "decided"),
    ("thinkworth.record", "decided", "recorded"),
)
"""Spans below that of the request: name, and the marks of the trail where they begin and end."""


def tracing(environ: Mapping[str, str]) -> "Tracing | None":
    """Return what makes traces; None where the environment asks for none, or for what cannot be done, which is then logged."""
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    endpoint = next((name for name in ENDPOINTS if environ.get(name)), None)
    if off or endpoint is None:
        return None
    protocol = next((name for name in PROTOCOLS if environ.get(name)), None)
    if protocol and environ[protocol] != SPOKEN:
        _none(
            endpoint, f"{protocol} is {environ[protocol]!r}, and {SPOKEN} alone is spoken", f"set {PROTOCOLS[0]} to it"
        )
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        _none(endpoint, "their exporter is not installed", "pip install 'thinkworth[otel]'")
        return None
    try:
        return Tracing(OTLPSpanExporter())
    except Exception as error:
        _none(endpoint, f"OpenTelemetry refuses what a variable OTEL_... is set to ({error})", "correct it")
        return None


def _none(endpoint: str, why: str, remedy: str) -> None:
    logger.warning("no traces, which %s asks for: %s; %s, or OTEL_TRACES_EXPORTER to none", endpoint, why, remedy)


class Tracing:
    """Makes spans of trails and sends them, off the event loop."""

    def __init__(self, to: "SpanExporter") -> None:
        """Send them by an exporter."""
        from opentelemetry import trace
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        named = Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME") or "thinkworth"})
        self._provider = TracerProvider(resource=named)
        self._provider.add_span_processor(BatchSpanProcessor(to))
        self._tracer = self._provider.get_tracer("thinkworth")
        self._propagator, self._trace = TraceContextTextMapPropagator(), trace

    def close(self) -> None:
        """Send what waits, or leave it where the collector hangs."""
        ending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(CLOSE_S)

    def trace(self, trail: Trail, scope: Any, route: str) -> None:
        """Make the spans of a request that has ended; its parent is that of its `traceparent`, if it has one."""
        carrier = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        ended, to_epoch = time.monotonic(), time.time() - time.monotonic()
        span = self._tracer.start_span(
            f"{scope['method']} {route}",
            context=self._propagator.extract(carrier),
            kind=self._trace.SpanKind.SERVER,
            attributes=_of_request(trail, scope, route),
            start_time=_ns(trail.arrived + to_epoch),
        )
        if span.is_recording():
            if (trail.status or 500) >= 500:
                span.set_status(self._trace.StatusCode.ERROR)
            inside = self._trace.set_span_in_context(span)
            for name, begun, done in _steps(trail):
                step = self._tracer.start_span(name, context=inside, start_time=_ns(begun + to_epoch))
                step.end(_ns(done + to_epoch))
        span.end(_ns(ended + to_epoch))


def _steps(trail: Trail) -> Iterator[tuple[str, float, float]]:
    for name, first, last in STEPS:
        begun, done = getattr(trail, first), getattr(trail, last)
        if begun is not None and done is not None:
            yield name, begun, done


def _of_request(trail: Trail, scope: Any, route: str) -> dict[str, Any]:
    """Return the attributes of a request's span; never its query, which a caller may have written anything into."""
    found: dict[str, Any] = {
        "http.request.method": scope["method"], "http.route": route, "url.scheme": scope.get("scheme", "http"),
    }  # fmt: skip
    if trail.status is not None:
        found["http.response.status_code"] = trail.status
    if trail.error is not None:
        found["error.type"] = trail.error
    if len(trail.seen) == 1:
        found |= _of_decision(trail.seen[0])
    elif trail.seen:
        found["thinkworth.decisions"] = len(trail.seen)
    return found


def _of_decision(seen: Seen) -> dict[str, Any]:
    answer, request = seen.decided.answer, seen.request
    found: dict[str, Any] = {
        "thinkworth.decision_id": answer.decision_id, "thinkworth.verdict": answer.verdict, "thinkworth.arm": answer.arm,
        "thinkworth.thinking_budget": answer.thinking_budget, "thinkworth.profile": answer.profile,
        "thinkworth.revision": answer.revision, "thinkworth.familiarity": answer.familiarity,
        "thinkworth.remembered": seen.remembered,
    }  # fmt: skip
    named = {
        "gen_ai.request.model": request.model, "gen_ai.conversation.id": request.conversation_id,
        "thinkworth.request_id": request.request_id,
    }  # fmt: skip
    return found | {name: value for name, value in named.items() if value is not None}


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
