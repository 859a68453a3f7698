"""How far logs reach: centroids of enough prompts, and a share that falls with the distance to them."""

import numpy as np
import pytest

from training import clusters
from training.clusters import LEAST_MEMBERS, NARROWEST, Cover, centroids, cover, neighbourhoods

from .test_heads import CONFIG, D, logs_at, stacked


def logs(axes, seed=1):
    n = len(axes)
    return logs_at(np.asarray(axes), np.zeros(n), np.full(n, 500.0), seed=seed)


def asks(rows):
    return rows.embeddings[:, :D]


@pytest.fixture
def found(monkeypatch):
    """The clusters that scikit-learn finds."""
    seen = []

    class Recorded(clusters.KMeans):
        def fit(self, x):
            seen.append(super().fit(x))
            return self

    monkeypatch.setattr(clusters, "KMeans", Recorded)
    return seen


@pytest.mark.parametrize("n", [LEAST_MEMBERS * 2, 150, 1000, 4000])
def test_every_centroid_is_of_twenty_asks_or_more_and_of_unit_length(found, n):
    centres = centroids(np.random.default_rng(0).normal(size=(n, D)), CONFIG)
    sizes = np.bincount(found[-1].labels_)
    assert len(centres) == (sizes >= LEAST_MEMBERS).sum() > 0
    assert np.linalg.norm(centres, axis=1) == pytest.approx(np.ones(len(centres)), abs=1e-6)
    assert centres.dtype == np.float32


def test_a_few_asks_apart_have_no_centroid_near_them():
    rows = logs([2] * 300 + [3] * 300 + [7] * (LEAST_MEMBERS - 1))
    centres = centroids(asks(rows), CONFIG)
    assert (centres @ np.eye(D)[[2, 3]].T).max(axis=0) == pytest.approx([1, 1], abs=0.05)
    assert (centres @ np.eye(D)[7]).max() < 0.5


@pytest.mark.parametrize("n", [0, 1, LEAST_MEMBERS - 1])
def test_too_few_asks_have_none(n):
    assert centroids(asks(logs([2] * n)) if n else np.zeros((0, D)), CONFIG).shape == (0, D)


def test_the_same_seed_finds_the_same():
    x = np.random.default_rng(0).normal(size=(500, D))
    np.testing.assert_array_equal(centroids(x, CONFIG), centroids(x, CONFIG))


def test_there_are_no_more_centroids_than_wanted_however_large_the_log(found):
    centres = centroids(np.random.default_rng(0).normal(size=(clusters.SAMPLE + 3000, 4)), CONFIG)
    assert 0 < len(centres) <= clusters.CENTROIDS
    assert len(found[-1].labels_) == clusters.SAMPLE


@pytest.fixture(scope="module")
def reach():
    return cover(logs([2] * 400 + [3] * 400), CONFIG)


def test_logs_speak_where_they_lie_and_not_elsewhere(reach):
    assert reach.share(asks(logs([2] * 100, seed=2))).mean() > 0.6
    assert reach.share(asks(logs([7] * 100, seed=2))).max() < 1e-3


def test_a_quarter_of_logged_prompts_lies_beyond_the_middle(reach):
    """By centroids of prompts other than them: those of their own would be too near."""
    near = reach.near(asks(logs([2, 3] * 400, seed=5)))
    assert (near < reach.middle).mean() == pytest.approx(0.25, abs=0.06)
    assert reach.width >= NARROWEST


def test_the_share_rises_with_the_cosine_through_one_half_at_the_middle():
    unit = Cover(np.eye(1, D, dtype=np.float32), middle=0.5, width=0.1)
    x = np.zeros((5, D))
    x[:, 0] = [-1, 0.4, 0.5, 0.6, 1]
    share = unit.share(x)
    assert (np.diff(share) > 0).all()
    assert share[1:4] == pytest.approx([0.26894, 0.5, 0.73106], abs=1e-4)
    assert ((share >= 0) & (share <= 1)).all()


def test_what_is_far_beyond_has_a_share_of_zero_without_an_overflow():
    """Warnings are errors here."""
    narrow = Cover(np.eye(1, D, dtype=np.float32), middle=1.0, width=NARROWEST)
    assert narrow.share(-np.eye(1, D, dtype=np.float32)) == pytest.approx([0])


@pytest.mark.parametrize("n", [0, 1, LEAST_MEMBERS, 2 * LEAST_MEMBERS - 1])
def test_too_few_logs_speak_nowhere(n):
    nothing = logs([2]).take(np.zeros(1, bool))
    few = cover(logs([2] * n) if n else nothing, CONFIG)
    assert few.share(asks(logs([2, 3, 7]))).max() < 1e-6
    assert len(few.centres) == 1, "an empty constant is no graph"


def test_logs_that_are_all_alike_speak_of_their_like():
    one = logs([2] * 200)
    alike = cover(stacked(*[one.take(np.arange(200) == i) for i in range(3)], one), CONFIG)
    assert np.isfinite(alike.share(asks(one))).all()
    assert alike.width >= NARROWEST


@pytest.mark.parametrize("n", [2 * LEAST_MEMBERS, 3 * LEAST_MEMBERS])
def test_a_few_logs_more_do_not_speak_everywhere(n):
    assert cover(logs([2] * n), CONFIG).share(asks(logs([7] * 20, seed=3))).max() < 0.5


def told(rows):
    """Return what is said around the centroids of logs, all of one family."""
    return neighbourhoods(cover(rows, CONFIG), rows, np.ones((len(rows.table), 1)), ("proof",))


def test_neighbourhoods_say_what_was_logged_around_their_centroids():
    rows = stacked(
        logs_at(np.full(200, 2), np.full(200, 0.4), np.full(200, 900.0)),
        logs_at(np.full(200, 3), np.full(200, -0.1), np.full(200, np.nan), seed=2),
    )
    reach, found = told(rows)
    assert len(reach.centres) == len(found) > 1
    assert sum(one.n for one in found) == 400
    for centre, one in zip(reach.centres, found, strict=True):
        gaining = centre[2] > centre[3]
        assert (one.gain, one.extra_tokens, one.task) == (
            pytest.approx(0.4 if gaining else -0.1),
            900.0 if gaining else None,
            "proof",
        )


def test_a_prompt_logged_for_many_models_is_one_prompt():
    """Else its embedding would lie in the bundle."""
    one = logs([7], seed=4)
    reach, found = told(stacked(logs([2] * 400), *[one] * 30))
    assert (reach.centres @ asks(one)[0]).max() < 0.999
    assert len(reach.centres) == len(found)
    assert all(neighbourhood.n >= LEAST_MEMBERS for neighbourhood in found)


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("prompts", [1, 2, LEAST_MEMBERS - 1])
def test_many_rows_of_a_few_prompts_leave_no_centroid(prompts):
    rows = logs([2, 3] * 10)
    few = stacked(*[rows.take(np.arange(20) < prompts)] * 200)
    reach, found = told(few)
    assert found == ()
    np.testing.assert_array_equal(reach.centres, np.zeros((1, D), np.float32))


def test_without_a_log_there_is_no_neighbourhood():
    nothing = logs([2]).take(np.zeros(1, bool))
    assert told(nothing)[1] == ()
