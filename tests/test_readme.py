"""Every command of README runs, and its answer is the one shown; test_readme_logs.py has those that train on logs."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

from contract.locate import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SET_UPS = re.search(r"## In front of every request\n.*?\n(?=## )", README, re.DOTALL).group()
README = README.replace(SET_UPS, "")
BASH = r"```bash\n(.*?)```"
LINES = [line for block in re.findall(BASH, README, re.DOTALL) for line in block.strip().splitlines()]
INLINE_MAKE = sorted(set(re.findall(r"`(make [a-z.A-Z0-9 =]+)`", README)))
BIN = Path(sys.executable).parent
ELSEWHERE = {"q": 0.02, "verdicts": 4, "net_benefit": 5e-4}
"""How far figures of 250 prompts move between processors: floats differ in their last bits, and int8 rounds them (decision 0021)."""

TASKS = ("boolean_expressions", "navigate", "word_sorting")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`make run` on a free port, as README says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("readme") / "run.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["make", "run", f"PORT={port}"], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                time.sleep(0.25)
        else:
            pytest.fail(log.read_text())
        yield port, log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def run(line, cwd):
    line = re.sub(r"(?<![/\w])\.venv/bin/", f"{BIN}/", line)
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{cwd}/mlflow.db"}
    return subprocess.run(line, shell=True, cwd=cwd, env=env, capture_output=True, text=True, timeout=500)


def test_make_run_says_where_and_how(server):
    port, log = server
    text = log.read_text()
    assert f"http://127.0.0.1:{port}" in text
    assert re.search(r"thinkworth/[0-9a-f]{12}", text)
    (curl,) = re.findall(r"curl .*", text)
    answer = subprocess.run(curl, shell=True, capture_output=True, text=True, timeout=60)
    assert json.loads(answer.stdout)["verdict"] == "avoid"


def test_the_curl_line_gives_the_answer_shown(server):
    port, _ = server
    curl, told = (line.replace(":3000", f":{port}") for line in LINES if line.startswith("curl"))
    out = subprocess.run(curl, shell=True, capture_output=True, text=True, timeout=60)
    shown = json.loads(re.search(r"answers\n\n```json\n(.*?)```", README, re.DOTALL).group(1))
    answer = json.loads(out.stdout)
    assert answer.pop("decision_id") != shown.pop("decision_id")
    assert answer == shown
    out = subprocess.run(told, shell=True, capture_output=True, text=True, timeout=60)
    assert json.loads(out.stdout)["counts"] == {"new": 1}


def test_set_ups_are_those_of_the_pages_that_other_tests_run():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "gateways").glob("*.md")]
    blocks = re.findall(r"```\w+\n.*?```", SET_UPS, re.DOTALL)
    assert len(blocks) >= 8
    assert [block for block in blocks if not any(block in page for page in pages)] == []
    for link in re.findall(r"\]\((docs/[^)#]+)", SET_UPS):
        assert (ROOT / link).is_file(), link


def test_no_command_is_run_by_nobody():
    rest = README.replace(re.search(r"## Train on your own logs\n.*?\n## ", README, re.DOTALL).group(), "")
    lines = [line for block in re.findall(BASH, rest, re.DOTALL) for line in block.strip().splitlines()]
    assert lines
    assert [line for line in lines if not line.startswith(("curl", "make"))] == []


@pytest.mark.parametrize("command", sorted({*INLINE_MAKE, *(line for line in LINES if line.startswith("make"))}))
def test_make_targets_exist(command):
    out = subprocess.run(
        [shutil.which("make"), "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert out.returncode == 0, out.stderr


def test_the_evaluation_command_of_the_results(tmp_path, thinkworth, monkeypatch):
    """On a few tasks of the log, for embedding all of it takes minutes: they are sliced as in the figures that README's table has."""
    bbh = ROOT / ".." / "shared" / "data" / "bbh.parquet"
    if not bbh.exists():
        pytest.skip("the optional data folder ../shared/data is absent")
    log = pd.read_parquet(bbh)
    log[log.task.isin(TASKS)].to_parquet(tmp_path / "bbh.parquet")
    (line,) = re.findall(r"Command: `(thinkworth evaluate .*?)`", README)
    line = line.replace("evaluate models/default", f"evaluate {ROOT}/models/default")
    line = line.replace("../shared/data/bbh.parquet", "bbh.parquet --json r.json")
    monkeypatch.chdir(tmp_path)
    said = thinkworth(*shlex.split(line)[1:])
    assert said.code == 0, said.err
    found, told = (
        json.loads(path.read_text(encoding="utf-8"))
        for path in (tmp_path / "r.json", ROOT / "benchmarks" / "results" / "unseen.json")
    )
    assert found["revision"] == told["revision"]
    for task in TASKS:
        one, other = (report["slices"]["task"]["parts"][task] for report in (found, told))
        assert one["n"] == other["n"]
        assert one["q"]["value"] == pytest.approx(other["q"]["value"], abs=ELSEWHERE["q"])
        for verdict, part in other["verdicts"].items():
            assert one["verdicts"][verdict]["n"] == pytest.approx(part["n"], abs=ELSEWHERE["verdicts"])
        assert one["net_benefit"]["predicted"] == pytest.approx(
            other["net_benefit"]["predicted"], abs=ELSEWHERE["net_benefit"]
        )
