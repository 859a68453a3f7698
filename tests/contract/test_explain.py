"""What is said of a prompt is true of the graph: effects are recomputed here one group at a time."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contract.ablation import ABSENT, GROUPS, ablated
from contract.bundle import LEAST_NEIGHBOURS, Neighbourhood
from contract.calibration import Curve
from contract.explain import EFFECTS, LEAST_EFFECT, NEIGHBOURS, Effect, effects, neighbours
from contract.features import FEATURE_NAMES
from contract.policy import calibrated_gain
from contract.scorer import GainHeads

from .test_policy import CALIBRATION, SCORES

F = len(FEATURE_NAMES)
WIDE = Curve(x=(-1e3, 1e3), y=(-1e3, 1e3), lower=(-1e3, 1e3), upper=(-1e3, 1e3))
AS_PREDICTED = CALIBRATION.model_copy(update={"gain_logs": WIDE, "gain_prior": WIDE})
FLAT = Curve(x=(-1, 1), y=(0.2, 0.2), lower=(0.1, 0.1), upper=(0.3, 0.3))
EMBEDDING = np.array([0.6, 0.8, 1.0, 0.0], np.float32)
TARGET = np.array([0.1, -0.2, 0.3], np.float32)


class Heads:
    """A scorer whose gain is a function of its inputs; it keeps what it was run on."""

    def __init__(self, gain, usual=(0.0,) * F, calibration=AS_PREDICTED, known=(), **scores):
        self.gain, self.scores, self.runs = gain, replace(SCORES, **scores), []
        self.manifest = SimpleNamespace(usual_features=usual, calibration=calibration, neighbourhoods=known)

    def run(self, embeddings, vectors, targets):
        self.runs.append((embeddings, vectors, targets))
        gains = self.gain(embeddings, vectors, targets)
        rest = {name: np.full(len(gains), getattr(self.scores, name)) for name in ("from_logs", "gain_prior")}
        return {"gain_logs": gains, **rest}

    def unpack(self, row, i):
        return replace(self.scores, gain_logs=float(row["gain_logs"][i]))


def at(**values):
    """Return features that are 0 but for the given ones."""
    return np.array([values.get(name, 0.0) for name in FEATURE_NAMES], np.float32)


def heads_of(weights, **known):
    return Heads(lambda embeddings, vectors, targets: vectors @ weights, **known)


def told(heads, vector):
    vectors = ablated(vector, np.array(heads.manifest.usual_features, np.float32))
    n = len(vectors)
    out = heads.run(np.repeat(EMBEDDING[None], n, axis=0), vectors, np.repeat(TARGET[None], n, axis=0))
    gains = list(map(GainHeads, *(out[name].tolist() for name in GainHeads._fields)))
    return effects(heads.manifest, vector, gains)


def test_every_feature_is_in_one_group():
    grouped = [name for names in GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(FEATURE_NAMES)


figures = arrays(np.float32, F, elements=st.floats(-2, 2, width=32))


@given(figures, figures, figures)
def test_effects_are_exactly_what_the_gain_loses_with_a_group_as_usual(vector, usual, weights):
    def gain(embeddings, vectors, targets):
        return np.tanh(vectors @ weights.astype(float)) * embeddings[:, 0] + targets[:, 1]  # groups interact

    def alone(features):
        row = heads.run(EMBEDDING[None], features[None], TARGET[None])
        return calibrated_gain(heads.unpack(row, 0), AS_PREDICTED)[1]

    heads = Heads(gain, usual=tuple(map(float, usual)))
    found = dict(told(heads, vector))
    all_effects = {}
    for group, names in GROUPS.items():
        without = np.where(np.isin(FEATURE_NAMES, names), usual, vector)
        there = np.isin(FEATURE_NAMES, names) & (vector != 0)
        all_effects[group if there.any() else ABSENT.get(group, group)] = alone(vector) - alone(without)
    assert found == {group: pytest.approx(all_effects[group], abs=1e-6) for group in found}
    sizes = [abs(points) for points in found.values()]
    assert sizes == sorted(sizes, reverse=True)
    assert len(found) <= EFFECTS
    assert all(size >= LEAST_EFFECT for size in sizes)
    left_out = [abs(points) for group, points in all_effects.items() if group not in found]
    enough = min(sizes) if len(found) == EFFECTS else LEAST_EFFECT
    assert max(left_out) <= enough + 1e-6


def test_a_prompt_like_all_others_has_nothing_to_tell():
    usual = at(numbers=1.5, turns=2, whole_words=4)
    assert told(heads_of(np.ones(F), usual=tuple(map(float, usual))), usual) == []


def test_the_largest_effects_are_told_the_largest_first_whatever_their_sign():
    heads = heads_of(at(numbers=0.05, turns=-0.2, whole_words=0.1))
    assert told(heads, at(numbers=1, turns=1, whole_words=1)) == [
        ("the conversation around it", pytest.approx(-0.2)),
        ("its length", pytest.approx(0.1)),
    ]


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("size", "groups"), [(0.0098, []), (0.0102, ["its code and symbols"])])
def test_what_is_too_small_to_show_is_not_told(size, groups, sign):
    found = told(heads_of(at(code_marks=sign * size)), at(code_marks=1))
    assert [effect.group for effect in found] == groups
    assert all("0.01 points" in effect.text() for effect in found)


def test_what_a_prompt_lacks_is_not_called_its_own():
    lists = at(list_items=-0.3, turns=0.1)
    found = told(heads_of(lists, usual=tuple(map(float, at(list_items=1)))), at(turns=1))
    assert [effect.group for effect in found] == ["having no list, table or choices", "the conversation around it"]
    assert found[0].points == pytest.approx(0.3)
    assert set(ABSENT) <= set(GROUPS)


def test_features_of_one_group_are_taken_away_together():
    balanced = at(numbers=1, operators=1)
    assert told(heads_of(at(numbers=0.3, operators=-0.3)), balanced) == []
    assert told(heads_of(at(numbers=0.3, turns=-0.3)), at(numbers=1, turns=1)) != []


def test_effects_are_of_the_calibrated_and_mixed_gain():
    vector, weights = at(numbers=1), at(numbers=0.4)
    assert told(heads_of(weights), vector) == [("its numbers and operators", pytest.approx(0.4))]
    assert told(heads_of(weights, from_logs=0.25), vector) == [("its numbers and operators", pytest.approx(0.1))]
    assert told(heads_of(weights, from_logs=0.0), vector) == []
    flat = AS_PREDICTED.model_copy(update={"gain_logs": FLAT})
    assert told(heads_of(weights, calibration=flat), vector) == []


def test_of_an_ablation_nothing_but_the_features_of_its_group_changes():
    vector, usual = np.arange(F + 3, dtype=np.float32) + 1, -np.arange(F, dtype=np.float32) - 1
    before = vector.copy()
    first, *rest = ablated(vector, usual)
    np.testing.assert_array_equal(first, vector)
    np.testing.assert_array_equal(vector, before)
    for names, row in zip(GROUPS.values(), rest, strict=True):
        wanted = np.where(np.isin(FEATURE_NAMES, names), usual, vector[:F])
        np.testing.assert_array_equal(row, np.concatenate([wanted, vector[F:]]))


@pytest.mark.parametrize(("points", "said"), [(0.123, "+0.12"), (-0.123, "-0.12")])
def test_a_sentence_says_which_way_and_how_far(points, said):
    text = Effect("its numbers and operators", points).text()
    assert text == f"its numbers and operators: {said} points of gain, before caps, against the mean of the evidence"


def known(n):
    return tuple(Neighbourhood(task="proof", n=LEAST_NEIGHBOURS + i, gain=0.1, extra_tokens=None) for i in range(n))


@given(arrays(np.float32, st.integers(0, 12), elements=st.floats(-1, 1, width=32)))
def test_neighbours_are_the_nearest_the_nearest_first_three_at_most(cosines):
    all_known = known(len(cosines))
    found = list(neighbours(Heads(None, known=all_known).manifest, cosines))
    assert len(found) == min(NEIGHBOURS, len(cosines))
    assert [cosine for _, cosine in found] == sorted(map(float, cosines), reverse=True)[:NEIGHBOURS]
    assert len({one.n for one, _ in found}) == len(found)
    assert all(cosine == cosines[all_known.index(one)] for one, cosine in found)


def test_neighbours_that_are_equally_near_stand_as_in_the_manifest():
    found = [
        one.n
        for one, _ in neighbours(Heads(None, known=known(5)).manifest, np.array([0.1, 0.5, 0.5, 0.1, 0.5], np.float32))
    ]
    assert found == [LEAST_NEIGHBOURS + i for i in (1, 2, 4)]


def test_a_bundle_without_neighbourhoods_names_none():
    """Its graph still has a column of cosines: an empty constant is no graph."""
    assert list(neighbours(Heads(None).manifest, np.array([0.9], np.float32))) == []
