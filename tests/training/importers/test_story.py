from pathlib import Path

import pytest
import yaml

from contract.locate import find
from training.importers import FORMATS, importer

FIXTURES = Path(__file__).with_name("fixtures")
CASES = sorted(FIXTURES.glob("*/case.yaml"))


@pytest.mark.parametrize("case_file", CASES, ids=lambda path: path.parent.name)
def test_every_format_gives_the_same_rows(case_file, check_story):
    case = yaml.safe_load(case_file.read_text(encoding="utf-8"))
    if case.get("scores"):
        case["scores"] = case_file.with_name(case["scores"])
    check_story(case_file.parent.name, [case_file.with_name(name) for name in case["files"]], case)


def test_every_file_format_has_a_fixture():
    assert set(FORMATS) - {path.parent.name for path in CASES} <= {"mlflow"}  # read live in its own test


@pytest.mark.parametrize("name", FORMATS)
def test_an_importer_says_what_it_reads(name):
    module = importer(name)
    assert name == module.NAME
    assert module.ABOUT
    assert module.NO_TEXT
    assert set(module.TAKES) <= {"experiment", "table", "score", "default_arm"}


def test_the_documented_formats_are_those_that_are_there():
    text = find("data/README.md").read_text(encoding="utf-8")
    for name in FORMATS:
        assert f"| `{name}` | {importer(name).ABOUT} |" in text
