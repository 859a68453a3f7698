"""Real servers under real load, killed and cut off: small in `make test`, full in `make soak` (SOAK=full)."""

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psutil
import pytest

from contract.locate import ROOT

THINKWORTH = Path(sys.executable).with_name("thinkworth")
FULL = os.environ.get("SOAK") == "full"


@pytest.fixture(scope="session")
def size():
    """How much of everything: what the issue of the record asks for, or a small part of it."""
    return (
        {
            "kills": 20,
            "workers_killed": 20,
            "outage_s": 30,
            "decisions": 1_000_000,
            "overload_requests": 200,
            "batches": (24, 256, 40),
        }
        if FULL
        else {
            "kills": 2,
            "workers_killed": 2,
            "outage_s": 5,
            "decisions": 4_000,
            "overload_requests": 8,
            "batches": (8, 256, 2),
        }
    )


@pytest.fixture
def report(request):
    """What takes figures; of a full run they go to benchmarks/results/soak.json, each test's under its name."""
    figures = {}
    yield figures
    if FULL:
        path = ROOT / "benchmarks" / "results" / "soak.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        where = {"date": datetime.now(UTC).date().isoformat(), "cores": os.cpu_count(), "machine": platform.machine()}
        known[request.node.name] = {**where, **figures}
        path.write_text(json.dumps(known, indent=1) + "\n")


class Server:
    """The service as a user starts it, in a process group of its own, on a port that it keeps over restarts."""

    def __init__(self, folder, **environment):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url, self.folder = f"http://127.0.0.1:{self.port}", folder
        self.environment = {**os.environ, "THINKWORTH_STORE_FOLDER": str(folder / "store"), **environment}
        self.log = (folder / "server.log").open("ab")

    def start(self):
        self.process = subprocess.Popen(
            [THINKWORTH, "serve", "--port", str(self.port)], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.until_ready()

    def until_ready(self, seconds=120):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        pytest.fail("the service did not come up:\n" + (self.folder / "server.log").read_text(errors="replace")[-3000:])

    def state(self):
        return httpx.get(f"{self.url}/readyz", timeout=10).json()["recording"]

    def family(self):
        """The server, then all that it started."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]

    def workers(self):
        """Processes that answer, or will."""
        found = []
        for pid in self.family():
            with contextlib.suppress(OSError):
                if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def kill(self, *, all_of_it):
        """End the worker, or all of it, as a lack of memory does: at once."""
        workers, family = self.workers(), self.family()
        assert workers, "no worker is running"
        for pid in family if all_of_it else workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if all_of_it:
            self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill(all_of_it=True)
        self.log.close()


@pytest.fixture
def serve(tmp_path):
    """What starts servers, which end with the test."""
    started = []

    def start(**environment):
        server = Server(tmp_path, **environment)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


class Load:
    """Clients that ask one question after the other and note which decisions were acknowledged; not as fast as they can in the small size."""

    def __init__(self, url, clients=8):
        self.url, self.pause_s, self.acknowledged, self.failed = url, 0.0 if FULL else 0.2, {}, []
        self._stop, self._lock, self._asked = threading.Event(), threading.Lock(), 0
        self._threads = [threading.Thread(target=self._ask, args=(client,), daemon=True) for client in range(clients)]

    def __enter__(self):
        [thread.start() for thread in self._threads]
        return self

    def __exit__(self, *_):
        self._stop.set()
        [thread.join(60) for thread in self._threads]

    def _ask(self, client):
        with httpx.Client(base_url=self.url, timeout=30) as http:
            n = 0
            while not self._stop.wait(self.pause_s):
                n += 1
                name = f"{client}-{n}"
                try:
                    answer = http.post("/predict", json={"prompt": f"What is {n} + {client}?", "request_id": name})
                except httpx.TransportError as error:
                    self.failed.append(type(error).__name__)
                    time.sleep(0.05)
                    continue
                if answer.status_code == 200:
                    with self._lock:
                        self.acknowledged[name] = answer.json()["decision_id"]
                else:
                    self.failed.append(answer.status_code)


@pytest.fixture
def load():
    return Load
