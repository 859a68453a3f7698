"""The files of a log, read block by block: raw values by column, the line of each row, and lines that hold no row."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from contract.errors import InvalidInput
from contract.progress import opened
from contract.records import COLUMNS
from training.csv_files import csv_header, csv_rows, wrong_count
from training.files import table_format
from training.log_values import CONTENT, REQUIRED, Fault, shown

BLOCK_ROWS = 100_000
BLOCK_SIZE = 32 * 2**20
"""Characters (of Parquet, bytes) after which a block ends, however few its rows."""
_KNOWN = frozenset(COLUMNS)


@dataclass(frozen=True)
class Block:
    """Some rows of a file.

    Attributes:
        lines: the line each row begins on; of Parquet its number, from 1.
        columns: raw values by column, each as long as `lines`.
        broken: lines that hold no row at all, with what is wrong.
    """

    lines: npt.NDArray[np.int64]
    columns: Mapping[str, Sequence[Any] | pa.Array]
    broken: dict[int, Fault] = field(default_factory=dict)


def read_blocks(path: Path) -> Iterator[Block]:
    """Yield the blocks of a log file; its suffix says the format.

    Raises:
        InvalidInput: unknown suffix, missing, empty or unreadable file, unknown or missing columns.
    """
    kind = table_format(path)
    with readable(path):
        reader = {"parquet": _parquet, "jsonl": _jsonl, "csv": _csv}[kind]
        rows = 0
        for block in reader(path):
            rows += len(block.lines) + len(block.broken)
            yield block
        if not rows:
            raise InvalidInput(f"{path} has no rows")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever a missing, empty or damaged file makes its reader raise into one clear error.

    Raises:
        InvalidInput: the file is missing, empty, cut off, or not what its name says.
    """
    try:
        if not path.is_file():
            what = " is no regular file; give a file" if path.exists() else ": no such file"
            raise InvalidInput(f"{path}{what}")
        if path.stat().st_size == 0:
            raise InvalidInput(f"{path} is empty")
        yield
    except (EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} is cut off or damaged (gzip: {error}); fetch it again") from error
    except gzip.BadGzipFile as error:
        raise InvalidInput(f"{path} is not a gzip file ({error})") from error
    except pa.ArrowException as error:
        raise InvalidInput(f"{path} is not a readable Parquet file; write it again") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from error


def _check_columns(path: Path, names: Sequence[str]) -> None:
    known = ", ".join(COLUMNS)
    for name in names:
        if name not in _KNOWN:
            raise InvalidInput(f"{path}: unknown column {shown(name)}; known columns: {known}", limit=list(COLUMNS))
    if len(set(names)) < len(names):
        raise InvalidInput(f"{path}: a column is named twice")
    for name in REQUIRED:
        if name not in names:
            raise InvalidInput(f"{path}: column {name} is missing; give prompt or messages, model, arm", field=name)
    if not set(CONTENT) & set(names):
        raise InvalidInput(f"{path}: neither a column prompt nor a column messages", field="prompt")


def _parquet(path: Path) -> Iterator[Block]:
    with opened(path) as handle, pq.ParquetFile(handle) as file:
        names = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]  # pandas adds it
        _check_columns(path, names)
        size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
        rows = BLOCK_SIZE * file.metadata.num_rows // max(size, 1)
        first = 1
        for batch in file.iter_batches(batch_size=max(1, min(BLOCK_ROWS, rows)), columns=names):
            batch.validate(full=True)
            lines = np.arange(first, first + batch.num_rows, dtype=np.int64)
            first += batch.num_rows
            if batch.num_rows:
                yield Block(lines, {name: batch.column(name) for name in names})


def open_binary(path: Path) -> IO[bytes]:
    """Open the bytes of a text, unpacked where the name ends in .gz.

    Raises:
        InvalidInput: it begins as UTF-16 or binary data do.
    """
    binary: Any = opened(path)
    if path.name.lower().endswith(".gz"):
        plain, binary = binary, gzip.GzipFile(fileobj=binary, mode="rb")
        binary.myfileobj = plain  # what it is to close with itself
    try:
        head = binary.peek(4)[:4]
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head:
            raise InvalidInput(f"{path} is not UTF-8 (it looks like UTF-16 or binary data); convert it to UTF-8")
    except BaseException:
        binary.close()
        raise
    return cast(IO[bytes], binary)


def open_text(path: Path, *, newline: str | None) -> io.TextIOWrapper:
    """Open a text; bytes that are no UTF-8 become lone surrogates, which the check of their column refuses."""
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _jsonl(path: Path) -> Iterator[Block]:
    with open_text(path, newline=None) as handle:
        lines: list[int] = []
        rows: list[dict[str, Any]] = []
        broken: dict[int, Fault] = {}
        size = 0
        for number, text in enumerate(handle, 1):
            if text.isspace():
                continue
            size += len(text)
            row = _json_row(text)
            if isinstance(row, Fault):
                broken[number] = row
            else:
                lines.append(number)
                rows.append(row)
            if len(rows) + len(broken) >= BLOCK_ROWS or size >= BLOCK_SIZE:
                yield _block_of_rows(lines, rows, broken)
                lines, rows, broken, size = [], [], {}, 0
        yield _block_of_rows(lines, rows, broken)


def _json_row(text: str) -> dict[str, Any] | Fault:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return Fault("not a JSON object", f"not a JSON object (a line of {len(text):,} characters)")
    if not isinstance(row, dict):
        return Fault("not a JSON object", f"not a JSON object but a {type(row).__name__}")
    for name in row.keys() - _KNOWN:
        return Fault("unknown column", f"unknown column {shown(name)}")
    return row


def _block_of_rows(lines: list[int], rows: list[dict[str, Any]], broken: dict[int, Fault]) -> Block:
    names = set().union(*rows)
    columns = {name: [row.get(name) for row in rows] for name in COLUMNS if name in names}
    return Block(np.array(lines, dtype=np.int64), columns, broken)


def _csv(path: Path) -> Iterator[Block]:
    with open_text(path, newline="") as handle:
        numbered = csv_rows(handle)
        header = csv_header(path, numbered)
        _check_columns(path, header)
        lines: list[int] = []
        rows: list[list[str]] = []
        broken: dict[int, Fault] = {}
        size = 0
        for number, row in numbered:
            if isinstance(row, Fault):
                broken[number] = row
            elif len(row) == len(header):
                size += sum(map(len, row))
                lines.append(number)
                rows.append(row)
            elif row:
                broken[number] = wrong_count(row, header)
            if len(rows) + len(broken) >= BLOCK_ROWS or size >= BLOCK_SIZE:
                yield _block_of_fields(header, lines, rows, broken)
                lines, rows, broken, size = [], [], {}, 0
        yield _block_of_fields(header, lines, rows, broken)


def _block_of_fields(header: list[str], lines: list[int], rows: list[list[str]], broken: dict[int, Fault]) -> Block:
    """Return the block of CSV rows; an empty field is absent."""
    fields = zip(*rows, strict=True) if rows else iter([()] * len(header))
    columns = {name: [value or None for value in values] for name, values in zip(header, fields, strict=True)}
    return Block(np.array(lines, dtype=np.int64), columns, broken)
