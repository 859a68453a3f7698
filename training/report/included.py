"""Tables of other measurements that a report includes: results of benchmark scripts, as files of JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.errors import InvalidInput

REMEDY = 'give --include a file like {"title": "...", "columns": ["...", ...], "rows": [["...", 0.5, ...], ...], "note": "..."}'


class Measured(BaseModel):
    """A figure with its interval."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    value: float | None
    interval: tuple[float, float] | None = None


class Included(BaseModel):
    """A table: cells are texts, numbers, yes or no, null (a dash) or figures with intervals; other keys of the file are left aside.

    Attributes:
        title: caption.
        columns: names of the columns.
        rows: rows of as many cells as there are columns.
        note: how it was measured.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    title: str = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    rows: tuple[tuple[bool | int | float | str | Measured | None, ...], ...]
    note: str | None = None

    @model_validator(mode="after")
    def _as_wide_as_its_head(self) -> "Included":
        for i, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(f"row {i} has {len(row)} cells, expected {len(self.columns)}, one a column")
        return self


def load_included(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the tables of files as a report holds them.

    Raises:
        InvalidInput: a file cannot be read, is no JSON in UTF-8, or is no such table.
    """
    return [_load(path).model_dump(mode="json") for path in files]


def _load(path: Path) -> Included:
    try:
        return Included.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}; {REMEDY}", field="include") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"][:3]))
        raise InvalidInput(
            f"{path}: {where + ': ' if where else ''}{first['msg']}; {REMEDY}", field="include"
        ) from error
