"""Opens the decision store: SQLite in WAL mode or PostgreSQL, its tables brought up to date."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from contract.errors import InvalidInput, MissingExtra, StoreDown, StoreTooNew

MIGRATIONS = Path(__file__).parent / "migrations"

CONNECT_TIMEOUT_S = 3
"""Seconds to wait for a connection, and for a lock of SQLite's."""

STATEMENT_TIMEOUT_S = 30
"""Seconds that PostgreSQL may spend on one statement of ours."""

_MIGRATION_LOCK = 0x7468696E6B  # "think": the key of PostgreSQL's advisory lock


def parsed(address: str) -> URL:
    """Return the address of a store.

    Raises:
        InvalidInput: it is no address, or of neither SQLite nor PostgreSQL.
        MissingExtra: it is of PostgreSQL, whose driver is not installed.
    """
    remedy = "give sqlite:////folder/decisions.sqlite or postgresql://user@host/database with store_url"
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):  # a port that is no number, too
        raise InvalidInput(f"store_url is no address of a database; {remedy}", field="store_url") from None
    if url.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        if find_spec("psycopg") is None:
            raise MissingExtra("store_url names PostgreSQL; install its driver: pip install 'thinkworth[postgres]'")
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    raise InvalidInput(
        f"store_url {shown(url)} is neither a file of SQLite nor PostgreSQL; {remedy}", field="store_url"
    )


def shown(url: URL) -> str:
    """Return an address as messages have it: without user, password and options, which may hold one."""
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


@contextmanager
def reached() -> Iterator[None]:
    """Turn what a database raises into an error of ours, which holds no value and no address.

    Raises:
        StoreDown: the store cannot be reached, is locked too long, or does not take what is asked.
    """
    try:
        yield
    except DBAPIError as error:
        what = str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
        raise StoreDown(f"the decision store does not answer: {what}; see store_url") from None


def open_store(address: str) -> Engine:
    """Return an engine on the store; nothing is connected yet, but the folder of an SQLite file is made.

    Raises:
        InvalidInput: the address cannot be used, or the folder cannot be made.
        MissingExtra: the driver is not installed.
    """
    url = parsed(address)
    if url.drivername == "sqlite":
        folder = Path(str(url.database)).expanduser().absolute().parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"store_url: the folder {folder} cannot be made: {error.strerror}; name another"
            raise InvalidInput(what, field="store_url") from error
        engine = create_engine(url, connect_args={"timeout": CONNECT_TIMEOUT_S}, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # A server that vanishes without a word is given up after some seconds, not after the kernel's quarter of an hour.
    alive = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
    # Without jit: it compiled the reading of what was told for four seconds, which then takes a third of one.
    options = f"-c timezone=utc -c jit=off -c statement_timeout={STATEMENT_TIMEOUT_S * 1000}"
    return create_engine(
        url,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": options, **alive},
    )


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    """A commit survives the end of the process; with synchronous=NORMAL the last ones may not survive a power cut."""
    connection.isolation_level = None  # transactions are begun by _begin_sqlite, not by the driver's guess
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "secure_delete=ON"):  # what is forgotten is overwritten
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the lock to write at once where it will be needed: one that is upgraded later fails without waiting."""
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads_only") else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that only reads, in one transaction: all that it sees is of one moment."""
    with engine.connect().execution_options(reads_only=True) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield connection


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the tables to a revision of `migrations`, `head` by default; `base` takes all away. Several may call this at once.

    Raises:
        StoreTooNew: the tables are of a newer thinkworth; nothing is changed.
    """
    from alembic import command

    with engine.begin() as connection:  # SQLite locks the file; PostgreSQL rolls a half-made migration back too
        take_your_time(connection)
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        now = found_revision(connection)
        if now is not None and now not in revisions():
            raise StoreTooNew(
                f"the store has tables of revision {now}, which this thinkworth does not know; use the thinkworth that wrote "
                f"it, which can go back with `thinkworth store downgrade`"
            )
        config = _config()
        config.attributes["connection"] = connection
        if to == "base" or (now is not None and to != "head" and _is_before(to, now)):
            command.downgrade(config, to)
        else:
            command.upgrade(config, to)


def take_your_time(connection: Connection) -> None:
    """Let the statements of this transaction take longer than answers could wait for."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))


def found_revision(connection: Connection) -> str | None:
    """Return the revision of the tables that the store has, None where it has none."""
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def squeeze(engine: Engine) -> bool:
    """Take what is forgotten out of SQLite's write-ahead log too, and return whether it is out: who reads just now keeps it there.

    PostgreSQL's vacuum does that in its time.
    """
    if engine.dialect.name != "sqlite":
        return True
    with engine.connect() as connection:
        connection.commit()
        driver: Any = connection.connection.driver_connection
        return not driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


def revisions() -> list[str]:
    """Return the revisions of the tables, oldest first."""
    return [script.revision for script in _script().walk_revisions()][::-1]


def newest_revision() -> str:
    """Return the revision of the tables that this thinkworth writes."""
    return str(_script().get_current_head())


def _is_before(wanted: str, now: str) -> bool:
    known = revisions()
    return wanted in known and known.index(wanted) < known.index(now)


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _script() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())
