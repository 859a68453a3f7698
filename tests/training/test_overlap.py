import re

import numpy as np
import pandas as pd
import pytest

from training.overlap import CLIP, LEAST_EFFECTIVE, TRIM, open_strata, overlapping, strata_of

LEAST = int(LEAST_EFFECTIVE)


def found(reasoning, propensity, *, logged=False):
    """Return the one stratum of rows with one arm each, as pseudo-outcomes hand them over."""
    reasoning, propensity = np.asarray(reasoning, dtype=bool), np.asarray(propensity, dtype=float)
    rows, single = len(reasoning), np.ones(len(reasoning), dtype=bool)
    table = pd.DataFrame(
        {"source": "s", "model": "m", "p_reasoning": propensity if logged else np.nan}, index=range(rows)
    )
    kept = overlapping(propensity)
    clipped = np.clip(propensity, CLIP, 1 - CLIP)
    (stratum,) = strata_of(table, np.zeros(rows, dtype=int), reasoning, single, kept, clipped)
    return stratum


def test_a_stratum_is_open_with_enough_rows_of_either_arm():
    stratum = np.repeat([0, 1], [2 * LEAST, 2 * LEAST - 1])
    reasoning = np.r_[np.arange(2 * LEAST) < LEAST, np.arange(2 * LEAST - 1) < LEAST]
    single = np.ones(len(stratum), dtype=bool)
    np.testing.assert_array_equal(open_strata(stratum, reasoning, single), stratum == 0)
    single[0] = False  # its prompt has both arms
    assert not open_strata(stratum, reasoning, single).any()
    assert len(open_strata(stratum[:0], reasoning[:0], single[:0])) == 0


def test_only_propensities_that_leave_both_arms_a_chance_overlap():
    values = np.array([0.0, TRIM / 2, TRIM, 0.5, 1 - TRIM, 1.0, np.nan])
    assert overlapping(values).tolist() == [False, False, True, True, True, False, False]


def test_a_fair_draw_has_as_many_effective_rows_as_rows():
    stratum = found(np.arange(100) < 40, np.full(100, 0.5), logged=True)
    assert (stratum.direct, stratum.reasoning, stratum.logged) == (60, 40, 1.0)
    assert (stratum.effective_direct, stratum.effective_reasoning) == pytest.approx((60, 40))
    assert (stratum.trimmed, stratum.told_apart, stratum.refused) == (0.0, 0.5, None)
    assert stratum.text() == (
        "s, m: 60 direct, 40 reasoning; effective 60 and 40, trimmed 0.0%, propensities logged 100%, AUC 0.50"
    )


def test_uneven_weights_leave_fewer_effective_rows():
    """Kish by hand: weights 1/.1 and 1/.9 of 30 rows each give (300 + 33.3)^2 / (3000 + 37.04) = 36.6."""
    reasoning = np.r_[np.ones(60), np.zeros(60)] > 0
    propensity = np.r_[np.full(30, 0.1), np.full(30, 0.9), np.full(60, 0.5)]
    assert found(reasoning, propensity).effective_reasoning == pytest.approx(36.6, abs=0.05)


def test_an_arm_of_too_few_prompts_is_named_with_its_remedy():
    stratum = found(np.arange(100) < LEAST - 1, np.full(100, 0.5))
    assert stratum.refused == "19 scored prompts in the reasoning arm, 20 needed; collect that arm of some prompts"
    assert stratum.effective_direct is None
    assert stratum.text().endswith(f"refused: {stratum.refused}")


def test_a_rule_that_leaves_nothing_to_chance_is_refused():
    """Every propensity may pass on its own; together they tell the arms apart."""
    reasoning = np.arange(400) % 2 == 0
    stratum = found(reasoning, np.where(reasoning, 0.97, 0.03))
    assert (stratum.trimmed, stratum.told_apart) == (0.0, 1.0)
    assert stratum.refused.startswith("no overlap")


@pytest.mark.parametrize(
    ("logged_as", "reason"),
    [
        (lambda e, t: 1 - e, "p_reasoning is lower where reasoning was chosen"),
        (lambda e, t: 1.0 - t, "p_reasoning is lower where reasoning was chosen"),
    ],
    ids=["P(direct)", "not drawn, and inverted"],
)
def test_logged_propensities_of_something_else_are_refused(logged_as, reason):
    rng = np.random.default_rng(0)
    e = rng.uniform(0.1, 0.9, 2000)
    t = rng.random(2000) < e
    assert re.match(reason, found(t, logged_as(e, t), logged=True).refused)


def test_logged_propensities_that_fit_are_never_refused():
    """Nor where one arm is scored twice as often as the other, or all requests of a user have one arm."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        e = rng.beta(*rng.uniform(0.3, 3, 2), 800)
        drawn = rng.random(800) < e
        scored = rng.random(800) < np.where(drawn, 0.8, 0.4)
        users = rng.uniform(0.2, 0.8, 40)
        of_users = rng.random(40) < users
        for propensity, reasoning in (
            (e, drawn),
            (e[scored], drawn[scored]),
            (np.repeat(users, 20), np.repeat(of_users, 20)),
        ):
            refused = found(reasoning, propensity, logged=True).refused
            assert refused is None or "p_reasoning is" not in refused


def test_rows_without_overlap_are_trimmed_and_a_stratum_of_them_refused():
    reasoning = np.arange(400) % 2 == 0
    some = found(reasoning, np.where(np.arange(400) < 100, 0.001, 0.5))
    assert (some.trimmed, some.refused) == (0.25, None)
    assert found(reasoning, np.where(np.arange(400) < 390, 0.001, 0.5)).refused.startswith("no overlap")
