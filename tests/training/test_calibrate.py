"""Calibration: on what no heads have seen, monotone, local, honest about how little it rests on."""

import numpy as np
import pytest

from contract.bundle import QUANTILES
from training import calibrate as module
from training.calibrate import FOLDS, _familiarity, _share_below, calibrate, cross_fitted, learned_shares
from training.fitting import fit
from training.gain_curve import KNOTS
from training.heads import MEMBERS, VERDICTS, equal
from training.inputs import softmax
from training.logistic import fit_logits
from training.soft_labels import weighted_labels

from .test_heads import CONFIG, PROFILES, at, evidence, families, logs_at, made_up, stacked

LONGER = CONFIG.model_copy(update={"iterations": 40})


def test_familiarity_parts_the_two_at_one_half():
    curve = _familiarity(np.linspace(0.9, 1.0, 500), np.linspace(0.0, 0.1, 500))
    assert curve.at(0.9) > 0.5 > curve.at(0.1)


@pytest.mark.parametrize("weight", [np.ones(1000), np.linspace(0.1, 3, 1000)])
def test_share_below_is_the_share_of_the_evidence_that_is_no_nearer(weight):
    near = np.sort(np.random.default_rng(0).beta(5, 2, 1000))
    curve = _share_below(near, weight)
    shares = np.cumsum(weight) / weight.sum()
    assert max(abs(curve.at(x) - share) for x, share in zip(near, shares, strict=True)) < 0.5 / (KNOTS - 1) + 0.01
    for x, share in zip(curve.x, curve.y, strict=True):  # at the knots themselves it is exact
        assert weight[near <= x].sum() / weight.sum() == pytest.approx(share, abs=0.005)
    assert (curve.at(-1), curve.at(1)) == (0, 1)


def test_no_less_than_all_others_is_the_whole_share():
    alike = _share_below(np.full(50, 0.7), np.ones(50))
    assert [alike.at(x) for x in (0.6, 0.7, 0.9)] == [0, 1, 1]
    half = _share_below(np.r_[np.full(25, 0.2), np.full(25, 1.0)], np.ones(50))
    assert half.at(0.2) == pytest.approx(0.5, abs=1 / (KNOTS - 1))
    assert half.at(1.0) == 1


# Cross-fitting


class Told:
    """Heads that say what they were fitted on."""

    def __init__(self, *parts):
        self.groups = [set(rows.table.group) for rows in parts]

    def with_members(self, rows):
        """Tell, for each row, how many of the rows' groups these heads were fitted on; as members the same, [n, 3]."""
        seen = [[group in groups for group in rows.table.group] for groups in self.groups]
        said = np.array(seen, float).T.reshape(-1, len(self.groups))
        told = {"seen": said, "p_family": said, "cosines": said, "embedding": rows.embeddings[:, 0].astype(float)}
        return told, {"gain": said}


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(module, "fit", lambda pairs, thinking, unfamiliar, *rest: Told(pairs, thinking, unfamiliar))


def test_no_row_is_judged_by_heads_that_saw_its_prompt(told):
    rows = evidence(200)
    twice = stacked(rows, rows)
    unseen = cross_fitted(twice, rows, made_up(), PROFILES, CONFIG)
    assert not unseen.pairs["seen"].any()
    assert not unseen.members["gain"].any()
    assert unseen.members["gain"].shape == (2 * len(rows.table), 3)
    assert not unseen.thinking["seen"].any()
    assert not unseen.unfamiliar["seen"].any()


def test_every_row_is_judged_once_in_its_own_place(told):
    rows = evidence(200)
    unseen = cross_fitted(rows, rows.logged(), made_up(), PROFILES, CONFIG)
    for found, wanted in ((unseen.pairs, rows), (unseen.thinking, rows.logged()), (unseen.unfamiliar, made_up())):
        assert found["embedding"] == pytest.approx(wanted.embeddings[:, 0], abs=0)
        assert not {"p_family", "cosines"} & found.keys(), "of families and centroids that differ between folds"
        assert found["sure"].shape == (len(wanted.table),)


