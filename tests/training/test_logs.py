import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.errors import InvalidInput, NoUsableRows
from contract.prompt import Prompt
from contract.records import COLUMNS, Attempt, arrow_schema, column_kind
from training.files import write_table
from training.logs import AllRowsBad, read_logs, write_quarantine

GOOD = {"prompt": "What is 1 + 1?", "model": "m", "arm": "direct"}
SECRET = "the patient is called Hildegard"


def row(**changes):
    return {key: value for key, value in {**GOOD, **changes}.items() if value is not ...}


def jsonl(folder, *rows, name="log.jsonl"):
    path = folder / name
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows), encoding="utf-8")
    return path


def reasons(logs):
    return dict(zip(logs.quarantined["line"], logs.quarantined["reason"], strict=True))


def frame():
    prompts = ["Wie spät ist es?", "几点了?", "What is 7 * 8?", "ما الوقت؟"]
    rows = [
        row(prompt=p, arm=arm, attempt=1, score=s, output_tokens=t, prompt_id=f"p{i}")
        for i, p in enumerate(prompts)
        for arm, s, t in (("direct", 0.0, 5), ("reasoning", None, 50))
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", ["log.parquet", "log.jsonl", "log.jsonl.gz", "log.csv", "log.csv.gz"])
def test_every_format_gives_the_same_table(tmp_path, name):
    path = tmp_path / name
    expected = frame()
    if name.endswith("parquet"):
        expected.to_parquet(path, index=False)
    elif "csv" in name:
        expected.to_csv(path, index=False)
    else:
        text = "".join(json.dumps({k: v for k, v in r.items() if v == v}) + "\n" for r in expected.to_dict("records"))
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    logs = read_logs([path])
    assert tuple(logs.table.columns) == COLUMNS
    assert logs.quarantined.empty
    assert logs.table["prompt"].tolist() == expected["prompt"].tolist()
    assert logs.table["score"].isna().tolist() == [False, True] * 4
    assert logs.table["output_tokens"].tolist() == [5, 50] * 4
    assert set(logs.table["source"]) == {"log"}
    assert logs.report.as_dict()["pairs"] == 4
    assert logs.report.unscored == 4


def test_the_table_fits_the_schema(tmp_path):
    logs = read_logs([jsonl(tmp_path, row(timestamp="2026-01-01T02:00:00+02:00", defect=True))])
    write_table(logs.table, tmp_path / "table.parquet")
    stored = pq.read_table(tmp_path / "table.parquet").cast(arrow_schema())
    assert stored.num_rows == 1
    assert logs.table["timestamp"].iat[0] == pd.Timestamp("2026-01-01T00:00:00Z")
    assert {name: column_kind(name) for name in COLUMNS}["defect"] is bool
    assert str(logs.table["defect"].dtype) == "boolean"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"score": 1.3}, "score 1.3 is over 1"),
        ({"score": -0.1}, "score -0.1 is under 0"),
        ({"score": float("nan")}, "score nan is not a finite number"),
        ({"score": float("inf")}, "score inf is not a finite number"),
        ({"score": "good"}, "score 'good' is not a number"),
        ({"output_tokens": -5}, "output_tokens -5 is under 0"),
        ({"output_tokens": 2.5}, "output_tokens 2.5 is not a whole number"),
        ({"output_tokens": 5, "thinking_tokens": 9}, "thinking_tokens 9 is over output_tokens 5"),
        ({"input_tokens": 5, "cached_tokens": 9}, "cached_tokens 9 is over input_tokens 5"),
        ({"arm": "on"}, "arm 'on' is not one of direct, reasoning"),
        ({"arm": ...}, "arm is missing"),
        ({"model": None}, "model is missing"),
        ({"model": ""}, "model is empty"),
        ({"prompt": ...}, "neither prompt nor messages"),
        ({"messages": '[{"role": "user", "content": "a"}]'}, "prompt and messages both given"),
        ({"prompt": ..., "messages": "hello"}, "messages is not a JSON list of {role, content}"),
        ({"prompt": ..., "messages": []}, "messages is empty; send at least one message"),
        ({"timestamp": "yesterday"}, "timestamp 'yesterday' is not a timestamp"),
        ({"flavour": 1}, "unknown column 'flavour'"),
        ({"pair_kind": "twins"}, "pair_kind 'twins' is not one of toggle, family, budget, weak, unpaired"),
    ],
)
def test_a_bad_row_is_quarantined_with_its_line_and_reason(tmp_path, wrong, reason):
    logs = read_logs([jsonl(tmp_path, row(), row(**wrong), row(prompt="other"))])
    assert reasons(logs) == {2: reason}
    assert logs.report.kept == 2
    assert sum(logs.report.quarantined.values()) == 1


