"""What a damaged log of any file format does: bad records are quarantined, the rest is imported, nothing is half written."""

import gzip
import itertools
import json
import math
import random
import re
import shutil
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import yaml

from training.importers import importer
from training.importers.blocks import Told
from training.importers.call import Call, Options, Rows
from training.importers.run import import_log
from training.logs import read_logs

FIXTURES = Path(__file__).with_name("fixtures")
CASES = {path.parent.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FIXTURES.glob("*/case.yaml"))}
PROMPT = "How many primes lie between 90 and 110?"
LONG = 50_000_000
TIMES_HAVE_NO_ZONE = ("openai-jsonl", "anthropic-jsonl", "gemini-jsonl", "litellm-payload", "otel")
"""Formats whose times are numbers of seconds, or of which one record at most has a time."""


def copied(name, folder):
    """Copy a fixture's files, a JSON array as JSON lines; return the places to read."""
    folder.mkdir()
    places = []
    for file in CASES[name]["files"]:
        path = FIXTURES / name / file
        if path.is_dir():
            places.append(shutil.copytree(path, folder / file))
        elif path.suffix == ".json":
            records = json.loads(path.read_text("utf-8"))
            records = records if isinstance(records, list) else records["data"]
            lines = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
            places.append((folder / file).with_suffix(".jsonl"))
            places[-1].write_text(lines, encoding="utf-8")
        else:
            places.append(shutil.copy(path, folder / file))
    return [Path(place) for place in places]


def with_prompt(places):
    """Return the JSON lines that hold the first request."""
    return next(path for path in places if path.suffix == ".jsonl" and PROMPT in path.read_text("utf-8"))


@pytest.fixture(params=CASES)
def log(request, tmp_path, thinkworth):
    """Return a copy of a format's log: `main` is its file with the first request, `run()` imports it."""
    case = CASES[request.param]
    places = copied(request.param, tmp_path / "log")
    before = {path.name for path in tmp_path.iterdir()}

    def run():
        scores = ["--scores", str(FIXTURES / request.param / case["scores"])] if case["scores"] else []
        out = tmp_path / "logs.parquet"
        said = thinkworth("import", request.param, *places, "--out", out, "--source", "story", *scores, "--json")
        bad = tmp_path / "logs.parquet.quarantine.jsonl"
        written = {path.name for path in tmp_path.iterdir()} - before
        assert written <= {out.name, bad.name}
        rows = pq.read_table(out).to_pylist() if out.exists() else []
        quarantined = [json.loads(line) for line in bad.read_text("utf-8").splitlines()] if bad.exists() else []
        report = json.loads(said.out) if said.out else None
        if report:
            assert report["imported"] == len(rows)
            assert sum(report["quarantined"].values()) == len(quarantined)
        return SimpleNamespace(code=said.code, err=said.err, rows=rows, bad=quarantined, written=written)

    usual = len(case.get("settings", ())), case.get("undecidable", 1) + case["without_text"]
    return SimpleNamespace(
        name=request.param, places=places, main=with_prompt(places), run=run, imported=usual[0], quarantined=usual[1]
    )


JUNK = (
    None,
    "",
    "x",
    -1,
    1.5,
    math.nan,
    True,
    [],
    {},
    [None],
    {"x": [1]},
    "[1, {",
    "{}",
    "\udce4",
    "2026-13-01T00:00:00Z",
    10**400,
)


def damaged(value):
    """Yield a JSON value with junk for each part of it in turn, and without it."""
    if isinstance(value, dict):
        for key, part in value.items():
            rest = {name: other for name, other in value.items() if name != key}
            yield rest
            yield from ({**rest, key: other} for other in (*JUNK, *damaged(part)))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from ([*value[:number], other, *value[number + 1 :]] for other in (*JUNK, *damaged(part)))


def at(done, path, line):
    """Return the quarantined records of one line."""
    return [entry for entry in done.bad if entry["file"] == str(path) and entry["line"] == line]


def test_a_last_line_cut_off(log):
    lines = log.main.read_bytes().splitlines(keepends=True)
    log.main.write_bytes(b"".join(lines)[:-20])
    done = log.run()
    assert done.code == 0, done.err
    assert [entry["rule"] for entry in at(done, log.main, len(lines))] == ["not a JSON object"]
    assert 0 < len(done.rows) <= log.imported


def test_a_line_in_another_encoding(log):
    lines = log.main.read_bytes().splitlines(keepends=True)
    number = next(at for at, line in enumerate(lines) if PROMPT.encode() in line)
    lines[number] = lines[number].replace(PROMPT.encode(), PROMPT.encode() + b" \xe4", 1)
    log.main.write_bytes(b"".join(lines))
    done = log.run()
    assert done.code == 0, done.err
    assert at(done, log.main, number + 1)
    assert 0 < len(done.rows) < log.imported


def test_a_file_in_utf_16(log):
    log.main.write_bytes(log.main.read_text("utf-8").encode("utf-16"))
    done = log.run()
    assert done.code == 2
    assert f"{log.main} is not UTF-8" in done.err
    assert not done.written


def with_a_long_line(log):
    text = log.main.read_text("utf-8")
    log.main.write_text(text.replace(PROMPT, "x" * LONG, 1), encoding="utf-8")


