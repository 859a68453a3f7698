"""Good rows on disk until all have been read: a later record may repeat one, or be a retry of it."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from contract.records import arrow_schema


class Staging:
    """Tables in a temporary file that has no name: whatever ends the process, nothing of it is left."""

    def __init__(self, folder: Path) -> None:
        self._open = ExitStack()
        self._file: Any = self._open.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
        self._writer: Any = self._open.enter_context(pq.ParquetWriter(self._file, arrow_schema()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, table: pa.Table) -> None:
        """Put away a table of the log table's schema."""
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))

    def tables(self) -> Iterator[pa.Table]:
        """Yield the tables as they were added; none can be added after."""
        self._writer.close()
        with pq.ParquetFile(self._file) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number)
