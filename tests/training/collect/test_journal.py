import json

import pytest

from contract.errors import InvalidInput
from training.collect.journal import Journal

SETTINGS = {"model": "m", "attempts": 2}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "logs.parquet.journal.jsonl"


def filled(path, count=3):
    with Journal(path, SETTINGS) as journal:
        for number in range(count):
            journal.append({"kind": "answer", "key": number, "text": "é\n\ud800"})


def test_records_come_back(path):
    filled(path)
    with Journal(path, SETTINGS) as journal:
        assert [record["key"] for record in journal.records] == [0, 1, 2]
        assert journal.records[0]["text"] == "é\n\ud800"
        journal.append({"kind": "answer", "key": 3})
    with Journal(path, SETTINGS) as journal:
        assert [record["key"] for record in journal.records] == [0, 1, 2, 3]


def test_a_record_is_on_disk_when_append_returns(path):
    with Journal(path, SETTINGS) as journal:
        journal.append({"kind": "answer", "key": 0})
        assert json.loads(path.read_text().splitlines()[-1])["key"] == 0


def test_whatever_a_kill_leaves_of_the_last_record_is_dropped(path):
    filled(path)
    whole = path.read_bytes()
    begins = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(begins, len(whole)):
        path.write_bytes(whole[:cut])
        with Journal(path, SETTINGS) as journal:
            assert [record["key"] for record in journal.records] == [0, 1]
            journal.append({"kind": "answer", "key": 9})
        with Journal(path, SETTINGS) as journal:
            assert [record["key"] for record in journal.records] == [0, 1, 9]


def test_a_journal_whose_first_record_is_torn_begins_anew(path):
    filled(path, 0)
    path.write_bytes(path.read_bytes()[:-5])
    with Journal(path, SETTINGS) as journal:
        assert journal.records == []
    filled(path, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"kind": "begin"}\n', "no journal of a run"), (b'{"prompt": "x"}\n', "no journal of a run"),
        (b"{oops}\n" + b'{"kind": "begin"}\n', "damaged at line 1"),
        (b'{"kind": "begin", "format": 99, "settings": {}}\n', "has format 99, and this version of thinkworth reads 1; name another"),
    ],
)  # fmt: skip
def test_what_is_no_journal_is_left_alone(path, content, message):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message):
        Journal(path, SETTINGS)
    assert path.read_bytes() == content


def test_other_settings_are_named(path):
    filled(path)
    with pytest.raises(InvalidInput, match="attempts was 2, now 3"):
        Journal(path, {**SETTINGS, "attempts": 3})


def test_a_journal_is_open_once(path):
    with Journal(path, SETTINGS), pytest.raises(InvalidInput, match="in use by another run"):
        Journal(path, SETTINGS)
    filled(path)


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        Journal(tmp_path / "file" / "journal.jsonl", SETTINGS)
