"""Counts in whatever type, and output tokens whose parts stand inside or beside them."""

import math

import pytest

from training.importers.tokens import billed_output, whole


@pytest.mark.parametrize(
    ("count", "number"),
    [
        (0, 0),
        (812, 812),
        ("812", 812),
        (812.0, 812),
        (8.5, None),
        (-1, None),
        (-1.0, None),
        ("-1", None),
        ("8.5", None),
        ("many", None),
        ("9" * 16, None),
        (True, None),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        ([], None),
    ],
)
def test_a_whole_number(count, number):
    assert whole(count) == number


@pytest.mark.parametrize(
    ("output", "parts", "total", "inputs", "billed"),
    [
        (12, 0, None, (None, None), 12),
        (12, 0, 999, (20, 20), 12),
        (812, 780, 832, (20, 20), 812),
        (32, 780, 832, (20, 20), 812),
        (32, 780, None, (20, 20), 812),
        (32, 780, None, (None, None), 812),
        (812, 780, None, (20, 20), None),
        (780, 780, None, (20, 20), None),
        (812, 780, 832, (None, 20), None),
        (812, 780, 900, (20, 20), None),
        # more hidden tokens than output, and a total that has them inside: the row's own rule refuses that
        (102, 109, 122, (20, 20), 102),
        # cached tokens inside or beside the input leave room for both; an end of it decides
        (812, 780, 1732, (20, 920), 812),
        (60, 50, 210, (100, 150), None),
    ],
)
def test_billed_output(output, parts, total, inputs, billed):
    assert billed_output(output, parts, total=total, inputs=inputs) == billed
