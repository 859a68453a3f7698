"""A curve of knots: monotone, within its band, flat beyond its ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.calibration import Curve


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": (0,), "y": (0,)},
        {"x": (), "y": ()},
        {"x": (0, 1), "y": (0,)},
        {"x": (0, 0), "y": (0, 1)},
        {"x": (1, 0), "y": (0, 1)},
        {"x": (0, 1), "y": (1, 0)},
        {"x": (0, 1), "y": (0, 1), "lower": (0,), "upper": (1,)},
        {"x": (0, 1), "y": (0, 1), "lower": (0, 1)},
        {"x": (0, 1), "y": (0, 1), "upper": (0, 1)},
        {"x": (0, 1), "y": (0, 1), "lower": (0.5, 0.5), "upper": (2, 2)},
        {"x": (0, 1), "y": (0, 1), "lower": (0, 0), "upper": (0.5, 0.5)},
        {"x": (0, float("nan")), "y": (0, 1)},
        {"x": (0, float("inf")), "y": (0, 1)},
        {"x": (0, 1), "y": (0, 1), "z": 1},
    ],
)
def test_a_wrong_curve_is_refused(wrong):
    with pytest.raises(ValidationError):
        Curve(**wrong)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.floats(0, 1), st.floats(-30, 30), st.floats(-30, 30))
def test_a_curve_is_monotone_within_its_band_and_flat_beyond_its_ends(ys, half, a, b):
    ys = sorted(ys)
    curve = Curve(x=range(len(ys)), y=ys, lower=[y - half for y in ys], upper=[y + half for y in ys])
    low, high = sorted((a, b))
    assert curve.at(low) <= curve.at(high) + 1e-9
    lower, upper = curve.band(a)
    assert lower - 1e-9 <= curve.at(a) <= upper + 1e-9
    assert curve.at(-1000) == ys[0]
    assert curve.at(1000) == ys[-1]


def test_a_curve_passes_through_its_knots_and_cannot_be_changed():
    curve = Curve(x=(0, 1, 3), y=(0, 0.5, 0.5))
    assert [curve.at(x) for x in (0, 0.5, 1, 2, 3)] == [0, 0.25, 0.5, 0.5, 0.5]
    assert np.isfinite(curve.at(1e300))
    with pytest.raises(ValidationError):
        curve.x = (1, 2)
