import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from contract.errors import InvalidInput
from contract.records import COLUMNS, Arm, arrow_schema
from training.importers import FORMATS, blocks, importer
from training.importers.blocks import Told
from training.importers.call import Broken, Call, Mark, Other, Place, Usage
from training.importers.run import NothingImported, import_log
from training.importers.scores import parse_scale
from training.logs import read_logs

SECRET = "the patient is called Hildegard"
TOLD = Told(source="traffic")


def call(line=1, **changes):
    values = {
        "place": Place("traffic.jsonl", line),
        "model": "m",
        "messages": [{"role": "user", "content": SECRET}],
        "parameters": {"reasoning_effort": "high"},
        "request_id": f"r{line}",
    }
    return Call(**{**values, **changes})


def failure(line, **changes):
    return call(line, failed=True, messages=None, **changes)


def log(*records):
    """Return an importer of these records; an exception among them is raised where it stands."""

    def read(places, options):
        for record in records:
            if isinstance(record, BaseException):
                raise record
            yield record

    return SimpleNamespace(NAME="fake", ABOUT="", NO_TEXT="turn storing prompts on", read=read)


@pytest.fixture
def run(tmp_path):
    def run(*records, out="logs.parquet", told=TOLD, scores=None):
        out = tmp_path / out
        report = import_log(log(*records), ["traffic.jsonl"], out, told, scores=scores)
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


def test_records_go_where_they_belong(run, tmp_path):
    done = run(
        call(1, parameters={"reasoning_effort": "none"}),
        call(2),
        call(3, parameters={}),
        call(4, messages=None),
        Other(Place("traffic.jsonl", 5), "embedding"),
        Broken(Place("traffic.jsonl", 6), "not a JSON object", "not a JSON object (a line of 3 characters)"),
        call(7, usage=Usage(output_tokens=-3)),
        call(8, model="other"),
    )
    assert done.rows["request_id"].tolist() == ["r1", "r2", "r8"]
    assert set(done.rows["source"]) == {"traffic"}
    assert done.rows["pair_kind"].isna().all()
    assert sorted(done.bad) == [
        (3, "arm undecidable"),
        (4, "no text"),
        (6, "not a JSON object"),
        (7, "output_tokens is under 0"),
    ]
    assert SECRET not in (tmp_path / "logs.parquet.quarantine.jsonl").read_text()
    report = done.report
    assert (report.read, report.imported, report.without_text, report.other) == (8, 3, 1, {"embedding": 1})
    assert (report.pairs, report.single_armed, report.unscored) == (1, 1, 3)
    assert "turn storing prompts on" in report.text()
    assert "--default-arm" in report.text()
    assert json.loads(json.dumps(report.as_dict()))["quarantined"]["no text"] == 1


@pytest.mark.parametrize("name", ["logs.parquet", "logs.jsonl", "logs.jsonl.gz", "logs.csv", "deep/logs.csv.gz"])
def test_every_output_format_reads_back_the_same(run, name):
    calls = [
        call(
            1,
            started="2026-11-01T08:00:00.123456Z",
            ended="2026-11-01T08:00:01Z",
            usage=Usage(output_tokens=5, cost_usd=0.1),
        ),
        call(
            2,
            messages=[{"role": "system", "content": 'Say "é,\n"'}, {"role": "user", "content": "几点了?"}],
            p_reasoning=0.5,
        ),
    ]
    done, plain = run(*calls, out=name), run(*calls, out="plain.parquet")
    pd.testing.assert_frame_equal(done.rows, plain.rows)
    assert pq.read_schema(plain.out).names == list(COLUMNS)
    assert pq.read_schema(plain.out).equals(arrow_schema())


def test_an_event_exported_twice_is_one(run):
    done = run(call(1), call(2), call(3, request_id="r1"), call(4, request_id="r1"))
    assert done.rows["request_id"].tolist() == ["r1", "r2"]
    assert done.bad == [(3, "duplicate"), (4, "duplicate")]
    assert done.why[0]["reason"] == "duplicate of line 1 of traffic.jsonl"


def test_the_first_good_row_of_an_event_stays(run):
    done = run(call(1, usage=Usage(output_tokens=-1)), call(2, request_id="r1"))
    assert (len(done.rows), done.bad) == (1, [(1, "output_tokens is under 0")])


