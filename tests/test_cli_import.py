import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from training.importers import FORMATS

THINKWORTH = Path(sys.executable).with_name("thinkworth")
BOTH_ARMS = ["--default-arm", "m=direct", "--default-arm", "m=reasoning"]
CALL = {
    "id": "req-1",
    "trace_id": "t-1",
    "call_type": "acompletion",
    "status": "success",
    "startTime": 1793520000.0,
    "endTime": 1793520001.5,
    "model": "m",
    "model_group": "m",
    "messages": [{"role": "user", "content": "What is 17 * 23?"}],
    "response": {"choices": [{"finish_reason": "stop", "message": {"content": "391"}}]},
    "model_parameters": {"reasoning_effort": "none"},
    "prompt_tokens": 9,
    "completion_tokens": 3,
}
CALLS = [
    CALL,
    {
        **CALL,
        "id": "req-2",
        "trace_id": "t-2",
        "model_parameters": {"reasoning_effort": "high"},
        "completion_tokens": 503,
    },
    {**CALL, "id": "req-3", "trace_id": "t-3", "model_parameters": {}},
    {**CALL, "id": "req-4", "trace_id": "t-4", "messages": {}},
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "traffic.jsonl"
    path.write_text("".join(json.dumps(call) + "\n" for call in CALLS), encoding="utf-8")
    return path


def run(folder, *arguments):
    return subprocess.run([THINKWORTH, "import", *map(str, arguments)], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def told(tmp_path, log, thinkworth, monkeypatch):
    """Return what runs the command in this process, in the log's folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: thinkworth("import", *arguments)


def test_writes_the_table_the_quarantine_and_a_report(tmp_path, log):
    done = run(tmp_path, "litellm-payload", log)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for said in ("turn_off_message_logging", "arm undecidable: declare", "2 rows in logs.parquet"):
        assert said in done.stdout
    rows = pd.read_parquet(tmp_path / "logs.parquet")
    assert rows[["request_id", "arm", "source"]].to_numpy().tolist() == [
        ["req-1", "direct", "traffic"],
        ["req-2", "reasoning", "traffic"],
    ]
    bad = [json.loads(line) for line in (tmp_path / "logs.parquet.quarantine.jsonl").read_text().splitlines()]
    assert [(entry["file"], entry["line"], entry["rule"]) for entry in bad] == [
        (str(log), 3, "arm undecidable"),
        (str(log), 4, "no text"),
    ]
    labelled = subprocess.run([THINKWORTH, "label", "logs.parquet"], cwd=tmp_path, capture_output=True, text=True)
    assert labelled.returncode == 0, labelled.stderr


def test_scores_a_declared_arm_and_a_json_report(tmp_path, log, told):
    (tmp_path / "graded.csv").write_text("request_id,score\nreq-1,1\nreq-2,5\nreq-9,5\n")
    arguments = ["--scores", "graded.csv", "--scale", "1..5", "--default-arm", "m=reasoning", "--source", "chat"]
    done = told("litellm-payload", log, "--out", "deep/table.jsonl", *arguments, "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["imported"], report["pairs"], report["scores_without_row"]) == (3, 1, 1)
    rows = [json.loads(line) for line in (tmp_path / "deep" / "table.jsonl").read_text().splitlines()]
    assert [(row["score"], row["source"]) for row in rows] == [(0.0, "chat"), (1.0, "chat"), (None, "chat")]
    assert rows[2]["thinking_setting"] == "declared default"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument"),
        (["litellm-payload"], 2, "Missing argument"),
        (["logfmt", "traffic.jsonl"], 2, "unknown format 'logfmt'; use one of canonical"),
        (["litellm-payload", "absent.jsonl"], 2, "no such file"),
        (["litellm-payload", "x" * 5000], 2, "cannot be read: File name too long"),
        (["litellm-payload", "traffic.jsonl", "--out", "logs.xlsx"], 2, "unknown suffix"),
        (["litellm-payload", "traffic.jsonl", "--out", "traffic.jsonl"], 2, "is one of the inputs"),
        (["litellm-payload", "traffic.jsonl", "--scale", "high"], 2, "is no scale"),
        (["litellm-payload", "traffic.jsonl", "--default-arm", "m=on"], 2, "is not MODEL=direct or MODEL=reasoning"),
        (["litellm-payload", "traffic.jsonl", *BOTH_ARMS], 2, "--default-arm gives m both arms"),
        (
            ["litellm-payload", "traffic.jsonl", "--experiment", "e"],
            2,
            "litellm-payload takes no --experiment; mlflow does",
        ),
        (["canonical", "traffic.jsonl", "--default-arm", "m=direct"], 2, "canonical takes no --default-arm"),
        (["litellm-payload", "traffic.jsonl", "--scores", "absent.csv"], 2, "absent.csv: no such file"),
        (["litellm-payload", "traffic.jsonl", "--out", "/proc/logs.parquet"], 2, "cannot be written"),
    ],
)
def test_bad_usage_leaves_nothing_behind(tmp_path, log, told, arguments, code, message):
    before = log.read_bytes()
    done = told(*arguments)
    assert done.code == code
    assert message in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["traffic.jsonl"]
    assert log.read_bytes() == before


def test_nothing_imported_fails_with_the_reasons(tmp_path, log, told):
    log.write_text(json.dumps(CALLS[2]) + "\n")
    done = told("litellm-payload", log)
    assert done.code == 1
    assert "none of 1 records can be imported: 1 x arm undecidable: declare" in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs.parquet.quarantine.jsonl", "traffic.jsonl"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_import_that_is_stopped_leaves_no_half_table(tmp_path, log, how):
    out = tmp_path / "out"
    out.mkdir()
    log.write_bytes(log.read_bytes() * 20_000)
    child = subprocess.Popen(
        [THINKWORTH, "import", "litellm-payload", log, "--out", out / "logs.parquet"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    while not list(out.iterdir()):  # the quarantine has begun: so has the reading
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(how)
    _, said = child.communicate(timeout=60)
    assert child.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert b"Traceback" not in said
    left = {path.name for path in out.iterdir()}
    assert not left if how == signal.SIGINT else not left & {"logs.parquet", "logs.parquet.quarantine.jsonl"}


def test_help_shows_examples_and_every_format(told):
    done = told("--help")
    assert done.code == 0
    said = " ".join(done.out.split())
    for word in ("thinkworth import litellm-spend", "thinkworth import mlflow", *FORMATS):
        assert word in said


def test_an_absent_library_names_the_extra(tmp_path, log):
    code = (
        "import sys; sys.modules['pandas'] = None; sys.argv = ['thinkworth', 'import', 'litellm-payload', 'traffic.jsonl'];"
        "from contract.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "install thinkworth[train]" in done.stderr
