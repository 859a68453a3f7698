"""The classes that rows count for, and by how much."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evidence import _hypothetical
from training.soft_labels import labels_of, weighted_labels

USE, MAYBE, AVOID = range(3)
PRICE, MARGIN = 0.03, 0.02
UNKNOWN = (np.nan, np.nan, np.nan)


def table(*rows):
    """Return rows of (kind, gain, weight, gain_if_low, gain_if_high, p_high)."""
    names = ["kind", "gain", "weight", "gain_if_low", "gain_if_high", "p_high"]
    known = pd.DataFrame(rows, columns=names)
    return known.assign(prior=known.kind == "prior", modelled=known.kind == "one arm")


def labelled(rows, price=PRICE, margin=MARGIN):
    return weighted_labels(rows, np.full(len(rows), price), margin)


def shares(rows, price=PRICE, margin=MARGIN):
    """Return the weight of each class for each row, [n, 3]."""
    out = np.zeros((len(rows), 3))
    np.add.at(out, labelled(rows, price, margin)[:2], labelled(rows, price, margin)[2])
    return out


def test_pairs_alone_are_labelled_as_they_are():
    rows, labels, weight = labelled(
        table(*(("pair", gain, w, *UNKNOWN) for gain, w in ((0.5, 1.0), (0.04, 2.0), (-0.5, 3.0))))
    )
    assert (rows.tolist(), labels.tolist(), weight.tolist()) == ([0, 1, 2], [USE, MAYBE, AVOID], [1.0, 2.0, 3.0])


def test_a_pair_is_its_label_and_a_row_with_one_arm_each_label_by_its_chance():
    rows, labels, weight = labelled(table(("pair", 0.5, 1.0, *UNKNOWN), ("one arm", 9.0, 0.4, 1.0, 0.0, 0.75)))
    assert rows.tolist() == [0, 1, 1]  # the pseudo-outcome of the second, 9, is never looked at
    assert labels.tolist() == [USE, USE, AVOID]
    np.testing.assert_allclose(weight, [1.0, 0.1, 0.3])


def test_of_a_family_that_gains_a_fifth_a_fifth_of_the_prompts_gain_a_point():
    rows = table(("prior", 0.2, 4.0, 0.0, 1.0, 0.2), ("prior", -0.3, 1.0, -1.0, 0.0, 0.7))
    np.testing.assert_allclose(shares(rows, price=0.0), [[0.8, 3.2, 0.0], [0.0, 0.7, 0.3]])
    np.testing.assert_allclose(
        shares(rows), [[0.8, 0.0, 3.2], [0.0, 0.0, 1.0]], err_msg="thinking for nothing costs its price"
    )


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_what_a_pseudo_observation_may_be_has_the_mean_that_is_declared(gains):
    said = _hypothetical(np.array(gains))
    mean = (1 - said["p_high"]) * said["gain_if_low"] + said["p_high"] * said["gain_if_high"]
    assert mean == pytest.approx(np.array(gains))
    assert ((said["p_high"] >= 0) & (said["p_high"] <= 1)).all()
    rows = pd.DataFrame({"gain": gains, "weight": 1.0, "prior": True, "modelled": False, **said})
    counted = shares(rows, price=0.0)
    assert counted[:, USE] - counted[:, AVOID] == pytest.approx(np.array(gains)), "P(a gain) - P(a loss) is the gain"


kinds = st.sampled_from(["pair", "one arm", "prior"])
rows_ = st.lists(
    st.tuples(kinds, st.floats(-1, 1), st.floats(0.01, 9), st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1)),
    min_size=1,
    max_size=12,
)


@given(rows_, st.floats(0, 1), st.floats(0, 0.5))
def test_the_weights_of_a_row_are_its_weight(rows, price, margin):
    known = table(*rows)
    assert shares(known, price, margin).sum(axis=1) == pytest.approx(known.weight.to_numpy())
    assert (labelled(known, price, margin)[2] >= 0).all()


@given(rows_, st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5))
def test_a_dearer_price_never_makes_use_likelier_nor_avoid_rarer(rows, one, other, margin):
    known = table(*rows)
    cheap, dear = (shares(known, price, margin) for price in sorted((one, other)))
    assert (dear[:, USE] <= cheap[:, USE] + 1e-12).all()
    assert (dear[:, AVOID] >= cheap[:, AVOID] - 1e-12).all()


@given(rows_, st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_only_moves_rows_to_maybe(rows, price, one, other):
    known = table(*rows)
    narrow, wide = (shares(known, price, margin) for margin in sorted((one, other)))
    assert (wide[:, MAYBE] >= narrow[:, MAYBE] - 1e-12).all()


@pytest.mark.parametrize(
    ("gain", "label"), [(0.0625, MAYBE), (0.07, USE), (0.0, MAYBE), (0.03125, MAYBE), (-0.0625, AVOID), (-0.03, MAYBE)]
)
def test_a_label_follows_net_benefit_and_what_lies_at_the_margin_is_maybe(gain, label):
    assert labels_of(np.array([gain]), np.array([0.0]), 0.0625 if gain > 0 else 0.03125).tolist() == [label]


def test_prices_are_of_each_row():
    assert labels_of(np.array([0.1, 0.1, 0.1]), np.array([0.05, 0.1, 0.15]), 0.02).tolist() == [USE, MAYBE, AVOID]
