"""The recorder against real databases: in groups, each record once, and never in the way of an answer."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import uuid_utils

from contract.errors import InternalError, StoreDown
from contract.settings import Settings
from contract.store import tables, writing
from contract.store.outcomes import match_waiting, new_id
from contract.store.records import Record
from serving import mender as mender_module
from serving import recorder as recorder_module
from serving.recorder import Recorder
from serving.waiting import LIMIT_BYTES, Later


def decision(**other):
    return Record("decisions", {
        "decision_id": str(uuid_utils.uuid7()), "time": datetime.now(UTC), "revision": "thinkworth/1", "profile": "balanced",
        "model_known": True, "task": "sums", "verdict": "use", "arm": "reasoning", "policy_arm": "reasoning", "p_reasoning": 1.0,
        "thinking_budget": 1024, "reasoning_budget": 1024, "effort": "low", "enforced": True, "truncated": False, "familiarity": 0.9,
        "p_use": 0.8, "p_maybe": 0.1, "p_avoid": 0.1, "expected_score_direct": 0.5, "expected_gain": 0.2, "expected_gain_lower": 0.1,
        "expected_gain_upper": 0.3, "expected_extra_tokens": 800.0, "expected_net_benefit": 0.16, "prompt_characters": 12,
        "prompt_digest": "ab" * 32, "reasons": ["one"],
    } | other)  # fmt: skip


def outcome(**other):
    row = {"outcome_id": new_id(), "arm": "reasoning", "source": "service", "time": datetime.now(UTC)}
    return Record("outcomes", row | other)


@pytest.fixture
def recorder(tmp_path):
    """What makes recorders, SQLite's by default, that are closed in the end."""
    made = []

    def make(**settings):
        one = Recorder(Settings(store_folder=tmp_path / "store", **settings))
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def ids(recorder, table=tables.decisions):
    with recorder.engine.connect() as connection:
        return sorted(connection.scalars(sa.select(table.primary_key.columns[0])))


def record_all(recorder, records, at_once=50):
    async def run():
        for start in range(0, len(records), at_once):
            await asyncio.gather(*(recorder.record([one]) for one in records[start : start + at_once]))

    asyncio.run(run())


def away(*_):
    raise sa.exc.OperationalError("", {}, OSError())


def gone(recorder):
    """The store is away until the test mends it."""
    recorder.mender.stop(5)
    recorder.mender.down(OSError())


def until(holds, seconds=30.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.05)


def test_a_decision_is_in_the_store_when_it_is_acknowledged(recorder):
    one = recorder()
    records = [decision() for _ in range(5)]
    asyncio.run(one.record(records))
    assert ids(one) == sorted(record.row["decision_id"] for record in records)
    assert one.counts["recorded"] == 5


def test_those_that_wait_are_committed_in_groups(recorder, monkeypatch):
    one, commits, write = recorder(), [], writing.write
    monkeypatch.setattr(
        writing, "write", lambda connection, some: (commits.append(len(some)), write(connection, some))[1]
    )
    record_all(one, [decision() for _ in range(400)], at_once=100)
    assert sum(commits) == 400
    assert len(commits) < 100


def test_async_acknowledges_before_and_writes_all_before_it_ends(recorder):
    one = recorder(durability="async")
    records = [decision() for _ in range(3000)]
    record_all(one, records, at_once=3000)
    one.close()
    again = recorder()
    assert ids(again) == sorted(record.row["decision_id"] for record in records)


def test_a_record_that_is_written_twice_is_there_once(recorder):
    one = recorder()
    records = [decision() for _ in range(3)]
    asyncio.run(one.record(records))
    asyncio.run(one.record([*records, decision()]))
    assert len(ids(one)) == 4


