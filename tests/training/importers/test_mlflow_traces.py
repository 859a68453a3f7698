"""Traces read live from a real MLflow server and from its database; logged by a program of their own, mlflow_logged.py."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import mlflow
import pytest
from mlflow.genai.judges import CategoricalRating

from contract.errors import InvalidInput
from contract.records import Arm
from training.importers import importer, mlflow_server
from training.importers.arms import arm_of
from training.importers.blocks import Told
from training.importers.call import Broken, Call, Mark, Options, Other
from training.importers.mlflow_traces import read
from training.importers.run import import_log
from training.importers.scores import Scale

pytestmark = pytest.mark.slow

LOGGER = Path(__file__).with_name("mlflow_logged.py")
WHY = [{"role": "user", "content": "Why?"}]
CASE = {
    "options": {"experiment": "story"},
    "score": "correctness",
    "score_kind": "correctness",
    "settings": {
        "req-1": ["reasoning_effort=none", None],
        "req-2": ["reasoning_effort=high", None],
        "req-3": ["thinking=enabled budget_tokens=2048", 2048],
        "req-4": ["thinking_budget=0", None],
        "req-5": ["reasoning.effort=medium", None],
    },
    "without_text": 1,
    "other": {"span around a call": 1, "trace without a model's call": 1, "trace of a scorer": 1},
}


def environment(uri):
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "true", "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
    return {**os.environ, **quiet, **local, "MLFLOW_TRACKING_URI": uri}


@pytest.fixture(scope="module")
def places(tmp_path_factory, mlflow_database):
    """The addresses of one store, by what it is reached: its database, and a server."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server, database = f"http://127.0.0.1:{port}", mlflow_database(folder)
    # what `mlflow server` runs, without the seconds that its command takes to load
    command = ["-m", "uvicorn", "--port", str(port), "mlflow.server.fastapi_app:app"]
    variables = {**environment(database), "_MLFLOW_SERVER_FILE_STORE": database}
    with (folder / "log").open("w") as log:
        told = {"cwd": folder, "env": variables, "stdout": log, "stderr": log}
        serving = subprocess.Popen([sys.executable, *command], **told)
        logging = subprocess.Popen([sys.executable, LOGGER], **told)
        try:
            assert logging.wait(120) == 0, (folder / "log").read_text()
            wait_for(f"{server}/health", serving, folder / "log")
            yield {"database": database, "server": server}
        finally:
            for process in (logging, serving):
                process.terminate()
                process.wait(60)


@pytest.fixture(scope="module")
def database(places):
    return places["database"]


@pytest.fixture(scope="module")
def server(places):
    return places["server"]


def wait_for(address, process, log):
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        try:
            urlopen(address, timeout=5).close()
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(params=["database", "server"])
def place(request, places):
    return places[request.param]


def imported(uri, experiment):
    return list(read([uri], Options(experiment=experiment)))


def test_the_story(place, check_story):
    _, rows = check_story("mlflow", [place], CASE)
    began = {row["request_id"]: row["timestamp"] for row in rows}
    assert list(began.values()) == sorted(began.values())  # oldest first; nothing orders those of one instant
    assert sorted(began, key=lambda name: (began[name], name)) == ["req-3", "req-1", "req-4", "req-2", "req-5"]


def test_pages_are_read_to_the_end(server, monkeypatch):
    whole = imported(server, None)
    monkeypatch.setattr(mlflow_server, "PAGE", 3)
    assert imported(server, None) == whole
    kinds = [type(record) for record in whole]
    assert (kinds.count(Call), kinds.count(Other), kinds.count(Broken)) == (20, 6, 1)


def test_the_settings_of_the_process_are_left_alone(database, monkeypatch):
    mlflow.set_tracking_uri(None)  # what a training in this process left would hide the environment's
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9/elsewhere")
    before = mlflow.get_tracking_uri()
    assert imported(database, "story")
    assert mlflow.get_tracking_uri() == before == "http://127.0.0.1:9/elsewhere"


def test_what_autolog_writes(database):
    called, response, streamed, embedded, failed, *twice = imported(database, "autolog")
    assert (called.model, called.request_id, called.conversation_id) == ("model-a-2026", "client-1", "session-1")
    assert called.answer_id == "chatcmpl-1"  # a client may name two requests alike
    assert (called.messages, called.finish_reason, called.failed, called.attempt_of) == (WHY, "stop", False, None)
    assert (called.decision_id, called.p_reasoning) == ("decision-1", "0.25")
    assert timedelta(0) < called.ended - called.started < timedelta(minutes=1)
    setting = arm_of(called.parameters, thinking_tokens=780)
    assert (setting.arm, setting.thinking_setting) == ("reasoning", "reasoning_effort=high enable_thinking=true")

    assert response.messages == [{"role": "system", "content": "Be brief."}, *WHY]
    assert (response.request_id, response.finish_reason) == ("resp_1", "stop")
    assert arm_of(response.parameters, thinking_tokens=780).thinking_setting == "reasoning.effort=medium"
    assert streamed.request_id == "chatcmpl-2"
    for call in (called, response, streamed):
        assert (call.usage.output_tokens, call.usage.thinking_tokens) == (812, 780)
        assert (call.usage.input_tokens, call.usage.cached_tokens) == (20, 4)

    assert embedded.kind == "trace without a model's call"
    assert (failed.failed, failed.model, failed.usage.output_tokens) == (True, "broken", None)
    # what is said of a trace is said of no one call in it where there are two
    assert [call.request_id for call in twice] == ["chatcmpl-1", "chatcmpl-1"]
    assert [call.decision_id for call in twice] == [None, "decision-3"]
    assert [call.marks for call in twice] == [(), ()]


