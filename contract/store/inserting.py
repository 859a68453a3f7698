"""Inserts rows that may be there already."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, passing over those whose key is there; a column that a row does not have is NULL."""
    if rows:
        names = table.columns.keys()
        connection.execute(
            inserting(connection, table).on_conflict_do_nothing(),
            [{name: row.get(name) for name in names} for row in rows],
        )


def inserting(connection: sa.Connection, table: sa.Table) -> Any:
    """Return an INSERT of the connection's dialect: the general one knows no ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as of_dialect
    else:
        from sqlalchemy.dialects.sqlite import insert as of_dialect  # type: ignore[assignment]
    return of_dialect(table)
