from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.records import COLUMNS, PAIR_KEY
from training.budget_targets import budget_attempts, budget_targets
from training.config import TrainConfig
from training.logs import read_logs

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
LADDER_FLAGS = (
    "truncation",
    "reasoning_tokens derived as min(on thinking, limit)",
    "reasoning_tokens derived as min(on thinking, limit); truncation",
)
CONFIG = TrainConfig()
INTEGERS = dict.fromkeys(("attempt", "thinking_budget", "output_tokens", "thinking_tokens"), "Int64")
TEXTS = ("arm", "flag", "finish_reason", "thinking_setting", "prompt", "messages", "task", "language", *PAIR_KEY)


def log(*rows):
    defaults = {"prompt": "p", "model": "m", "source": "s", "prompt_id": "1", "arm": "reasoning", "score": 1.0}
    frame = pd.DataFrame([{**defaults, **row} for row in rows], columns=list(COLUMNS))
    return frame.astype({**INTEGERS, "score": "float64", **dict.fromkeys(TEXTS, "string")})


def tried(tokens, score=1.0, budget=None, **more):
    return {"thinking_tokens": tokens, "score": score, "thinking_budget": budget, **more}


def only(*rows):
    (found,) = budget_targets(log(*rows), CONFIG).to_dict("records")
    return found


def observed(*rows):
    return budget_attempts(log(*rows), CONFIG)


def test_on_a_ladder_the_smallest_budget_that_reached_the_best_score_was_needed():
    found = only(tried(512, 0.0, 512), tried(1024, 1.0, 1024), tried(2048, 1.0, 2048), tried(2900, 1.0))
    assert (found["needed_tokens"], found["target_is"], found["best_score"]) == (1024, "ladder", 1.0)
    assert not found["censored"]


def test_a_budget_that_none_of_its_attempts_met_needed_only_what_they_used():
    assert only(tried(300, 1.0, 512), tried(350, 1.0, 512), tried(400, 1.0, 1024))["needed_tokens"] == 350
    assert only(tried(300, 1.0, 512), tried(None, 1.0, 512), tried(400, 1.0, 1024))["needed_tokens"] == 512


def test_attempts_that_ran_over_their_budget_needed_no_more_than_it():
    assert only(tried(530, 1.0, 512), tried(400, 1.0, 1024))["needed_tokens"] == 512


def test_a_budget_is_scored_by_the_mean_of_its_attempts():
    rows = tried(512, 1.0, 512), tried(512, 0.0, 512), tried(1024, 1.0, 1024), tried(1024, 1.0, 1024)
    assert only(*rows)["needed_tokens"] == 1024


def test_no_budget_is_the_largest_of_a_ladder():
    low = tried(512, 0.0, 512), tried(1024, 0.0, 1024)
    assert only(*low, tried(3000, 1.0))["needed_tokens"] == 3000
    assert budget_targets(log(*low, tried(None, 1.0)), CONFIG).empty
    assert only(*low, tried(600, 0.0))["needed_tokens"] == 512


def test_an_answer_that_was_cut_off_on_a_ladder_says_nothing_of_its_budget():
    cut = tried(512, 1.0, 512, finish_reason="length")
    assert only(cut, tried(1024, 1.0, 1024), tried(2048, 1.0, 2048))["needed_tokens"] == 1024


def test_one_budget_is_no_ladder_and_an_attempt_that_met_it_is_a_lower_bound():
    found = only(tried(1024, 1.0, 1024))
    assert (found["needed_tokens"], found["target_is"], found["censored"]) == (1024, "attempts", True)
    assert np.isnan(found["best_score"])
    assert not only(tried(1000, 1.0, 1024))["censored"]


def test_an_unscored_budget_is_no_step_of_a_ladder():
    assert only(tried(400, 1.0, 512), tried(900, None, 1024))["target_is"] == "attempts"


def test_without_a_ladder_the_attempts_that_reached_the_best_score_count():
    rows = observed(tried(100, 0.2), tried(700, 0.9), tried(900, 0.9), tried(5000, 0.5))
    assert rows.needed_tokens.tolist() == [700, 900]
    assert rows.weight.tolist() == [0.5, 0.5]
    assert rows.best_score.tolist() == [0.9, 0.9]


def test_a_capped_attempt_is_a_lower_bound_whatever_its_score():
    rows = observed(tried(700, 1.0), tried(4096, 0.0, flag="truncation: hit 4096 cap"), tried(800, 0.0))
    assert rows.needed_tokens.tolist() == [700, 4096]
    assert rows.censored.tolist() == [False, True]
    assert rows.best_score.tolist() == [1.0, 1.0]


