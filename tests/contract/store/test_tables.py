"""The data dictionary says what the tables are."""

import re

import pytest

from contract.locate import ROOT
from contract.store import audit_tables, tables

TEXT = (ROOT / "docs" / "record.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", tables.metadata.tables.values(), ids=str)
def test_the_dictionary_has_every_column(table):
    assert audit_tables.audits.metadata is tables.metadata
    part = TEXT.partition(f"## {table.name}\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| (\w+)( \(key\))? \| [\w, ]+? \| (.+) \|$", part, re.MULTILINE)[0:]
    assert [(name, bool(key), meaning) for name, key, meaning in told if name != "column"] == [
        (column.name, column.primary_key, column.comment) for column in table.columns
    ]
    always = re.findall(r"^\| (\w+)(?: \(key\))? \| \w+, always \|", part, re.MULTILINE)
    assert always == [column.name for column in table.columns if not column.nullable]


def test_it_names_no_other_table():
    assert re.findall(r"^## (\w+)$", TEXT, re.MULTILINE) == [table.name for table in tables.metadata.tables.values()]
