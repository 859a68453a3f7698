"""Downloads of charts and tables: what the page shows, not rounded, under the same filters."""

import csv
import io
import re
from html import unescape
from html.parser import HTMLParser

import pytest
import sqlalchemy as sa

from serving.page import parts
from serving.page.download import whole
from serving.page.sheets import CHARTED, FIGURES, of_what_if, sheet
from serving.page.words import fixed, number

NUMBER = re.compile(r"-?[\d,]*\.?\d+")
FIGURE = re.compile(rf"{NUMBER.pattern}(\s*\[{NUMBER.pattern}, {NUMBER.pattern}\])?$")
"""A cell that is a number, with its interval where it has one."""

TABLE = re.compile(
    r'(<table class="plain">(?:(?!</table>).)*</table>)</div>\s*<p class="downloads">[^<]*<a href="([^"]+)"', re.DOTALL
)
"""A table of a report and where its download is."""


class Tables(HTMLParser):
    """Rows of cells of each table, in the order of the page."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.found.append([])
        elif tag == "tr":
            self.found[-1].append([])
        elif tag in ("td", "th"):
            self.found[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.found[-1][-1][-1] += data


def tables(html):
    parser = Tables()
    parser.feed(html)
    return [rows[1:] for rows in parser.found]


def rows_of(web, address):
    answer = web.get(address)
    assert answer.status_code == 200, address
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


def read(text):
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return float(text) if re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", text) else text or None


def links(html, form="csv"):
    return [unescape(found) for found in re.findall(rf'href="([^"]+\.{form}[^"]*)"', html)]


@pytest.mark.parametrize("query", ["", "?since=2026-09-20&until=2026-09-24", "?task=code_generation&model=qwen3-32b"])
def test_the_rows_of_each_chart_are_those_on_the_page(web, query):
    html = web.get(f"/audit/trends{query}").text
    everything, *charts = [link for link in links(html) if "trend_days" not in link]
    assert len(charts) == (5 if "task" not in query else 4)
    long = rows_of(web, everything)
    for address, shown in zip(charts, tables(html), strict=False):
        rows = rows_of(web, address)
        assert [[number(read(value)) for value in row.values()] for row in rows] == shown
        name = address.split("/")[-1].split(".csv")[0]
        own = [row for row in long if row["chart"] == name]
        measures = list(dict.fromkeys(row["measure"] for row in own))
        assert len(own) == len(rows) * len(measures)
        if name == "latency_s":
            assert [row["value"] for row in own] == [row[measure] for row in rows for measure in ("p50", "p95")]
        if name == "score":
            told = [(row["day"], row["series"], row["value"], row["lower"], row["upper"], row["n"]) for row in own]
            assert told == [(r["day"], r["arm"], r["mean"], r["lower"], r["upper"], r["n"]) for r in rows]


@pytest.mark.parametrize(("place", "least"), [("", 4), ("trends", 1), ("what-if", 1)])
def test_the_rows_of_each_table_of_the_report_are_those_on_the_page(web, place, least):
    found = TABLE.findall(web.get(f"/audit/{place}").text)
    assert len(found) >= least
    for html, address in found:
        (shown,), rows = tables(html), rows_of(web, unescape(address))
        assert len(shown) == len(rows)
        numeric = [name for name in rows[0] if all(isinstance(read(row[name]), int | float | None) for row in rows)]
        for cells, row in zip(shown, rows, strict=True):
            seen = [text for cell in cells if FIGURE.match(cell.strip()) for text in NUMBER.findall(cell)]
            told = [value for name in numeric if (value := read(row[name])) is not None]
            rounded = [fixed(value, len(text.partition(".")[2])) for text, value in zip(seen, told, strict=True)]
            assert rounded == seen


@pytest.mark.parametrize("place", ["", "trends?since=2026-09-25", "what-if"])
def test_every_download_of_a_page_is_there_in_both_forms(web, place):
    html = web.get(f"/audit/{place}").text
    forms = [form for form in ("csv", "parquet") if links(html, form)]
    assert forms[0] == "csv"
    for form in forms:
        for address in links(html, form):
            answer = web.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["content-disposition"].endswith(f'.{form}"')
    assert len(links(html, forms[-1])) == len(links(html))


@pytest.mark.parametrize(
    ("table", "types"),
    [
        ("trends", {"chart": "string", "day": "string", "value": "double", "lower": "double", "n": "int64"}),
        ("trends/score", {"day": "string", "arm": "string", "n": "int64", "mean": "double", "upper": "double"}),
        ("what-if/what_if_scenarios", {"scenario": "string", "decisions": "int64", "score_change": "double", "score_lower": "double"}),
        ("overview/calibration_budgets", {"task": "string", "coverage": "double", "lower": "double", "n": "int64"}),
    ],
)  # fmt: skip
def test_parquet_has_the_rows_of_the_csv_with_their_types(web, table, types):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra train")
    found = parquet.read_table(io.BytesIO(web.get(f"/audit/{table}.parquet").content))
    rows = rows_of(web, f"/audit/{table}.csv")
    assert {name: str(found.schema.field(name).type) for name in types} == types
    assert found.column_names == list(rows[0])
    words = {True: "true", False: "false", None: None}
    plain = [{name: words.get(v, v) if v is None or isinstance(v, bool) else v for name, v in row.items()} for row in found.to_pylist()]  # fmt: skip
    assert plain == [{name: read(value) for name, value in row.items()} for row in rows]


def test_a_view_alone_gives_its_first_table_and_figures_are_one(web):
    assert list(rows_of(web, "/audit/trends.csv")[0]) == list(CHARTED)
    assert rows_of(web, "/audit/what-if.csv") == rows_of(web, "/audit/what-if/what_if_scenarios.csv")
    figures = rows_of(web, "/audit/overview.csv")
    assert list(figures[0]) == list(FIGURES)
    assert {row["section"] for row in figures} >= {"Finance", "Product", "Risk", "Drift"}


FIGURE_ON_PAGE = re.compile(r'<div class="figure"><dt>([^<]*)</dt>')
COMPARED_ON_PAGE = re.compile(r'<caption class="hidden">[^<]* by evidence</caption>.*?</table>', re.DOTALL)


def test_the_figures_of_a_download_are_those_on_the_page_without_what_it_names_as_not_known(web):
    html = web.get("/audit/").text
    assert "Not known: " in html
    shown = [unescape(title) for title in FIGURE_ON_PAGE.findall(html)]
    for compared in COMPARED_ON_PAGE.findall(html):
        (rows,) = tables(f"<table>{compared}")
        shown += [title for title, *cells in rows for cell in cells if cell]
    rows = rows_of(web, "/audit/overview/figures.csv")
    assert sorted(row["figure"].removeprefix("'") for row in rows) == sorted(shown)
    assert "Download all figures below:" in html


def test_a_figure_that_is_not_known_is_in_no_download_and_a_cell_beside_a_known_one_is_empty():
    figures = {
        "a": {"value": None, "n": 3},
        "b": 1.5,
        "c_explored": {"value": 0.5, "evidence": "explored"},
        "c_modelled": {"value": 0.4, "evidence": "modelled"},
        "c_observed_pairs": {"value": None, "n": 0, "evidence": "observed_pairs"},
        "d_explored": {"value": None, "n": 9, "evidence": "explored"},
        "d_modelled": {"value": 0.2, "evidence": "modelled"},
    }
    section = parts.section({"figures": figures}, "T")
    told = [
        (row["figure"], row["evidence"], row["value"], row["n"])
        for row in of_what_if({"section": section})["figures"].rows
    ]
    assert told == [
        ("b", None, 1.5, None), ("c", "explored", 0.5, None), ("c", "modelled", 0.4, None), ("d", "explored", None, 9),
        ("d", "modelled", 0.2, None),
    ]  # fmt: skip


def test_figures_of_which_none_is_known_are_a_table_without_rows():
    section = parts.section({"figures": {"a": {"value": None}}}, "T")
    assert whole(of_what_if({"section": section})["figures"], "csv") == (",".join(FIGURES) + "\r\n").encode()


@pytest.mark.parametrize("file", ["overview.csv", "overview/figures.csv", "overview/calibration_budgets.csv"])
def test_a_download_of_the_overview_reads_the_audit_alone(web, filled, file):
    asked = []

    def note(connection, cursor, statement, *more):
        asked.append(statement)

    sa.event.listen(filled.engine, "before_cursor_execute", note)
    try:
        assert rows_of(web, f"/audit/{file}")
    finally:
        sa.event.remove(filled.engine, "before_cursor_execute", note)
    assert {table for statement in asked for table in re.findall(r"FROM\s+(\w+)", statement)} == {"audits"}


def test_no_cell_of_a_table_is_a_formula_and_what_is_unknown_is_empty():
    made = sheet(("=a", "b", "c"), [{"=a": "=1+1", "b": None, "c": -1.5}, {"=a": "@x", "b": 2, "c": None}])
    assert whole(made, "csv") == b"'=a,b,c\r\n'=1+1,,-1.5\r\n'@x,2,\r\n"


def test_a_column_is_of_the_type_of_its_values():
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra train")
    rows = [
        {"yes": True, "n": 1, "x": 1, "none": None, "mixed": 1, "text": "a"},
        {"yes": None, "n": 2, "x": 0.5, "none": None, "mixed": "b", "text": None},
    ]
    found = parquet.read_table(io.BytesIO(whole(sheet(rows[0], rows), "parquet")))
    assert [str(field.type) for field in found.schema] == ["bool", "int64", "double", "double", "string", "string"]
    assert found.to_pylist() == [{**rows[0], "mixed": "1"}, rows[1]]


def test_a_table_that_is_not_there_is_said_with_those_that_are(web):
    answer = web.get("/audit/trends/none.csv")
    assert answer.status_code == 404
    assert "it has charts, verdicts" in answer.text
    assert web.get("/audit/trends/score.xlsx").status_code == 404
    assert web.get("/audit/trends/score.csv?tsk=x").status_code == 400
    assert web.get("/audit/decisions/some.csv").status_code == 404
    assert web.get("/empty/trends.csv").text == ",".join(CHARTED) + "\r\n"
    assert "thinkworth audit" in web.get("/empty/what-if.csv").text
