"""Records that wait for a thread: how long what nobody waits for may wait for more, and records that are made later."""

import threading
from concurrent.futures import Future

import pytest

from contract.store.records import Record
from serving import waiting
from serving.waiting import GROUP, LIMIT_BYTES, Later, Waiting

pytestmark = pytest.mark.timeout(30)


def item(name="a"):
    return [Record("decisions", {"decision_id": name})], Future()


def names(items):
    return [records[0].row["decision_id"] for records, _ in items]


@pytest.fixture
def patient(monkeypatch):
    """What lingers would linger for longer than a test may take."""
    monkeypatch.setattr(waiting, "LINGER_S", 1000)


def taken_by_a_thread(queue):
    found = []
    thread = threading.Thread(target=lambda: found.append(queue.take()))
    thread.start()
    return thread, found


def test_what_somebody_waits_for_is_taken_at_once_with_all_before_it(patient):
    queue = Waiting()
    thread, found = taken_by_a_thread(queue)
    for name in "abc":
        assert queue.put(item(name), lingers=True)
    assert queue.put(item("d"))
    assert queue.put(item("e"), lingers=True)
    thread.join()
    assert names(found[0]) in (["a", "b", "c", "d"], ["a", "b", "c", "d", "e"])
    assert queue.put(item("f"))  # the hurry of the one before is over, this one has its own
    assert names(queue.take())[-1] == "f"


def test_a_full_group_waits_for_nothing(patient):
    queue = Waiting()
    thread, found = taken_by_a_thread(queue)
    for i in range(GROUP):
        assert queue.put(item(str(i)), lingers=True)
    thread.join()
    assert len(found[0]) == GROUP


def test_an_end_waits_for_nothing(patient):
    queue = Waiting()
    queue.put(item(), lingers=True)
    thread, found = taken_by_a_thread(queue)
    queue.close()
    thread.join()
    assert names(found[0]) == ["a"]
    assert queue.take() == []
    assert not queue.put(item())


def test_what_lingers_is_taken_though_nothing_more_comes():
    queue = Waiting()
    queue.put(item(), lingers=True)
    assert names(queue.take()) == ["a"]


def test_records_that_are_made_later_are_made_once_and_by_who_looks():
    made = []

    def make():
        made.append(threading.current_thread().name)
        return [Record("decisions", {"decision_id": name}) for name in "ab"]

    queue, later = Waiting(), Later(make, 2, LIMIT_BYTES)
    assert queue.put((later, Future()))
    assert not queue.put(item()), "its size counts"
    assert len(later) == 2
    assert made == []
    thread = threading.Thread(target=lambda: [list(records) for records, _ in queue.take()], name="writer")
    thread.start()
    thread.join()
    assert [record.row["decision_id"] for record in later] == ["a", "b"]
    assert made == ["writer"]
    assert queue.bytes == 0
