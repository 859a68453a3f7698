"""The evidence that heads are fitted on: what rows spent, and splits that never part a prompt."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.evidence import LEAST_SPENT, MOST_SPENT, spent, stack

from .test_heads import evidence


def table(*rows):
    """Return rows of (source, model, extra tokens, weight)."""
    return pd.DataFrame(rows, columns=["source", "model", "target_extra_tokens", "weight"])


def test_what_is_spent_is_a_share_of_the_mean_of_its_source_and_model():
    rows = table(
        ("a", "m", 100, 1.0), ("a", "m", 300, 1.0), ("a", "n", 5000, 1.0), ("b", "m", 10, 1.0), ("b", "m", 30, 1.0)
    )
    assert spent(rows).tolist() == [0.5, 1.5, 1.0, 0.5, 1.5]


def test_a_mean_is_weighted():
    rows = table(("a", "m", 100, 3.0), ("a", "m", 500, 1.0))
    assert spent(rows) == pytest.approx([0.5, 2.5])


def test_what_is_unknown_is_one_and_counts_for_no_mean():
    rows = table(("a", "m", 100, 1.0), ("a", "m", np.nan, 9.0), ("a", "m", 300, 1.0), ("a", "n", np.nan, 1.0))
    assert spent(rows).tolist() == [0.5, 1.0, 1.5, 1.0]


def test_thinking_that_saves_tokens_is_no_better_a_buy_than_the_least():
    rows = table(("a", "m", -400, 1.0), ("a", "m", 0, 1.0), ("a", "m", 1000, 1.0))
    assert spent(rows).tolist() == [LEAST_SPENT, LEAST_SPENT, 5.0]


@pytest.mark.parametrize("tokens", [(0, 0), (-100, 50), (-5, -7)])
def test_where_the_mean_is_not_positive_nothing_is_known(tokens):
    assert spent(table(*(("a", "m", n, 1.0) for n in tokens))).tolist() == [1.0, 1.0]


def test_what_is_of_no_model_has_a_mean_of_its_own():
    rows = table(("taxonomy", None, 500, 4.0), ("taxonomy", None, 1500, 4.0), ("logs", "m", 7, 1.0))
    assert spent(rows).tolist() == [0.5, 1.5, 1.0]


def test_the_index_of_the_rows_plays_no_part():
    rows = table(("a", "m", 100, 1.0), ("a", "m", 300, 1.0), ("b", "m", 5, 1.0))
    rows.index = [7, 7, 7]
    assert spent(rows).tolist() == [0.5, 1.5, 1.0]


rows_ = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("mn"), st.none() | st.floats(-1e5, 1e5), st.floats(0.01, 10)),
    min_size=1,
    max_size=20,
)


@given(rows_)
def test_a_share_lies_within_its_bounds_and_is_never_unknown(rows):
    shares = spent(table(*rows))
    assert ((shares >= LEAST_SPENT) & (shares <= MOST_SPENT)).all()
    assert len(shares) == len(rows)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.just("m"), st.floats(100, 200), st.floats(0.1, 10)), min_size=1, max_size=20
    )
)
def test_shares_have_a_weighted_mean_of_one_so_that_worth_is_in_points(rows):
    known = table(*rows)
    for _, part in known.assign(share=spent(known)).groupby("source"):
        assert np.average(part.share, weights=part.weight) == pytest.approx(1)


@given(rows_, st.floats(0.1, 100))
def test_the_unit_of_tokens_plays_no_part(rows, factor):
    known = table(*rows)
    scaled = known.assign(target_extra_tokens=known.target_extra_tokens.astype(float) * factor)
    assert spent(scaled) == pytest.approx(spent(known), rel=1e-6, abs=1e-9)


def test_logged_rows_and_pseudo_observations_make_up_all_rows():
    rows = evidence(50)
    logged, pseudo = rows.logged(), rows.pseudo()
    assert (len(logged.table), len(pseudo.table)) == (50, 80)
    again = stack(pseudo, logged)
    np.testing.assert_array_equal(again.embeddings, rows.embeddings)
    assert again.table.prompt_id.tolist() == rows.table.prompt_id.tolist()
    nothing = logged.take(np.zeros(50, bool))
    assert len(stack(nothing, nothing).table) == 0
