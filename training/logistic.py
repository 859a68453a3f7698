"""Multinomial logistic regression as a linear map, whatever classes the rows hold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from training.graph import Linear

NEVER = -30.0
"""Logit of a class that no row of the fit is of."""

Array = NDArray[Any]


def fit_logits(x: Array, classes: Array, count: int, penalty: float, weight: Array | None = None) -> Linear:
    """Return the logits of `count` classes on x [n, k]; a class without a row is out of the question.

    Args:
        x: inputs, [n, k].
        classes: class index of each row, [n].
        count: number of classes.
        penalty: inverse regularisation, scikit-learn's C.
        weight: of each row, [n]; 1 by default.
    """
    seen = np.unique(classes)
    weights, bias = np.zeros((x.shape[1], count)), np.full(count, NEVER)
    bias[seen] = 0.0
    if len(seen) > 1:
        model = LogisticRegression(C=penalty, max_iter=2000).fit(x, classes, weight)
        binary = len(seen) == 2  # scikit-learn keeps one row of coefficients for two classes
        weights[:, seen] = np.vstack([-model.coef_, model.coef_]).T / 2 if binary else model.coef_.T
        bias[seen] = np.r_[-model.intercept_, model.intercept_] / 2 if binary else model.intercept_
    return Linear(weights, bias)
