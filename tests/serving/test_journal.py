"""The journal: bounded, whole records only, taken over from a process that is gone."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest

from contract.store.records import Record, from_line, to_line
from serving.journal import BATCH, Journal

MIB = 2**20


def records(n, **more):
    return [Record("decisions", {"decision_id": f"d{i}", **more}) for i in range(n)]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, MIB)
    yield journal
    journal.close()


def replayed(journal):
    found = []
    while journal.records:
        batch, end = journal.next_batch()
        found += batch
        journal.replayed(end, len(batch))
    return found


def test_a_record_comes_back_as_it_was():
    record = Record(
        "prompts",
        {"time": datetime(2026, 11, 1, tzinfo=UTC), "inputs": b"\x00\xff", "turns": "\u2028é\n", "n": 1.5, "x": None},
    )
    assert from_line(to_line(record)) == record
    assert from_line(to_line(record)[:-5]) is None


def test_records_are_replayed_in_order_and_once(journal):
    journal.append(records(BATCH + 3))
    journal.append(records(2))
    assert replayed(journal) == records(BATCH + 3) + records(2)
    assert (journal.records, journal.bytes, journal.path.stat().st_size) == (0, 0, 0)


def test_what_is_added_during_a_replay_is_replayed_after_it(journal):
    journal.append(records(3))
    batch, end = journal.next_batch()
    journal.append(records(1, late=True))
    journal.replayed(end, len(batch))
    assert replayed(journal) == records(1, late=True)


def test_a_full_journal_takes_all_of_some_records_or_none(tmp_path):
    one = len(to_line(records(1)[0]))
    journal = Journal(tmp_path, 3 * one)
    assert [journal.append(records(1)) for _ in range(2)] == [True, True]
    assert not journal.append(records(2))
    assert journal.append(records(1))
    assert journal.records == 3
    journal.close()


def test_a_full_disk_leaves_no_half_record(journal, monkeypatch):
    journal.append(records(2))
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    assert not journal.append(records(1))
    monkeypatch.undo()
    assert journal.append(records(1, after=True))
    assert replayed(journal) == records(2) + records(1, after=True)


def test_threads_do_not_mix_their_lines(journal):
    threads = [threading.Thread(target=lambda: [journal.append(records(3)) for _ in range(50)]) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(replayed(journal)) == 600


def test_only_its_owner_reads_it(journal):
    assert journal.path.stat().st_mode & 0o077 == 0


DIES = """
import os, sys
from pathlib import Path
from contract.store.records import Record
from serving.journal import Journal
journal = Journal(Path(sys.argv[1]), 2**20)
journal.append([Record("decisions", {"decision_id": f"d{i}"}) for i in range(1200)])
os.write(journal._file, b'["decisions", {"decision_id": "to')
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_taken_over_without_its_torn_line(tmp_path):
    ended = subprocess.run([sys.executable, "-c", DIES, tmp_path], check=False, timeout=60)
    assert ended.returncode == -9
    first, second = Journal(tmp_path, MIB), Journal(tmp_path, MIB)
    assert [record for _, batch in first.adopt() for record in batch] == records(1200)
    assert list(second.adopt()) == []  # and of a process that lives nothing is taken
    assert {path for path in tmp_path.glob("*.jsonl")} == {first.path, second.path}
    first.close()
    second.close()
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_takeover_that_fails_half_way_is_done_again(tmp_path):
    subprocess.run([sys.executable, "-c", DIES, tmp_path], check=False, timeout=60)
    journal = Journal(tmp_path, MIB)
    batches = journal.adopt()
    next(batches)
    next(batches)
    batches.close()  # whoever writes them fails
    assert sum(len(batch) for _, batch in journal.adopt()) == 1200
    journal.close()


def test_a_replayed_batch_is_bounded_in_bytes_too(tmp_path, monkeypatch):
    from serving import journal as journal_module

    monkeypatch.setattr(journal_module, "BATCH_BYTES", 250)
    journal = Journal(tmp_path, MIB)
    journal.append(records(7, text="x" * 100))
    assert len(journal.next_batch()[0]) == 2
    assert replayed(journal) == records(7, text="x" * 100)
    journal.close()
    left = tmp_path / "0-left.jsonl"
    left.write_bytes(b"".join(map(to_line, records(7, text="x" * 100))))
    other = Journal(tmp_path, MIB)
    assert [len(batch) for _, batch in other.adopt()] == [2, 2, 2, 1]
    other.close()


def test_a_journal_that_is_closed_touches_no_file_of_another(tmp_path):
    journal = Journal(tmp_path, MIB)
    journal.append(records(1))
    batch, end = journal.next_batch()
    journal.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.dup2(other, journal._file)  # its number is taken again
    os.write(other, b"words")
    journal.replayed(end, len(batch))
    assert (tmp_path / "other").read_bytes() == b"words"
    os.close(other)
    if journal._file != other:
        os.close(journal._file)
