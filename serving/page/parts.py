"""The parts of an audit's report as the page shows them: sections of figures, tables and notes, whatever else the report holds.

A report is JSON that another version may have written. So it is read by shape: what has a `value` is a figure, a list of mappings is a
table, a text is a note, any other mapping is a section of its own. Nothing that it says is left out, and nothing it lacks is an error.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from serving.page.figures import COMPARED, Figure, Table, figure, plain_name, table
from serving.page.words import label

READINGS = {
    "finance": "Finance", "infrastructure": "Infrastructure", "product": "Product", "risk": "Risk",
}  # fmt: skip
"""The four readings, in order."""

ELSEWHERE = ("readings", "trend", "what_if", "notes", "format", "time", "decisions", "since", "until")
"""Keys of a report that have a place of their own; all others are sections below the readings."""

_NOTES = ("note", "notes", "text")
_GAINED = "gained"
_DEEPEST = 4


class Compared(NamedTuple):
    """One figure by several kinds of evidence, each beside the others and never mixed."""

    title: str
    by: Mapping[str, Figure]


class Section(NamedTuple):
    """A titled part of a report; a figure that several kinds of evidence tell is in `compared`, all others in `figures`.

    `name` begins the names of its tables' downloads.
    """

    title: str
    figures: list[Figure]
    tables: list[Table]
    notes: list[str]
    sections: list["Section"]
    compared: list[Compared]
    name: str = ""

    def __bool__(self) -> bool:
        return bool(self.figures or self.compared or self.tables or self.notes or any(self.sections))

    @property
    def known(self) -> list[Figure]:
        """The figures of `figures` that have a value."""
        return [one for one in self.figures if one.value is not None]

    @property
    def unknown(self) -> list[Figure]:
        """The figures of `figures` that have none: they are named and not shown."""
        return [one for one in self.figures if one.value is None]

    @property
    def evidences(self) -> list[str]:
        """The kinds of evidence that say something of what is compared, in order."""
        known = (kind for one in self.compared for kind, told in one.by.items() if told.value is not None)
        told = list(dict.fromkeys(known))
        return [*(kind for kind in COMPARED if kind in told), *(kind for kind in told if kind not in COMPARED)]

    @property
    def differing(self) -> list[str]:
        """Titles of figures of which the modelled value lies outside the explored interval."""
        found = []
        for one in self.compared:
            explored, modelled = one.by.get("explored"), one.by.get("modelled")
            if explored and modelled and None not in (explored.lower, explored.upper, modelled.value):
                found += [one.title] if not explored.lower <= modelled.value <= explored.upper else []
        return found


def readings(report: Mapping[str, Any]) -> list[Section]:
    """Return the four readings; one that the report lacks is empty."""
    found = _named(report.get("readings"))
    return [section(found.get(name), title, name) for name, title in READINGS.items()]


def others(report: Mapping[str, Any]) -> list[Section]:
    """Return what the report has beside readings, trend and what-if: calibration, drift and whatever else, its settings last."""
    names = sorted((name for name in report if name not in ELSEWHERE), key=lambda name: name == "config")
    return [found for name in names if (found := section(report[name], label(name).capitalize(), name))]


def what_if(report: Mapping[str, Any]) -> Section:
    """Return what other profiles and thresholds would have cost or saved."""
    return section(report.get("what_if"), "What if", "what_if")


def notes(report: Mapping[str, Any]) -> list[str]:
    """Return what the report says of itself."""
    return list(_texts(report.get("notes")))


def trend(report: Mapping[str, Any]) -> Section:
    """Return what the report says day by day."""
    return section(report.get("trend"), "By day", "trend")


def bands_by_day(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the policy gained by its choices day by day, with an interval, by kind of evidence.

    A row has day, series, value, lower and upper. Columns of this kind are named `gained...`; their bounds have the same name with
    `_lower` and `_upper`.
    """
    found = []
    for row in _rows_by_day(report.get("trend")):
        for name in (str(name) for name in row if str(name).startswith(_GAINED)):
            value = row[name]
            if isinstance(value, int | float) and f"{name}_lower" in row:
                ends = {end: row.get(f"{name}_{end}") for end in ("lower", "upper")}
                found.append(
                    {"day": str(row["day"]), "series": label(name.removeprefix(f"{_GAINED}_")), "value": value, **ends}
                )
    return found


