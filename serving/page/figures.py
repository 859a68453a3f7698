"""Figures and tables of an audit's report as the page shows them, read by their shape."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from serving.page.words import label

COMPARED = ("observed_pairs", "explored", "modelled")
"""Kinds of evidence on the arm that was not taken: names of figures end in them, so that what they say of the same stands side by side."""

_BESIDE = ("lower", "upper", "n")
"""What a cell of a table shows beside its value."""


class Figure(NamedTuple):
    """One figure: value, 95 % interval, how many it is of, by which evidence; None is unknown."""

    title: str
    value: Any
    lower: float | None = None
    upper: float | None = None
    n: int | None = None
    evidence: str | None = None
    unit: str | None = None
    note: str | None = None


class Table(NamedTuple):
    """Rows under columns; a cell is a text, a number, None, or a Figure.

    Attributes:
        title: above the table.
        columns: their names in words.
        rows: of cells, each as long as the columns.
        words: which columns hold texts.
        digits: decimals of the numbers of each column.
        evidence: of each row, empty where the rows have none; it stands with the row's first cell.
        unknown: columns without a value and kinds of evidence without a figure, which are not shown, in words.
        name: of its download.
        source: the rows that are shown as the report has them: columns by their own names, bounds in columns of their own, and so is
            what a cell says beside its value (`x`, `x_lower`, `x_upper`, `x_n`).
    """

    title: str
    columns: list[str]
    rows: list[list[Any]]
    words: list[bool]
    digits: list[int]
    evidence: list[str]
    unknown: list[str]
    name: str
    source: list[dict[str, Any]]


def figure(name: str, part: Any) -> Figure:
    """Return a figure of a report: a number, or a mapping with a value."""
    if not isinstance(part, Mapping):
        return Figure(label(name), part)
    kind = part.get("evidence")
    title = part.get("title") or part.get("name") or label(name.removesuffix(f"_{kind}") if kind in COMPARED else name)
    return Figure(str(title), **{field: part.get(field) for field in Figure._fields[1:]})


def table(name: str, part: Any, within: str = "") -> Table:
    """Return a table of a report: rows, or a mapping with rows; `x, x_lower, x_upper` beside each other are one cell.

    `within` is the name of the section that it is in.
    """
    title, rows = label(name).capitalize(), part
    if isinstance(part, Mapping):
        title, rows = part.get("title") or title, part.get("rows") or []
    rows = [row for row in rows if isinstance(row, Mapping)]
    columns = list(dict.fromkeys(str(key) for row in rows for key in row))
    bounds = _bounds(columns)
    rows, silent = _without_silent(rows, list(bounds))
    inside = {bound for both in bounds.values() for bound in both}
    by_evidence = bool(rows) and all(isinstance(row.get("evidence"), str) for row in rows)
    told = [name for name in columns if name not in inside and not (by_evidence and name == "evidence")]
    kept = [column for column in told if any(row.get(column) is not None for row in rows)]
    shown = [[_cell(row, column, bounds.get(column)) for column in kept] for row in rows]
    return Table(
        str(title), [label(column) for column in kept], shown, [any(isinstance(row[i], str) for row in shown) for i in range(len(kept))],
        [_digits([row[i] for row in shown]) for i in range(len(kept))], [str(row["evidence"]) for row in rows] if by_evidence else [],
        [*silent, *(label(column) for column in told if column not in kept)] if rows else [],
        plain_name(within, name), _source(rows, [name for name in columns if name in _with_bounds(kept, bounds, by_evidence)]),
    )  # fmt: skip


def plain_name(*parts: str) -> str:
    """Return the name of a part of a report as an address has it."""
    return "_".join(found for part in parts if (found := re.sub(r"\W+", "_", part).strip("_")))


def _with_bounds(kept: Sequence[str], bounds: Mapping[str, tuple[str, str]], by_evidence: bool) -> set[str]:
    return {*kept, *(end for column in kept for end in bounds.get(column, ())), *(["evidence"] if by_evidence else [])}


def _source(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    cells = [{name: _cell(row, name, None) for name in names} for row in rows]
    beside = {
        name: [field for field in _BESIDE if any(_field(row[name], field) is not None for row in cells)]
        for name in names
    }
    return [
        {key: value for name in names for key, value in _columns(name, row[name], beside[name]).items()}
        for row in cells
    ]


def _columns(name: str, cell: Any, beside: Sequence[str]) -> dict[str, Any]:
    """Return a cell as plain columns: its value, and what some cell of the same column says beside it."""
    value = cell.value if isinstance(cell, Figure) else cell
    return {name: value, **{f"{name}_{field}": _field(cell, field) for field in beside}}


def _field(cell: Any, field: str) -> Any:
    return getattr(cell, field) if isinstance(cell, Figure) else None


def _bounds(columns: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns that the two after them are the bounds of, with these."""
    three = zip(columns, columns[1:], columns[2:], strict=False)
    return {a: (b, c) for a, b, c in three if b.endswith("lower") and c == f"{b.removesuffix('lower')}upper"}


def _without_silent(rows: list[Mapping[str, Any]], bounded: list[str]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the rows without those of kinds of evidence that have no figure in any, and these kinds in words."""
    kinds = list(dict.fromkeys(row.get("evidence") for row in rows if row.get("evidence") in COMPARED))
    heard = {row.get("evidence") for row in rows if any(row.get(name) is not None for name in bounded)}
    silent = [kind for kind in kinds if kind not in heard] if bounded and heard else []
    return [row for row in rows if row.get("evidence") not in silent], [
        f"anything by {label(str(kind))}" for kind in silent
    ]


def _digits(cells: Sequence[Any]) -> int:
    """Return the decimals that all numbers of a column have: as many as the largest needs."""
    values = [cell.value if isinstance(cell, Figure) else cell for cell in cells]
    numbers = [abs(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if all(v == int(v) for v in numbers) and not any(isinstance(cell, Figure) for cell in cells):
        return 0
    most = max(numbers, default=0)
    return 0 if most >= 1000 else 1 if most >= 100 else 3 if most >= 0.1 else 5


def _cell(row: Mapping[str, Any], column: str, bounds: tuple[str, str] | None) -> Any:
    value = row.get(column)
    if bounds and isinstance(value, int | float):
        return Figure("", value, *(row.get(bound) for bound in bounds))
    if isinstance(value, Mapping):
        parts = (f"{label(str(key))}: {part}" for key, part in value.items())
        return figure("", value) if "value" in value else "; ".join(parts)
    return ", ".join(map(str, value)) if isinstance(value, list) else value