def test_two_recorders_share_one_store(recorder):
    first, second = recorder(), recorder()
    a, b = ([decision() for _ in range(300)] for _ in range(2))
    threads = [threading.Thread(target=record_all, args=pair) for pair in ((first, a), (second, b))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    until(lambda: not first.journal.records and not second.journal.records)
    assert ids(first) == sorted(record.row["decision_id"] for record in (*a, *b))


def test_outcomes_say_what_became_of_them(recorder):
    one, known = recorder(), decision(request_id="r")
    asyncio.run(one.record([known]))
    told = asyncio.run(one.outcomes([outcome(request_id="r", score=1.0), outcome(request_id="other", score=1.0)]))
    assert [(each.decision_id, each.status) for each in told] == [(known.row["decision_id"], "new"), (None, "unknown")]


def test_a_value_that_no_store_takes_costs_its_own_request_only(recorder, caplog):
    one = recorder()
    good = [decision() for _ in range(3)]
    bad = decision(task=None, reasons=["geheim"])

    async def run():
        await asyncio.gather(*(one.record([record]) for record in (good[0], bad, *good[1:])))

    asyncio.run(run())
    assert ids(one) == sorted(record.row["decision_id"] for record in good)
    assert (one.counts["dropped"], one.state()["store"]) == (1, "up")
    assert "geheim" not in caplog.text
    with pytest.raises(InternalError):
        asyncio.run(one.outcomes([outcome(request_id="r", score=[1])]))


def test_what_is_lost_is_on_record(recorder):
    one = recorder()
    asyncio.run(one.record([decision(task=None)]))
    until(lambda: ids(one, tables.gaps))
    with one.engine.connect() as connection:
        assert connection.scalars(sa.select(tables.gaps.c.records)).all() == [1]


def test_a_store_that_hangs_is_not_waited_for(recorder, monkeypatch):
    one = recorder(store_timeout_s=0.1)
    go = threading.Event()
    write = writing.write

    def hangs(connection, records):
        go.wait(20)
        return write(connection, records)

    monkeypatch.setattr(writing, "write", hangs)
    first, second = decision(), decision()
    asyncio.run(one.record([first]))
    assert (one.counts["spilled"], one.state()["store"]) == (1, "down")
    asyncio.run(one.record([second]))
    assert one.counts["spilled"] == 2
    go.set()
    until(lambda: one.state()["store"] == "up" and not one.journal.records)
    assert ids(one) == sorted(record.row["decision_id"] for record in (first, second))


def test_a_full_disk_of_the_store_sends_records_to_the_journal(recorder):
    one = recorder()
    asyncio.run(one.record([decision()]))
    with one.engine.connect() as connection:
        pages = connection.connection.driver_connection.execute("PRAGMA page_count").fetchone()[0]

    def limited(connection, _):
        connection.execute(f"PRAGMA max_page_count={pages}").close()

    sa.event.listen(one.engine, "connect", limited)
    one.engine.dispose()
    records = [decision(reasons=["x" * 500]) for _ in range(200)]
    record_all(one, records)
    assert one.counts["spilled"] > 0
    assert one.counts["dropped"] == 0
    assert one.state()["why"] == "OperationalError"
    sa.event.remove(one.engine, "connect", limited)
    one.engine.dispose()
    until(lambda: not one.journal.records)
    assert set(ids(one)) > {record.row["decision_id"] for record in records}


def test_where_store_and_journal_have_no_room_answers_go_on_and_losses_are_counted(recorder, monkeypatch):
    one = recorder()
    gone(one)
    monkeypatch.setattr(one.journal, "limit_bytes", 0)
    asyncio.run(one.record([decision(), decision()]))
    assert one.state()["dropped"] == 2
    with pytest.raises(StoreDown, match="send it again"):
        asyncio.run(one.outcomes([outcome(request_id="r", score=1.0)]))


def test_a_folder_that_cannot_be_written_leaves_the_store_alone(tmp_path, caplog):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "journal").touch()
    one = Recorder(Settings(store_folder=tmp_path / "store"))
    asyncio.run(one.record([decision()]))
    assert len(ids(one)) == 1
    assert one.state()["journal_records"] is None
    one.close()


def test_prompts_are_forgotten_after_their_days(recorder):
    one = recorder(retention_days=30)
    old, new = (datetime.now(UTC) - timedelta(days=days) for days in (31, 29))
    records = [decision(time=when) for when in (old, new)]
    prompts = [
        Record("prompts", {"decision_id": r.row["decision_id"], "time": r.row["time"], "turns": "[]", "tools": 0})
        for r in records
    ]
    asyncio.run(one.record([*records, *prompts]))
    one.mender._tidied -= 4000
    until(lambda: len(ids(one, tables.prompts)) == 1)
    with one.engine.connect() as connection:
        kept = connection.execute(sa.select(tables.decisions.c.time, tables.decisions.c.prompt_digest)).all()
    assert {time: digest is not None for time, digest in kept} == {old: False, new: True}


