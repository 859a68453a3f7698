"""A service of two workers that tells all it can, and what it tells it to: a receiver of traces."""

import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP, and keeps what it got."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Taking)
        self.bodies = []

    def spans(self):
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    found += scope.spans
        return found


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self):
        assert self.path == "/v1/traces"
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def collector():
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Watched(NamedTuple):
    url: str
    log: Path
    figures: Path
    """Where the workers keep theirs."""

    def post(self, path, **more):
        """Ask on a connection of its own, so that any worker may get it."""
        return httpx.post(f"{self.url}{path}", timeout=120, **more)

    def text(self):
        return httpx.get(f"{self.url}/metrics", timeout=120).text

    def samples(self):
        return samples_of(self.text())

    def total(self, name, **labels):
        """Return the sum of a metric over all labels that are not given."""
        found = [s.value for s in self.samples() if s.name == name and labels.items() <= s.labels.items()]
        return sum(found)


def samples_of(text):
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


@pytest.fixture(scope="session")
def watched(serving, collector, tmp_path_factory):
    home = tmp_path_factory.mktemp("watched")
    environment = {
        "THINKWORTH_STORE_FOLDER": str(home / "store"), "THINKWORTH_LOG_FORMAT": "json", "THINKWORTH_LOG_DECISIONS": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}", "OTEL_BSP_SCHEDULE_DELAY": "200",
        "THINKWORTH_WORKERS": "2",
    }  # fmt: skip
    with serving(home, **environment) as server:
        port = re.search(r":(\d+)$", server.url)[1]
        yield Watched(
            server.url,
            server.log,
            home / "store" / "bentoml" / f"{socket.gethostname()}-{port}" / "prometheus_multiproc_dir",
        )