def section(value: Any, title: str, name: str = "", depth: int = 0) -> Section:
    """Return a part of a report by its shape, under a title unless it has its own."""
    made = Section(title, [], [], [], [], [], name)
    if isinstance(value, Mapping):
        if isinstance(value.get("title"), str):
            made = made._replace(title=value["title"])
        for key, part in value.items():
            _take(made, str(key), part, depth)
    elif value is not None:
        _take(made, title, value, depth)
    return _compare(made)


def _take(made: Section, name: str, part: Any, depth: int) -> None:
    if name == "title" or part is None or part in ([], {}):
        return
    if name in _NOTES:
        made.notes.extend(_texts(part))
    elif name == "figures":
        made.figures.extend(figure(key, one) for key, one in _named(part).items())
    elif name == "tables":
        made.tables.extend(table(key, one, made.name) for key, one in _named(part).items())
    elif _is_figure(part):
        made.figures.append(figure(name, part))
    elif _is_rows(part) or (isinstance(part, Mapping) and _is_rows(part.get("rows"))):
        made.tables.append(table(name, part, made.name))
    elif isinstance(part, Mapping) and depth < _DEEPEST:
        inner = section(part, label(name).capitalize(), plain_name(made.name, name), depth + 1)
        made.sections.append(inner)
    else:
        made.notes.extend(f"{label(name)}: {text}" for text in _texts(part))


def _compare(made: Section) -> Section:
    """Bring together what several kinds of evidence say of the same."""
    by_title: dict[str, dict[str, Figure]] = {}
    for one in made.figures:
        by_title.setdefault(one.title, {})[one.evidence or ""] = one
    several = {title: by for title, by in by_title.items() if len(by) > 1}
    unknown = {title for title, by in several.items() if all(one.value is None for one in by.values())}
    alone = [one for one in made.figures if one.title not in several]
    alone += [
        Figure(title, None, n=max(one.n or 0 for one in several.pop(title).values())) for title in sorted(unknown)
    ]
    return made._replace(figures=alone, compared=[Compared(title, by) for title, by in several.items()])


def _is_figure(part: Any) -> bool:
    return isinstance(part, bool | int | float) or (isinstance(part, Mapping) and "value" in part)


def _is_rows(part: Any) -> bool:
    return isinstance(part, Sequence) and not isinstance(part, str) and all(isinstance(row, Mapping) for row in part)


def _rows_by_day(part: Any) -> list[Mapping[str, Any]]:
    """Return the first rows with a day, wherever in the part they are."""
    if isinstance(part, Mapping):
        return next((found for inner in part.values() if (found := _rows_by_day(inner))), [])
    return [row for row in part if isinstance(row, Mapping) and "day" in row] if isinstance(part, list) else []


def _named(part: Any) -> dict[str, Any]:
    """Return parts by name, whether they came by name or in a list with names of their own."""
    if isinstance(part, Mapping):
        return {str(name): value for name, value in part.items()}
    found: dict[str, Any] = {}
    for i, one in enumerate(part or []):
        name = one.get("name") or one.get("title") if isinstance(one, Mapping) else None
        found[str(name or i + 1)] = one
    return found


def _texts(part: Any) -> Iterable[str]:
    if isinstance(part, str | int | float):
        return [str(part)]
    if isinstance(part, Mapping):
        return [f"{label(str(name))}: {text}" for name, text in part.items()]
    return [str(text) for text in part or []]
