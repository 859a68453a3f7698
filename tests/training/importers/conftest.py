"""An import of calls made by hand, and the comparison of any format's import with the one story that all fixtures tell."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from contract.prompt import Prompt
from training.importers import importer
from training.importers.blocks import Told
from training.importers.call import Call, Options, Place
from training.importers.run import import_log
from training.importers.scores import parse_scale
from training.logs import read_logs

STORY = Path(__file__).with_name("story.yaml")
ZERO_OR_ABSENT = ("thinking_tokens", "cached_tokens")
"""Columns of which some formats leave out a zero."""


def content_of(row):
    """Return the role and text of each turn, whichever form the row has."""
    prompt = Prompt.from_text(row["prompt"]) if row["prompt"] else Prompt.from_messages(json.loads(row["messages"]))
    return tuple((turn.role, turn.text) for turn in prompt.turns)


def expected_rows(case):
    """Return the story's rows by content and arm, as a format with this case carries them."""
    rows = {}
    for row in yaml.safe_load(STORY.read_text(encoding="utf-8")):
        setting, budget = case["settings"][row["request_id"]]
        row |= {
            "thinking_setting": setting,
            "thinking_budget": budget,
            "tokens_are": "recorded",
            "finish_reason": "stop",
        }
        row |= {"pair_kind": None, "score_kind": case.get("score_kind") if row["score"] is not None else None}
        messages = row.pop("messages", None) or [{"role": "user", "content": row["prompt"]}]
        row.pop("prompt", None)
        row["timestamp"] = pd.Timestamp(row["timestamp"])
        content = tuple((message["role"], message["content"]) for message in messages)
        rows[content, row["arm"]] = {name: value for name, value in row.items() if name not in case.get("lacks", [])}
    return rows


def plain(frame):
    """Return the rows of a frame as dicts with None where nothing is known."""
    frame = frame.astype(object)
    return frame.where(frame.notna(), None).to_dict("records")


@pytest.fixture
def check_story(tmp_path):
    """Return what imports places of a format, compares with the story, and gives the report and the rows.

    `case` has the keys of a fixture's case.yaml: options, scores (a path), scale, score, score_kind, lacks, settings,
    retries, without_text, other.
    """

    def check(name, places, case):
        out = tmp_path / "logs.parquet"
        told = Told(source="story", scale=parse_scale(case.get("scale") or "0..1"), score=case.get("score"))
        scores = Path(case["scores"]) if case.get("scores") else None
        options = Options(**(case.get("options") or {}))
        report = import_log(importer(name), [str(place) for place in places], out, told, options=options, scores=scores)
        rows = plain(pd.read_parquet(out))
        expected = expected_rows(case)
        actual = {}
        for row in rows:
            wanted = expected.get((content_of(row), row["arm"]), {})
            same = {column: row[column] for column in wanted}
            for column in set(ZERO_OR_ABSENT) & set(wanted):
                same[column] = wanted[column] if not same[column] and not wanted[column] else same[column]
            actual[content_of(row), row["arm"]] = same
        for key, wanted in expected.items():
            assert actual.get(key) == wanted
        assert len(rows) == report.imported == len(expected)
        wrong = {"arm undecidable": case.get("undecidable", 1), "no text": case.get("without_text", 0)}
        assert report.quarantined == {rule: count for rule, count in wrong.items() if count}
        assert report.other == (case.get("other") or {})
        assert (report.failed, report.retries) == ((1, 1) if case.get("retries") else (0, 0))
        assert (report.pairs, report.unscored) == (1, sum(row["score"] is None for row in rows))
        assert (
            report.read
            == report.imported + sum(report.quarantined.values()) + sum(report.other.values()) + report.retries
        )
        read = read_logs([out])
        assert read.report.kept == report.imported
        table = read.table.drop(columns=["prompt_id", "attempt"])
        assert plain(table) == [{name: row[name] for name in table.columns} for row in rows]
        return report, rows

    return check


def a_call(line=1, **changes):
    values = {
        "place": Place("traffic.jsonl", line),
        "model": "m",
        "messages": [{"role": "user", "content": "the patient is called Hildegard"}],
        "parameters": {"reasoning_effort": "high"},
        "request_id": f"r{line}",
    }
    return Call(**{**values, **changes})


def a_log(*records, takes=("score", "default_arm")):
    def read(places, options):
        for record in records:
            if isinstance(record, BaseException):
                raise record
            yield record

    return SimpleNamespace(NAME="fake", ABOUT="", NO_TEXT="turn storing prompts on", TAKES=takes, read=read)


@pytest.fixture
def call():
    """Return what makes a call that answered, at a line of a log."""
    return a_call


@pytest.fixture
def failure():
    """Return what makes a call that failed."""
    return lambda line, **changes: a_call(line, failed=True, messages=None, **changes)


@pytest.fixture
def log():
    """Return what makes an importer of records; an exception among them is raised where it stands."""
    return a_log


@pytest.fixture
def run(tmp_path):
    """Return what imports records, and gives the report, the rows, and what was quarantined."""

    def run(*records, out="logs.parquet", told=None, scores=None):
        out = tmp_path / out
        report = import_log(a_log(*records), ["traffic.jsonl"], out, told or Told(source="traffic"), scores=scores)
        assert report.read == (
            report.imported + sum(report.quarantined.values()) + sum(report.other.values()) + report.retries
        )
        rows = read_logs([out]).table if report.imported else None
        bad = out.with_name(f"{out.name}.quarantine.jsonl")
        quarantined = [json.loads(line) for line in bad.read_text().splitlines()] if bad.exists() else []
        return SimpleNamespace(
            report=report, rows=rows, out=out, bad=[(e["line"], e["rule"]) for e in quarantined], why=quarantined
        )

    return run


@pytest.fixture
def read_by(tmp_path):
    """Return what has an importer read a file of records, one a line."""

    def read(importer, *records):
        path = tmp_path / "log.jsonl"
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        return list(importer.read([str(path)], Options()))

    return read
