"""When traces are made, what is said where they cannot be, and what a span tells."""

import json
import sys
import threading

import httpx
import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.observing.tracing import Tracing, tracing
from serving.observing.trail import Trail

THERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.fixture
def made():
    """What makes traces as an environment says; it sends nothing and ends with the test."""
    found = []

    def make(environ):
        found.append(tracing(environ))
        return found[-1]

    yield make
    for one in filter(None, found):
        one.close()


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
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False),
    ],
)
def test_an_endpoint_turns_traces_on_and_nothing_is_said_of_it(environ, on, made, caplog):
    assert (made(environ) is not None) is on
    assert caplog.messages == []


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_a_protocol_that_is_not_spoken_is_a_warning_and_no_traces(name, made, caplog):
    assert made({**THERE, name: "grpc"}) is None
    assert caplog.messages == [
        f"no traces, which OTEL_EXPORTER_OTLP_ENDPOINT asks for: {name} is 'grpc', and http/protobuf alone is spoken; "
        "set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL to it, or OTEL_TRACES_EXPORTER to none"
    ]


def test_an_exporter_that_is_not_installed_is_a_warning_and_no_traces(made, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert made(THERE) is None
    (said,) = caplog.messages
    assert "their exporter is not installed; pip install 'thinkworth[otel]'" in said
    assert made({}) is None
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_BSP_SCHEDULE_DELAY", "-1"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000000")]
)
def test_what_opentelemetry_refuses_is_a_warning_and_no_traces(name, value, made, monkeypatch, caplog):
    monkeypatch.setenv(name, value)
    assert made(THERE) is None
    assert "OpenTelemetry refuses what a variable OTEL_... is set to (" in caplog.messages[-1]


def test_a_service_starts_where_a_cluster_asks_for_traces_that_it_cannot_send(serving, tmp_path):
    asked = {**THERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "THINKWORTH_DURABILITY": "off"}
    with serving(tmp_path, THINKWORTH_LOG_FORMAT="json", THINKWORTH_STORE_FOLDER=str(tmp_path), **asked) as server:
        assert httpx.post(f"{server.url}/predict", json={"prompt": "What is 1 + 9900?"}).status_code == 200
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert [line["level"] for line in lines if "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'" in line["message"]] == [
        "warning"
    ]


def test_a_collector_that_hangs_does_not_hold_up_the_end(monkeypatch):
    monkeypatch.setattr("serving.observing.tracing.CLOSE_S", 0.01)
    asked, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    class Hangs(SpanExporter):
        def export(self, spans):
            asked.set()
            let_go.wait(60)
            return SpanExportResult.SUCCESS

        def shutdown(self):
            ended.set()

    tracing, trail = Tracing(Hangs()), Trail()
    trail.status = 200
    try:
        tracing.trace(trail, {"method": "POST", "scheme": "http", "headers": ()}, "/predict")
        tracing.close()
        assert asked.wait(60), "it has been asked to send what waited"
        assert not ended.is_set(), "the SDK still waits for it, and this process does not"
    finally:
        let_go.set()


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


def test_what_sends_spans_is_the_exporter_over_http(made):
    sends = made(THERE)._provider._active_span_processor._span_processors[0].span_exporter
    assert type(sends).__module__.startswith("opentelemetry.exporter.otlp.proto.http")
