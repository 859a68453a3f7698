"""Every command of docs/guide-ml-engineer.md runs, in its order, against the tracking server that it describes: PostgreSQL, proxied artifacts.

Where no PostgreSQL is installed the server has SQLite. Logs are smaller and trees fewer than in the guide.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from mlflow.tracking import MlflowClient

from contract.bundle import sha256
from contract.locate import ROOT


class Said(NamedTuple):
    code: int
    out: str
    err: str


pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "guide-ml-engineer.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.replace("\\\n", " ").strip().splitlines()]
SMALLER = {"--prompts 150": "--prompts 100", "--prompts 400": "--prompts 160"}
SETTINGS = "holdout_share: 0.3\niterations: 10\ncomponents: 4\nprior_weight: 0\n"


def backend(request, folder):
    """An address for MLflow of an empty database."""
    try:
        server = request.getfixturevalue("postgres_server")
        psycopg = pytest.importorskip("psycopg")
    except pytest.skip.Exception:
        return f"sqlite:///{folder}/mlflow.db"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE mlflow_of_the_guide")
    return f"{server.replace('postgresql:', 'postgresql+psycopg:')}/mlflow_of_the_guide"


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """The guide's `mlflow server`, with a database, a folder and a port of its own."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (line,) = (line for line in LINES if line.startswith("mlflow server"))
    line = re.sub(r"postgresql\S+", backend(request, folder), line).replace("/srv/mlflow", str(folder / "artifacts"))
    command = [sys.executable, "-m", *shlex.split(line.replace("5000", str(port))), "--workers", "1"]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            for _ in range(1200):
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except (URLError, OSError):
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}", folder / "artifacts"
        finally:
            os.killpg(process.pid, 15)
            process.wait(60)


def again(line):
    """In a process of its own, and with another number of threads than the first training."""
    variables = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    done = subprocess.run(
        [Path(sys.executable).with_name("thinkworth"), *shlex.split(line)[1:]], env={**os.environ, **variables}, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def followed(server, tmp_path, monkeypatch, thinkworth):
    """The guide followed to its end in a folder of its own: what each command said, by its verb, in order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server[0])
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)  # seconds of each report otherwise
    for folder in ("models", "data"):
        Path(folder).mkdir()
    Path("train.yaml").write_text(SETTINGS)
    said = []
    for line in LINES:
        if not line.startswith(".venv/bin/thinkworth"):
            continue
        for is_, instead in SMALLER.items():
            line = line.replace(is_, instead)
        if "RUN_ID" in line:
            line = line.replace("RUN_ID", json.loads(thinkworth("status", "--json").out)["champion"]["run_id"])
            said.append(("train", again(line)))
            continue
        verb, *arguments = shlex.split(line)[1:]
        done = thinkworth(verb, *arguments)
        if verb == "promote" and done.code:  # so small a challenger need not pass
            said.append(("promote", done))
            done = thinkworth(verb, *arguments, "--force")
        said.append((verb, done))
    return said


def test_the_guide(server, followed, thinkworth, tmp_path):
    verbs = [verb for verb, _ in followed]
    for verb, done in followed:
        gate = verb == "retrain" and "gate: refused" in done.out
        held = verb == "promote" and "the gate says" in done.err
        assert (done.code == 0) or gate or held, (verb, done.err[-2000:])
    assert {"simulate", "train", "evaluate", "retrain", "promote", "rollback", "status"} <= set(verbs)
    said = {verb: done for verb, done in followed}
    assert "against thinkworth/" in next(done for verb, done in followed if verb == "retrain").out
    assert "is the champion again" in said["rollback"].out
    assert "the revision is the same" in said["train"].out
    assert sha256(Path("models/again/heads.onnx")) == sha256(Path("models/september/heads.onnx"))
    assert Path("models/current").read_text() == "registry/1\n"
    assert "<table>" in Path("october.html").read_text()
    check_the_model(server, thinkworth, tmp_path)


def check_the_model(server, thinkworth, tmp_path):
    """From a folder that is no checkout, without the checkout on the path, all through the server."""
    uri, artifacts = server
    version = MlflowClient().get_model_version_by_alias("thinkworth", "champion")
    assert MlflowClient().get_run(version.run_id).info.artifact_uri.startswith("mlflow-artifacts:/")
    assert list(artifacts.rglob("heads.onnx"))
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    probe = f"""
import sys
sys.path = [place for place in sys.path if place not in ("", {str(ROOT)!r})]
{code}
import contract
print("code", contract.__file__)
frame = pd.DataFrame({{"prompt": ["What is 1 + 9900?"]}})
import bentoml
bentoml.mlflow.import_model("thinkworth", "models:/thinkworth@champion")
told = bentoml.mlflow.load_model("thinkworth:latest").predict(frame)
print(told[["verdict", "thinking_budget", "net_benefit", "revision"]].to_json(orient="records"))
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    variables = {"BENTOML_HOME": str(elsewhere / "bentoml"), "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_TRACKING_URI": uri}
    out = subprocess.run(
        [sys.executable, "-c", probe], cwd=elsewhere, env={**os.environ, **variables}, capture_output=True, text=True, timeout=300
    )  # fmt: skip
    assert out.returncode == 0, out.stderr[-3000:]
    *_, where, told = out.stdout.splitlines()
    assert str(ROOT) not in where
    (tmp_path / "requests.jsonl").write_text('{"prompt": "What is 1 + 9900?"}\n')
    served = thinkworth(
        "predict", "--bundle", "models:/thinkworth@champion", "--input", "requests.jsonl", "--output", "answers.jsonl"
    )
    assert served.code == 0, served.err
    answer, row = json.loads((tmp_path / "answers.jsonl").read_text()), json.loads(told)[0]
    assert (row["verdict"], row["thinking_budget"], row["revision"]) == (
        answer["verdict"], answer["thinking_budget"], answer["revision"],
    )  # fmt: skip
    assert row["net_benefit"] == pytest.approx(answer["expected"]["net_benefit"], abs=1e-9)
    assert f"{answer['verdict']} " in out.stdout


def test_the_schedules_name_options_that_there_are(thinkworth):
    help_ = thinkworth("retrain", "--help").out
    (cron,) = re.findall(r"^15 3 \* \* 1  (.*)$", GUIDE, re.MULTILINE)
    (manifest,) = (block for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL) if "CronJob" in block)
    job = yaml.safe_load(manifest)
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    for command in (shlex.split(cron.partition("&& ")[2].partition(" >>")[0]), container["command"]):
        assert command[:2] == [".venv/bin/thinkworth", "retrain"]
        assert all(word in help_ for word in command if word.startswith("--"))
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
