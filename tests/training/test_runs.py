"""Runs of MLflow: those whose process is gone are ended by the next one, and nobody else's. And the locks of places that are written."""

import errno
import fcntl
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from contract.errors import InvalidInput
from training import lock, runs
from training.lock import alone, locked
from training.tracking_server import experiment, reached

DAY_MS = 86_400_000
HERE = socket.gethostname()


@pytest.fixture(scope="module")
def database(tmp_path_factory, mlflow_database):
    return mlflow_database(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def api(database, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    experiment()
    return MlflowClient()


def gone():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def run(api, host, process, age_days=0.0):
    tags = {} if host is None else {runs.HOST: host, runs.PROCESS: str(process)}
    started = int(time.time() * 1000 - age_days * DAY_MS)
    return api.create_run(experiment(), start_time=started, tags=tags).info.run_id


def status(api, run_id):
    return api.get_run(run_id).info.status


def test_a_run_whose_process_is_gone_is_ended_by_the_next_one_and_its_half_stored_model_with_it(api):
    left = run(api, HERE, gone())
    half = api.create_logged_model(experiment(), name="thinkworth", source_run_id=left)
    with runs.begun("another") as now:
        assert status(api, left) == "KILLED"
        assert str(api.get_logged_model(half.model_id).status) == "FAILED"
        assert status(api, now.info.run_id) == "RUNNING"
        assert api.get_run(left).info.end_time is not None
    assert status(api, now.info.run_id) == "FINISHED"


@pytest.mark.parametrize(
    ("host", "process", "age_days", "ends"),
    [
        (HERE, "ours", 0, False),
        (HERE, 1, 0.9, False),
        (HERE, 1, 1.1, True),  # the number is another process's by now
        ("another", 4711, 0.9, False),
        ("another", 4711, 1.1, True),
        (None, None, 30, False),  # somebody else's
        (HERE, "x", 30, False),
    ],
)
def test_of_the_others_only_what_is_old_is_ended(api, host, process, age_days, ends):
    one = run(api, host, os.getpid() if process == "ours" else process, age_days)
    assert (one in runs.end_abandoned(api, experiment())) == ends
    assert status(api, one) == ("KILLED" if ends else "RUNNING")


@pytest.mark.parametrize("held", [lambda folder: alone(folder / "out", "training"), locked])
def test_what_cannot_be_locked_is_said_and_is_no_fault_of_the_tracking_server(held, tmp_path, monkeypatch):
    folder = tmp_path / "file"
    folder.write_text("")  # nor can a folder that may not be written: whoever runs this as root writes everywhere
    for place, why in ((folder, "(File exists|Not a directory)"), (tmp_path, "No locks available")):
        with pytest.raises(InvalidInput, match=f"lock cannot be locked: {why}; "), reached(), held(place):
            pass
        monkeypatch.setattr(lock.fcntl, "flock", no_locks)


def no_locks(*_):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.mark.parametrize("held", [lambda folder: alone(folder / "out", "training"), locked])
def test_a_lock_file_is_opened_to_read_which_another_user_may(held, tmp_path):
    with held(tmp_path):
        (name,) = tmp_path.iterdir()
        (mode,) = (
            fcntl.fcntl(int(one.name), fcntl.F_GETFL) & os.O_ACCMODE
            for one in Path("/proc/self/fd").iterdir()
            if one.is_symlink() and os.path.realpath(one) == str(name)
        )
        assert mode == os.O_RDONLY


def test_a_lock_that_its_holder_removed_meanwhile_is_made_anew(tmp_path, monkeypatch):
    path, flock, left = tmp_path / ".out.lock", fcntl.flock, [1]

    def removed(*asked):
        flock(*asked)
        if left:
            left.pop()
            path.unlink()

    monkeypatch.setattr(lock.fcntl, "flock", removed)
    with alone(tmp_path / "out", "training"):
        assert path.is_file()
    assert not path.exists()


def test_a_place_without_a_name_is_refused():
    with (
        pytest.raises(InvalidInput, match="cannot be replaced as a whole; name a folder"),
        alone(Path(), "training"),
    ):
        pass
