"""`thinkworth store` and `thinkworth purge`."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from contract.store import tables
from contract.store.inserting import insert
from contract.store.opening import migrate, newest_revision, open_store

SECRET = "heliotrope-77-marmalade"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THINKWORTH_STORE_FOLDER", str(tmp_path / "store"))
    return tmp_path / "store" / "decisions.sqlite"


@pytest.fixture
def filled(here, decision):
    engine = open_store(f"sqlite:///{here}")
    migrate(engine)
    days = [datetime.now(UTC) - timedelta(days=n) for n in (40, 20)]
    rows = [decision(time=day, prompt_digest="ab" * 32) for day in days]
    texts = [
        {"decision_id": row["decision_id"], "time": row["time"], "turns": f'[["user", "{SECRET}"]]', "tools": 0}
        for row in rows
    ]
    with engine.begin() as connection:
        insert(connection, tables.decisions, rows)
        insert(connection, tables.prompts, texts)
    yield engine
    engine.dispose()


def test_a_store_goes_up_and_down_and_says_what_it_has(thinkworth, here):
    assert thinkworth("store", "upgrade").out.strip().endswith(f"revision {newest_revision()}")
    said = thinkworth("store", "status")
    assert "decisions: 0" in said.out
    assert f"sqlite:///{here}" in said.out
    assert thinkworth("store", "downgrade", "0001").out.strip().endswith("revision 0001")
    assert "audits" not in thinkworth("store", "status").out
    assert thinkworth("store", "downgrade", "base").out.strip().endswith("no tables")
    refused = thinkworth("store", "downgrade", "0815")
    assert (refused.code, "there are 0001, " in refused.err) == (2, True)


def test_a_store_that_is_away_is_said_without_its_password(thinkworth, monkeypatch):
    monkeypatch.setenv("THINKWORTH_STORE_URL", "postgresql://me:geheim@127.0.0.1:1/none")
    said = thinkworth("store", "status")
    assert said.code == 1
    assert "does not answer" in said.err
    assert "geheim" not in said.err


@pytest.mark.parametrize("before", ["30d", (datetime.now(UTC) - timedelta(days=30)).date().isoformat()])
def test_what_is_purged_is_gone_from_the_file_and_the_decisions_stay(thinkworth, filled, here, before):
    assert "1 prompts and 1 digests forgotten" in thinkworth("purge", "--before", before).out
    with filled.connect() as connection:
        digests = connection.scalars(
            sa.select(tables.decisions.c.prompt_digest).order_by(tables.decisions.c.time)
        ).all()
        assert digests == [None, "ab" * 32]
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.prompts)) == 1
    assert "1 prompts and 1 digests" in thinkworth("purge", "--before", "1d").out
    assert "0 prompts and 0 digests" in thinkworth("purge", "--before", "1d").out
    files = [path for path in here.parent.iterdir() if path.name.startswith("decisions")]
    assert all(SECRET.encode() not in path.read_bytes() for path in files)


def test_a_journal_that_waits_is_said(thinkworth, filled, here):
    (here.parent / "journal").mkdir()
    (here.parent / "journal" / "1-x.jsonl").write_text("[]\n")
    assert "1 journals" in thinkworth("purge", "--before", "1d").out


@pytest.mark.parametrize("before", ["soon", "12x", "d", "99999999999d"])
def test_a_day_that_is_none_is_refused(thinkworth, before):
    said = thinkworth("purge", "--before", before)
    assert (said.code, "neither a day" in said.err) == (2, True)
