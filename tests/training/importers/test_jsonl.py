"""Records of log files: every form of them, every way to be broken, memory bounded by the longest record."""

import gzip
import json
import math
import tracemalloc

import pytest

from contract.errors import InvalidInput
from training import csv_files
from training.importers import jsonl
from training.importers.call import Broken, Place
from training.importers.jsonl import json_text, records

ROWS = [{"id": 1, "text": "später, 你好"}, {"id": 2, "text": None}, {"id": 3, "text": "a\nb"}]


@pytest.fixture
def written(tmp_path):
    def write(name, data):
        path = tmp_path / name
        data = data if isinstance(data, bytes) else data.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return str(path)

    return write


def read(path):
    """Return good records as (line, record), broken ones as (line, rule)."""
    found = [
        (item.place.line, item.rule) if isinstance(item, Broken) else (item[0].line, item[1]) for item in records(path)
    ]
    assert {item.place.file if isinstance(item, Broken) else item[0].file for item in records(path)} <= {path}
    return found


LINES = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in ROWS)
NUMBERED = list(enumerate(ROWS, 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, LINES) for name in ("a.jsonl", "a.ndjson", "a.json", "a.jsonl.gz", "a.json.gz", "A.JSONL")),
        ("crlf.jsonl", LINES.replace("\n", "\r\n")),
        ("unended.jsonl", LINES.rstrip("\n")),
        ("bom.jsonl", f"\ufeff{LINES}"),
        ("bom.json", f"\ufeff{LINES}"),
        ("array.json", json.dumps(ROWS)),
        ("array.json.gz", json.dumps(ROWS)),
        ("bom-array.json", f"\ufeff\n {json.dumps(ROWS)}"),
        ("pretty.json", json.dumps(ROWS, indent=2)),
        ("objects.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("export.json", json.dumps({"data": ROWS, "meta": {"page": 1}})),
        ("pretty-export.json", json.dumps({"data": ROWS, "meta": {"page": 1}}, indent=4)),
        ("late-export.json", json.dumps({"meta": {"page": 1}, "data": ROWS})),
    ],
)
def test_each_form_gives_the_same_records(written, name, text):
    assert read(written(name, text)) == NUMBERED


def test_blank_lines_are_no_records_but_count_as_lines(written):
    assert read(written("a.jsonl", '\n{"id": 1}\n\n  \n{"id": 2}\n')) == [(2, {"id": 1}), (5, {"id": 2})]


def test_a_line_separator_inside_a_text_does_not_end_a_line(written):
    assert read(written("a.jsonl", '{"text": "a\u2028b\u0085c"}\n')) == [(1, {"text": "a\u2028b\u0085c"})]


