"""What thinkworth's integrations leave in a call's metadata."""

import json

import pytest

from training.importers.call import Call, Place, own_marks

MARKS = {"decision_id": "d-1", "p_reasoning": 0.25, "task": "maths"}


@pytest.mark.parametrize(
    "metadata",
    [
        {"thinkworth": MARKS, "user": "u"},
        {"thinkworth": json.dumps(MARKS)},
        json.dumps({"thinkworth": MARKS}),
        {f"thinkworth.{name}": mark for name, mark in MARKS.items()},
        {"thinkworth": {"decision_id": "d-1"}, "thinkworth.p_reasoning": 0.25, "thinkworth.task": "maths"},
    ],
)
def test_the_marks_are_arguments_of_a_call(metadata):
    assert own_marks(metadata) == MARKS
    assert Call(place=Place("a", 1), **own_marks(metadata)).p_reasoning == 0.25


@pytest.mark.parametrize(
    "metadata",
    [None, {}, [], "", "no json", "[" * 100_000, 7, {"thinkworth": None}, {"thinkworth": "on"}, {"thinkworth": [1]}],
    ids=lambda value: str(value)[:20],
)
def test_without_marks_there_are_none(metadata):
    assert own_marks(metadata) == {}


def test_a_probability_of_zero_is_a_mark():
    assert own_marks({"thinkworth": {"p_reasoning": 0.0, "task": None}}) == {"p_reasoning": 0.0}