def test_no_reason_ever_shows_a_prompt(tmp_path):
    spoilt = [
        row(prompt=SECRET, score=7),
        row(prompt=[SECRET]),
        row(prompt=SECRET, arm=SECRET),
        row(prompt=..., messages=SECRET),
        row(prompt=..., messages=[{"role": SECRET, "content": SECRET}]),
        {SECRET: 1},
        f'{{"prompt": "{SECRET}"',
        row(prompt=f"{SECRET}\ud800"),
        row(prompt=SECRET, messages=SECRET),
    ]
    logs = read_logs([jsonl(tmp_path, row(), *spoilt)])
    assert len(logs.quarantined) == len(spoilt)
    assert "Hildegard" not in logs.quarantined.to_json()
    assert "Hildegard" not in json.dumps(logs.report.as_dict()) + logs.report.text()


def test_the_first_broken_rule_is_the_reason(tmp_path):
    logs = read_logs([jsonl(tmp_path, row(), row(arm="x", score=7, output_tokens=-1))])
    assert reasons(logs) == {2: "arm 'x' is not one of direct, reasoning"}


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**40),
    st.floats(-2, 3),
    st.sampled_from([float("nan"), float("inf"), 3.0, "3", " 3 ", "3.0", "0.5", "1e0", "nan", "yes", "true", "", "x"]),
    st.sampled_from(["direct", "toggle", "recorded", "2026-01-01", "2026-01-01T10:00:00+02:00", "é", [], {}, [1]]),
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.dictionaries(st.sampled_from(COLUMNS[2:]), ODD, max_size=4), min_size=1, max_size=6))
def test_a_row_is_kept_exactly_if_attempt_accepts_it(tmp_path, rows):
    rows = [{**GOOD, **r, "prompt": f"prompt {i}", "prompt_id": f"{i}"} for i, r in enumerate(rows)]
    try:
        logs = read_logs([jsonl(tmp_path, row(prompt_id="good"), *rows)], accept_flags=["x", "é", "nan", "yes", "true"])
    except AllRowsBad as error:  # pragma: no cover - the first row is good
        logs = error.logs
    refused = set(logs.quarantined["line"])
    for line, candidate in enumerate(rows, 2):
        try:
            Attempt.model_validate(candidate)
            accepted = True
        except ValidationError:
            accepted = False
        assert (line not in refused) == accepted, (candidate, reasons(logs).get(line))


@pytest.mark.parametrize("value", [5, 5.0, "5", "5.0", True, 0.5, "0.5", -1, None])
def test_parquet_types_are_taken_as_attempt_takes_them(tmp_path, value):
    path = tmp_path / "log.parquet"
    pd.DataFrame([{**GOOD, "output_tokens": value}]).assign(prompt_id="a").to_parquet(path)
    try:
        expected = Attempt.model_validate({**GOOD, "output_tokens": value}).output_tokens
    except ValidationError:
        with pytest.raises(NoUsableRows):
            read_logs([path])
    else:
        tokens = read_logs([path]).table["output_tokens"].iat[0]
        assert (tokens is pd.NA) if expected is None else tokens == expected


@pytest.mark.parametrize("beside", ["x", None, 5])
def test_an_empty_name_is_absent_whatever_stands_beside_it(tmp_path, beside):
    path = jsonl(tmp_path, row(request_id=""), row(request_id=beside))
    assert pd.isna(read_logs([path]).table["request_id"].iat[0])