def test_the_heads_of_a_fold_see_the_other_folds(monkeypatch):
    sizes = []
    monkeypatch.setattr(module, "fit", lambda pairs, *rest: sizes.append(len(pairs.table)) or Told(pairs, *rest[:2]))
    rows = evidence(900)
    cross_fitted(rows, rows, made_up(), PROFILES, CONFIG)
    assert len(sizes) == FOLDS
    assert sum(sizes) == (FOLDS - 1) * len(rows.table)
    assert min(sizes) > 0.6 * len(rows.table)


@pytest.fixture(scope="module")
def rows():
    """Logs on axes 2, 3 and 4 that gain and lose a point by chance, thinking cheap on the last, and two families."""
    rng = np.random.default_rng(0)
    axes = np.tile([2, 3, 4], 400)
    gain = np.where(rng.random(1200) < np.where(axes == 2, 0.6, 0.1), 1.0, 0.0) - np.where(
        rng.random(1200) < 0.1, 1.0, 0.0
    )
    tokens = np.exp(rng.normal(7, 0.8, 1200)) * np.where(axes == 4, 0.1, 1)
    return stacked(families(), logs_at(axes, gain, tokens))


@pytest.fixture(scope="module")
def calibrated(rows):
    heads = fit(rows, rows, made_up(), PROFILES, LONGER)
    unseen = cross_fitted(rows, rows, made_up(), PROFILES, LONGER)
    return heads, unseen, calibrate(heads, unseen, rows, rows, PROFILES)


def test_each_side_has_a_curve_of_its_own_rows(calibrated, rows):
    _, unseen, calibration = calibrated
    logged = ~rows.table.prior.to_numpy(bool)
    met = np.array([calibration.gain_logs.at(x) for x in unseen.pairs["gain_logs"][logged]])
    assert met.mean() == pytest.approx(rows.table.gain[logged].mean(), abs=0.02)
    often, seldom, cheap = (met[rows.embeddings[logged, axis] > 0.5].mean() for axis in (2, 3, 4))  # truth: .5, 0, 0
    assert often > max(seldom, cheap) + 0.2
    assert calibration.gain_prior.at(0.4) == pytest.approx(0.4, abs=0.06)
    assert calibration.gain_prior.at(0.0) == pytest.approx(0.0, abs=0.06)


def test_scaled_probabilities_have_the_shares_of_the_labels_that_they_are_fitted_to(calibrated, rows):
    """A logistic regression with a free intercept meets the weighted share of every class."""
    heads, unseen, _ = calibrated
    x = heads.scaled(unseen.pairs | {"gain_logs": unseen.members["gain"] @ heads.shares["gain"]}, "balanced")
    p = softmax(heads.scaling["balanced"](x))
    at_rows, labels, weight = weighted_labels(rows.table, x[:, -1], PROFILES["balanced"].margin)
    for i in range(len(VERDICTS)):
        assert np.average(p[at_rows, i], weights=weight) == pytest.approx(
            np.average(labels == i, weights=weight), abs=2e-3
        )


def test_the_gain_of_logs_is_its_members_by_their_learned_shares(calibrated, rows):
    heads, unseen, _ = calibrated
    logged = ~rows.table.prior.to_numpy(bool)
    assert heads.shares.keys() == unseen.members.keys() == MEMBERS.keys()
    for name, shares in heads.shares.items():
        assert len(shares) == len(MEMBERS[name])
        assert (shares >= 0).all()
    y, weight = rows.table.target_gain.to_numpy(float)[logged], rows.table.weight.to_numpy(float)[logged]
    error = [
        np.average((unseen.members["gain"][logged] @ s - y) ** 2, weights=weight)
        for s in (heads.shares["gain"], equal("gain"))
    ]
    assert error[0] <= error[1]
    _, members = heads.with_members(at(2))
    assert heads.predict(at(2))["gain_logs"] == pytest.approx(members["gain"] @ heads.shares["gain"])


def test_a_member_that_knows_the_answer_has_nearly_all_of_it():
    rng = np.random.default_rng(0)
    y = rng.normal(0, 0.5, 2000)
    shares = learned_shares(np.column_stack([rng.normal(0, 0.5, 2000), y, -y]), y, np.ones(2000), np.full(3, 1 / 3))
    assert shares == pytest.approx([0, 1, 0], abs=0.03)