def prompts(record):
    if isinstance(record, Rows):
        return [prompt for prompt in record.block.columns["prompt"] if prompt]
    return [record.messages[0]["content"]] if isinstance(record, Call) and record.messages else []


def test_a_line_of_50_megabytes(log):
    with_a_long_line(log)
    records = importer(log.name).read([str(place) for place in log.places], Options())
    assert max(len(prompt) for record in records for prompt in prompts(record)) == LONG


@pytest.mark.parametrize("log", ["openai-jsonl"], indirect=True)
def test_a_line_of_50_megabytes_becomes_a_row(log):
    with_a_long_line(log)
    done = log.run()
    assert done.code == 0, done.err
    assert (len(done.rows), len(done.bad)) == (log.imported, log.quarantined)
    assert max(len(row["prompt"] or "") for row in done.rows) == LONG


def test_times_in_three_zones(log):
    zones = itertools.cycle(timezone(timedelta(hours=hours)) for hours in (2, -5, 5.5))
    before, changed = log.run().rows, 0

    def elsewhere(found):
        moment = datetime.fromisoformat(found[0])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(next(zones)).isoformat()

    for path in (path for path in log.places if path.is_file()):
        text, count = re.subn(r"2026-11-01[ T][\d:.]+(?:Z|[+-][\d:]+)?", elsewhere, path.read_text("utf-8"))
        path.write_text(text, encoding="utf-8")
        changed += count
    assert changed >= 3 or log.name in TIMES_HAVE_NO_ZONE
    assert log.run().rows == before


def test_a_line_of_another_format(log, tmp_path):
    names = list(CASES)
    other = names[names.index(log.name) - 1]
    foreign = with_prompt(copied(other, tmp_path / "log" / "other")).read_text("utf-8").splitlines()[0]
    lines = log.main.read_text("utf-8").splitlines()
    log.main.write_text("\n".join([*lines, foreign]) + "\n", encoding="utf-8")
    done = log.run()
    assert done.code == 0, done.err
    assert at(done, log.main, len(lines) + 1)
    assert (len(done.rows), len(done.bad)) == (log.imported, log.quarantined + 1)


@pytest.mark.parametrize("wrong", ["-780", "NaN", "1e999", '"many"'])
def test_a_number_that_is_none(log, wrong):
    changed = 0
    for path in log.places:
        if path.is_file():
            text, count = re.subn(
                r"\b780\b", wrong.strip('"') if '"780"' in path.read_text("utf-8") else wrong, path.read_text("utf-8")
            )
            path.write_text(text, encoding="utf-8")
            changed += count
    assert changed
    done = log.run()
    assert done.code == 0, done.err
    assert (len(done.rows), len(done.bad)) == (log.imported - 1, log.quarantined + 1)
    assert 780 not in [row["thinking_tokens"] for row in done.rows]


def test_a_log_that_was_exported_twice(log, tmp_path):
    log.places += copied(log.name, tmp_path / "log" / "again")
    done = log.run()
    assert done.code == 0, done.err
    assert len(done.rows) == log.imported
    assert len({row["request_id"] for row in done.rows}) == log.imported
    duplicates = [entry for entry in done.bad if entry["rule"] == "duplicate"]
    assert len(duplicates) == log.imported + (1 if CASES[log.name]["retries"] else 0)
    assert all("again" in entry["file"] for entry in duplicates)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: path.write_bytes(b"\0\1\2\3" * 100), "is not UTF-8"),
    ],
    ids=["empty", "missing", "binary"],
)
def test_a_file_that_is_no_log(log, damage, message):
    damage(log.main)
    done = log.run()
    assert done.code == 2
    assert f"{log.main}" in done.err
    assert message in done.err
    assert not done.written


def test_a_gzip_file_cut_off(log):
    packed = log.main.with_name(f"{log.main.name}.gz")
    packed.write_bytes(gzip.compress(log.main.read_bytes())[:-20])
    log.main.unlink()
    log.places[log.places.index(log.main)] = packed
    done = log.run()
    assert done.code == 2
    assert f"{packed} is cut off or damaged" in done.err
    assert not done.written


def test_no_damaged_record_stops_an_import_or_is_half_read(log, tmp_path):
    """Every part of every record, replaced by junk in turn, under an id of its own in all files."""
    files = [path for path in log.places if path.suffix == ".jsonl"]
    lines = {path: path.read_text("utf-8").splitlines() for path in files}
    number = itertools.count()
    with ExitStack() as stack:
        handles = {path: stack.enter_context(path.open("a", encoding="utf-8")) for path in files}
        for path in files:
            values = [value for line in lines[path] for value in damaged(json.loads(line))]
            for value in random.Random(0).sample(values, min(len(values), 300)):
                name = rf"req-\1-{next(number)}"
                halves = {other: lines[other] for other in files if other != path} | {path: [json.dumps(value)]}
                for file, records in halves.items():
                    handles[file].writelines(re.sub(r"\breq-(\d)\b", name, record) + "\n" for record in records)
    out = tmp_path / "logs.parquet"
    report = import_log(importer(log.name), [str(path) for path in log.places], out, Told(source="story"))
    assert report.imported >= log.imported
    assert report.quarantined
    assert read_logs([out]).report.kept == report.imported
