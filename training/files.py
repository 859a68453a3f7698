"""Output files, written whole or not at all; the format is the name's suffix."""

import errno
import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from contract.errors import InvalidInput
from contract.files import written_whole
from contract.manifest_file import MANIFEST

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Format = Literal["parquet", "jsonl", "csv"]

SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".csv": "csv",
    ".csv.gz": "csv",
}
"""Suffixes of tables, and their formats."""


def table_format(path: Path) -> Format:
    """Return the format that a table's name says.

    Raises:
        InvalidInput: the suffix is not one of ours.
    """
    for suffix, kind in SUFFIXES.items():
        if path.name.lower().endswith(suffix):
            return kind
    raise InvalidInput(f"{path}: unknown suffix; use one of {', '.join(SUFFIXES)}", limit=list(SUFFIXES))


def table_stem(path: Path) -> str:
    """Return the file's name without the suffix of its table format: `traffic` of `traffic.jsonl.gz`."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)] or name
    return path.stem


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path` that takes its place: `contract.files.written_whole`.

    Raises:
        InvalidInput: the place cannot be written.
    """
    with _said_of(path), written_whole(path) as temporary:
        yield temporary


def remove(path: Path) -> None:
    """Remove a file where there is one."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


@contextmanager
def _said_of(path: Path) -> Iterator[None]:
    """Say of an error of the system which place cannot be written."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror or error}; name another place") from error


def check_replaceable(out: Path, of: str, marker: str = MANIFEST) -> None:
    """Refuse to replace what is no folder of ours: a slip of --out must not cost a thesis.

    Args:
        out: where a folder with the marker is to lie.
        of: what it is a folder of, for the message.
        marker: name of the file that says so.

    Raises:
        InvalidInput: something else is there, or nothing can be written there.
    """
    above = next(parent for parent in out.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InvalidInput(
            f"{out} cannot be written: {above} is no folder that may be written; name another place with --out"
        )
    empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if not empty and not (out / marker).is_file():
        raise InvalidInput(f"{out} exists and is no {of}; name another folder with --out", field="out")


@contextmanager
def folder_written_atomically(out: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `out`; it takes its place when the block ends well, and vanishes otherwise.

    A folder that is there is replaced whole and is back where that fails; of runs that end at once the last is kept.

    Raises:
        InvalidInput: the place cannot be written.
    """
    temporary = out.with_name(f".{out.name}.{uuid4().hex[:8]}")
    try:
        with _said_of(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
        yield temporary
        with _said_of(out):
            while not _put_in_place(temporary, out):
                pass
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(folder: Path, out: Path) -> bool:
    """Move a folder to `out`; return False where another run put one there meanwhile."""
    old = out.with_name(f".{out.name}.{uuid4().hex[:8]}.old")
    try:
        with suppress(FileNotFoundError):
            out.replace(old)
        folder.replace(out)
    except BaseException as error:  # Ctrl-C too
        if isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            shutil.rmtree(old, ignore_errors=True)
            return False
        if old.exists() and not out.exists():
            old.replace(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
    return True


def write_atomically(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` write a file, whole or not at all, at `path`.

    Raises:
        InvalidInput: the place cannot be written.
    """
    with written_atomically(path) as temporary:
        writer(temporary)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text, whole or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all; gzip where the name ends in .gz."""
    packed = path.name.lower().endswith(".gz")

    def write(temporary: Path) -> None:
        with gzip.open(temporary, "wb") if packed else temporary.open("wb") as handle:
            for row in rows:
                handle.write(f"{json.dumps(row, ensure_ascii=False, allow_nan=False)}\n".encode())

    write_atomically(path, write)


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write a table in the format of the path's suffix, whole or not at all; absent values are null or empty.

    Raises:
        InvalidInput: the suffix is unknown, or the place cannot be written.
    """
    kind = table_format(path)
    packed: Any = "gzip" if path.name.lower().endswith(".gz") else None

    def write(temporary: Path) -> None:
        if kind == "parquet":
            frame.to_parquet(temporary, engine="pyarrow", index=False)
        elif kind == "csv":
            frame.to_csv(temporary, index=False, compression=packed)
        else:
            frame.to_json(
                temporary, orient="records", lines=True, date_format="iso", force_ascii=False, compression=packed
            )

    write_atomically(path, write)


@contextmanager
def table_written_in_blocks(path: Path, schema: "pa.Schema") -> Iterator[Callable[["pa.Table"], None]]:
    """Yield what takes the blocks of a table and writes them in the format of the path's suffix, all or none.

    Raises:
        InvalidInput: the suffix is unknown, or the place cannot be written.
    """
    import pyarrow.parquet as pq

    kind = table_format(path)
    with written_atomically(path) as temporary:
        if kind == "parquet":
            with pq.ParquetWriter(temporary, schema) as writer:
                yield writer.write_table
            return
        packed = path.name.lower().endswith(".gz")
        with gzip.open(temporary, "wb") if packed else temporary.open("wb") as handle:
            if kind == "csv":
                schema.empty_table().to_pandas().to_csv(handle, index=False)
            yield lambda table: _append(table, handle, kind)


def _append(table: "pa.Table", handle: Any, kind: Format) -> None:
    frame = table.to_pandas(integer_object_nulls=True)
    if kind == "csv":
        frame.to_csv(handle, index=False, header=False)
    else:
        frame.to_json(handle, orient="records", lines=True, date_format="iso", date_unit="us", force_ascii=False)
