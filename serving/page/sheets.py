"""What a view shows beside lists, as downloads have it: a sheet a table, made of what the view gathered, so that both are the same.

Names are those of the folder that `thinkworth audit` writes (`product_scores`, `what_if_scenarios`, `figures`) and of the charts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from serving.page.parts import Section

FIGURES = ("section", "figure", "evidence", "value", "lower", "upper", "n", "unit", "note")
"""Columns of a view's figures, all in one table."""

CHARTED = ("chart", "day", "series", "measure", "value", "lower", "upper", "n")
"""Columns of all charts in one table."""

_SERIES = ("arm", "verdict", "series")
_BESIDE = ("day", "lower", "upper", "n", *_SERIES)

Row = Mapping[str, Any]


class Sheet(NamedTuple):
    """One table to be downloaded: its columns with their types, in order, and its rows; numbers are not rounded."""

    columns: dict[str, sa.types.TypeEngine[Any]]
    rows: Sequence[Row]


def sheet(names: Iterable[str], rows: Sequence[Row]) -> Sheet:
    """Return rows as a sheet; a column's type is that of its values."""
    return Sheet({name: _type([row.get(name) for row in rows]) for name in names}, rows)


def of_charts(shown: Mapping[str, Any]) -> dict[str, Sheet]:
    """Return the sheets of the trends: all charts as one long table, the rows of each chart, and the audit's own table."""
    charts = shown["charts"]
    found = {"charts": sheet(CHARTED, [row for chart in charts for row in _long(chart)])}
    found |= {chart["name"]: sheet(chart["rows"][0], chart["rows"]) for chart in charts}
    return found | _tables([shown["section"]])


def of_what_if(shown: Mapping[str, Any]) -> dict[str, Sheet]:
    """Return the sheets of the what-if: its tables, the first of them first, and its figures."""
    return {**_tables([shown["section"]]), **_figures([shown["section"]])}


def of_overview(shown: Mapping[str, Any]) -> dict[str, Sheet]:
    """Return the sheets of the overview: the figures of all readings and sections, and their tables."""
    sections = [*shown["readings"], *shown["sections"]]
    return {**_figures(sections), **_tables(sections)}


def _long(chart: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a chart by measure; verdicts are counted, so that their measure is n itself."""
    found = []
    for row in chart["rows"]:
        series = next((row[name] for name in _SERIES if name in row), None)
        same = {"chart": chart["name"], "day": row["day"], "series": series, "n": row.get("n")}
        measures = [name for name in row if name not in _BESIDE]
        if chart["name"] == "verdicts":
            found.append({**same, "measure": "decisions", "value": row["n"]})
        for name in measures:
            ends = {end: row.get(end) for end in ("lower", "upper")}
            found.append({**same, "measure": name, "value": row[name], **ends})
    return found


def _tables(sections: Iterable[Section]) -> dict[str, Sheet]:
    found = {}
    for section in _all(sections):
        for table in section.tables:
            if table.source:
                found[table.name] = sheet(table.source[0], table.source)
    return found


def _figures(sections: Sequence[Section]) -> dict[str, Sheet]:
    """Return the figures as the page has them: without those that it names as not known, and no kind of evidence that says nothing."""
    rows: list[Row] = []
    for section in _all(sections):
        compared = [one.by[kind] for one in section.compared for kind in section.evidences if kind in one.by]
        for one in [*section.known, *compared]:
            own = {name: getattr(one, name) for name in FIGURES if name in one._fields}
            rows.append({"section": section.title, "figure": one.title, **own})
    return {"figures": sheet(FIGURES, rows)} if any(sections) else {}


def _all(sections: Iterable[Section]) -> Iterable[Section]:
    for section in sections:
        yield section
        yield from _all(section.sections)


def _type(values: Iterable[Any]) -> sa.types.TypeEngine[Any]:
    """Return what a column is: a number where all of its values are, and where it has none; else a text."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool) for value in known):
        return sa.Boolean()
    if known and all(isinstance(value, int) and not isinstance(value, bool) for value in known):
        return sa.Integer()
    return sa.Float() if all(isinstance(value, int | float) for value in known) else sa.Text()
