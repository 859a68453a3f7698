"""The folded map is scikit-learn's own, and a class without a row is never likely."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from training.inputs import softmax
from training.logistic import fit_logits

C = 2.0


def rows(classes, n=200, width=4, seed=0):
    """Return inputs, classes that follow from them, and weights."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width))
    noisy = x[:, : len(classes)] + rng.gumbel(size=(n, len(classes)))
    return x, np.array(classes)[noisy.argmax(axis=1)], rng.uniform(0.2, 3, n)


@pytest.mark.parametrize("classes", [(0, 1), (0, 2), (1, 2), (0, 1, 2), (0, 2, 3), (1, 2, 3, 4)])
def test_probabilities_are_those_of_scikit_learn_and_0_of_a_class_without_a_row(classes):
    x, y, weight = rows(classes)
    folded = fit_logits(x, y, 5, C, weight)
    assert (folded.weight.shape, folded.bias.shape) == ((4, 5), (5,))
    strange = np.vstack([x, 100 * x, np.zeros((1, 4))])
    said = softmax(folded(strange))
    wanted = np.zeros((len(strange), 5))
    wanted[:, list(classes)] = LogisticRegression(C=C, max_iter=2000).fit(x, y, weight).predict_proba(strange)
    assert np.abs(said - wanted).max() < 1e-12
    assert said[:, list(set(range(5)) - set(classes))].max() < 1e-12


@pytest.mark.parametrize("only", range(3))
def test_one_class_is_sure_whatever_the_input(only):
    x, y, weight = rows((only,))
    folded = fit_logits(x, y, 3, C, weight)
    assert softmax(folded(1000 * x))[:, only].min() > 1 - 1e-12
    assert not folded.weight.any()


@pytest.mark.parametrize("classes", [(0, 1), (0, 1, 2)])
def test_a_row_of_weight_two_is_two_rows_and_no_weight_is_one(classes):
    x, y, _ = rows(classes)
    twice = np.arange(len(x)) % 3 == 0
    weighed = fit_logits(x, y, 3, C, np.where(twice, 2.0, 1.0))
    repeated = fit_logits(np.vstack([x, x[twice]]), np.r_[y, y[twice]], 3, C)
    plain = fit_logits(x, y, 3, C)
    assert np.abs(softmax(weighed(x)) - softmax(repeated(x))).max() < 1e-3
    assert np.abs(softmax(weighed(x)) - softmax(plain(x))).max() > 1e-2
    np.testing.assert_array_equal(plain(x), fit_logits(x, y, 3, C, np.ones(len(x)))(x))


@pytest.mark.parametrize("classes", [(0, 1), (0, 1, 2)])
def test_the_order_of_the_classes_is_that_of_the_columns(classes):
    x, y, weight = rows(classes)
    other = np.array([3, 1, 0])  # where each class goes
    one, renamed = fit_logits(x, y, 4, C, weight), fit_logits(x, other[y], 4, C, weight)
    assert np.abs(softmax(one(x))[:, list(classes)] - softmax(renamed(x))[:, other[list(classes)]]).max() < 1e-3


def test_less_regularisation_says_more():
    x, y, _ = rows((0, 1, 2))
    sizes = [np.abs(fit_logits(x, y, 3, penalty).weight).max() for penalty in (0.001, 0.1, 10.0)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 5 * sizes[0]


def test_classes_that_the_input_says_are_found():
    x, y, _ = rows((0, 1, 2), n=600)
    own = softmax(fit_logits(x, y, 3, C)(x))[np.arange(600), y]
    shares = np.bincount(y) / 600
    assert np.log(own).mean() > np.log(shares[y]).mean() + 0.1
