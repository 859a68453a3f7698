"""The files of a log table: what a quote out of place does to a CSV file."""

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
