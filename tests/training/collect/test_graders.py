import json
import math
import sys

import pytest

from contract.errors import InvalidInput
from training.collect.graders import Undecided, graded, grader


def score(spec, answer, reference=None):
    return graded(grader(spec).grade, "the prompt", answer, reference)


@pytest.mark.parametrize(
    ("spec", "answer", "reference", "expected"),
    [
        ("exact", " New\n YORK ", "new york", 1), ("exact", "York", "new york", 0), ("exact", "ﬁne", "fine", 1),
        ("numeric", "So it is 1,234.", "1234", 1), ("numeric", "It is −5", "-5.0", 1), ("numeric", "7", "8", 0),
        ("numeric:0.01", "3.14", "3.1416", 1), ("numeric:0", "3.14", "3.1416", 0),
        ("exact", "10²", "102", 0), ("exact", "x²", "x2", 0), ("exact", "2ⁿ", "2n", 0), ("exact", "101₂", "1012", 0),
        ("exact", "3½", "31⁄2", 0), ("exact", "x²", "X²", 1), ("exact", "H₂O", "h2o", 1), ("exact", "C₁₂", "C12", 1),
        ("exact", "１０％", "10%", 1), ("exact", "Cafe\u0301", "café", 1), (r"regex:answer:\s*(\S+)", "answer: 10²", "102", 0),
        ("numeric", "答案是42。", "42", 1), ("numeric", "Answer:\n- 391", "391", 1), ("numeric", "3,5", "3.5", 1),
        ("numeric", "1.000", "1", 1), ("numeric", "1.000", "2", 0), ("numeric", "2", "2^10", 0), ("numeric", "1024", "2^10", 1),
        ("regex:^yes", "yes, it is", None, 1), ("regex:^yes", "well, yes", None, 0),
        ("regex", "the Danube river", "[Dd]anube", 1), ("regex", "the Rhine", "[Dd]anube", 0),
        (r"regex:answer:\s*(\w+)", "answer: A ... answer: B", "b", 1), (r"regex:answer:\s*(\w+)", "answer: A", "B", 0),
        (r"regex:answer:\s*(\w+)", "no idea", "B", 0),
    ],
)  # fmt: skip
def test_scores(spec, answer, reference, expected):
    assert score(spec, answer, reference) == (float(expected), None)


@pytest.mark.parametrize(
    ("spec", "answer", "reference", "reason"),
    [
        ("exact", "x", None, "no reference"), ("numeric", "7", None, "no reference"), ("regex", "x", None, "no reference"),
        ("numeric", "forty-two", "42", "no number in the answer"), ("numeric", "42", "x", "no number in the reference"),
        ("regex", "x", "(", "the reference is no pattern"),
        ("numeric", "1.000", "1000", "a number that can be read in two ways"),
        ("numeric", "- 42", "-42", "a number that can be read in two ways"),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_is_unscored(spec, answer, reference, reason):
    assert score(spec, answer, reference) == (None, reason)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (1.0, None)), (False, (0.0, None)), (0.25, (0.25, None)), (1, (1.0, None)),
        (None, (None, "the grader cannot decide")), (1.5, (None, "the grader gave a value outside [0, 1]")),
        (-0.1, (None, "the grader gave a value outside [0, 1]")),
        (math.nan, (None, "the grader gave a value outside [0, 1]")),
        ("good", (None, "the grader gave a str")), ([], (None, "the grader gave a list")),
    ],
)  # fmt: skip
def test_what_a_grader_gives_is_a_score_or_none(value, expected):
    assert graded(lambda *_: value, "p", "a", None) == expected


def test_a_grader_that_raises_is_counted_by_its_error_and_its_message_is_not_repeated():
    def bad(prompt, answer, reference):
        raise KeyError(prompt)

    def unsure(prompt, answer, reference):
        raise Undecided("too long to read")

    assert graded(bad, "a secret prompt", "a", None) == (None, "the grader raised KeyError")
    assert graded(unsure, "p", "a", None) == (None, "too long to read")
    assert graded(lambda *_: sys.exit(0), "p", "a", None) == (None, "the grader raised SystemExit")


@pytest.fixture
def schema(tmp_path):
    path = tmp_path / "city.json"
    path.write_text(json.dumps({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}))
    return path


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"city": "Vienna"}', 1), ('Here:\n```json\n{"city": "Vienna"}\n```\nDone.', 1), ('```\n{"city": 1}\n```', 0),
        ('```json\n{"city": 1}\n```\nor\n```json\n{"city": "Graz"}\n```', 1), ("Vienna", 0), ("{", 0),
        ('{"city": "Vienna", "n": NaN}', 0), ("[" * 100_000, 0),
    ],
)  # fmt: skip
def test_json_schema(schema, answer, expected):
    assert score(f"json-schema:{schema}", answer) == (expected, None)
    assert grader(f"json-schema:{schema}").kind == "json-schema:city.json"


def test_another_schema_of_the_same_name_is_another_grader(schema):
    before = grader(f"json-schema:{schema}")
    schema.write_text("{}")
    after = grader(f"json-schema:{schema}")
    assert (before.kind, before.name() != after.name()) == (after.kind, True)


def test_a_schema_that_refers_elsewhere_fetches_nothing(tmp_path):
    path = tmp_path / "far.json"
    path.write_text('{"$ref": "http://127.0.0.1:9/schema.json"}')
    assert score(f"json-schema:{path}", "{}")[0] is None


def test_python_function_of_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "my_grading.py").write_text("def grade(prompt, answer, reference):\n    return len(answer) / 10\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert score("python:my_grading:grade", "12345") == (0.5, None)
    first = grader("python:my_grading:grade")
    assert first.name() == grader("python:my_grading:grade").name() != first.name(["7"])
    (tmp_path / "my_grading.py").write_text(
        "def grade(prompt, answer, reference):\n    return len(answer) / 20\n# new\n"
    )
    assert grader("python:my_grading:grade").name() != first.name()
    assert score("python:math:isnan", "x") == (None, "the grader raised TypeError")  # compiled, without a file
    assert grader("python:unittest.mock:call").digest  # says to wrap another, without end
    for spec, message in [("python:my_grading:absent", "is no function"), ("python:not_there:f", "cannot be imported")]:
        with pytest.raises(InvalidInput, match=message):
            grader(spec)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fuzzy", "is none of exact"), ("exact:", "is none of"), ("numeric:x", "tolerance"), ("numeric:-1", "tolerance"),
        ("regex:(", "pattern is not valid"), ("json-schema:", "is none of"), ("json-schema:absent.json", "No such file"),
    ],
)  # fmt: skip
def test_a_grader_that_cannot_work_is_refused(spec, message):
    with pytest.raises(InvalidInput, match=message):
        grader(spec)


@pytest.mark.parametrize(("text", "message"), [("{", "is not JSON"), ('{"type": "thing"}', "is no JSON schema")])
def test_a_schema_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        grader(f"json-schema:{tmp_path / 's.json'}")