def test_ids_stay_in_order_when_the_clock_goes_back(tmp_path):
    faketime = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not faketime:
        pytest.skip("no libfaketime is installed (the Debian package faketime)")
    rc = tmp_path / "clock"
    code = f"""
import json, os, sys, uuid_utils
ids = []
for shift in ("+0", "-3600", "+60", "-86400"):
    open({str(rc)!r}, "w").write(shift)
    ids += [str(uuid_utils.uuid7()) for _ in range(50)]
print(json.dumps(ids))
"""
    rc.write_text("+0")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(faketime[-1]),
        "FAKETIME_TIMESTAMP_FILE": str(rc),
        "FAKETIME_NO_CACHE": "1",
    }
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert found == sorted(set(found))


def test_a_batch_with_outcomes_that_is_written_twice_tells_nothing_twice(recorder):
    one, known = recorder(), decision(request_id="r")
    batch = [known, outcome(request_id="r", score=1.0), outcome(request_id="r", score=0.0)]
    asyncio.run(one.record(batch))
    asyncio.run(one.record(batch))
    with one.engine.connect() as connection:
        told = (
            connection.execute(sa.select(tables.outcomes.c.score).order_by(tables.outcomes.c.outcome_id))
            .scalars()
            .all()
        )
    assert told == [1.0, 0.0]


def test_an_outcome_that_waited_does_not_pass_for_the_newest(recorder):
    one, known = recorder(), decision(request_id="r")
    older, newer = outcome(request_id="r", score=1.0), outcome(request_id="r", score=0.0)
    asyncio.run(one.record([known, newer]))
    one.mender.put_back([older])
    with one.engine.connect() as connection:
        told = (
            connection.execute(sa.select(tables.outcomes.c.score).order_by(tables.outcomes.c.outcome_id))
            .scalars()
            .all()
        )
    assert told[-1] == 0.0


def test_a_loss_is_on_record_where_there_is_no_journal(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "journal").touch()
    one = Recorder(Settings(store_folder=tmp_path / "store"))
    one.mender.down(OSError())
    asyncio.run(one.record([decision(), decision()]))
    until(lambda: ids(one, tables.gaps))
    with one.engine.connect() as connection:
        assert connection.scalars(sa.select(tables.gaps.c.records)).all() == [2]
    one.close()


def test_a_loss_that_cannot_be_noted_is_noted_later(recorder, monkeypatch):
    one = recorder()
    asyncio.run(one.record([decision(task=None)]))
    monkeypatch.setattr(writing, "write", away)
    one.mender.lost(1)
    with pytest.raises(sa.exc.OperationalError):
        one.mender._note_gap()
    monkeypatch.undo()
    until(lambda: ids(one, tables.gaps))


def test_what_waits_behind_a_store_that_hangs_is_journaled_when_the_service_ends(recorder, monkeypatch, tmp_path):
    one = recorder(durability="async", store_timeout_s=0.1)
    go = threading.Event()
    monkeypatch.setattr(writing, "write", lambda connection, records: go.wait(20) and [])
    records = [decision() for _ in range(20)]
    asyncio.run(one.record(records[:1]))
    until(lambda: not len(one._for_store))
    for record in records[1:]:
        asyncio.run(one.record([record]))
    monkeypatch.setattr(recorder_module, "CLOSE_S", 0.3)
    one.close()
    monkeypatch.undo()
    go.set()
    assert journaled(tmp_path) == [record.row["decision_id"] for record in records]  # the one that it hangs at too


def journaled(folder):
    lines = [
        line for path in (folder / "store" / "journal").rglob("*.jsonl") for line in path.read_bytes().splitlines()
    ]
    return [json.loads(line)[1]["decision_id"] for line in lines]


