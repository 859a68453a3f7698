import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from contract.errors import InvalidInput
from contract.records import COLUMNS, Arm, arrow_schema
from training.importers import FORMATS, blocks, importer
from training.importers.blocks import Told
from training.importers.call import Broken, Other, Place, Usage
from training.importers.conversation import chat
from training.importers.run import NothingImported, import_log

SECRET = "the patient is called Hildegard"  # what `call` asks
TOLD = Told(source="traffic")


def test_records_go_where_they_belong(run, tmp_path, call):
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


def test_one_text_with_two_pictures_is_two_prompts(run, call):
    """Both arms of one picture are a pair; an answer about another picture is none of it."""

    def asked(url):
        parts = [{"type": "text", "text": "Read the total."}, {"type": "image_url", "image_url": {"url": url}}]
        return chat([{"role": "user", "content": parts}])

    off = {"reasoning_effort": "none"}
    done = run(call(1, messages=asked("a"), parameters=off), call(2, messages=asked("a")), call(3, messages=asked("b")))
    assert (done.report.imported, done.report.pairs, done.report.single_armed) == (3, 1, 1)
    assert done.rows["prompt_id"].nunique() == 2


@pytest.mark.parametrize("name", ["logs.parquet", "logs.jsonl", "logs.jsonl.gz", "logs.csv", "deep/logs.csv.gz"])
def test_every_output_format_reads_back_the_same(run, name, call):
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


def test_a_block_ends_by_size_too(run, monkeypatch, call):
    monkeypatch.setattr(blocks, "BLOCK_SIZE", 2 * len(SECRET))
    assert pq.ParquetFile(run(*map(call, range(6))).out).num_row_groups >= 3


def test_the_declared_arm(run, call):
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
def test_the_rules_of_the_log_table_hold(run, changes, rule, call):
    done = run(call(1, **changes), call(2))
    assert done.bad == [(1, rule)]


def test_nothing_imported_fails_and_says_why(tmp_path, call, log):
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
def test_an_end_before_the_last_record_leaves_what_was_there(tmp_path, error, call, log):
    for name in ("logs.parquet", "logs.parquet.quarantine.jsonl"):
        (tmp_path / name).write_text("older")
    expected = InvalidInput if isinstance(error, ConnectionError) else type(error)
    with pytest.raises(expected):
        import_log(log(call(1), call(2, parameters={}), error), ["x"], tmp_path / "logs.parquet", TOLD)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "logs.parquet": "older",
        "logs.parquet.quarantine.jsonl": "older",
    }


def test_a_clean_import_removes_a_stale_quarantine(run, tmp_path, call):
    (tmp_path / "logs.parquet.quarantine.jsonl").write_text("older")
    run(call(1))
    assert [path.name for path in tmp_path.iterdir()] == ["logs.parquet"]


@pytest.mark.parametrize("name", ["logs.parquet", "logs.parquet.quarantine.jsonl"])
def test_no_input_is_overwritten(tmp_path, name, call, log):
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
