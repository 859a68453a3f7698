"""The shapes that a report is made of: figures that say their evidence and n, sections that hold them, and nothing JSON cannot hold."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

PAIRS, EXPLORED, MODELLED = "observed_pairs", "explored", "modelled"
"""Kinds of evidence on what the arm that was not taken would have done; never mixed."""

OBSERVED = "observed"
"""What came of the arm taken: no claim about the other arm."""

RECORDED = "recorded"
"""Counted in the record."""


def figure(
    value: float | None,
    interval: Sequence[float | None] | None = None,
    *,
    n: int,
    evidence: str,
    unit: str = "",
    note: str | None = None,
) -> dict[str, Any]:
    """Return a figure: value, lower and upper of its 95 % interval, n, evidence, unit, and a note where it needs one; null where undefined."""
    lower, upper = interval if interval is not None else (None, None)
    found = {"value": value, "lower": lower, "upper": upper, "n": n, "evidence": evidence, "unit": unit}
    return found | ({"note": note} if note else {})


def section(
    title: str, text: str, *, figures: Mapping[str, Any] | None = None, tables: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a part of a report: a title, what it says in words, figures by name and tables by name."""
    return {"title": title, "text": text, "figures": dict(figures or {}), "tables": dict(tables or {})}


def table(
    title: str, rows: Sequence[Mapping[str, Any]] | pd.DataFrame, columns: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return a table: its title, its columns, which a table without rows has too, and its rows, one object each."""
    if isinstance(rows, pd.DataFrame):
        return {"title": title, "columns": list(rows.columns), "rows": rows.to_dict("records")}
    listed = [dict(row) for row in rows]
    return {"title": title, "columns": list(columns or (listed[0] if listed else ())), "rows": listed}


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: numbers of NumPy are numbers, times are ISO 8601, and what is undefined is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, datetime | date) else str(value)
