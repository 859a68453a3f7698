"""Opening a store: what addresses are taken, and tables that go up and down with what is in them."""

import sqlite3
import threading

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from contract.errors import InvalidInput, MissingExtra, StoreTooNew
from contract.store import audit_tables, opening, tables
from contract.store.opening import (
    found_revision,
    migrate,
    open_store,
    parsed,
    reading,
    revisions,
    shown,
    take_your_time,
)
from contract.store.writing import insert


@pytest.mark.parametrize("address", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:", "duckdb:///x"])
def test_an_address_that_is_neither_is_refused_with_one_that_is(address):
    with pytest.raises(InvalidInput, match=r"postgresql://user@host/database") as refused:
        parsed(address)
    assert refused.value.field == "store_url"


@pytest.mark.parametrize("address", ["mysql://me:geheim@h/d", "mysql://h/d?password=geheim", "postgresql://h:geheim/d"])
def test_a_refused_address_does_not_show_its_password(address):
    with pytest.raises(InvalidInput) as refused:
        parsed(address)
    assert "geheim" not in refused.value.message


def test_an_address_is_shown_without_what_may_be_secret():
    assert shown(parsed("postgresql://me:geheim@h:5/d?password=geheim")) == "postgresql+psycopg://h:5/d"


@pytest.mark.parametrize("name", ["postgres", "postgresql", "postgresql+psycopg"])
def test_names_of_postgresql_are_one_driver(name):
    assert parsed(f"{name}://u:p@h/d").drivername == "postgresql+psycopg"


def test_postgresql_without_its_driver_names_the_extra(monkeypatch):
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"thinkworth\[postgres\]"):
        parsed("postgresql://u@h/d")


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot be made"):
        open_store(f"sqlite:///{tmp_path / 'file' / 'store.sqlite'}")


def test_the_tables_are_those_that_the_modules_describe(store):
    with store.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
    assert audit_tables.audits.metadata is tables.metadata


def test_migrations_go_down_and_up_with_data(store, decision, outcome):
    row = decision(request_id="r")
    told = outcome(outcome_id="o", decision_id=row["decision_id"], attempt=0, contradicts=False, digest="d", score=0.5)
    with store.begin() as connection:
        insert(connection, tables.decisions, [row])
        insert(connection, tables.outcomes, [told])
    for revision in reversed(revisions()):
        migrate(store, revision)
        with reading(store) as connection:
            assert found_revision(connection) == revision
            kept = connection.execute(sa.select(*(tables.decisions.c[name] for name in row))).mappings().one()
            assert kept == row
            assert connection.scalar(sa.select(tables.outcomes.c.score)) == 0.5
    migrate(store)
    with reading(store) as connection:
        assert found_revision(connection) == revisions()[-1]
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.decisions)) == 1
    migrate(store, "base")
    assert sa.inspect(store).get_table_names() == ["alembic_version"]


def test_slices_of_older_audits_have_no_bounds_and_lose_nothing_else(engine):
    migrate(engine, "0003")
    slices = audit_tables.slices
    bounds = [c.name for c in slices.c if c.name.startswith("regret") and c.name.endswith(("_lower", "_upper"))]
    assert len(bounds) == 6
    kept = {
        "audit_id": "a", "slice_id": 1, "title": "t", "kind": "overthinking", "evidence": "explored", "found": "search", "misrouted": True,
        "decisions": 9, "evidence_n": 3, "net_benefit": -0.5, "net_benefit_lower": -0.6, "regret_points_total": 4.5, "regret_usd_total": 0.25,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.insert(slices).values(kept))
    migrate(engine)
    with engine.begin() as connection:
        row = connection.execute(sa.select(slices)).mappings().one()
        assert {name: row[name] for name in kept} == kept
        assert [row[name] for name in bounds] == [None] * 6
        connection.execute(sa.update(slices).values(dict.fromkeys(bounds, 0.125)))
    migrate(engine, "0003")
    assert not set(bounds) & {column["name"] for column in sa.inspect(engine).get_columns("audit_slices")}
    with reading(engine) as connection:
        row = connection.execute(sa.select(*(slices.c[name] for name in kept))).mappings().one()
        assert dict(row) == kept
    migrate(engine)
    with reading(engine) as connection:
        assert connection.scalar(sa.select(slices.c.regret_usd_total_lower)) is None


def test_a_store_of_a_newer_thinkworth_is_left_alone(store):
    with store.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreTooNew, match="revision 9999"):
        migrate(store)
    assert "decisions" in sa.inspect(store).get_table_names()


def test_a_migration_that_fails_leaves_nothing_half_made(engine, monkeypatch):
    migrate(engine, "0001")
    from alembic.operations import Operations

    made = Operations.create_table

    def fails(self, name, *args, **more):
        made(self, name, *args, **more)
        raise OSError("no space")

    monkeypatch.setattr(Operations, "create_table", fails)
    with pytest.raises(OSError, match="no space"):
        migrate(engine)
    monkeypatch.undo()
    with reading(engine) as connection:
        assert found_revision(connection) == "0001"
    assert not [name for name in sa.inspect(engine).get_table_names() if name.startswith("audit")]
    migrate(engine)


def test_several_that_start_at_once_migrate_once(address):
    engines = [open_store(address) for _ in range(6)]
    failed = []

    def run(engine):
        try:
            migrate(engine)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failed
    with reading(engines[0]) as connection:
        assert found_revision(connection) == revisions()[-1]
    [engine.dispose() for engine in engines]


def test_sqlite_writes_ahead_and_overwrites_what_is_forgotten(tmp_path):
    engine = open_store(f"sqlite:///{tmp_path / 'x.sqlite'}")
    migrate(engine)
    with engine.connect() as connection:
        driver: sqlite3.Connection = connection.connection.driver_connection
        found = {
            name: driver.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete")
        }
    assert found == {"journal_mode": "wal", "synchronous": 1, "secure_delete": 1}
    engine.dispose()


def test_who_reads_sees_one_moment_and_cannot_write(store, decision):
    with reading(store) as reader:
        count = sa.select(sa.func.count()).select_from(tables.decisions)
        before = reader.scalar(count)
        with store.begin() as writer:
            insert(writer, tables.decisions, [decision()])
        assert reader.scalar(count) == before
    with reading(store) as reader:
        assert reader.scalar(count) == before + 1


def test_what_may_take_long_is_not_cut_short(engine):
    with engine.begin() as connection:
        take_your_time(connection)
        if engine.dialect.name == "postgresql":
            assert connection.scalar(sa.text("SHOW statement_timeout")) == "0"
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SHOW statement_timeout")) == "30s"