def test_what_nobody_can_write_before_the_end_is_counted_and_told(recorder, monkeypatch, caplog):
    one = recorder(durability="async")
    go, records = threading.Event(), [decision() for _ in range(9)]

    def made(record):
        return lambda: go.wait(20) and [record]

    for record in records:
        one.submit(Later(made(record), 1, 100))
    until(lambda: not len(one._for_store))
    monkeypatch.setattr(recorder_module, "CLOSE_S", 0.2)
    one.close()
    go.set()
    assert "9 records could not be written before the end and are lost" in caplog.text
    assert one.counts["dropped"] == 9
    again = recorder()
    assert again.engine.connect().execute(sa.select(tables.gaps.c.records)).scalars().all() == [9]


def test_a_record_that_cannot_be_made_is_dropped_alone(recorder, caplog):
    one = recorder(durability="async")
    good = [decision(), decision()]
    one.submit(Later(lambda: [good[0]], 1, 100))
    one.submit(Later(lambda: 1 // 0, 1, 100))
    one.submit(Later(lambda: [good[1]], 1, 100))
    until(lambda: len(ids(one)) == 2)
    assert set(ids(one)) == {record.row["decision_id"] for record in good}
    until(lambda: one.counts["dropped"] == 1)
    assert "1 records cannot be written (ZeroDivisionError at" in caplog.text


def test_while_records_are_made_the_store_is_not_taken_for_away(recorder):
    one = recorder(store_timeout_s=0.1)
    go, known = threading.Event(), decision()
    one.submit(Later(lambda: go.wait(20) and [known], 1, 100))
    until(lambda: not len(one._for_store))
    time.sleep(0.2)
    assert not one._hangs()
    assert one.mender.up
    go.set()
    until(lambda: ids(one) == [known.row["decision_id"]])


def test_stores_do_not_take_each_others_records(recorder, tmp_path):
    one, other = recorder(), recorder(store_url=f"sqlite:///{tmp_path / 'other.sqlite'}")
    assert one.journal.folder != other.journal.folder


def test_a_store_that_takes_no_write_is_not_said_to_be_up(recorder, monkeypatch):
    one = recorder()
    monkeypatch.setattr(writing, "write", away)
    asyncio.run(one.record([decision()]))
    time.sleep(1.5)
    assert one.state()["store"] == "down"
    monkeypatch.undo()
    until(lambda: one.state()["store"] == "up" and not one.journal.records)
    assert len(ids(one)) == 1


@pytest.mark.parametrize(
    "make", [lambda p: p.mkdir(), lambda p: p.write_text("null\n"), lambda p: p.write_text("not JSON\n")]
)
def test_a_strange_file_in_the_journals_folder_stops_nothing(recorder, make):
    one = recorder()
    make(one.journal.folder / "0-strange.jsonl")
    one.mender.down(OSError())
    asyncio.run(one.record([decision()]))
    until(lambda: one.state()["store"] == "up" and not one.journal.records)
    assert len(ids(one)) == 1


def prompt_of(known, characters):
    return Record("prompts", {
        "decision_id": known.row["decision_id"], "time": known.row["time"], "turns": "x" * characters, "tools": 0
    })  # fmt: skip


def test_what_waits_is_bounded_in_bytes_and_the_rest_goes_to_the_journal(recorder, monkeypatch):
    one = recorder(durability="async", journal_mib=200)
    go, write = threading.Event(), writing.write
    monkeypatch.setattr(writing, "write", lambda connection, records: go.wait(20) and write(connection, records))
    one.submit([decision()])
    until(lambda: not len(one._for_store))  # the writer holds it
    long = [decision() for _ in range(LIMIT_BYTES // 2**22 + 4)]
    for known in long:
        one.submit([known, prompt_of(known, 2**22)])
    assert one._for_store.bytes <= LIMIT_BYTES
    assert len(one._for_store) == LIMIT_BYTES // 2**22 - 1
    until(lambda: one.counts["spilled"] == 2 * 5)
    go.set()
    until(lambda: not one.journal.records and not len(one._for_store))
    until(lambda: len(ids(one, tables.prompts)) == len(long))
    assert one.counts["dropped"] == 0


def test_while_the_store_is_away_the_journal_is_written_in_order_and_not_by_who_asks(recorder, monkeypatch):
    one = recorder(journal_mib=200)
    gone(one)
    writers, append = [], one.journal.append
    monkeypatch.setattr(
        one.journal, "append", lambda some: (writers.append(threading.current_thread().name), append(some))[1]
    )
    records = [decision() for _ in range(200)]
    record_all(one, records, at_once=100)
    assert one.journal.records == 200  # acknowledged: it is there
    assert set(writers) == {"_spill_all"}
    assert [record.row["decision_id"] for record in one.journal.next_batch()[0]] == [
        r.row["decision_id"] for r in records
    ]


def test_what_waits_for_the_journal_is_written_when_the_service_ends(recorder, monkeypatch, tmp_path):
    one = recorder(durability="async")
    gone(one)
    append = one.journal.append
    monkeypatch.setattr(one.journal, "append", lambda some: (time.sleep(0.005), append(some))[1])
    for _ in range(50):
        one.submit([decision()])
    one.close()
    lines = [path.read_bytes().count(b"\n") for path in (tmp_path / "store" / "journal").rglob("*.jsonl")]
    assert lines == [50]


def test_a_journal_that_hangs_too_is_not_waited_for(recorder, monkeypatch):
    one = recorder(store_timeout_s=0.1)
    gone(one)
    go, append = threading.Event(), one.journal.append
    monkeypatch.setattr(one.journal, "append", lambda some: go.wait(20) and append(some))
    asyncio.run(one.record([decision()]))
    with pytest.raises(StoreDown, match="neither the store nor its journal answers"):
        asyncio.run(one.outcomes([outcome(request_id="r", score=1.0)]))
    assert (one.state()["unconfirmed"], one.counts["spilled"]) == (2, 0)
    go.set()
    until(lambda: one.counts["spilled"] == 2)


def test_a_replay_joins_outcomes_to_decisions_that_came_after_them_and_looks_once(recorder, monkeypatch):
    one = recorder()
    gone(one)
    told = [outcome(request_id=f"r{i}", score=1.0) for i in range(1200)]
    known = [decision(request_id=f"r{i}") for i in range(1200)]
    asyncio.run(one.record(told))
    asyncio.run(one.record(known))
    looked, match = [], mender_module.match_waiting
    monkeypatch.setattr(mender_module, "match_waiting", lambda engine: looked.append(match(engine)))
    one.mender.mend()
    assert looked == [1200]
    with one.engine.connect() as connection:
        waiting = sa.select(sa.func.count()).where(tables.outcomes.c.decision_id.is_(None))
        assert connection.scalar(waiting) == 0
    one.mender.mend()
    assert looked == [1200]  # nothing came, nothing is looked for


def test_a_replay_that_breaks_off_is_joined_by_the_next_one(recorder, monkeypatch):
    one = recorder()
    gone(one)
    asyncio.run(one.record([outcome(request_id="r", score=1.0), decision(request_id="r")]))
    monkeypatch.setattr(mender_module, "match_waiting", away)
    one.mender.mend()
    assert (one.mender.up, one.journal.records) == (False, 0)
    monkeypatch.setattr(mender_module, "match_waiting", match_waiting)
    one.mender.mend()
    with one.engine.connect() as connection:
        assert connection.scalars(sa.select(tables.outcomes.c.decision_id)).one() is not None


DIES_BEFORE_IT_JOINS = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from contract.settings import Settings
from serving import mender
from serving.recorder import Recorder
from test_recorder import decision, gone, outcome
one = Recorder(Settings(store_folder=Path(sys.argv[1])))
gone(one)
asyncio.run(one.record([outcome(request_id="r", score=1.0), decision(request_id="r")]))
mender.match_waiting = lambda engine: os.kill(os.getpid(), 9)
one.mender.mend()
"""


def test_a_kill_between_a_replay_and_its_joining_is_mended_by_the_next_start(recorder, tmp_path):
    here = Path(__file__).parent
    ended = subprocess.run(
        [sys.executable, "-c", DIES_BEFORE_IT_JOINS, tmp_path / "store", here], check=False, timeout=60
    )
    assert ended.returncode == -9
    one = recorder()
    with one.engine.connect() as connection:
        (joined,) = connection.scalars(sa.select(tables.outcomes.c.decision_id)).all()
    assert ids(one) == [joined]
