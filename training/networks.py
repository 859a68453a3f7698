"""Networks of one hidden layer (scikit-learn's MLPRegressor), folded into two linear maps."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from training.config import TrainConfig
from training.graph import Linear, Network

UNITS = 64
"""Hidden units of one network."""

NETWORKS = 2
"""Networks that are averaged: as one of as many times the units."""

BATCH = 256
STEPS_PER_ITERATION = 4
"""Gradient steps for each boosting iteration of the run: as many on a small log as on a large one."""

Array = NDArray[Any]


def fit_network(x: Array, y: Array, weight: Array, config: TrainConfig) -> Network:
    """Return the mean of NETWORKS networks fitted on rows x [n, k], targets y [n] and weights; its output is [n, 1].

    Inputs are scaled as one, so that a row's entries have a mean square of 1: their relative sizes are meant.
    """
    scale = np.sqrt(x.shape[1] / np.mean((x.astype(float) ** 2).sum(axis=1)))
    epochs = max(1, round(STEPS_PER_ITERATION * config.iterations * BATCH / max(len(x), BATCH)))
    fitted = []
    for i in range(NETWORKS):
        network = MLPRegressor(
            hidden_layer_sizes=(UNITS,), alpha=1.0, learning_rate_init=2e-3, batch_size=min(BATCH, len(x)), max_iter=epochs,
            n_iter_no_change=epochs, random_state=config.seed + i,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is the regularisation
            fitted.append(network.fit(x * scale, y, weight))
    hidden = [np.hstack([getattr(n, name)[0] for n in fitted]) for name in ("coefs_", "intercepts_")]
    out = [np.vstack([n.coefs_[1] for n in fitted]), np.mean([n.intercepts_[1] for n in fitted], axis=0)]
    return Network(Linear(hidden[0] * scale, hidden[1]), Linear(out[0] / NETWORKS, out[1]))