@pytest.mark.parametrize(
    ("bad", "rule"),
    [
        (b'{"id": 2, "text": "cut o', "not a JSON object"),
        (b'{"id": 2}{"id": 3}', "not a JSON object"),
        (b'{"id": 2} {"id": 3}', "not a JSON object"),
        (b"[1, 2]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"a text"', "not a JSON object"),
        (b"plain text", "not a JSON object"),
        (b"{'id': 2}", "not a JSON object"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        ('{"text": "sp\u00e4ter"}'.encode("latin-1"), "not UTF-8"),
        (b'{"text": "\xed\xa0\x80"}', "not UTF-8"),
    ],
    ids=lambda value: str(value[:24]),
)
def test_a_bad_line_is_broken_and_the_next_is_read(written, bad, rule):
    path = written("a.jsonl", b'{"id": 1}\n' + bad + b'\n{"id": 9}\n')
    assert read(path) == [(1, {"id": 1}), (2, rule), (3, {"id": 9})]


def test_a_reason_never_repeats_the_line(written):
    broken = [item for item in records(written("a.jsonl", 'a secret\n["a secret"]\n')) if isinstance(item, Broken)]
    assert [item.reason for item in broken] == ["not a JSON object (a line of 9 bytes)", "not a JSON object but a list"]


def test_the_last_line_may_be_cut_off(written):
    *good, last = records(written("a.jsonl", '{"id": 1}\n{"id": 2, "te'))
    assert len(good) == 1
    assert "it may be cut off" in last.reason


def test_not_a_number_is_read_as_one(written):
    [(_, record)] = read(written("a.jsonl", '{"score": NaN, "cost": Infinity, "low": -Infinity}\n'))
    assert math.isnan(record["score"])
    assert (record["cost"], record["low"]) == (math.inf, -math.inf)
    [(_, record)] = read(written("a.json", '[{"score": NaN}]'))
    assert math.isnan(record["score"])


def test_a_broken_array_gives_what_stands_before(written):
    assert read(written("cut.json", '[{"id": 1}, {"id": 2}, {"id": 3')) == [
        (1, {"id": 1}),
        (2, {"id": 2}),
        (3, "not JSON"),
    ]
    assert read(written("cut.json", '[{"id": 1}, ')) == [(1, {"id": 1}), (2, "not JSON")]
    assert read(written("bad.json", '[{"id": 1}, {id: 2}, {"id": 3}]')) == [(1, {"id": 1}), (2, "not JSON")]
    assert read(written("deep.json", '[{"id": 1}, ' + "[" * 100_000)) == [(1, {"id": 1}), (2, "not JSON")]


def test_an_item_that_is_no_object_is_broken_and_the_next_is_read(written):
    path = written("a.json", b'[{"id": 1}, 7, {"t": "\xe4"}, {"id": 4}]')
    assert read(path) == [(1, {"id": 1}), (2, "not a JSON object"), (3, "not UTF-8"), (4, {"id": 4})]


def test_text_that_is_no_json_in_a_json_file(written):
    assert read(written("a.json", "not json at all")) == [(1, "not JSON")]


def test_cells_stay_texts(written):
    path = written("a.csv", '\ufeffid,text,"n"\r\n1,"a\nb, ""c""",007\r\n2,,\r\n\r\n3,short\r\n4,d,5\r\n')
    assert read(path) == [
        (2, {"id": "1", "text": 'a\nb, "c"', "n": "007"}),
        (4, {"id": "2", "text": None, "n": None}),
        (6, "number of fields is not the header's"),
        (7, {"id": "4", "text": "d", "n": "5"}),
    ]


def test_a_cell_that_is_not_utf8_breaks_its_row(written):
    assert read(written("a.csv.gz", b"id,text\n1,sp\xe4ter\n2,b\n")) == [
        (2, "not UTF-8"),
        (3, {"id": "2", "text": "b"}),
    ]


def test_a_cell_over_the_limit_breaks_its_row(written, monkeypatch):
    monkeypatch.setattr(csv_files, "LONGEST", 100)
    path = written("a.csv", f"id,text\n1,{'x' * 90}\n2,{'x' * 101}\n3,c\n")
    assert read(path) == [
        (2, {"id": "1", "text": "x" * 90}),
        (3, "a field is over 100 characters"),
        (4, {"id": "3", "text": "c"}),
    ]


def test_a_quote_that_is_not_closed_makes_no_record_of_the_rows_after_it(written):
    path = written("a.csv", 'id,text\n1,"a ""b""\nc"\n2,"d"e\n3,f\n4,"g\n5,h\n')
    assert read(path) == [
        (2, {"id": "1", "text": 'a "b"\nc'}),
        (4, "a quote is not closed or not doubled"),
        (5, {"id": "3", "text": "f"}),
        (6, "a quote is not closed or not doubled"),
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.csv"])
def test_a_line_of_50_mb_is_read_in_bounded_memory(written, name):
    big = "x" * 50_000_000
    text = (
        f"id,text\n1,{big}\n2,b\n" if name == "a.csv" else f'{{"id": 1, "text": "{big}"}}\n{{"id": 2, "text": "b"}}\n'
    )
    path = written(name, text)
    del text
    tracemalloc.start()
    try:
        lengths = [len(item[1]["text"]) for item in records(path)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lengths == [50_000_000, 1]
    assert peak < 450_000_000


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_line_over_the_limit_is_never_held(written, name, monkeypatch):
    monkeypatch.setattr(jsonl, "LONGEST", 10_000_000)
    path = written(name, b'{"id": 1}\n' + b"x" * 30_000_000 + b'\n{"id": 2}\n')
    tracemalloc.start()
    try:
        found = list(records(path))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [
        (Place(path, 1), {"id": 1}),
        Broken(Place(path, 2), *["line over 64 MB"] * 2),
        (Place(path, 3), {"id": 2}),
    ]
    assert peak < 23_000_000


def test_a_long_array_is_not_held(written):
    rows = [{"id": number, "text": "x" * 10_000} for number in range(3000)]
    path = written("a.json", json.dumps(rows))
    tracemalloc.start()
    try:
        assert [record["id"] for _, record in records(path)] == list(range(3000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 15_000_000


@pytest.mark.parametrize("size", [jsonl._PIECE - 1, jsonl._PIECE, jsonl._PIECE + 1, 3 * jsonl._PIECE])
def test_items_may_end_anywhere_in_a_piece(written, size):
    rows = [{"text": "x" * size}, {"n": 1.25}, {"text": "y" * size}]
    assert [record for _, record in read(written("a.json", json.dumps(rows)))] == rows


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"{}", "unknown suffix"),
        ("a", b"{}", "unknown suffix"),
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b" \n\n", "has no records"),
        ("a.json", b"[]", "has no records"),
        ("a.json", b'{"data": []}', "has no records"),
        ("a.csv", b"id,text\n", "has no records"),
        ("a.jsonl.gz", b"", "has no records"),
        ("a.jsonl", '{"id": 1}\n'.encode("utf-16"), "not UTF-8"),
        ("a.json", b"\x00\x01\x02\x03", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read(written, name, data, message):
    with pytest.raises(InvalidInput, match=message):
        list(records(written(name, data)))


def test_a_missing_file_and_a_folder(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    for name, message in (
        ("none.jsonl", "none.jsonl: no such file"),
        ("folder.jsonl", "folder.jsonl is no regular file"),
    ):
        with pytest.raises(InvalidInput, match=message):
            list(records(str(tmp_path / name)))


def test_a_gzip_file_that_is_cut_off_or_none(written, tmp_path):
    whole = gzip.compress("".join(f'{{"id": {number}}}\n' for number in range(10_000)).encode())
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="cut off or damaged"):
        list(records(str(cut)))
    cut.write_bytes(b'{"id": 1}\n')
    with pytest.raises(InvalidInput, match="is not a gzip file"):
        list(records(str(cut)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"a": [1]}', {"a": [1]}),
        (' [{"role": "user"}]', [{"role": "user"}]),
        ('{"score": 1', '{"score": 1'),
        ("[see above]", "[see above]"),
        ("[" * 100_000, "[" * 100_000),
        ("42", "42"),
        ("true", "true"),
        ('"quoted"', '"quoted"'),
        ("", ""),
        (None, None),
        (7, 7),
        ({"a": "{}"}, {"a": "{}"}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_json_text_is_parsed_and_any_other_left(value, expected):
    assert json_text(value) == expected