@pytest.mark.parametrize("m", [2, 4, 6])
def test_members_that_say_the_same_share_alike(m):
    y = np.random.default_rng(0).normal(0, 0.5, 500)
    shares = learned_shares(np.repeat(y[:, None], m, axis=1), y, np.ones(500), np.full(m, 1 / m))
    assert shares == pytest.approx(np.full(m, 1 / m))


def test_shares_are_never_negative_and_do_not_depend_on_the_unit_of_weights():
    rng = np.random.default_rng(1)
    members, y, weight = rng.normal(size=(300, 5)), rng.normal(size=300), rng.uniform(0.1, 3, 300)
    toward = np.array([0.5, 0, 0, 0, 0.5])
    shares = learned_shares(members, y, weight, toward)
    assert (shares >= 0).all()
    assert learned_shares(members, y, 7 * weight, toward) == pytest.approx(shares, abs=1e-9)
    assert learned_shares(np.zeros((300, 5)), y, weight, toward) == pytest.approx(toward), (
        "members that say nothing stay"
    )


def test_few_rows_decide_little():
    rng = np.random.default_rng(2)
    y = rng.normal(0, 0.5, 3000)
    knows = np.column_stack([y + rng.normal(0, 0.5, 3000), rng.normal(0, 0.5, 3000)])
    few, many = (learned_shares(knows[:n], y[:n], np.ones(n), np.array([0.0, 1.0]), least=3000) for n in (30, 3000))
    assert few[1] > many[1] + 0.1


def test_a_prompt_that_gains_oftener_is_likelier_of_use(calibrated):
    heads, _, _ = calibrated
    often, seldom = (heads.predict(at(axis, "one"))["p_balanced"] for axis in (2, 3))
    assert often.sum(axis=1) == pytest.approx(np.ones(20))
    assert often[:, 0].mean() > seldom[:, 0].mean() + 0.15


def test_every_profile_is_scaled(rows, calibrated):
    _, unseen, _ = calibrated
    cheap = PROFILES["balanced"].model_copy(update={"tokens_per_point": 1e6})
    dear = PROFILES["balanced"].model_copy(update={"tokens_per_point": 1e3})
    both = {"cheap": cheap, "dear": dear}
    other = fit(rows, rows, made_up(), both, LONGER)
    calibrate(other, unseen, rows, rows, both)
    out = other.predict(at(2, "one"))
    assert other.scaling.keys() == {"cheap", "dear"}
    assert out["p_cheap"][:, 0].mean() > out["p_dear"][:, 0].mean() + 0.2
    assert out["p_dear"][:, 2].mean() > out["p_cheap"][:, 2].mean() + 0.2


def test_a_label_that_no_row_has_is_unlikely():
    """Scores of 0 or 1, and thinking that always costs a tenth of a point: what gains nothing is `avoid`, never `maybe`."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet([3, 6, 1], 900)
    outcome = np.array([rng.choice(3, p=row) for row in p])
    x = np.column_stack([np.log(p), p[:, 0] - p[:, 2], np.full(900, 0.1)])
    labels = np.where(outcome == 0, 0, 2)
    found = softmax(fit_logits(x, labels, 3, 1.0, np.ones(900))(x))
    assert found[:, 1].mean() < 0.05
    assert found[:, 2].mean() == pytest.approx((labels == 2).mean(), abs=0.05)


def test_calibrated_heads_finish_as_often_as_they_say(calibrated):
    """In distribution, over all kinds of prompts, on prompts that no heads have seen."""
    heads, _, _ = calibrated
    assert (np.diff(heads.thinking_offsets) > 0).all()
    rng, finished = np.random.default_rng(9), []
    for axis in (2, 3, 4):
        tokens = np.exp(rng.normal(7, 0.8, 400)) * (0.1 if axis == 4 else 1)
        finished.append(tokens[:, None] <= heads.predict(at(axis, "one", n=400))["thinking_quantiles"])
    assert np.concatenate(finished).mean(axis=0) == pytest.approx(QUANTILES, abs=0.06)
