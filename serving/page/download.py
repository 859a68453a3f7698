"""Downloads of exactly what is shown: a list by the same filters and order, all of its pages, written as they are read, or a sheet of a view."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa

from contract.store.audit_tables import slices, suspects
from contract.store.tables import UtcTime, decisions, reviews
from serving.page import listing, views
from serving.page.asked import Asked, Listed, Sliced
from serving.page.sheets import Sheet

AT_ONCE = 2000
"""Rows that are read in one go: each is a transaction of its own, so that a long download holds nobody up."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet would run; it gets an apostrophe before it."""

MEDIA = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}

Read = Callable[[Callable[[sa.Connection], Any]], Any]
Rows = Sequence[Mapping[str, Any]]


def forms() -> list[str]:
    """Return the formats that can be written here: Parquet only where pyarrow is installed."""
    return ["csv", *(["parquet"] if find_spec("pyarrow") else [])]


def chunks(read: Read, asked: Asked, audit_id: str | None, form: str) -> Iterator[bytes]:
    """Yield the download of a list piece by piece.

    Args:
        read: calls a function with a connection that reads.
        asked: the list, of which all pages are written.
        audit_id: the audit that the list is of.
        form: one of `forms()`.
    """
    yield from _written(columns_of(asked), _blocks(read, asked, audit_id), form)


def whole(sheet: Sheet, form: str) -> bytes:
    """Return a sheet as a file of one of `forms()`."""
    return b"".join(_written(sheet.columns, iter([sheet.rows]), form))


def _written(columns: Mapping[str, sa.types.TypeEngine[Any]], blocks: Iterator[Rows], form: str) -> Iterator[bytes]:
    yield from (_parquet if form == "parquet" else _csv)(columns, blocks)


def columns_of(asked: Asked) -> dict[str, sa.types.TypeEngine[Any]]:
    """Return the columns of a download with their types, in order."""
    if isinstance(asked, Sliced):
        return {column.name: column.type for column in slices.c if column.name != "audit_id"}
    assert isinstance(asked, Listed)
    known = {column.name: column.type for table in (reviews, suspects, decisions) for column in table.c}
    return {name: known[name] for name in listing.names_of(asked)}


def _blocks(read: Read, asked: Asked, audit_id: str | None) -> Iterator[Rows]:
    if isinstance(asked, Sliced):
        statement = views.slices_of(asked, audit_id)
        yield read(lambda connection: connection.execute(statement).mappings().all())
        return
    assert isinstance(asked, Listed)
    at = listing.everything(asked)
    while True:
        page: listing.Page = read(partial(listing.page, asked=at, audit_id=audit_id, rows=AT_ONCE))
        yield page.rows
        if page.after is None:
            return
        at = at.model_copy(update={"after": page.after})


def _csv(columns: Mapping[str, Any], blocks: Iterator[Rows]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([cell(name) for name in columns])
    for rows in blocks:
        writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def cell(value: Any) -> Any:
    """Return a value as a cell of a CSV: NULL is empty, a list is one text, and no text is a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    text = _text(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def _parquet(columns: Mapping[str, sa.types.TypeEngine[Any]], blocks: Iterator[Rows]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _arrow(pa, kind)) for name, kind in columns.items()])
    out = _Pipe()
    with pq.ParquetWriter(pa.PythonFile(out, mode="w"), schema) as writer:
        for rows in blocks:
            plain = [{name: _plain(row.get(name), kind) for name, kind in columns.items()} for row in rows]
            writer.write_table(pa.Table.from_pylist(plain, schema=schema))
            yield out.taken()
    yield out.taken()


def _plain(value: Any, kind: sa.types.TypeEngine[Any]) -> Any:
    is_text = isinstance(value, list) or (isinstance(kind, sa.String | sa.JSON) and value is not None)
    return _text(value) if is_text else value


def _arrow(pa: Any, kind: sa.types.TypeEngine[Any]) -> Any:
    kinds = (
        (UtcTime, pa.timestamp("us", "UTC")),
        (sa.Boolean, pa.bool_()),
        (sa.Integer, pa.int64()),
        (sa.Float, pa.float64()),
    )
    return next((arrow for ours, arrow in kinds if isinstance(kind, ours)), pa.string())


class _Pipe(io.RawIOBase):
    """A file that is written at one end and taken away in pieces at the other."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def tell(self) -> int:
        """Return how much was written."""
        return self._at

    def write(self, data: Any) -> int:
        """Take bytes."""
        self._pieces.append(bytes(data))
        self._at += len(self._pieces[-1])
        return len(self._pieces[-1])

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
