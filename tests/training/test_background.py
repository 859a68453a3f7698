"""What speaks before logs do: the families, and the bundle that a training starts from, alone and inside a new one."""

import numpy as np
import pytest

from contract.policy import calibrated_gain
from training.background import BASE, SAYS, WIDE, Base, Families, seen_by, splits_of
from training.calibrate import AS_IT_IS, calibrate, cross_fitted
from training.export import check_parity, graph_of
from training.fitting import SURE, TOKEN_PROMPTS, fit
from training.heads import MEMBERS, SAFE, equal

from .test_export import CONFIG, PROFILES, D, FakeEncoder, rows, trained, unseen, written  # noqa: F401
from .test_heads import at, families, logs_at, made_up, stacked


@pytest.fixture(scope="module")
def base(trained):  # noqa: F811
    return Base(trained[2].bundle)


@pytest.fixture(scope="module")
def own():
    """Logs of another model on an axis that the bundle knows and on one that it does not, which gain there."""
    rng = np.random.default_rng(3)
    axes = np.tile([2, 5], 150)
    gain = np.where(axes == 5, rng.choice([0.0, 1.0], 300, p=[0.3, 0.7]), 0.0)
    return logs_at(axes, gain, np.exp(rng.normal(7, 0.5, 300)), seed=8, model="mine")


@pytest.fixture(scope="module")
def started(base, own):
    """Heads that start from the bundle, calibrated, and their calibration."""
    evidence = stacked(families(), own)
    heads = fit(evidence, evidence, made_up(), PROFILES, CONFIG, base)
    unseen_by = cross_fitted(evidence, evidence, made_up(), PROFILES, CONFIG, base)
    return heads, calibrate(heads, unseen_by, evidence, evidence, PROFILES)


@pytest.fixture(scope="module")
def scorer(started, tmp_path_factory):
    return written(tmp_path_factory.mktemp("started"), *started)


def test_a_bundle_says_what_its_own_scorer_says(base, trained, unseen):  # noqa: F811
    old = trained[2]
    target = old.targets(unseen.table.model.tolist())
    row = old.run(unseen.embeddings, unseen.features, target)
    said = base.of(unseen, target, np.zeros(0))
    calibration = old.manifest.calibration
    bounds = np.array([calibrated_gain(old.unpack(row, i), calibration) for i in range(len(unseen.table))])
    assert said["gain"] == pytest.approx(bounds[:, 1], abs=1e-5)
    assert said["band"] == pytest.approx(np.abs(np.diff(bounds, axis=1)), abs=1e-5)
    for name in ("worth", "score_direct", "outcomes", "near", "familiar", "cosines"):
        assert said[name] == pytest.approx(row[name], abs=1e-6), name
    assert said["log_extra"] + target[:, 2] == pytest.approx(np.log(row["extra_tokens"]), abs=1e-5)
    assert said["log_thinking"] + target[:, 2:] == pytest.approx(np.log(row["thinking_quantiles"]), abs=1e-5)


def test_every_background_says_the_same_things(base, trained, unseen):  # noqa: F811
    target, p_family = np.zeros((240, 3), np.float32), np.full((240, 2), 0.5)
    for background in (base, Families(trained[0].prior)):
        said = background.of(unseen, target, p_family)
        assert said["read"].shape == (240, background.width)
        for name, width in SAYS.items():
            assert said[name].shape == ((240, width) if name in WIDE else (240,)), name


def test_the_graph_that_starts_from_a_bundle_is_the_heads(started, scorer, unseen):  # noqa: F811
    report = check_parity(scorer, started[0], unseen)
    assert report["verdicts_compared"] == len(unseen.table) * len(PROFILES)
    assert report["gain_logs"]["largest"] < 1e-5


def test_where_own_logs_do_not_reach_the_bundle_speaks_alone(scorer, trained):  # noqa: F811
    rows_there = at(3)
    target = scorer.targets([None] * len(rows_there.table))
    old, new = (s.run(rows_there.embeddings, rows_there.features, target) for s in (trained[2], scorer))
    assert new["from_logs"].max() < 0.01
    assert new["worth"] == pytest.approx(old["worth"], abs=0.01)
    assert new["extra_tokens"] == pytest.approx(old["extra_tokens"], rel=0.02)
    bounds = [[calibrated_gain(s.unpack(r, 0), s.manifest.calibration) for s, r in ((trained[2], old), (scorer, new))]]
    assert bounds[0][0] == pytest.approx(bounds[0][1], abs=0.01)


def test_where_own_logs_are_they_overrule_it(scorer, trained):  # noqa: F811
    rows_there = at(5, "mine")
    gain = {}
    for name, s in (("old", trained[2]), ("new", scorer)):
        row = s.run(rows_there.embeddings, rows_there.features, s.targets(["mine"] * len(rows_there.table)))
        gain[name] = np.mean([calibrated_gain(s.unpack(row, i), s.manifest.calibration)[1] for i in range(20)])
    assert gain["new"] > max(gain["old"] + 0.2, 0.4)