def test_calls_without_an_id_repeat_each_other_only_at_the_same_time(run):
    at = {"request_id": None, "started": "2026-11-01T08:00:00Z"}
    done = run(
        call(1, **at), call(2, **at), call(3, **at | {"model": "n"}), call(4, request_id=None), call(5, request_id=None)
    )
    assert done.bad == [(2, "duplicate")]
    assert len(done.rows) == 4


def test_duplicates_are_found_across_blocks(run, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    tries = [failure(line, attempt_of="q", usage=Usage(output_tokens=10)) for line in range(10, 15)]
    calls = [call(line, request_id=f"r{line % 5}") for line in range(10)]
    done = run(*calls, *tries, call(20, attempt_of="q", usage=Usage(output_tokens=1)), *calls)
    assert done.rows["request_id"].tolist() == ["r0", "r1", "r2", "r3", "r4", "r20"]
    assert done.rows["output_tokens"].iloc[-1] == 51
    assert done.report.quarantined == {"duplicate": 15}
    assert pq.ParquetFile(done.out).num_row_groups > 2


def test_a_block_ends_by_size_too(run, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_SIZE", 2 * len(SECRET))
    assert pq.ParquetFile(run(*map(call, range(6))).out).num_row_groups >= 3


def test_retries_are_one_attempt(run):
    done = run(
        failure(1, attempt_of="q", started="2026-11-01T08:00:00Z", ended="2026-11-01T08:00:01Z",
                usage=Usage(output_tokens=40, thinking_tokens=30, input_tokens=10, cost_usd=0.25)),
        failure(2, attempt_of="q", started="2026-11-01T08:00:02Z"),
        call(3, attempt_of="q", started="2026-11-01T10:00:03+02:00", ended="2026-11-01T08:00:05Z", finish_reason="stop",
             usage=Usage(output_tokens=100, thinking_tokens=60, input_tokens=10, cost_usd=0.5)),
        call(4, attempt_of="another", usage=Usage(output_tokens=7)),
    )  # fmt: skip
    first = done.rows.iloc[0]
    assert first[["request_id", "finish_reason"]].tolist() == ["r3", "stop"]
    assert first[["output_tokens", "thinking_tokens", "input_tokens", "cost_usd"]].tolist() == [140, 90, 20, 0.75]
    assert (first["timestamp"], first["latency_s"]) == (pd.Timestamp("2026-11-01T08:00:00Z"), 5.0)
    assert pd.isna(first["cached_tokens"])
    assert done.rows["output_tokens"].tolist() == [140, 7]
    assert (done.report.failed, done.report.retries, done.bad) == (2, 2, [])


def test_tries_that_share_the_id_of_their_request_are_all_added_and_each_once(run):
    first, second = (
        failure(
            line, request_id="q", attempt_of="q", usage=Usage(output_tokens=40), started=f"2026-11-01T08:00:0{line}Z"
        )
        for line in (1, 2)
    )
    done = run(first, second, second, call(4, attempt_of="q", usage=Usage(output_tokens=100)))
    assert done.rows["output_tokens"].tolist() == [180]
    assert (done.report.retries, done.report.quarantined) == (2, {"duplicate": 1})


def test_what_the_attempt_does_not_know_stays_unknown(run):
    done = run(
        failure(1, attempt_of="q", usage=Usage(output_tokens=40, cost_usd=1)), call(2, attempt_of="q", latency_s=2)
    )
    assert done.rows[["output_tokens", "cost_usd", "latency_s", "timestamp"]].isna().all(axis=None)
    assert done.report.retries == 1


def test_the_answer_may_come_before_the_failures_in_the_log(run):
    done = run(
        call(1, attempt_of="q", usage=Usage(output_tokens=1)), failure(2, attempt_of="q", usage=Usage(output_tokens=2))
    )
    assert done.rows["output_tokens"].tolist() == [3]


def test_several_answers_are_no_retries(run):
    done = run(call(1, attempt_of="q"), failure(2, attempt_of="q"), call(3, attempt_of="q"))
    assert done.rows["request_id"].tolist() == ["r1", "r3"]
    assert done.bad == [(2, "request failed")]
    assert (done.report.failed, done.report.retries) == (1, 0)


def test_an_answer_that_was_quarantined_counts_as_one(run):
    done = run(failure(1, attempt_of="q"), call(2, attempt_of="q", messages=None), call(3, attempt_of="q"))
    assert sorted(done.bad) == [(1, "request failed"), (2, "no text")]
    done = run(
        failure(1, attempt_of="q"), call(2, attempt_of="q", usage=Usage(output_tokens=-1)), call(3, attempt_of="q")
    )
    assert sorted(done.bad) == [(1, "request failed"), (2, "output_tokens is under 0")]


def test_a_request_whose_calls_all_failed(run):
    done = run(call(1), failure(2, attempt_of="q"), failure(3, attempt_of="q"), failure(4))
    assert done.bad == [(2, "request failed"), (3, "request failed"), (4, "request failed")]
    assert (done.report.failed, done.report.imported) == (3, 1)


def test_a_failure_exported_twice_is_added_once(run):
    tries = [failure(line, request_id="x", attempt_of="q", usage=Usage(output_tokens=40)) for line in (1, 2)]
    done = run(*tries, call(3, attempt_of="q", request_id="x", usage=Usage(output_tokens=1)))
    assert done.rows["output_tokens"].tolist() == [41]
    assert done.bad == [(2, "duplicate")]


def test_a_duplicate_answer_is_no_second_answer(run):
    again = {"request_id": "x", "attempt_of": "q", "usage": Usage(output_tokens=1)}
    done = run(failure(1, attempt_of="q", usage=Usage(output_tokens=2)), call(2, **again), call(3, **again))
    assert done.rows["output_tokens"].tolist() == [3]


def test_scores_of_the_log_on_a_scale(run):
    told = replace(TOLD, scale=parse_scale("1..5"), score="stars")
    done = run(
        call(1, marks=[Mark("stars", 4), Mark("tone", 99)]),
        call(2, marks=[Mark("stars", 9)]),
        call(3, marks=[Mark("tone", 3)]),
        told=told,
    )
    assert done.rows["score"].fillna(-1).tolist() == [0.75, -1]
    assert done.rows["score_kind"].fillna("-").tolist() == ["stars", "-"]
    assert done.why[0]["reason"] == "score 9 is outside the scale 1..5"
    assert done.report.unscored == 1


def test_several_scores_need_a_name(run):
    done = run(call(1, marks=[Mark("stars", 1), Mark("tone", 1)]), call(2))
    assert done.bad == [(1, "several scores")]
    assert "several scores: name the one that counts with --score" in done.report.text()


def test_scores_of_a_file_win(run, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("request_id,score,score_kind,defect\nr1,0.25,judge,True\nr2,1,judge,\nr9,1,,\nr3,7,,\nr4,1,,\n")
    calls = [
        call(1, marks=[Mark("stars", 1)]),
        call(2, marks=[Mark("stars", 1), Mark("tone", 0)]),
        call(3, marks=[Mark("stars", 1)]),
        call(4, parameters={}),
    ]
    done = run(*calls, scores=path)
    assert done.rows["score"].tolist() == [0.25, 1.0, 1.0]
    assert done.rows["score_kind"].tolist() == ["judge", "judge", "stars"]
    assert done.rows["defect"].fillna(False).tolist() == [True, False, False]
    assert sorted(done.bad) == [(4, "arm undecidable"), (5, "score is outside the scale")]
    assert done.report.scores_without_row == 2
    assert "scores of no row" in done.report.text()


def test_the_declared_arm(run):
    done = run(call(1, parameters={}), call(2), told=replace(TOLD, default_arms={"*": Arm.DIRECT}))
    assert done.rows["arm"].tolist() == ["direct", "reasoning"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"usage": Usage(output_tokens=math.nan)}, "output_tokens is not a finite number"),
        ({"usage": Usage(output_tokens=5, thinking_tokens=6)}, "thinking_tokens is over output_tokens"),
        ({"model": None}, "model is missing"),
        ({"messages": [{"role": "user", "content": "  "}]}, "prompt is empty or white space; send the text of the request"),
        ({"messages": [{"role": "user", "content": ""}]}, "prompt is empty or white space; send the text of the request"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role is not one of system, developer, user, assistant, tool, function"),
        ({"messages": [{"role": "user", "content": "\udce4"}]}, "prompt is not valid UTF-8 text"),
        ({"latency_s": -1}, "latency_s is under 0"),
        ({"p_reasoning": 2}, "p_reasoning is over 1"),
    ],
)  # fmt: skip
def test_the_rules_of_the_log_table_hold(run, changes, rule):
    done = run(call(1, **changes), call(2))
    assert done.bad == [(1, rule)]


def test_nothing_imported_fails_and_says_why(tmp_path):
    out = tmp_path / "logs.parquet"
    with pytest.raises(
        NothingImported, match=r"none of 2 records can be imported: 2 x no text \(turn storing prompts on\)"
    ) as failed:
        import_log(log(call(1, messages=None), call(2, messages=None)), ["x"], out, TOLD)
    assert failed.value.exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["logs.parquet.quarantine.jsonl"]
    with pytest.raises(NothingImported, match="the log is empty"):
        import_log(log(), ["x"], out, TOLD)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error", [InvalidInput("traffic.jsonl is cut off"), KeyboardInterrupt(), ConnectionError("refused")]
)
def test_an_end_before_the_last_record_leaves_what_was_there(tmp_path, error):
    for name in ("logs.parquet", "logs.parquet.quarantine.jsonl"):
        (tmp_path / name).write_text("older")
    expected = InvalidInput if isinstance(error, ConnectionError) else type(error)
    with pytest.raises(expected):
        import_log(log(call(1), call(2, parameters={}), error), ["x"], tmp_path / "logs.parquet", TOLD)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "logs.parquet": "older",
        "logs.parquet.quarantine.jsonl": "older",
    }


