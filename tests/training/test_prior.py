"""What the taxonomy declares, as arrays."""

import numpy as np
import pandas as pd
import pytest

from contract.profiles import Profile
from training.prior import TOKENS_LOG_SD, labels_of, prior_of, token_offsets

PROFILES = {"p": Profile(tokens_per_point=20_000, max_thinking_tokens=8192)}


def table(rows):
    names = ["task", "gain", "score_direct", "score_reasoning", "extra_tokens", "prior"]
    return pd.DataFrame(rows, columns=names)


def test_values_stand_in_the_order_of_the_tasks_and_logs_are_left_out():
    rows = [["b", 0.3, 0.5, 0.8, 2000, True], ["a", 0.0, 0.9, 0.9, 500, True], ["a", 1.0, 0.0, 1.0, 9, False]]
    prior = prior_of(table(rows), ("a", "b"), PROFILES)
    assert prior.gain.tolist() == [0.0, 0.3]
    assert np.exp(prior.log_tokens) == pytest.approx([500, 2000])
    assert prior.labels["p"].tolist() == [[0, 0, 1], [1, 0, 0]]


def test_without_a_taxonomy_nothing_is_declared():
    prior = prior_of(table([["a", 1.0, 0.0, 1.0, 9, False]]), ("unknown",), PROFILES)
    assert prior.gain.tolist() == [0.0]
    assert prior.labels["p"].tolist() == [[0, 1, 0]]


def test_a_label_follows_net_benefit_and_the_margin():
    gain, tokens = np.array([0.1, 0.1, 0.1]), np.array([1000.0, 2000.0, 3000.0])
    assert labels_of(gain, tokens, PROFILES["p"]).tolist() == [0, 1, 2]


def test_token_quantiles_have_the_declared_mean():
    draws = np.exp(np.random.default_rng(0).normal(-(TOKENS_LOG_SD**2) / 2, TOKENS_LOG_SD, 400_000))
    assert draws.mean() == pytest.approx(1.0, abs=0.02)
    assert np.exp(token_offsets((0.1, 0.5, 0.9))) == pytest.approx(np.quantile(draws, (0.1, 0.5, 0.9)), rel=0.02)
