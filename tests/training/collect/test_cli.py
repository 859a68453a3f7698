import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from contract.errors import MissingExtra
from training.logs import read_logs

THINKWORTH = Path(sys.executable).with_name("thinkworth")
KEY = "sk-a-key-nobody-may-see"


@pytest.fixture
def folder(tmp_path):
    """A working directory with eight prompts."""
    rows = [
        {"prompt": f"What is {i} + 40{' (hard)' if i % 2 else ''}?", "prompt_id": f"p{i}", "reference": str(i + 40)}
        for i in range(1, 9)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "sums.jsonl").write_text(text + '{"prompt": ""}\n', encoding="utf-8")
    return tmp_path


def started(folder, llm, *arguments, **more):
    command = [
        THINKWORTH, "collect", "sums.jsonl", "--model", "m", "--base-url", llm.url, "--grader", "numeric",
        "--api-key-env", "MY_KEY", *map(str, arguments),
    ]  # fmt: skip
    environment = {**os.environ, "MY_KEY": KEY, "OPENAI_API_KEY": "sk-another-one-that-stays-here"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


def run(folder, llm, *arguments):
    process = started(folder, llm, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def journal(folder):
    lines = (folder / "logs.parquet.journal.jsonl").read_bytes().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def wait_for(true, process):
    for _ in range(6000):
        if true():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.mark.slow
def test_a_run_its_report_and_no_key_anywhere(folder, llm):
    llm.script = {"What is 3 +": ["401"], "What is 4 +": ["500", "drop"]}
    code, out, err = run(folder, llm, "--json", "--attempts", 2)
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["asks"], report["answered"], report["pairs"], report["left_out"]) == (32, 31, 8, 1)
    assert report["failed"] == {"401 AuthenticationError": 1}
    assert {call["headers"]["authorization"] for call in llm.calls} == {f"Bearer {KEY}"}
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(written) == {
        "sums.jsonl", "logs.parquet", "logs.parquet.journal.jsonl", "logs.parquet.quarantine.jsonl"
    }  # fmt: skip
    assert not any(KEY.encode() in content for content in written.values())
    assert KEY not in out + err
    assert read_logs([folder / "logs.parquet"]).report.kept == 31


@pytest.mark.slow
def test_resumes_after_a_kill_without_asking_twice_or_losing_a_row(folder, llm):
    llm.delay_s = 0.05
    process = started(folder, llm, "--concurrency", 3)
    wait_for(lambda: len(llm.calls) >= 7, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    answered = {record["key"] for record in journal(folder) if record["kind"] == "answer"}
    assert 0 < len(answered) < 16
    assert not (folder / "logs.parquet").exists()
    before = llm.asked()
    with (folder / "logs.parquet.journal.jsonl").open("ab") as handle:
        handle.write(b'{"kind": "answer", "key": "torn')
    code, out, err = run(folder, llm)
    assert (code, err) == (0, "")
    assert "16 rows in logs.parquet" in out
    again = {key for key, count in llm.asked().items() if count > 1}
    assert len(again) <= 3  # no more than were in flight
    assert all(before[key] == 1 for key in again)
    kept = {(f"What is {json.loads(key)[0][1:]} + 40", json.loads(key)[1]) for key in answered}
    assert not any((prompt.split(" (")[0].rstrip("?"), arm) in kept for prompt, arm in again)
    rows = pd.read_parquet(folder / "logs.parquet")
    assert len(rows) == len(set(zip(rows.prompt_id, rows.arm, strict=True))) == 16
    calls = len(llm.calls)
    assert run(folder, llm)[0] == 0
    assert len(llm.calls) == calls


@pytest.mark.slow
def test_ctrl_c_writes_what_there_is_and_the_rest_may_follow(folder, llm):
    llm.delay_s = 0.05
    process = started(folder, llm, "--concurrency", 2)
    wait_for(lambda: len(llm.calls) >= 6, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "interrupted" in err
    assert "Traceback" not in err
    assert 0 < len(pd.read_parquet(folder / "logs.parquet")) < 16
    kept = [record for record in journal(folder) if record["kind"] != "begin"]
    assert len(kept) == len(llm.calls)  # those in flight count against the ceilings of the next run
    assert {record["reason"] for record in kept if record["kind"] == "failure"} == {"interrupted"}
    assert run(folder, llm)[0] == 0
    assert len(pd.read_parquet(folder / "logs.parquet")) == 16


@pytest.mark.slow
def test_two_runs_on_one_table_do_not_mix(folder, llm):
    llm.always = "hang"
    first = started(folder, llm)
    wait_for(lambda: llm.calls, first)
    code, _, err = run(folder, llm)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert code == 2
    assert "in use by another run" in err
    assert len(llm.calls) == 8  # of the first run


@pytest.mark.slow
def test_a_ceiling_ends_it_with_code_1_and_keeps_the_rows(folder, llm):
    code, _, err = run(folder, llm, "--max-tokens", 500, "--max-output-tokens", 100, "--concurrency", 2)
    assert code == 1
    assert "ceiling" in err
    assert "run the same command to resume" in err
    assert llm.billed <= 500
    assert len(pd.read_parquet(folder / "logs.parquet")) == len(llm.calls)


@pytest.mark.slow
def test_nothing_works_is_one_clear_error(folder, llm):
    llm.always = "401"
    code, _, err = run(folder, llm)
    assert code == 1
    assert "401 AuthenticationError" in err
    assert len(err.splitlines()) == 1
    assert not (folder / "logs.parquet").exists()
    assert KEY.encode() not in (folder / "logs.parquet.journal.jsonl").read_bytes()


@pytest.mark.slow
def test_a_dry_run_asks_and_writes_nothing(folder, llm):
    before = sorted(folder.iterdir())
    code, out, err = run(folder, llm, "--dry-run", "--json", "--sample", 3, "--max-output-tokens", 1000)
    assert (code, err) == (0, "")
    estimate = json.loads(out)
    assert (estimate["asks"], estimate["worst_output_tokens"], estimate["worst_usd"]) == (6, 6000, None)
    assert 0 < estimate["likely_output_tokens"] < 6000
    assert llm.calls == []
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grader", "fuzzy"], "is none of exact"), (["--direct", "{"], "--direct is not JSON"),
        (["--params", '{"top_p": NaN}'], "--params is not JSON"), (["--params", '{"top_p": 1e999}'], "--params is not JSON"),
        (["--base-url", "http://:secret@host/v1"], "--base-url is no plain"),
        (["--base-url", "http://[::1/v1"], "--base-url is no plain"),
        (["--params", "[1]"], "--params is no JSON object"), (["--budgets", "a,b"], "no list of positive whole numbers"),
        (["--base-url", "http://me:secret@host/v1"], "--base-url is no plain"), (["--price-input", "1"], "give both"),
        (["--out", "logs.xlsx"], "unknown suffix"), (["--out", "sums.jsonl"], "is the file of prompts"),
        (["--api-key-env", "NOT_SET"], "NOT_SET is not set"), (["--judge-repeats", "0.5"], "needs --grader judge"),
    ],
)  # fmt: skip
def test_bad_usage_leaves_nothing_behind(folder, llm, arguments, message, monkeypatch, capsys):
    from contract.cli import app

    monkeypatch.chdir(folder)
    monkeypatch.setenv("MY_KEY", KEY)
    given = ["collect", "sums.jsonl", "--model", "m", "--base-url", llm.url, "--grader", "numeric", *arguments]
    with pytest.raises(Exception, match=message) as caught:
        app(given, standalone_mode=False)
    assert caught.value.exit_code == 2
    assert "secret" not in str(caught.value)
    assert [path.name for path in folder.iterdir()] == ["sums.jsonl"]
    assert llm.calls == []


def test_a_missing_library_names_the_extra(folder, llm, monkeypatch):
    from contract.cli import app
    from training.collect.libraries import litellm

    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "litellm", None)
    litellm.cache_clear()
    with pytest.raises(MissingExtra, match=r"litellm is not installed; install thinkworth\[collect\]"):
        app(["collect", "sums.jsonl", "--model", "m", "--grader", "numeric"], standalone_mode=False)
