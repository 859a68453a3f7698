import math

import pytest

from contract.errors import InvalidInput
from training.importers.call import Mark
from training.importers.scores import NO_CATEGORY, OUTSIDE, SEVERAL, Scale, of_marks, parse_scale
from training.log_values import Fault


@pytest.mark.parametrize(
    ("scale", "value", "score"),
    [
        ("0..1", 0.25, 0.25),
        ("0..1", "0.25", 0.25),
        ("0..1", True, 1.0),
        ("0..1", "False", 0.0),
        ("0..1", "yes", 1.0),
        ("0..1", " NO ", 0.0),
        ("5..1", "Yes", 1.0),
        ("yes=0,no=1", "yes", 0.0),
        ("1..5", 1, 0.0),
        ("1..5", 4, 0.75),
        ("1..5", True, 1.0),
        ("5..1", 1, 1.0),
        ("5..1", 4.0, 0.25),
        ("-1..1", 0, 0.5),
        ("0.5..1.5", "1.5", 1.0),
        ("poor=0,fair=0.5,good=1", "fair", 0.5),
        ("poor=0,fair=0.5,good=1", " Good ", 1.0),
        ("1=0,2=0.9", 2, 0.9),
        ("1=0,2=0.9", 2.0, 0.9),
        ("true=0,false=1", True, 0.0),
        ("true=0,false=1", "false", 1.0),
    ],
)
def test_a_value_on_its_scale(scale, value, score):
    assert parse_scale(scale).score(value) == pytest.approx(score)


@pytest.mark.parametrize(
    ("scale", "value", "rule", "reason"),
    [
        ("0..1", 4, OUTSIDE, "score 4 is outside the scale 0..1"),
        ("1..5", 0.5, OUTSIDE, "score 0.5 is outside the scale 1..5"),
        ("5..1", 6, OUTSIDE, "score 6 is outside the scale 5..1"),
        ("0..1", math.nan, OUTSIDE, "score nan is outside the scale 0..1"),
        ("0..1", math.inf, OUTSIDE, "score inf is outside the scale 0..1"),
        ("0..1", 10**400, OUTSIDE, "is outside the scale 0..1"),
        ("0..1", "good", OUTSIDE, "score 'good' is outside the scale 0..1"),
        ("0..1", [1], OUTSIDE, "score (list) is outside the scale 0..1"),
        ("poor=0,good=1", "fair", NO_CATEGORY, "score 'fair' is no category of the scale poor=0,good=1"),
        ("poor=0,good=1", 1, NO_CATEGORY, "score 1 is no category of the scale poor=0,good=1"),
        ("poor=0,good=1", True, NO_CATEGORY, "score True is no category of the scale poor=0,good=1"),
    ],
)
def test_a_value_off_its_scale(scale, value, rule, reason):
    fault = parse_scale(scale).score(value)
    assert isinstance(fault, Fault)
    assert fault.rule == rule
    assert reason in fault.reason


@pytest.mark.parametrize(
    "text",
    ["", "1", "1..", "..", "1..1", "a..b", "0..inf", "good", "good=", "good=2", "=1", "good=1,good=0", "good=1,Good=0"],
)
def test_what_is_no_scale(text):
    with pytest.raises(InvalidInput, match="is no scale"):
        parse_scale(text)


def test_no_mark_is_no_score():
    assert of_marks([], Scale(), None) == (None, None)
    assert of_marks([Mark("correctness", None)], Scale(), None) == (None, None)


def test_marks_of_one_name_are_averaged():
    assert of_marks([Mark("correctness", 1), Mark("correctness", 0.5)], Scale(), None) == (0.75, "correctness")


def test_one_name_counts():
    marks = [Mark("correctness", 1), Mark("helpfulness", 0), Mark("tone", None)]
    fault = of_marks(marks, Scale(), None)
    assert fault == Fault(
        SEVERAL, "several scores: 'correctness', 'helpfulness'; name the one that counts with --score"
    )
    assert of_marks(marks, Scale(), "helpfulness") == (0.0, "helpfulness")
    assert of_marks(marks, Scale(), "tone") == (None, None)
    assert of_marks(marks, Scale(), "absent") == (None, None)


def test_unknown_is_no_score_unless_the_scale_says_what_it_is():
    marks = [Mark("certainty", "unknown"), Mark("certainty", "yes"), Mark("tone", " Unknown")]
    assert of_marks(marks, Scale(), None) == (1.0, "certainty")
    assert of_marks(marks[:1], parse_scale("yes=1,no=0"), None) == (None, None)
    assert of_marks(marks, parse_scale("unknown=0.5,yes=1,no=0"), "certainty") == (0.75, "certainty")


def test_one_bad_mark_spoils_the_mean():
    fault = of_marks([Mark("correctness", 1), Mark("correctness", 7)], Scale(), None)
    assert fault == Fault(OUTSIDE, "score 7 is outside the scale 0..1")


def test_a_mark_outside_the_scale_that_does_not_count_is_not_looked_at():
    assert of_marks([Mark("stars", 7), Mark("correctness", 1)], Scale(), "correctness") == (1.0, "correctness")
