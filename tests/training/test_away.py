"""Commands while MLflow or the decision store is away: one message, within seconds, before the work; what was made stays."""

import shutil
import socket
import threading
import time

import pytest
from mlflow.tracking import MlflowClient

from contract.bundle import sha256
from contract.errors import InvalidInput, Refused, StoreDown
from contract.locate import ROOT
from training import mlflow_model, tracking_server, unlogged
from training.commands_loop import _recorded
from training.lock import alone
from training.tracking_server import reached
from training.unlogged import log_or_keep

AWAY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "command",
    [
        ("status",), ("promote", "1"), ("rollback",), ("retrain",), ("train", "missing.jsonl"),
        ("train", "--from-run", "0" * 32), ("audit",), ("evaluate", "missing", "missing.jsonl", "--mlflow"),
    ],
)  # fmt: skip
def test_a_server_that_is_away_is_one_message_before_the_work(command, tmp_path, monkeypatch, thinkworth):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    said = thinkworth(*command)
    assert said.code == 1
    assert said.err.startswith(
        f"thinkworth: MLflow at {AWAY} does not answer (Connection refused); start it, or correct"
    )
    assert said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_database_that_is_away_is_not_tried_for_minutes(tmp_path, monkeypatch):
    for uri in ("postgresql+psycopg://me:geheim@127.0.0.1:9/mlflow", f"sqlite:///{tmp_path}/nowhere/mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        with pytest.raises(Refused, match=r"does not answer \(OperationalError\); start it") as told:
            tracking_server.client()
        assert "geheim" not in str(told.value)


def test_the_checkout_keeps_its_own_artifacts_wherever_a_command_runs(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setattr(tracking_server, "ROOT", tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # to be put back after the test: MLflow sets it
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    api = tracking_server.client()  # points MLflow there, as a command does before its work
    found = api.get_experiment(tracking_server.experiment())
    assert found.artifact_location == (tmp_path / "mlruns" / "artifacts").as_uri()
    assert not list((tmp_path / "elsewhere").iterdir())


class Server:
    """Answers /health, or does not even take that up, and answers nothing else; with a greeting it is no HTTP."""

    def __init__(self, *, healthy, greeting=b""):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.healthy, self.greeting = healthy, greeting
        self.uri = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        held = []
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                for one in held:
                    one.close()
                return
            held.append(connection)
            if self.greeting:
                connection.recv(4096)
                connection.sendall(self.greeting)
                connection.close()
                continue
            if self.healthy and connection.recv(4096).startswith(b"GET /health"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")
                connection.close()


@pytest.mark.parametrize("healthy", [False, True])
def test_a_server_that_hangs_is_given_up(healthy, tmp_path, monkeypatch, thinkworth):
    monkeypatch.setattr("training.importers.mlflow_server._SECONDS", 0.5)
    monkeypatch.setitem(tracking_server.IMPATIENCE, "MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    server = Server(healthy=healthy)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    start = time.monotonic()
    said = thinkworth("status")
    server.listening.close()
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert said.err.startswith(f"thinkworth: MLflow at {server.uri} does not answer (")
    assert time.monotonic() - start < 60  # minutes, of itself


def test_a_server_that_speaks_no_http_does_not_answer(monkeypatch, thinkworth):
    server = Server(healthy=False, greeting=b"SSH-2.0-OpenSSH_9.2\r\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    said = thinkworth("status")
    server.listening.close()
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert said.err.startswith(f"thinkworth: MLflow at {server.uri} does not answer (BadStatusLine); start it")


def test_a_password_that_is_repeated_as_it_was_quoted_for_the_network_is_not_shown(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:ge^heim@127.0.0.1:9")
    with pytest.raises(Refused, match="503 Server Error for url: http://127.0.0.1:9/api; ") as told, reached():
        raise OSError("503 Server Error for url: http://me:ge%5Eheim@127.0.0.1:9/api")
    assert "%5E" not in str(told.value)


@pytest.fixture(scope="module")
def database(tmp_path_factory, mlflow_database):
    return mlflow_database(tmp_path_factory.mktemp("mlflow"))


class Figure:
    def savefig(self, path):
        path.write_bytes(b"\x89PNG")


@pytest.fixture
def trained(tmp_path):
    """The bundle that a training left, and what it was about to log; it started from another bundle."""
    shutil.copytree(ROOT / "models" / "default", tmp_path / "made")
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    told = {
        "params": {"iterations": 1}, "metrics": {"n": 1.0}, "files": {"log.jsonl": log}, "digests": {"log.jsonl": sha256(log)},
        "rows": {"log.jsonl": 1}, "page": "<p>", "recipe": {"a": 1}, "plots": {"gain": Figure()}, "start": tmp_path / "made",
        "gate": {"outcome": "promotable", "champion": "thinkworth/1", "failed": []}, "commit": "abc+",
    }  # fmt: skip
    return tmp_path / "made", told


def test_a_training_whose_server_went_away_is_kept_and_logged_later(
    trained, database, tmp_path, monkeypatch, thinkworth
):
    folder, told = trained
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Refused, match=f"once the server is back: thinkworth train --log-only --out {folder}"):
        log_or_keep(folder, say=str, **told)
    assert thinkworth("train", "--log-only", "--out", folder).code == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.chdir(tmp_path)
    experiment = MlflowClient(database).create_experiment(
        "thinkworth", artifact_location=(tmp_path / "artifacts").as_uri()
    )
    said = thinkworth("train", "--log-only", "--out", folder)
    assert said.code == 0, said.err
    assert "registered as version 1 (challenger)" in said.out
    assert (
        MlflowClient().get_model_version("thinkworth", "1").tags["code_commit"] == "abc+"
    )  # not that of whoever logs it
    (run,) = MlflowClient().search_runs([experiment])
    assert run.info.status == "FINISHED"
    held = {artifact.path for artifact in MlflowClient().list_artifacts(run.info.run_id)}
    assert held == {"card.md", "gate.json", "plots", "recipe.json", "report.html", "report.json", "start"}
    assert [one.path for one in MlflowClient().list_artifacts(run.info.run_id, "plots")] == ["plots/gain.png"]
    again = thinkworth("train", "--log-only", "--out", folder)
    assert (again.code, "waits to be logged" in again.err) == (2, True)


def test_what_waits_to_be_logged_is_not_said_of_another_bundle(trained, monkeypatch):
    folder, told = trained
    unlogged._keep(folder, told["plots"], None, {name: told[name] for name in told if name not in ("plots", "start")})
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + "\n")
    with pytest.raises(InvalidInput, match="another has taken its place"):
        unlogged.log_kept(folder, str)


def test_a_training_that_is_stopped_while_it_is_logged_is_logged_later_and_once(
    trained, database, tmp_path, monkeypatch
):
    folder, told = trained
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setattr(mlflow_model, "log_bundle", stopped)
    kept, heard = folder.with_name("made.unlogged"), []
    with pytest.raises(KeyboardInterrupt):
        log_or_keep(folder, say=heard.append, **told)
    assert heard[-1].endswith(f"is not registered; to do so: thinkworth train --log-only --out {folder}")
    assert sorted(path.name for path in kept.iterdir()) == ["plots", "start", "told.json"]
    monkeypatch.setattr(unlogged, "register", lambda *_, **said: {"commit": said["commit"]})
    assert log_or_keep(folder, say=str, **told) == {"commit": "abc+"}
    with pytest.raises(InvalidInput, match="waits to be logged"):  # the success took what the failure had left
        unlogged.log_kept(folder, str)


def stopped(*_):
    raise KeyboardInterrupt


def test_two_that_write_to_one_folder_are_not_let_in_at_once(tmp_path, database, monkeypatch, thinkworth):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    with alone(tmp_path / "made", "training"):
        for command in (("retrain", "missing.jsonl"), ("train", "missing.jsonl"), ("train", "--log-only")):
            said = thinkworth(*command, "--out", tmp_path / "made")
            assert said.code == 1
            assert "another training is writing to" in said.err
    with alone(tmp_path / "report", "audit"):
        said = thinkworth(
            "audit", "--out", tmp_path / "report", "--store", f"sqlite:///{tmp_path}/d.sqlite", "--no-register"
        )
        assert (said.code, "another audit is writing to" in said.err) == (1, True)
    assert not list(tmp_path.glob(".*.lock"))


def test_a_store_that_is_away_is_said_with_what_can_be_done(monkeypatch, tmp_path):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("THINKWORTH_STORE_URL", "postgresql://me@127.0.0.1:9/decisions")
    with pytest.raises(StoreDown, match="see store_url, or leave what is recorded out: --no-recorded"):
        _recorded([])
