"""The files of a log table: what cannot be read, and what a quote out of place does to a CSV file."""

import gzip

import pytest

from contract.errors import InvalidInput
from training.log_files import read_blocks
from training.logs import AllRowsBad, read_logs

HEADER = "prompt,model,arm\n"


@pytest.fixture
def read(tmp_path):
    """Return what reads a CSV file: the prompts by line, and the reason of each broken line."""

    def go(text):
        path = tmp_path / "log.csv"
        path.write_text(HEADER + text, encoding="utf-8")
        rows, broken = {}, {}
        for block in read_blocks(path):
            rows |= dict(zip(block.lines.tolist(), block.columns["prompt"], strict=True))
            broken |= {line: fault.reason for line, fault in block.broken.items()}
        return rows, broken

    return go


def test_quotes_in_their_places(read):
    rows, broken = read('"a ""b""\nc",m,direct\n"",m,direct\nsay "d",m,direct\n')
    assert rows == {2: 'a "b"\nc', 4: None, 5: 'say "d"'}
    assert broken == {}


def test_a_quote_that_is_not_closed_swallows_no_row_unsaid(read):
    rows, broken = read('a,m,direct\n"b,m,direct\nc,m,direct\nd,m,direct\n')
    assert rows == {2: "a"}
    assert broken == {3: "a quote is not closed or not doubled: lines 3 to 5 are not read"}


def test_a_quote_that_is_not_doubled_breaks_its_row_only(read):
    rows, broken = read('a,m,direct\n"b"b",m,direct\nc,m,direct\n')
    assert rows == {2: "a", 4: "c"}
    assert broken == {3: "a quote is not closed or not doubled: line 3 is not read"}


def test_a_quote_closed_by_the_next_one_swallows_the_rows_between(read):
    rows, broken = read('"a,m,direct\nb,m,direct\n"c",m,direct\n"d",m,direct\n')
    assert rows == {5: "d"}
    assert broken == {2: "a quote is not closed or not doubled: lines 2 to 4 are not read"}


def test_the_line_stands_in_the_report(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(f'{HEADER}"a,m,direct\nb,m,direct\n')
    with pytest.raises(AllRowsBad, match="none of 1 rows can be used: 1 x a quote is not closed or not doubled") as bad:
        read_logs([path])
    assert bad.value.logs.quarantined[["line", "reason"]].to_numpy().tolist() == [
        [2, "a quote is not closed or not doubled: lines 2 to 3 are not read"]
    ]


def test_a_header_with_a_quote_that_is_not_closed(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text('prompt,"model,arm\na,m,direct\n')
    with pytest.raises(
        InvalidInput, match=r"log\.csv: a quote is not closed or not doubled: lines 1 to 2 are not read"
    ):
        list(read_blocks(path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.jsonl", b"", "is empty"),
        ("log.jsonl", b"\n \n", "has no rows"),
        ("log.csv", b"prompt,model,arm\n", "has no rows"),
        ("log.parquet", b"", "is empty"),
        ("log.parquet", b"PAR1 not really", "not a readable Parquet"),
        ("log.txt", b"x", "unknown suffix"),
        ("log.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 5000, mtime=0)[:40], "cut off or damaged"),
        ("log.jsonl.gz", b"not gzip at all", "not a gzip file"),
        ("log.csv", "prompt,model,arm\na,m,direct\n".encode("utf-16"), "not UTF-8"),
        ("log.csv", "prompt,model,arm\na,m,direct\n".encode("utf-16-le"), "not UTF-8"),
        ("log.csv", b"prompt,model,arm,colour\na,m,direct,red\n", "unknown column 'colour'; known columns: prompt"),
        ("log.csv", b"prompt,arm\na,direct\n", "column model is missing"),
        ("log.csv", b"model,arm\nm,direct\n", "neither a column prompt"),
        ("log.csv", b"prompt,model,arm,arm\na,m,direct,direct\n", "named twice"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        read_logs([path])


def test_a_missing_file_and_no_file(tmp_path):
    with pytest.raises(InvalidInput, match="no such file"):
        read_logs([tmp_path / "absent.jsonl"])
    with pytest.raises(InvalidInput, match="no log file"):
        read_logs([])
