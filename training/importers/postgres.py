"""Rows of a PostgreSQL table, streamed from the server; a password is never repeated."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contract.errors import InvalidInput
from contract.progress import progress
from training.commands import needs
from training.importers.call import Place

if TYPE_CHECKING:
    import sqlalchemy as sa

_SCHEMES = ("postgresql://", "postgres://")
_AT_ONCE = 100
_TIMEOUT_S = "10"
_PRISMAS_OWN = (
    "schema", "connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "statement_cache_size",
    "sslaccept", "sslidentity",
)  # fmt: skip
"""What a DATABASE_URL of Prisma may hold, and libpq refuses."""


def is_address(place: str) -> bool:
    """Return whether a place is a database and no file."""
    return place.startswith(_SCHEMES)


def table_rows(
    address: str, table: str, *, wanted: Sequence[str], order: Sequence[str]
) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the rows of a table with their place: the address without user and password, and the row's number.

    Args:
        address: postgresql://user:password@host:port/database; PGPASSWORD and ~/.pgpass are read where it has no
            password, and `?schema=` is the table's schema, as Prisma has it.
        table: its name, or schema.name.
        wanted: the columns to read; those that the table lacks are left out.
        order: the columns that order the rows.

    Raises:
        InvalidInput: the address is none, the database cannot be reached or read, or the table is missing or empty.
        MissingExtra: SQLAlchemy or psycopg is not installed.
    """
    with needs("postgres"):
        import sqlalchemy as sa

        url, schema = _parsed(address)
        engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
    name = f"postgresql://{url.host or 'localhost'}{f':{url.port}' if url.port else ''}/{url.database or ''}"
    with _said_of(name), engine.connect() as connection:
        query = _query(connection, name, table, schema, wanted, order)
        read_only = connection.execution_options(postgresql_readonly=True, stream_results=True, yield_per=_AT_ONCE)
        number = 0
        for number, row in enumerate(progress(read_only.execute(query).mappings(), "reading"), 1):
            yield Place(name, number), dict(row)
    if not number:
        raise InvalidInput(f"{name}: the table {table} has no rows")


def _parsed(address: str) -> "tuple[sa.URL, str | None]":
    """Return the address as SQLAlchemy takes it, and the schema that it names."""
    import sqlalchemy as sa

    form = "write postgresql://user:password@host:port/database, with an @ of the password as %40"
    try:
        url = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        raise InvalidInput(f"this is no address of a database; {form}") from None  # the cause repeats it
    if "@" in (url.host or ""):
        raise InvalidInput(f"the address of the database has more than one @; {form}")
    schema = url.query.get("schema")
    query = {"connect_timeout": _TIMEOUT_S, **url.difference_update_query(_PRISMAS_OWN).query}
    return url.set(drivername="postgresql+psycopg", query=query), schema if isinstance(schema, str) else None


def _query(
    connection: "sa.Connection",
    name: str,
    table: str,
    schema: str | None,
    wanted: Sequence[str],
    order: Sequence[str],
) -> "sa.Select[Any]":
    import sqlalchemy as sa

    named, _, short = table.rpartition(".")
    schema = named or schema
    inspector = sa.inspect(connection)
    if not inspector.has_table(short, schema=schema):
        raise InvalidInput(f"{name}: no table {table}; name the table with --table, or another database", field="table")
    there = {column["name"] for column in inspector.get_columns(short, schema=schema)}
    connection.rollback()  # what follows is a transaction of its own, read-only
    columns: list[sa.ColumnClause[Any]] = [sa.column(column) for column in wanted if column in there]
    if not columns:
        raise InvalidInput(f"{name}: the table {table} has none of the columns {', '.join(wanted)}", field="table")
    rows = sa.select(*columns).select_from(sa.table(short, schema=schema))
    return rows.order_by(*(sa.column(column) for column in order if column in there))


@contextmanager
def _said_of(name: str) -> Iterator[None]:
    """Say of an error of the database which one it is, in one line."""
    import sqlalchemy as sa

    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise InvalidInput(f"{name} cannot be read: {said}") from error
