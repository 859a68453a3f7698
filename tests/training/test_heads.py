"""The two models and their mixing, on evidence made for it: few rows, known answers."""

import numpy as np
import pandas as pd
import pytest

from contract.features import FEATURE_NAMES
from contract.profiles import Profile
from training.config import TrainConfig
from training.evidence import Rows
from training.heads import fit

D = 16
CONFIG = TrainConfig(iterations=10, components=8)
PROFILES = {"balanced": Profile(tokens_per_point=20_000, max_thinking_tokens=8192)}
FAMILIES = {"easy": (0.0, 500.0), "hard": (0.4, 3000.0)}


def rows_at(directions, seed, **columns):
    """Return rows whose ask and whole lie near the given axes of the embedding."""
    rng = np.random.default_rng(seed)
    view = rng.normal(0, 0.05, (len(directions), D))
    view[np.arange(len(directions)), directions] += 1
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    features = rng.normal(0, 1, (len(directions), len(FEATURE_NAMES)))
    table = pd.DataFrame(
        {"score_direct": 0.5, "thinking_mode": True, "modelled": False, **columns}, index=range(len(directions))
    )
    return Rows(np.hstack([view, view]).astype(np.float32), features.astype(np.float32), table)


def evidence(logged):
    """Two families on axes 0 and 1; `logged` pairs on axis 2 that gain -0.2."""
    axes = np.r_[np.repeat([0, 1], 40), np.full(logged, 2)]
    task = ["easy"] * 40 + ["hard"] * 40 + [None] * logged
    gain = np.r_[np.repeat([FAMILIES[n][0] for n in FAMILIES], 40), np.full(logged, -0.2)]
    tokens = np.r_[np.repeat([FAMILIES[n][1] for n in FAMILIES], 40), np.full(logged, 1500.0)]
    prior = np.r_[np.ones(80, bool), np.zeros(logged, bool)]
    said = {"gain": gain, "score_direct": 0.5, "score_reasoning": 0.5 + gain, "extra_tokens": tokens}
    return rows_at(
        axes, 0, task=task, thinking_tokens=tokens, prior=prior, modelled=False, weight=np.where(prior, 4.0, 1.0),
        **said, **{f"target_{name}": value for name, value in said.items()},
    )  # fmt: skip


def made_up():
    return rows_at(np.full(60, 9), 5, group="x")


def fitted(logged):
    rows = evidence(logged)
    return fit(rows, rows, made_up(), rows.take(rows.table.prior.to_numpy(bool)), PROFILES, CONFIG)


def at(axis):
    return rows_at(np.full(20, axis), 11, group="x")


@pytest.fixture(scope="module")
def heads():
    return fitted(logged=4000)


def test_the_family_and_its_prior_are_found(heads):
    for axis, (name, (gain, _)) in enumerate(FAMILIES.items()):
        out = heads.predict(at(axis))
        assert {heads.tasks[i] for i in out["p_family"].argmax(axis=1)} == {name}
        assert out["gain_prior"].mean() == pytest.approx(gain, abs=0.08)


def test_logs_speak_where_they_are_and_the_prior_elsewhere(heads):
    assert heads.predict(at(2))["from_logs"].mean() > 0.7
    assert heads.predict(at(0))["from_logs"].mean() < 0.2


def test_more_logs_of_a_kind_overrule_more(heads):
    few, many = (model.predict(at(2))["from_logs"].mean() for model in (fitted(40), heads))
    assert many / (1 - many) > 10 * few / (1 - few)


def test_probabilities_sum_to_one_and_quantiles_of_the_prior_rise(heads):
    out = heads.predict(at(2))
    assert out["p_balanced"].sum(axis=1) == pytest.approx(np.ones(20))
    assert (out["extra_tokens"] > 0).all()
    assert (np.diff(heads.predict(at(0))["thinking_quantiles"], axis=1) > 0).all()


def test_without_any_log_the_prior_speaks_alone():
    heads = fitted(logged=0)
    out = heads.predict(at(1))
    assert out["from_logs"].max() < 1e-9
    assert out["extra_tokens"].mean() == pytest.approx(3000, rel=0.3)


def test_without_a_taxonomy_logs_speak_alone():
    rows = evidence(300)
    prior = rows.table.prior.to_numpy(bool)
    logs = rows.take(~prior)
    heads = fit(logs, logs, made_up(), rows.take(prior & ~prior), PROFILES, CONFIG)
    out = heads.predict(at(2))
    assert heads.tasks == ("unknown",)
    assert out["from_logs"].min() > 1 - 1e-9