def test_nan_in_parquet_is_not_null(tmp_path):
    path = tmp_path / "log.parquet"
    columns = {"prompt": ["a", "b", "c"], "model": ["m"] * 3, "arm": ["direct"] * 3}
    pq.write_table(pa.table({**columns, "score": pa.array([0.5, None, float("nan")])}), path)
    logs = read_logs([path])
    assert reasons(logs) == {3: "score nan is not a finite number"}
    assert logs.table["score"].isna().tolist() == [False, True]


def test_messages_as_text_and_as_a_list_are_one_conversation(tmp_path):
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Wie geht's?"}]
    path = jsonl(tmp_path, row(prompt=..., messages=talk), row(prompt=..., messages=json.dumps(talk), arm="reasoning"))
    columnar = tmp_path / "lists.parquet"
    listed = pa.array([talk], pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))
    pq.write_table(pa.table({"messages": listed, "model": ["m"], "arm": ["direct"]}), columnar)
    logs = read_logs([path, columnar])
    assert set(logs.table["prompt_id"]) == {Prompt.from_messages(talk).digest}
    assert all(json.loads(text) == talk for text in logs.table["messages"])
    assert logs.report.pairs == 1


def test_an_absent_prompt_id_is_the_digest_of_the_content(tmp_path):
    logs = read_logs([jsonl(tmp_path, row(), row(prompt=..., messages=[{"role": "user", "content": GOOD["prompt"]}]))])
    assert set(logs.table["prompt_id"]) == {Prompt.from_text(GOOD["prompt"]).digest}


def test_an_absent_prompt_id_tells_two_pictures_apart(tmp_path):
    def shown(name, **more):
        parts = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": f"https://host/{name}"}}]
        return row(prompt=..., messages=[{"role": "user", "content": parts}], **more)

    logs = read_logs([jsonl(tmp_path, shown("a"), shown("b", arm="reasoning"), shown("a", arm="reasoning"))])
    first, second, third = logs.table["prompt_id"]
    assert first == third != second
    assert (logs.report.pairs, logs.report.quarantined) == (1, {})
    # under one prompt_id of the log's own they are one prompt: addresses that are signed differ from call to call
    logs = read_logs([jsonl(tmp_path, shown("a", prompt_id="p"), shown("b", prompt_id="p", arm="reasoning"))])
    assert (logs.report.pairs, logs.report.quarantined) == (1, {})


def test_a_prompt_id_stands_for_one_content(tmp_path):
    path = jsonl(
        tmp_path, row(prompt_id="1"), row(prompt_id="1", prompt="another"), row(prompt_id="1", arm="reasoning")
    )
    assert reasons(read_logs([path])) == {2: "prompt_id stands for another content in line 1 of the same source"}


def test_equal_numbered_attempts_are_duplicates_and_the_first_stays(tmp_path):
    path = jsonl(tmp_path, row(attempt=1, score=1), row(attempt=1, score=0), row(attempt=2, score=0))
    logs = read_logs([path])
    assert reasons(logs) == {2: "duplicate of line 1"}
    assert logs.table["score"].tolist() == [1, 0]
    assert logs.report.duplicates == 1


def test_attempts_without_a_number_are_numbered_in_order(tmp_path):
    path = jsonl(tmp_path, row(score=1), row(attempt=3, score=0), row(score=1), row(score=1, arm="reasoning"))
    logs = read_logs([path])
    assert logs.quarantined.empty
    assert logs.table["attempt"].tolist() == [4, 3, 5, 1]


def test_an_event_logged_twice_is_a_duplicate_even_without_a_number(tmp_path):
    path = jsonl(tmp_path, row(request_id="r"), row(request_id="r"), row(request_id="s"))
    assert reasons(read_logs([path])) == {2: "duplicate of line 1"}


