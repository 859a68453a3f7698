import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from contract.locate import ROOT

THINKWORTH = Path(sys.executable).with_name("thinkworth")
ROWS = [
    {"prompt": "What is 17 * 23?", "model": "m", "arm": "direct", "score": 0.0, "output_tokens": 5},
    {"prompt": "What is 17 * 23?", "model": "m", "arm": "reasoning", "score": 1.0, "output_tokens": 505},
    {"prompt": "Bonjour", "model": "m", "arm": "direct", "score": 1.0, "output_tokens": 5},
    {"prompt": "Bonjour", "model": "m", "arm": "reasoning", "score": 7.0, "output_tokens": 505},
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "traffic.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture
def told(tmp_path, log, thinkworth, monkeypatch):
    """Return what runs the command in this process, in the log's folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: thinkworth("label", *arguments)


def test_writes_labels_quarantine_and_a_report(tmp_path, log):
    done = subprocess.run([THINKWORTH, "label", log], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "score is over 1" in done.stdout
    labels = pd.read_parquet(tmp_path / "labels.parquet").set_index("prompt")
    assert labels["label_balanced"].to_dict() == {"What is 17 * 23?": "use", "Bonjour": "unscored"}
    entry = json.loads((tmp_path / "labels.parquet.quarantine.jsonl").read_text())
    assert (entry["file"], entry["line"], entry["reason"]) == (str(log), 4, "score 7.0 is over 1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "labels.parquet",
        "labels.parquet.quarantine.jsonl",
        "traffic.jsonl",
    ]


def test_every_column_is_in_the_dictionary(tmp_path, log, told):
    assert told(log).code == 0
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    section = text.partition("## The labels")[2].partition("## ")[0]
    described = {name.strip() for row in re.findall(r"^\| (.+?) \|", section, re.M) for name in row.split(",")} - {
        "column"
    }
    written = {
        re.sub("_(balanced|quality_critical|latency_critical)$", "_P", name)
        for name in pd.read_parquet(tmp_path / "labels.parquet")
    }
    assert written == described


@pytest.mark.parametrize("name", ["labels.jsonl", "deep/labels.csv.gz"])
def test_json_report_and_other_formats(tmp_path, log, told, name):
    done = told(log, "--out", name, "--json")
    report = json.loads(done.out)
    assert report["labels"]["balanced"] == {"use": 1, "maybe": 0, "avoid": 0, "unscored": 1}
    assert report["logs"]["rows"] == 4
    read = pd.read_json(tmp_path / name, lines=True) if name.endswith("jsonl") else pd.read_csv(tmp_path / name)
    assert len(read) == report["rows"] == 2


def test_profiles_of_ones_own(tmp_path, log, told):
    profiles = tmp_path / "mine.yaml"
    profiles.write_text("profiles: {stingy: {tokens_per_point: 100, max_thinking_tokens: 10}}")
    assert json.loads(told(log, "--profiles", profiles, "--json").out)["labels"]["stingy"]["avoid"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.jsonl"], 2, "no such file"),
        (["traffic.jsonl", "--out", "labels.xlsx"], 2, "unknown suffix"),
        (["traffic.jsonl", "--out", "traffic.jsonl"], 2, "is one of the logs"),
        (["traffic.jsonl", "--profiles", "absent.yaml"], 2, "give a profiles file"),
        ([], 2, "Missing argument"),
    ],
)
def test_bad_usage_leaves_nothing_behind(tmp_path, log, told, arguments, code, message):
    before = log.read_bytes()
    done = told(*arguments)
    assert done.code == code
    assert message in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["traffic.jsonl"]
    assert log.read_bytes() == before


def test_all_rows_bad_fails_and_says_why_row_by_row(tmp_path, told):
    (tmp_path / "bad.csv").write_text("prompt,model,arm\nhello,m,sideways\n")
    done = told("bad.csv")
    assert done.code == 1
    assert "none of 1 rows can be used" in done.err
    assert not (tmp_path / "labels.parquet").exists()
    assert "sideways" in (tmp_path / "labels.parquet.quarantine.jsonl").read_text()


def test_help_shows_an_example(told):
    done = told("--help")
    assert done.code == 0
    assert "thinkworth label" in done.out
    assert "Example" in done.out


def test_an_absent_library_names_the_extra(tmp_path, log):
    code = (
        "import sys; sys.modules['pandas'] = None; sys.argv = ['thinkworth', 'label', 'traffic.jsonl'];"
        "from contract.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "install thinkworth[train]" in done.stderr