def test_what_the_bundle_knew_of_models_and_neighbourhoods_is_kept(scorer, trained, own):  # noqa: F811
    old, new = trained[2].manifest, scorer.manifest
    assert new.models.keys() == {*old.models, "mine"}
    assert {name: new.models[name] for name in old.models} == old.models
    assert new.population == old.population
    assert new.neighbourhoods[-len(old.neighbourhoods) :] == old.neighbourhoods
    assert len(new.neighbourhoods) > len(old.neighbourhoods)


def test_its_gain_is_taken_as_it_is(started):
    assert started[1].gain_prior == AS_IT_IS


def test_what_it_finds_familiar_stays_familiar(scorer, trained, unseen):  # noqa: F811
    target = scorer.targets([None] * len(unseen.table))
    old, new = (s.run(unseen.embeddings, unseen.features, target) for s in (trained[2], scorer))
    for name in ("familiar", "near"):
        assert (new[name] >= old[name]).all()


def test_shares_are_drawn_to_what_few_logs_do_not_spoil(base):
    few = stacked(
        families(), logs_at(np.full(60, 5), np.tile([1.0, 0.0], 30), np.full(60, 900.0), seed=4, model="mine")
    )
    heads = fit(few, few, made_up(), PROFILES, CONFIG, base)
    calibrate(heads, cross_fitted(few, few, made_up(), PROFILES, CONFIG, base), few, few, PROFILES)
    safe = np.isin(MEMBERS["gain"], SAFE)
    assert heads.shares["gain"][safe].sum() > 0.6
    assert equal("gain", among=SAFE) @ safe == 1


def test_tokens_of_few_prompts_count_by_their_number(base, own):
    evidence = stacked(families(), own)
    heads = fit(evidence, evidence, made_up(), PROFILES, CONFIG, base)
    assert heads.linear["tokens_from_logs"].bias[0] == pytest.approx(np.log(300 / TOKEN_PROMPTS))
    without = fit(evidence, families(), made_up(), PROFILES, CONFIG, base)
    assert without.linear["tokens_from_logs"].bias[0] == -SURE


def test_a_start_from_a_start_holds_both(scorer, own, unseen, tmp_path):  # noqa: F811
    again = Base(scorer.bundle)
    evidence = stacked(
        families(), logs_at(np.full(100, 6), np.tile([1.0, 0.0], 50), np.full(100, 900.0), seed=9, model="third")
    )
    heads = fit(evidence, evidence, made_up(), PROFILES, CONFIG, again)
    unseen_by = cross_fitted(evidence, evidence, made_up(), PROFILES, CONFIG, again)
    twice = written(tmp_path, heads, calibrate(heads, unseen_by, evidence, evidence, PROFILES))
    check_parity(twice, heads, unseen)
    assert twice.manifest.models.keys() == {*scorer.manifest.models, "third"}
    names = [node.name or node.output[0] for node in graph_of(heads).graph.node]
    assert any(name.startswith(BASE + BASE) for name in names)


def test_a_start_without_neighbourhoods_has_those_of_the_logs(own, unseen, tmp_path):  # noqa: F811
    cold = families()
    heads = fit(cold, cold, made_up(), PROFILES, CONFIG)
    calibration = calibrate(heads, cross_fitted(cold, cold, made_up(), PROFILES, CONFIG), cold, cold, PROFILES)
    (tmp_path / "cold").mkdir()
    start = Base(written(tmp_path / "cold", heads, calibration).bundle)
    assert not start.manifest.neighbourhoods
    evidence = stacked(families(), own)
    later = fit(evidence, evidence, made_up(), PROFILES, CONFIG, start)
    unseen_by = cross_fitted(evidence, evidence, made_up(), PROFILES, CONFIG, start)
    (tmp_path / "later").mkdir()
    told = written(tmp_path / "later", later, calibrate(later, unseen_by, evidence, evidence, PROFILES))
    check_parity(told, later, unseen)
    assert told.manifest.neighbourhoods == later.neighbourhoods != ()


def test_it_names_all_that_it_was_trained_on(base):
    first = {"files": {"a.parquet": "1" * 64}, "pairs": {"a": 3}}
    before = {"revision": "thinkworth/0", "files": {"2" * 64: "a.parquet"}, "pairs": {"a": 1, "b": 2}}
    later = Base.__new__(Base)
    later.manifest = base.manifest.model_copy(update={"training": {**first, "started_from": before}})
    assert seen_by(later.manifest) == {"1" * 64: "a.parquet", "2" * 64: "a.parquet"}, "two files of one name are two"
    said = {
        "revision": "r",
        "pairs": {"a": 4, "b": 2},
        "files": seen_by(later.manifest),
        "licences": base.manifest.licences,
        "splits": None,  # what neither says
    }
    assert later.told() == said


@pytest.mark.parametrize(("before", "known"), [([[9, 0.2]], [(7, 0.1), (9, 0.2)]), (None, None)])
def test_it_names_the_prompts_that_each_training_held_out(base, before, known):
    training = {"config": {"seed": 7, "holdout_share": 0.1}}
    assert splits_of(base.manifest.model_copy(update={"training": training})) == [(7, 0.1)]
    started = {**training, "started_from": {"revision": "r", "splits": before}}
    assert splits_of(base.manifest.model_copy(update={"training": started})) == known
