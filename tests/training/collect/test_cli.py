import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from contract.cli import main
from contract.errors import MissingExtra
from training.collect.journal import Journal
from training.collect.libraries import litellm
from training.collect.prompts import sample
from training.logs import read_logs

KEY = "sk-a-key-nobody-may-see"
THINKWORTH = Path(sys.executable).with_name("thinkworth")
HELD = """
import time
from pathlib import Path

def grade(prompt, answer, reference):
    while prompt == Path("hold").read_text():
        time.sleep(0.01)
    return reference in answer
"""


def test_a_run_its_report_and_no_key_anywhere(folder, llm, run):
    llm.script = {"What is 3 +": ["401"], "What is 4 +": ["500", "drop"]}
    code, out, err = run("--json", "--attempts", 2)
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


def wait_for(true, process=None):
    for _ in range(6000):
        if true():
            return
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError("it never came true")


def test_resumes_after_a_kill_without_asking_twice_or_losing_an_answer(folder, llm, command, run, journal, items):
    """Killed with one call in flight and one answer being graded."""
    (folder / "held_grader.py").write_text(HELD)
    _, second, third = sample(items(8), None, 0)[:3]
    (folder / "hold").write_text(third.prompt)
    llm.script = {second.prompt: ["hang"]}
    given = ("--concurrency", 2, "--grader", "python:held_grader:grade")
    process = subprocess.Popen([THINKWORTH, *command(*given)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: len(journal("answer")) == 4, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (len(llm.calls), len(journal("grades"))) == (5, 3)
    with (folder / "logs.parquet.journal.jsonl").open("ab") as handle:
        handle.write(b'{"kind": "answer", "key": "torn')
    (folder / "hold").write_text("nothing")
    code, out, err = run(*given)
    assert (code, err) == (0, "")
    assert "16 rows in logs.parquet" in out
    assert sorted(llm.asked().values()) == [1] * 15 + [2]
    assert [key[0] for key, count in llm.asked().items() if count == 2] == [second.prompt]
    rows = pd.read_parquet(folder / "logs.parquet")
    assert len(rows) == len(set(zip(rows.prompt_id, rows.arm, strict=True))) == 16
    assert rows.score.notna().all()
    assert run(*given)[0] == 0
    assert len(llm.calls) == 17


def test_ctrl_c_writes_what_there_is_and_the_rest_may_follow(folder, llm, run, journal, items):
    fourth, fifth = sample(items(8), None, 0)[3:5]
    llm.script = {fourth.prompt: ["hang"], fifth.prompt: ["ok", "hang"]}

    def interrupt():
        wait_for(lambda: sum(call["how"] == "hang" for call in llm.calls) == 2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code, _, err = run("--concurrency", 2)
    thread.join()
    assert code == 1
    assert "interrupted" in err
    assert len(pd.read_parquet(folder / "logs.parquet")) == 8
    # those in flight count against the ceilings of the next run
    assert [record["reason"] for record in journal("failure")] == ["interrupted"] * 2
    assert len(llm.calls) == 10
    assert run()[0] == 0
    assert len(pd.read_parquet(folder / "logs.parquet")) == 16


def test_two_runs_on_one_table_do_not_mix(folder, llm, run):
    with Journal(folder / "logs.parquet.journal.jsonl", {}):
        code, _, err = run()
    assert code == 2
    assert "in use by another run" in err
    assert llm.calls == []


def test_a_ceiling_ends_it_with_code_1_and_keeps_the_rows(folder, llm, run):
    code, _, err = run("--max-tokens", 500, "--max-output-tokens", 100, "--concurrency", 2)
    assert code == 1
    assert "ceiling" in err
    assert "run the same command to resume" in err
    assert llm.billed <= 500
    assert len(pd.read_parquet(folder / "logs.parquet")) == len(llm.calls)


def test_nothing_works_is_one_clear_error(folder, llm, run):
    llm.always = "401"
    code, _, err = run()
    assert code == 1
    assert "401 AuthenticationError" in err
    assert len(err.splitlines()) == 1
    assert not (folder / "logs.parquet").exists()
    assert KEY.encode() not in (folder / "logs.parquet.journal.jsonl").read_bytes()


def test_a_dry_run_asks_and_writes_nothing(folder, llm, run):
    before = sorted(folder.iterdir())
    code, out, err = run("--dry-run", "--json", "--sample", 3, "--max-output-tokens", 1000)
    assert (code, err) == (0, "")
    estimate = json.loads(out)
    assert (estimate["asks"], estimate["worst_output_tokens"], estimate["worst_usd"]) == (6, 6000, None)
    assert 0 < estimate["likely_output_tokens"] < 6000
    assert llm.calls == []
    assert sorted(folder.iterdir()) == before


def test_a_dry_run_beside_a_journal_tells_the_rest_and_leaves_it_alone(folder, llm, run, journal):
    llm.script = {"What is 3 +": ["401"]}
    assert run()[0] == 0
    with (folder / "logs.parquet.journal.jsonl").open("ab") as torn:
        torn.write(b'{"kind": "answer", "key": "torn')
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, out, err = run("--dry-run", "--json")
    assert (code, err) == (0, "")
    assert (json.loads(out)["answered"], json.loads(out)["asks"]) == (15, 1)
    code, _, err = run("--dry-run", "--attempts", 2)
    assert code == 2
    assert "attempts was 1, now 2" in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert len(llm.calls) == 16


def test_a_bar_shows_the_cost_so_far_at_a_terminal(llm, command, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    monkeypatch.setattr(sys, "argv", ["thinkworth", *command("--price-input", 1, "--price-output", 10)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "100%" in shown.getvalue()
    dollars = (16 * 20 * 1 + llm.billed * 10) / 1e6
    assert f"{llm.billed:,} tokens, ${dollars:.4f}" in shown.getvalue()


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
        (["--params", '{"aws_access_key_id": "secret"}'], "looks like a credential"),
    ],
)  # fmt: skip
def test_bad_usage_leaves_nothing_behind(folder, llm, run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err
    assert "secret" not in err
    assert [path.name for path in folder.iterdir()] == ["sums.jsonl"]
    assert llm.calls == []


def test_a_missing_library_names_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "litellm", None)
    litellm.cache_clear()
    code, _, err = run()
    assert code == MissingExtra.exit_code
    assert "litellm is not installed; install thinkworth[collect]" in err
