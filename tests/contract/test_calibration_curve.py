"""A curve at one value is what numpy.interp says of it, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.calibration import Curve

numbers = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20, unique_by=lambda knot: knot[0]), st.data())
def test_a_value_is_that_of_numpy(knots, data):
    x = tuple(sorted(knot[0] for knot in knots))
    y = tuple(sorted(knot[1] for knot in knots))
    curve = Curve(x=x, y=y, lower=y, upper=y)
    value = data.draw(st.one_of(numbers, st.sampled_from(x), st.floats(x[0], x[-1])))
    assert curve.at(value) == float(np.interp(value, x, y))
    assert curve.band(value) == (curve.at(value), curve.at(value))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_finite_number_is_as_of_numpy(value):
    curve = Curve(x=(0.0, 1.0), y=(2.0, 3.0))
    assert curve.at(value) == pytest.approx(float(np.interp(value, curve.x, curve.y)), nan_ok=True)
