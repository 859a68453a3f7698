import numpy as np
import pandas as pd

from contract.profiles import Profile
from training.soft_labels import weighted_labels

PROFILE = Profile(tokens_per_point=20_000, max_thinking_tokens=8192, margin=0.02)
USE, MAYBE, AVOID = range(3)


def labels_of(table, gain, tokens=600.0):
    return weighted_labels(pd.DataFrame(table), np.array(gain), np.full(len(gain), tokens), PROFILE)


def test_a_pair_is_its_label_and_a_row_with_one_arm_each_label_by_its_chance():
    table = {
        "modelled": [False, True], "weight": [1.0, 0.4], "gain_if_low": [np.nan, 1.0], "gain_if_high": [np.nan, 0.0], "p_high": [np.nan, 0.75],
    }  # fmt: skip
    rows, labels, weight = labels_of(table, [0.5, 9.0])  # the pseudo-outcome of the second, 9, is never looked at
    assert rows.tolist() == [0, 1, 1]
    assert labels.tolist() == [USE, USE, AVOID]
    np.testing.assert_allclose(weight, [1.0, 0.1, 0.3])


def test_pairs_alone_are_labelled_as_they_are():
    table = {"modelled": [False] * 3, "weight": [1.0, 2.0, 3.0]}
    table |= dict.fromkeys(("gain_if_low", "gain_if_high", "p_high"), [np.nan] * 3)
    rows, labels, weight = labels_of(table, [0.5, 0.03, -0.5])
    assert (rows.tolist(), labels.tolist(), weight.tolist()) == ([0, 1, 2], [USE, MAYBE, AVOID], [1.0, 2.0, 3.0])