def test_a_duplicate_in_another_file_names_the_file(tmp_path):
    first = jsonl(tmp_path, row(source="s", attempt=1), name="a.jsonl")
    second = jsonl(tmp_path, row(source="s", attempt=1), name="b.jsonl")
    assert reasons(read_logs([first, second])) == {1: f"duplicate of line 1 of {first}"}
    with pytest.raises(InvalidInput, match="twice"):
        read_logs([first, first])


def test_flagged_rows_are_left_out_unless_accepted(tmp_path):
    flags = ["truncation: hit cap", "judge saw it", None, ""]
    path = jsonl(tmp_path, *[row(prompt=f"p{i}", flag=flag) for i, flag in enumerate(flags)])
    logs = read_logs([path])
    assert len(logs.table) == 2
    assert logs.report.flagged == {"truncation: hit cap": 1, "judge saw it": 1}
    assert len(read_logs([path], accept_flags=["truncation"]).table) == 3
    assert len(read_logs([path], accept_flags=["judge saw it", "truncation: hit cap"]).table) == 4
    assert len(read_logs([path], accept_flags=["judge"]).table) == 2


def test_only_when_nothing_is_left_it_stops(tmp_path):
    with pytest.raises(AllRowsBad, match="none of 2 rows can be used") as bad:
        read_logs([jsonl(tmp_path, row(score=2), "nonsense")])
    assert len(bad.value.logs.quarantined) == 2
    with pytest.raises(NoUsableRows, match="--accept-flag"):
        read_logs([jsonl(tmp_path, row(flag="odd"))])


def test_a_byte_order_mark_and_mixed_newlines(tmp_path):
    lines = [json.dumps(row(prompt=f"p{i}")) for i in range(4)]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{lines[0]}\r\n{lines[1]}\n\n{lines[2]}\r{lines[3]}".encode())
    assert len(read_logs([path]).table) == 4
    path = tmp_path / "log.csv"
    path.write_bytes(b'\xef\xbb\xbfprompt,model,arm\r\n"two\nlines",m,direct\nb,m\r\nc,m,wrong\r\n')
    logs = read_logs([path])
    assert reasons(logs) == {4: "2 fields where the header has 3", 5: "arm 'wrong' is not one of direct, reasoning"}
    assert logs.table["prompt"].tolist() == ["two\nlines"]


def test_a_line_that_is_no_utf8_costs_only_itself(tmp_path):
    path = tmp_path / "log.jsonl"
    bad = json.dumps(row(prompt="caf\u00e9"), ensure_ascii=False).encode("latin-1")
    path.write_bytes(json.dumps(row()).encode() + b"\n" + bad + b"\n")
    assert reasons(read_logs([path])) == {2: "prompt is not valid UTF-8 text"}


def test_a_line_of_five_megabytes(tmp_path):
    big = "x" * 5_000_000
    logs = read_logs([jsonl(tmp_path, row(prompt=big), big, "[" * 100_000, "[1]")])
    assert len(logs.table["prompt"].iat[0]) == len(big)
    assert reasons(logs) == {
        2: "not a JSON object (a line of 5,000,001 characters)",
        3: "not a JSON object (a line of 100,001 characters)",
        4: "not a JSON object but a list",
    }


def test_the_quarantine_file_is_written_and_a_stale_one_removed(tmp_path):
    out = tmp_path / "labels.parquet"
    path = write_quarantine(read_logs([jsonl(tmp_path, row(), "{")]), out)
    assert path == tmp_path / "labels.parquet.quarantine.jsonl"
    (entry,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert entry["line"] == 2
    assert entry["reason"].startswith("not a JSON object")
    assert write_quarantine(read_logs([jsonl(tmp_path, row())]), out) is None
    assert not path.exists()


def test_rows_of_several_blocks_keep_their_lines(tmp_path, monkeypatch):
    monkeypatch.setattr("training.log_files.BLOCK_ROWS", 3)
    rows = [row(prompt=f"p{i}", score=2 if i in (1, 7) else 1) for i in range(10)]
    logs = read_logs([jsonl(tmp_path, *rows)])
    assert list(reasons(logs)) == [2, 8]
    assert np.array_equal(logs.table["prompt"], [f"p{i}" for i in range(10) if i not in (1, 7)])