def test_spans_of_other_frameworks(database):
    own, gemini, langchain, litellm, *rest = imported(database, "shapes")
    assert (own.model, own.messages, own.usage.cost_usd) == ("model-a", WHY, 0.03)
    assert (own.usage.input_tokens, own.usage.output_tokens, own.usage.cached_tokens) == (10, 32, 4)
    assert "/" in own.request_id
    assert (gemini.usage.input_tokens, gemini.usage.output_tokens) == (10, None)
    assert langchain.model == "model-a"
    assert arm_of(langchain.parameters, thinking_tokens=None).thinking_setting == "reasoning_effort=low"
    assert (litellm.model, litellm.usage.cost_usd) == ("model-a", 0.25)
    cached, counted, traced, _, odd, bare = rest
    assert (cached.kind, counted.kind) == ("answered from a cache", "count of tokens")
    assert (traced.model, traced.request_id) == ("model-a", "chatcmpl-3")
    assert (traced.usage.output_tokens, traced.usage.thinking_tokens) == (812, 780)
    assert arm_of(traced.parameters, thinking_tokens=780).thinking_setting == "reasoning.effort=high"
    assert isinstance(odd, Broken)
    assert "Why?" not in odd.reason
    assert bare.messages == WHY


def test_a_store_that_is_read_twice_gives_each_call_once(places, tmp_path):
    told = Told(default_arms={"*": Arm.DIRECT})
    out, options = tmp_path / "logs.jsonl", Options(experiment="shapes")
    report = import_log(importer("mlflow"), [places["database"], places["server"]], out, told, options=options)
    assert (report.imported, report.quarantined["duplicate"]) == (4, 4)
    assert report.quarantined["output_tokens is under 0"] == 2


def test_feedback_of_a_span_or_its_trace(database):
    calls = {call.request_id: call for call in imported(database, "story") if isinstance(call, Call)}
    assert [(mark.name, mark.value) for mark in calls["req-1"].marks] == [
        ("correctness", "no"),
        ("correctness", "unknown"),
    ]
    assert calls["req-2"].marks == (Mark("correctness", True, "HUMAN"), Mark("tone", "plain", "CODE"))
    assert calls["req-6"].marks == ()
    words = [*map(str, CategoricalRating)]  # all that MLflow's own judges say
    assert words == ["yes", "no", "unknown"]
    assert [Scale().score(word) for word in words[:2]] == [1.0, 0.0]


def test_an_experiment_that_is_not_there(place):
    with pytest.raises(InvalidInput, match="has no experiment 'stories'; it has: .*story") as caught:
        imported(place, "stories")
    assert caught.value.exit_code == 2


def test_an_experiment_without_traces(place):
    with pytest.raises(InvalidInput, match="experiment 'empty' has no traces"):
        imported(place, "empty")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://127.0.0.1:9", r"http://127\.0\.0\.1:9 cannot be reached"),
        ("http://analyst:s3cret@127.0.0.1:9", r"http://analyst:\*\*\*@127\.0\.0\.1:9 cannot be reached"),
        ("postgresql+psycopg://analyst:s3cret@127.0.0.1:9/mlflow", r"127\.0\.0\.1:9/mlflow (cannot be read|needs)"),
        ("postgresql+pg8000://analyst:s3cret@127.0.0.1:9/mlflow", "pg8000 is not installed"),
        ("sqlite:////nowhere/mlflow.db", "no such file"),
        ("mlruns", "no address of an MLflow tracking server"),
        ("ftp://analyst:s3cret@127.0.0.1", "no address of an MLflow tracking server"),
    ],
)
def test_a_place_that_is_no_server(uri, message):
    with pytest.raises(InvalidInput, match=message) as caught:
        imported(uri, None)
    assert "s3cret" not in caught.value.message


def test_a_database_of_something_else_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    before = (tmp_path / "other.db").read_bytes()
    with pytest.raises(InvalidInput, match="holds no traces of MLflow"):
        imported(f"sqlite:///{tmp_path}/other.db", None)
    assert (tmp_path / "other.db").read_bytes() == before


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(403, "not for you")

    def do_POST(self):
        self.send_error(403, "not for you")

    def log_message(self, *_):
        pass


def test_a_server_that_refuses():
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        uri = f"http://analyst:s3cret@127.0.0.1:{server.server_port}"
        with pytest.raises(InvalidInput, match="does not answer as an MLflow tracking server") as caught:
            imported(uri, None)
    finally:
        server.shutdown()
        server.server_close()
    assert "s3cret" not in caught.value.message