def test_a_capped_attempt_does_not_set_the_best_score():
    rows = observed(tried(700, 0.5), tried(4096, 1.0, finish_reason="length"))
    assert rows.best_score.tolist() == [0.5, 0.5]
    assert rows.needed_tokens.tolist() == [700, 4096]


def test_an_unscored_attempt_counts_only_where_none_is_scored():
    assert observed(tried(700, 1.0), tried(900, None)).needed_tokens.tolist() == [700]
    rows = observed(tried(700, None), tried(900, None))
    assert rows.needed_tokens.tolist() == [700, 900]
    assert rows.best_score.isna().all()


def test_a_score_of_zero_is_a_best_score():
    rows = observed(tried(700, 0.0), tried(900, None))
    assert (rows.needed_tokens.tolist(), rows.best_score.tolist()) == ([700], [0.0])


def test_prompted_chains_of_thought_direct_attempts_and_unknown_tokens_are_left_out():
    rows = (
        tried(50, thinking_setting="zero-shot CoT"),
        tried(60, arm="direct"),
        tried(None),
        tried(0),
    )
    assert observed(*rows).empty
    assert budget_targets(log(*rows), CONFIG).empty
    assert observed(*rows, tried(70, thinking_setting="thinking on")).needed_tokens.tolist() == [70]


def test_models_sources_and_prompts_have_targets_of_their_own():
    rows = tried(100), tried(200, model="n"), tried(300, source="t"), tried(400, prompt_id="2", prompt="q")
    found = budget_targets(log(*rows), CONFIG)
    assert sorted(found.needed_tokens) == [100, 200, 300, 400]
    assert set(found.prompt) == {"p", "q"}


@pytest.mark.parametrize(
    ("rows", "needed", "censored"),
    [
        ([tried(100), tried(200), tried(300)], 200, False),
        ([tried(100), tried(200)], 100, False),
        ([tried(100), tried(200), tried(4096, flag="truncation")], 200, False),
        ([tried(100), tried(4096, flag="truncation"), tried(4096, flag="truncation")], 4096, True),
        ([tried(500), tried(200, flag="truncation"), tried(100)], 200, True),
        ([tried(200, flag="truncation"), tried(200), tried(100)], 200, False),
        ([tried(100, flag="truncation"), tried(200), tried(300)], 200, True),
    ],
)
def test_a_unit_needs_the_lower_median_of_its_observations(rows, needed, censored):
    found = only(*rows)
    assert (found["needed_tokens"], found["censored"], found["observations"]) == (needed, censored, len(rows))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_targets_depend_on_no_order_and_each_unit_weighs_one(data):
    row = st.fixed_dictionaries(
        {
            "thinking_tokens": st.one_of(st.none(), st.integers(0, 5000)), "score": st.sampled_from([None, 0.0, 0.5, 1.0]),
            "thinking_budget": st.sampled_from([None, 512, 1024, 4096]), "model": st.sampled_from(["m", "n"]),
            "prompt_id": st.sampled_from(["1", "2"]), "finish_reason": st.sampled_from([None, "stop", "length"]),
        }
    )  # fmt: skip
    rows = data.draw(st.lists(row, min_size=1, max_size=14))
    shuffled = data.draw(st.permutations(rows))
    key, shown = list(PAIR_KEY), ["needed_tokens", "target_is", "censored", "best_score", "observations"]
    first, second = (budget_targets(log(*some), CONFIG).set_index(key)[shown].sort_index() for some in (rows, shuffled))
    pd.testing.assert_frame_equal(first, second)
    assert first.index.is_unique
    weights = observed(*rows).groupby(key).weight.sum()
    assert np.allclose(weights, 1.0)
    assert set(weights.index) == set(first.index)


def test_the_ladder_of_humaneval_is_read_where_its_flags_are_accepted():
    path = SHARED / "humaneval_budget.parquet"
    if not path.exists():
        pytest.skip("the optional data folder ../shared/data is absent")
    with_ladder = budget_targets(read_logs([path], accept_flags=LADDER_FLAGS).table, CONFIG)
    without = budget_targets(read_logs([path]).table, CONFIG)
    assert set(with_ladder.target_is) == {"ladder"}
    assert set(without.target_is) == {"attempts"}
    assert len(with_ladder) == 164
    assert len(without) < 164
    assert not with_ladder.censored.any()
    assert with_ladder.needed_tokens.between(1, 4096).all()
