"""The two models and their mixing, on evidence made for it: few rows, known answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from contract.errors import InvalidInput
from contract.features import FEATURE_NAMES, WORDS
from contract.profiles import Profile
from contract.scorer import SCALARS
from training.config import TrainConfig
from training.evidence import Rows
from training.fitting import fit
from training.heads import DEAREST, LEAST_PROBABILITY

D = 16
CONFIG = TrainConfig(iterations=10, components=8)
PROFILES = {"balanced": Profile(tokens_per_point=20_000, max_thinking_tokens=8192)}
FAMILIES = {"easy": (0.0, 500.0), "hard": (0.4, 3000.0)}
NONE = {"gain_if_low": np.nan, "gain_if_high": np.nan, "p_high": np.nan}


def rows_at(directions, seed, **columns):
    """Return rows whose ask and whole lie near the given axes of the embedding."""
    rng = np.random.default_rng(seed)
    view = rng.normal(0, 0.05, (len(directions), D))
    view[np.arange(len(directions)), directions] += 1
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    features = rng.normal(0, 1, (len(directions), len(FEATURE_NAMES)))
    read = [FEATURE_NAMES.index(name) for name in ("ascii_share", "cjk_share", "attachments")]
    features[:, read] = 1, 0, 0  # of a script that is read, without an image
    words = rng.normal(0, 0.2 / np.sqrt(WORDS), (len(directions), WORDS))
    features = np.hstack([features, words])
    table = pd.DataFrame(
        {"score_direct": 0.5, "thinking_mode": True, "modelled": False, "model": None, **columns},
        index=range(len(directions)),
    )
    return Rows(np.hstack([view, view]).astype(np.float32), features.astype(np.float32), table)


def logs_at(directions, gain, tokens, seed=1, **columns):
    """Return logged pairs at axes, with their gains and tokens."""
    n = len(directions)
    said = {"gain": gain, "score_direct": 0.5, "score_reasoning": 0.5 + np.asarray(gain), "extra_tokens": tokens}
    known = {
        "source": "logs", "prompt_id": [f"{seed}.{i}" for i in range(n)], "group": [f"{seed}.{i}" for i in range(n)], "model": "one",
        "task": None, "prior": False, "weight": 1.0, "censored": False, "target_is": "attempts", "thinking_tokens": tokens, **NONE,
        **said, **{f"target_{name}": value for name, value in said.items()},
    }  # fmt: skip
    return rows_at(directions, seed, **{**known, **columns})


def families(each=40):
    """Return pseudo-observations: two families on axes 0 and 1."""
    task = np.repeat([*FAMILIES], each)
    gain, tokens = (np.array([FAMILIES[name][i] for name in task]) for i in (0, 1))
    guess = {"gain_if_low": 0.0, "gain_if_high": 1.0, "p_high": gain}
    known = {"task": task, "source": "taxonomy", "model": None, "prior": True, "weight": 4.0, **guess}
    return logs_at(np.repeat([0, 1], each), gain, tokens, seed=0, **known)


def stacked(*parts):
    return Rows(
        np.vstack([part.embeddings for part in parts]),
        np.vstack([part.features for part in parts]),
        pd.concat([part.table for part in parts], ignore_index=True),
    )


def evidence(logged):
    """Two families on axes 0 and 1; `logged` pairs on axis 2 that gain -0.2."""
    logs = logs_at(np.full(logged, 2), np.full(logged, -0.2), np.full(logged, 1500.0))
    return stacked(families(), logs) if logged else families()


def made_up():
    return rows_at(np.full(60, 9), 5, group=[f"made up {i}" for i in range(60)])


def fitted(rows):
    return fit(rows, rows, made_up(), PROFILES, CONFIG)


def at(axis, model=None, n=20):
    return rows_at(np.full(n, axis), 11, group="x", model=model)


@pytest.fixture(scope="module")
def heads():
    return fitted(evidence(logged=1200))


def test_the_family_and_its_prior_are_found(heads):
    for axis, (name, (gain, _)) in enumerate(FAMILIES.items()):
        out = heads.predict(at(axis))
        assert {heads.tasks[i] for i in out["p_family"].argmax(axis=1)} == {name}
        assert out["gain_prior"].mean() == pytest.approx(gain, abs=0.08)


def test_logs_speak_where_they_are_and_the_prior_elsewhere(heads):
    assert heads.predict(at(2))["from_logs"].mean() > 0.6
    assert heads.predict(at(0))["from_logs"].max() < 0.01
    assert heads.predict(at(7))["from_logs"].max() < 0.01, "neither logs nor the taxonomy know it"


def test_more_logs_of_a_kind_overrule_more(heads):
    few, many = (
        model.linear["from_logs"](model.inputs.of(at(2))["u"]).mean() for model in (fitted(evidence(60)), heads)
    )
    assert many > few + np.log(10)


def test_each_side_has_a_gain_of_its_own(heads):
    assert heads.predict(at(2))["gain_logs"].mean() < heads.predict(at(1))["gain_logs"].mean() - 0.1
    assert heads.predict(at(2))["gain_prior"] == pytest.approx(fitted(families()).predict(at(2))["gain_prior"], abs=0.1)


def test_heads_say_all_that_the_scorer_reads_one_value_a_row(heads):
    out = heads.predict(at(2))
    assert out.keys() >= {*SCALARS, "thinking_quantiles", "p_family"}
    assert {np.shape(out[name]) for name in SCALARS} == {(20,)}
    assert all(np.isfinite(values).all() for values in out.values())
    assert (out["extra_tokens"] > 0).all()
    assert np.abs(out["p_family"].sum(axis=1) - 1).max() < 1e-5


def test_outcomes_are_probabilities_and_what_scaling_reads_of_them_is_bounded(heads):
    rows = stacked(at(0), at(1), at(2), at(7))
    out = heads.outputs(rows)
    assert (out["outcomes"] >= 0).all()
    assert out["outcomes"].sum(axis=1) == pytest.approx(np.ones(80), abs=1e-5)
    read = heads.scaled({**out, "extra_tokens": out["extra_tokens"] * np.resize([0, 1, 1e9], 80)}, "balanced")
    assert read.shape == (80, 5)
    assert read[:, :3].min() >= np.log(LEAST_PROBABILITY)
    assert read[:, :3].max() <= 0
    assert (read[:, 4].min(), read[:, 4].max()) == (0, DEAREST)


def test_the_gain_that_scaling_reads_is_that_of_logs_and_prior_by_their_weight(heads):
    out = heads.outputs(at(2))
    w = out["from_logs"]
    assert heads.scaled(out, "balanced")[:, 3] == pytest.approx(w * out["gain_logs"] + (1 - w) * out["gain_prior"])


def test_without_any_log_the_prior_speaks_alone():
    heads = fitted(evidence(logged=0))
    out = heads.predict(at(1))
    assert out["from_logs"].max() < 1e-9
    assert out["extra_tokens"].mean() == pytest.approx(3000, rel=0.3)
    assert (np.diff(out["thinking_quantiles"], axis=1) > 0).all()
    assert heads.targets.known == {}
    assert heads.targets.population.model_dump() == {"direct": 0, "gain": 0, "log_tokens": 0}


def test_without_any_log_worth_is_the_prior_for_as_many_tokens_as_families_take_on_average():
    out = fitted(evidence(logged=0)).predict(stacked(at(0), at(1)))
    log_tokens = out["p_family"] @ np.log([tokens for _, tokens in FAMILIES.values()])
    usual = np.mean(np.log([tokens for _, tokens in FAMILIES.values()]))
    assert out["worth"] == pytest.approx(out["gain_prior"] / np.exp(log_tokens - usual), rel=1e-4, abs=1e-7)


def test_without_a_taxonomy_logs_speak_alone_wherever():
    heads = fitted(evidence(300).logged())
    out = heads.predict(stacked(at(2), at(7)))
    assert heads.tasks == ("unknown",)
    assert out["from_logs"].min() > 1 - 1e-9
    assert out["gain_prior"] == pytest.approx(np.full(40, -0.2), abs=1e-5), "the one family has the mean of the logs"
    assert heads.predict(at(2, "one"))["extra_tokens"].mean() == pytest.approx(1500, rel=0.1)
    assert heads.targets.population.gain == pytest.approx(0, abs=1e-9), "the logs are what is expected of any model"


def test_with_neither_logs_nor_taxonomy_the_error_says_what_to_log():
    rows = evidence(100).logged()
    nothing = rows.take(np.zeros(len(rows.table), bool))
    blind = Rows(rows.embeddings, rows.features, rows.table.assign(thinking_mode=False))
    with pytest.raises(InvalidInput, match="log output_tokens of both arms and thinking_tokens") as caught:
        fit(blind, nothing, made_up(), PROFILES, CONFIG)
    assert caught.value.field == "logs"


# What orders prompts that share a budget


@pytest.fixture(scope="module")
def cheap_and_dear():
    """Axes 2 and 3 gain alike; thinking takes four times the tokens on axis 3."""
    axes = np.tile([2, 3], 400)
    return fitted(stacked(families(), logs_at(axes, np.full(800, 0.4), np.where(axes == 2, 500.0, 2000.0))))


def test_worth_is_gain_for_as_many_tokens_as_the_model_spends_on_average(cheap_and_dear):
    cheap, dear = (cheap_and_dear.outputs(at(axis)) for axis in (2, 3))
    assert cheap["gain_logs"].mean() == pytest.approx(dear["gain_logs"].mean(), abs=0.06)
    assert np.median(cheap["worth"]) > dear["worth"].max() + 0.1
    z = {axis: cheap_and_dear.inputs.of(at(axis))["z"] for axis in (2, 3)}
    trees = {axis: cheap_and_dear.trees["worth"].predict(z[axis]).mean() for axis in z}
    assert trees[2] - trees[3] > 0.15, (
        "gain / spent is .4 / .4 = 1 against .4 / 1.6 = .25, of which ten steps fit a part"
    )


def test_tokens_alone_never_change_the_gain(cheap_and_dear):
    """Twice the tokens everywhere: gain, worth and outcomes stay, extra_tokens double."""
    axes = np.tile([2, 3], 400)
    rows = stacked(families(), logs_at(axes, np.full(800, 0.4), np.where(axes == 2, 1000.0, 4000.0)))
    one, two = cheap_and_dear.outputs(at(3, "one")), fitted(rows).outputs(at(3, "one"))
    for name in ("gain_logs", "worth", "outcomes", "score_direct"):
        assert two[name] == pytest.approx(one[name], abs=2e-3)
    assert two["extra_tokens"].mean() == pytest.approx(2 * one["extra_tokens"].mean(), rel=0.1)


# The target model


@pytest.fixture(scope="module")
def two_models():
    """The same prompts, logged for two models: thinking gains .6 for one and nothing for the other, which thinks four times as long."""
    axes = np.full(600, 2)
    ids = {"prompt_id": [f"p{i}" for i in range(600)], "group": [f"g{i}" for i in range(600)]}
    gaining = logs_at(axes, np.full(600, 0.6), np.full(600, 500.0), model="vendor/Gaining-1", **ids)
    idle = logs_at(axes, np.zeros(600), np.full(600, 2000.0), model="idle", **ids)
    return fitted(stacked(families(), gaining, idle))


def test_the_same_prompt_pays_for_one_model_and_not_for_another(two_models):
    gaining, idle, unknown = (two_models.predict(at(2, model)) for model in ("gaining-1", "idle", "another"))
    for name in ("gain_logs", "worth"):
        assert gaining[name].min() > idle[name].max()
        assert gaining[name].mean() > idle[name].mean() + 0.1
        assert idle[name].mean() < unknown[name].mean() < gaining[name].mean()


def test_an_unknown_model_is_the_population_and_its_names_are_one(two_models):
    unknown = two_models.predict(at(2, "another"))
    for name, values in two_models.predict(at(2)).items():
        np.testing.assert_array_equal(values, unknown[name])
    for name, values in two_models.predict(at(2, "gaining-1")).items():
        np.testing.assert_array_equal(values, two_models.predict(at(2, "other/GAINING-1"))[name])


def test_what_concerns_the_prompt_alone_is_the_same_for_every_model(two_models):
    one, other = (two_models.predict(at(2, model)) for model in ("gaining-1", "idle"))
    for name in ("gain_prior", "from_logs", "familiar", "near", "p_family"):
        np.testing.assert_array_equal(one[name], other[name])


def test_tokens_follow_the_scale_of_the_model_exactly(two_models):
    known = two_models.targets.known
    assert known["idle"].log_tokens - known["gaining-1"].log_tokens == pytest.approx(np.log(4), rel=0.02)
    scale = replace(two_models, targets=replace(two_models.targets, known={"m": known["idle"]}))
    longer = known["idle"].model_copy(update={"log_tokens": known["idle"].log_tokens + np.log(3)})
    thrice = replace(two_models, targets=replace(two_models.targets, known={"m": longer}))
    for name in ("extra_tokens", "thinking_quantiles"):
        assert thrice.outputs(at(2, "m"))[name] == pytest.approx(3 * scale.outputs(at(2, "m"))[name], rel=1e-5)
    for name in ("gain_logs", "worth", "outcomes", "score_direct"):
        np.testing.assert_array_equal(thrice.outputs(at(2, "m"))[name], scale.outputs(at(2, "m"))[name])


def test_tokens_are_those_of_the_model_that_was_logged(two_models):
    assert two_models.predict(at(2, "gaining-1"))["extra_tokens"].mean() == pytest.approx(500, rel=0.2)
    assert two_models.predict(at(2, "idle"))["extra_tokens"].mean() == pytest.approx(2000, rel=0.2)


def test_the_mean_of_skewed_tokens_is_met_not_their_median():
    tokens = np.exp(np.random.default_rng(0).normal(7, 1, 800))
    heads = fitted(logs_at(np.full(800, 2), np.zeros(800), tokens))
    said = heads.predict(at(2, "one", n=200))["extra_tokens"].mean()
    assert said == pytest.approx(tokens.mean(), rel=0.2)
    assert said > 1.3 * np.median(tokens)


# The evidence's centroids


def test_made_up_texts_are_told_from_the_evidence(heads):
    assert heads.predict(made_up())["familiar"].max() < heads.predict(at(2))["familiar"].min()


def test_near_is_the_cosine_to_the_nearest_unit_centroid(heads):
    assert np.linalg.norm(heads.centroids, axis=1) == pytest.approx(np.ones(len(heads.centroids)), abs=1e-5)
    out, asks = heads.predict(at(2)), at(2).embeddings[:, :D]
    assert out["near"] == pytest.approx((asks @ heads.centroids.T).max(axis=1), abs=1e-6)
    assert out["near"].min() > heads.predict(at(7))["near"].max()


def test_no_centroid_is_a_single_prompts_embedding():
    lone = logs_at([7], [0.0], [500.0], seed=4)
    heads = fitted(stacked(evidence(400), lone))
    assert (heads.centroids @ lone.embeddings[0, :D]).max() < 0.999


def test_the_budget_that_sufficed_on_a_ladder_says_nothing_of_what_a_model_spends():
    logs = logs_at(np.full(60, 2), np.zeros(60), np.full(60, 1500.0))
    other = logs_at(np.full(60, 2), np.zeros(60), np.full(60, 100.0), seed=2, model="two", target_is="ladder")
    heads = fit(stacked(families(), logs), stacked(families(), logs, other), made_up(), PROFILES, CONFIG)
    assert heads.targets.known.keys() == {"one"}


def test_a_script_that_only_logs_hold_is_familiar_as_far_as_they_reach():
    """Families that were written in English would answer beyond."""
    cjk, ascii_share = (FEATURE_NAMES.index(name) for name in ("cjk_share", "ascii_share"))

    def chinese(rows):
        rows.features[:, cjk], rows.features[:, ascii_share] = 0.9, 0.1
        return rows

    logs = chinese(logs_at(np.full(200, 2), np.full(200, 0.2), np.full(200, 900.0)))
    heads = fitted(stacked(families(), logs))
    near, far, english = heads.predict(chinese(at(2))), heads.predict(chinese(at(0))), heads.predict(at(0))
    assert near["familiar"].mean() > 0.5
    assert far["familiar"].max() < 0.05
    assert english["familiar"].min() > 0.5


def test_images_that_only_logs_hold_are_familiar_as_far_as_they_reach():
    attachments = FEATURE_NAMES.index("attachments")

    def with_image(rows):
        rows.features[:, attachments] = np.log1p(1)
        return rows

    heads = fitted(stacked(families(), with_image(logs_at(np.full(200, 2), np.full(200, 0.2), np.full(200, 900.0)))))
    near, far, plain = heads.predict(with_image(at(2))), heads.predict(with_image(at(0))), heads.predict(at(0))
    assert near["familiar"].mean() > 0.5
    assert far["familiar"].max() < 0.05
    assert plain["familiar"].min() > 0.5
