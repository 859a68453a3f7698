"""When traces are made, what is said where they cannot be, and what a span tells."""

import sys

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from contract.errors import InvalidInput, MissingExtra
from serving.observing.tracing import Tracing, check_traces, exporter, wanted
from serving.observing.trail import Trail

THERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (THERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({**THERE, "OTEL_SDK_DISABLED": "true"}, False),
        ({**THERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        ({**THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_an_endpoint_turns_traces_on(environ, on):
    assert wanted(environ) is on


def test_a_protocol_that_is_not_spoken_is_refused():
    with pytest.raises(InvalidInput, match="'grpc'; traces are sent by http/protobuf alone"):
        wanted({**THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})


def test_an_exporter_that_is_not_installed_is_said_before_a_worker_starts(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingExtra, match=r"thinkworth\[otel\]"):
        check_traces(THERE)
    check_traces({})


def test_serve_ends_where_traces_cannot_be_sent(thinkworth, monkeypatch):
    for name, value in {**THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "THINKWORTH_DURABILITY": "off"}.items():
        monkeypatch.setenv(name, value)
    said = thinkworth("serve")
    assert said.code == 2
    assert "traces are sent by http/protobuf alone" in said.err


@pytest.fixture
def traced(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    kept = InMemorySpanExporter()
    tracing = Tracing(kept)

    def trace(trail, headers=()):
        tracing.trace(trail, {"method": "POST", "scheme": "http", "headers": headers}, "/predict")
        assert tracing._provider.force_flush()
        return kept.get_finished_spans()

    yield trace
    tracing.close()


def test_an_error_of_ours_marks_its_span_and_that_of_a_caller_does_not(traced):
    failed, refused = Trail(), Trail()
    failed.status, failed.error = 500, "internal_error"
    refused.status, refused.error = 400, "unknown_profile"
    traced(failed)
    first, second = traced(refused)
    assert (first.status.is_ok, first.attributes["error.type"]) == (False, "internal_error")
    assert second.status.is_unset


def test_a_traceparent_that_is_none_begins_a_trace_of_its_own(traced):
    trail = Trail()
    trail.status = 200
    (span,) = traced(trail, [(b"traceparent", b"00-zz-not-one"), (b"x-other", b"\xff")])
    assert span.parent is None


def test_what_sends_spans_is_the_exporter_over_http():
    sends = exporter()
    assert type(sends).__module__.startswith("opentelemetry.exporter.otlp.proto.http")
    sends.shutdown()
