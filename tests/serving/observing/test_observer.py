"""What paths, models and gauges are told as, and that no figure costs an answer."""

import asyncio
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.bands import BANDS, band_of
from contract.errors import InvalidRequest
from contract.locate import ROOT
from contract.settings import Settings
from serving.access.door import Door
from serving.admission import Admission
from serving.boundary import Boundary
from serving.metrics import RESERVED_BYTES, told
from serving.observing.gauges import Gauges, resident_bytes
from serving.observing.middleware import Observed
from serving.observing.observer import route_of, trace_id
from serving.observing.trail import TRAIL
from serving.routes import LARGE_BYTES, ROUTES


@pytest.mark.parametrize(
    ("path", "route"),
    [("/predict", "/predict"), ("/metrics", "/metrics"), ("/readyz", "/readyz"), ("/audit", "/audit"), ("/audit/decisions/1", "/audit"),
     ("/auditor", "other"), ("/", "other"), ("/predict/", "other"), ("/wp-admin.php", "other")],
)  # fmt: skip
def test_a_path_that_somebody_made_up_is_other(path, route):
    assert route_of(path) == route


def test_bands_of_familiarity():
    assert [band_of(value, 0.3) for value in (0.0, 0.29, 0.3, 0.59, 0.6, 0.79, 0.8, 1.0)] == [
        "unfamiliar", "unfamiliar", "low", "low", "middle", "middle", "high", "high",
    ]  # fmt: skip
    assert band_of(0.7, 0.75) == BANDS[0]


@pytest.mark.parametrize(
    ("header", "found"),
    [(f"00-{'a' * 32}-{'b' * 16}-01", "a" * 32), (f"00-{'A' * 32}-{'b' * 16}-01", None), ("none", None)],
)
def test_the_id_of_a_trace(header, found):
    assert trace_id({"headers": [(b"host", b"x"), (b"traceparent", header.encode())]}) == found


def test_a_gauge_whose_label_is_told_no_more_is_zero():
    told, noted = [("workers", 1.0, ("one",))], {}
    gauges = Gauges(lambda: told, lambda name, value, *labels: noted.update({(name, *labels): value}))
    gauges.note()
    told[:] = [("workers", 1.0, ("two",))]
    gauges.note()
    assert noted == {("workers", "one"): 0.0, ("workers", "two"): 1.0}


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_resident_memory_is_of_this_process():
    assert 10e6 < resident_bytes() < 10e9


# The middlewares


def asked(app, path="/predict", body=b"{}"):
    """Return what is sent to a POST, and the scope it left."""
    sent, scope = [], {"type": "http", "method": "POST", "path": path, "headers": []}

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent, scope


class Broken:
    def ended(self, trail, scope):
        raise KeyError("heliotrope")


class Kept:
    def __init__(self):
        self.trails = []

    def ended(self, trail, scope):
        self.trails.append(trail)


def answers(status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


def test_an_answer_does_not_fail_for_want_of_a_figure(caplog):
    with caplog.at_level(logging.ERROR, "thinkworth"):
        sent, _ = asked(Observed(answers(200), Broken))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert "unexpected KeyError while a request was told of" in caplog.text
    assert "heliotrope" not in caplog.text


def test_status_and_error_are_noted():
    kept = Kept()
    asked(Observed(answers(404), lambda: kept))
    asked(Observed(Boundary(answers(200), Refusing, lambda: Door(Settings())), lambda: kept), body=b'{"prompt": "a"}')
    assert [(trail.status, trail.error) for trail in kept.trails] == [(404, None), (400, "odd")]


class Refusing:
    admission = None

    async def answer(self, request, call):
        assert call.trail
        raise InvalidRequest("odd", type="odd")


class Failing:
    admission = None

    async def answer(self, request, call):
        raise ValueError("heliotrope")


@pytest.mark.parametrize(("size", "thread"), [(0, "MainThread"), (LARGE_BYTES, "score_0")])
def test_a_large_body_is_looked_at_in_a_thread(size, thread, monkeypatch):
    """The event loop, which all requests of a worker share, would stand still for it."""
    names = []

    class Answering:
        admission = Admission(1, 8)

        async def answer(self, request, call):
            await call.aside(lambda: names.append(threading.current_thread().name))
            raise InvalidRequest("odd", type="odd")

    def read(raw):
        names.append(threading.current_thread().name)

    monkeypatch.setitem(ROUTES, "/predict", ROUTES["/predict"]._replace(read=read))
    asked(Boundary(answers(200), Answering, lambda: Door(Settings())), body=b"{" + b" " * size + b"}")
    assert names == [thread, thread]


def test_an_error_of_ours_has_an_id_that_the_log_has_too(caplog):
    with caplog.at_level(logging.ERROR, "thinkworth"):
        sent, scope = asked(Boundary(answers(200), Failing, lambda: Door(Settings())), body=b'{"prompt": "a"}')
    text = sent[1]["body"].decode()
    name = text.split("as error ")[1].split('"')[0]
    assert len(name) == 36
    assert f"(error {name})" in caplog.text
    assert "heliotrope" not in caplog.text + text
    assert TRAIL not in scope


WORKERS = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from serving.metrics import metrics_of_process, exposition, forget_gauges
metrics = metrics_of_process()
metrics.gauge("thinkworth_waiting", 3)
metrics.count("recorded", 2)
if sys.argv[2] == "tell":
    sys.stdout.write(exposition().decode())
elif sys.argv[2] == "end":
    forget_gauges()
os._exit(0 if sys.argv[2] != "tell" else sys.stdout.flush() or 0)
"""


def test_a_worker_that_ended_leaves_its_counts_and_no_gauge(tmp_path):
    def worker(what):
        return subprocess.run(
            [sys.executable, "-c", WORKERS, tmp_path, what], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout

    worker("be killed")
    assert list(tmp_path.glob("gauge_livesum_*.db"))
    worker("end")
    assert len(list(tmp_path.glob("gauge_livesum_*.db"))) == 1
    text = worker("tell")
    assert "thinkworth_waiting 3.0" in text
    assert 'thinkworth_records_total{event="recorded"} 6.0' in text


def test_room_for_figures_is_taken_before_they_are_written_through_memory(tmp_path):
    """A disk that fills up later would end the process by a signal, with all that it answers."""
    subprocess.run([sys.executable, "-c", WORKERS, tmp_path, "kill"], cwd=ROOT, check=True)
    files = [path.stat() for path in tmp_path.iterdir()]
    assert len(files) >= 3
    assert all(file.st_blocks * 512 >= file.st_size >= RESERVED_BYTES for file in files)


def test_a_worker_without_room_for_its_figures_counts_for_itself(tmp_path):
    short = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))" + WORKERS
    done = subprocess.run(
        [sys.executable, "-c", short, tmp_path, "kill"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "no room for metrics" in done.stderr
    assert not list(tmp_path.iterdir())


def test_metrics_are_told_though_all_threads_of_the_event_loop_are_taken():
    async def ask():
        asyncio.get_running_loop().set_default_executor(pool)
        taken, free = threading.Event(), threading.Event()
        reading = asyncio.create_task(asyncio.to_thread(lambda: (taken.set(), free.wait())))
        try:
            while not taken.is_set():
                await asyncio.sleep(0)
            return await told()
        finally:
            free.set()
            await reading

    with ThreadPoolExecutor(1) as pool:
        assert asyncio.run(asyncio.wait_for(ask(), 60)).startswith(b"# HELP")