def test_a_clean_import_removes_a_stale_quarantine(run, tmp_path):
    (tmp_path / "logs.parquet.quarantine.jsonl").write_text("older")
    run(call(1))
    assert [path.name for path in tmp_path.iterdir()] == ["logs.parquet"]


@pytest.mark.parametrize("name", ["logs.parquet", "logs.parquet.quarantine.jsonl"])
def test_no_input_is_overwritten(tmp_path, name):
    path = tmp_path / name
    path.write_text("mine")
    for places, scores in (([str(path)], None), ([str(tmp_path)], None), (["x"], path)):
        with pytest.raises(InvalidInput, match="is one of the inputs"):
            import_log(log(call(1)), places, tmp_path / "logs.parquet", TOLD, scores=scores)
    assert path.read_text() == "mine"


def test_a_canonical_table_passes_with_all_its_columns(tmp_path):
    rows = [
        {"prompt": "a", "model": "m", "arm": "direct", "source": "s", "prompt_id": "p", "attempt": 1, "pair_kind": "budget",
         "gpu_seconds": 1.5, "flag": "odd", "licence": "MIT", "language": "en", "request_id": "same"},
        {"prompt": "a", "model": "m", "arm": "direct", "source": "s", "prompt_id": "p", "attempt": 2, "request_id": "same"},
        {"prompt": "a", "model": "m", "arm": "direct", "source": "s", "prompt_id": "p", "attempt": 2, "request_id": "same"},
        {"prompt": "b", "model": "m", "arm": "reasoning", "score": 0.5},
        {"prompt": "b", "model": "m", "arm": "sideways"},
    ]  # fmt: skip
    path = tmp_path / "table.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{\n")
    report = import_log(importer("canonical"), [str(path)], tmp_path / "out.jsonl", TOLD)
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    known = [{name: value for name, value in row.items() if value is not None} for row in written]
    assert known == [rows[0], rows[1], {**rows[3], "source": "traffic"}]
    assert sum(report.quarantined.values()) == 3
    assert report.quarantined["duplicate"] == 1
    assert (report.read, report.pairs, report.single_armed) == (6, 0, 2)


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(InvalidInput, match=r"unknown format 'logfmt'; use one of canonical, openai-jsonl"):
        importer("logfmt")
    assert Path(importer("canonical").__file__).stem == FORMATS["canonical"].rpartition(".")[2]
