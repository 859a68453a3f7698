"""Statistics of target models: differences to the expected, shrunken, by whatever name."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.bundle import TargetModel
from training.target_models import (
    SHRINKAGE,
    TOKENS_SHRINKAGE,
    UNKNOWN_SHARE,
    TargetModels,
    hidden_models,
    target_models,
)


def pairs(*rows):
    """Return pairs of (model, prompt_id, score_direct, gain), of any model .5 and .1 are expected."""
    table = pd.DataFrame(rows, columns=["model", "prompt_id", "target_score_direct", "target_gain"])
    return table.assign(source="logs", weight=1.0, expected_score_direct=0.5, expected_gain=0.1)


def thinking(*rows):
    """Return attempts of (model, prompt_id, thinking_tokens), of any model 1,000 are expected."""
    table = pd.DataFrame(rows, columns=["model", "prompt_id", "thinking_tokens"])
    return table.assign(source="logs", weight=1.0, expected_log_tokens=np.log(1000.0))


def many(model, n, direct, gain, start=0):
    return [(model, f"{start + i}", direct, gain) for i in range(n)]


def test_a_model_that_does_as_expected_has_nothing_of_its_own():
    found = target_models(pairs(*many("m", 30, 0.5, 0.1)), thinking(*(("m", f"{i}", 1000) for i in range(30))))
    for model in (found.known["m"], found.population):
        assert list(model.model_dump().values()) == pytest.approx([0, 0, 0], abs=1e-12)


def test_a_statistic_is_drawn_to_the_population_as_by_shrinkage_rows():
    found = target_models(pairs(*many("good", 20, 0.9, 0.1), *many("bad", 60, 0.5, 0.3)), thinking())
    usual = (20 * 0.4 + 60 * 0.0) / 80
    assert found.population.direct == pytest.approx(usual)
    assert found.known["good"].direct == pytest.approx((20 * 0.4 + SHRINKAGE * usual) / (20 + SHRINKAGE))
    assert found.known["bad"].gain == pytest.approx((60 * 0.2 + SHRINKAGE * found.population.gain) / (60 + SHRINKAGE))


def test_more_rows_say_more():
    own = []
    for n in (1, 10, 100, 1000):
        found = target_models(pairs(*many("m", n, 1.0, 0.1), *many("other", 1000, 0.5, 0.1)), thinking())
        own.append(found.known["m"].direct)
    assert own == sorted(own)
    assert own[0] < 0.1
    assert own[-1] == pytest.approx(0.5, abs=0.01)


def test_a_model_that_was_only_asked_hard_questions_is_no_worse_for_it():
    table = pairs(*many("easy", 40, 0.9, 0.1), *many("hard", 40, 0.2, 0.1))
    table["expected_score_direct"] = np.repeat([0.9, 0.2], 40)
    found = target_models(table, thinking())
    assert found.known["easy"].direct == pytest.approx(found.known["hard"].direct, abs=1e-12)


def test_tokens_are_in_logarithms_over_those_of_their_source_and_shrink_by_their_own_measure():
    found = target_models(
        pairs(), thinking(*(("long", f"{i}", 4000) for i in range(6)), *(("short", f"{i}", 1000) for i in range(6)))
    )
    assert found.population.log_tokens == pytest.approx(0, abs=1e-12)
    assert found.known["long"].log_tokens == pytest.approx(6 * np.log(2) / (6 + TOKENS_SHRINKAGE))
    assert found.known["short"].log_tokens == pytest.approx(-found.known["long"].log_tokens)


def test_a_source_of_long_prompts_makes_no_model_of_it_long():
    alone = thinking(*(("m", f"{i}", 9000) for i in range(20))).assign(source="long prompts")
    others = thinking(*(("n", f"{i}", 500) for i in range(20)))
    found = target_models(pairs(), pd.concat([alone, others], ignore_index=True))
    assert [model.log_tokens for model in found.known.values()] == pytest.approx([0, 0], abs=1e-12)


def test_attempts_at_one_prompt_count_as_one_row():
    once = thinking(("m", "p", 4000), *(("other", f"{i}", 1000) for i in range(9)))
    often = thinking(*[("m", "p", 4000)] * 5, *(("other", f"{i}", 1000) for i in range(9)))
    often["weight"] = [0.2] * 5 + [1.0] * 9
    one, other = (target_models(pairs(), table).known["m"].log_tokens for table in (once, often))
    assert other == pytest.approx(one)


def test_a_model_known_of_one_thing_has_the_populations_of_the_other():
    found = target_models(pairs(*many("scored", 30, 0.9, 0.4)), thinking(*(("timed", f"{i}", 4000) for i in range(30))))
    assert found.known.keys() == {"scored", "timed"}
    assert found.known["scored"].log_tokens == found.population.log_tokens
    assert (found.known["timed"].direct, found.known["timed"].gain) == (found.population.direct, found.population.gain)


def test_names_are_one_whatever_their_provider_date_and_case():
    names = ["vendor/Model-5", "MODEL-5", "model-5-20260101", "other/model-5:free"]
    found = target_models(
        pairs(*(row for i, name in enumerate(names) for row in many(name, 10, 0.9, 0.1, 10 * i))), thinking()
    )
    assert [*found.known] == ["model-5"]
    rows = found.of(pd.Series([*names, "model-5"]))
    np.testing.assert_array_equal(rows, np.repeat(rows[:1], 5, axis=0))


def test_an_unknown_model_or_none_is_the_population():
    found = target_models(
        pairs(*many("m", 50, 0.9, 0.4), *many("n", 90, 0.5, 0.1)), thinking(("m", "p", 3000), ("n", "p", 500))
    )
    usual = np.array([*found.population.model_dump().values()], np.float32)
    read = found.of(pd.Series(["m", "nobody-4", None, np.nan, ""], dtype=object))
    assert (read[0] != usual).all()
    np.testing.assert_array_equal(read[1:], np.repeat(usual[None], 4, axis=0))
    assert (read.dtype, found.of(pd.Series([], dtype=object)).shape) == (np.float32, (0, 3))


def test_a_hidden_model_is_the_population_and_the_others_stay():
    found = target_models(pairs(*many("m", 50, 0.9, 0.4), *many("n", 90, 0.5, 0.1)), thinking())
    models, hidden = pd.Series(["m", "n", "m", "n"]), np.array([True, True, False, False])
    read = found.of(models, hidden)
    np.testing.assert_array_equal(read[:2], found.of(pd.Series(["nobody", "nobody"])))
    np.testing.assert_array_equal(read[2:], found.of(models)[2:])


@given(st.integers(0, 2**31), st.integers(0, 500))
def test_which_models_are_hidden_follows_the_seed(seed, n):
    one = hidden_models(n, seed)
    assert one.shape == (n,)
    np.testing.assert_array_equal(one, hidden_models(n, seed))


def test_about_a_share_of_the_rows_hide_their_model():
    assert hidden_models(20_000, 7).mean() == pytest.approx(UNKNOWN_SHARE, abs=0.02)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 9).map(str), st.floats(0, 1), st.floats(-1, 1)),
        min_size=1, max_size=40, unique_by=lambda row: row[:2],
    )
)  # fmt: skip
def test_a_statistic_lies_between_the_populations_and_the_models_own_mean(rows):
    found = target_models(pairs(*rows), thinking())
    table = pairs(*rows)
    for name, part in table.groupby("model"):
        own = (part.target_gain - part.expected_gain).mean()
        low, high = sorted((own, found.population.gain))
        assert low - 1e-9 <= found.known[name].gain <= high + 1e-9


def test_no_logs_know_no_model():
    found = target_models(pairs(), thinking())
    assert found == TargetModels({}, TargetModel(direct=0, gain=0, log_tokens=0))


def test_a_name_of_which_nothing_is_left_is_of_no_model():
    """`vendor/` is a provider without a model; a manifest refuses an empty name."""
    found = target_models(pairs(*many("vendor/", 30, 0.9, 0.1), *many("m", 30, 0.5, 0.1)), thinking())
    assert [*found.known] == ["m"]


def test_logs_of_one_model_keep_what_was_known_of_its_tokens():
    """They say nothing of how it compares to others, however many they are."""
    before = TargetModels(
        {"slow": TargetModel(direct=0.1, gain=0.0, log_tokens=1.2)}, TargetModel(direct=0, gain=0, log_tokens=-0.3)
    )
    rows = [(name, f"{name}{i}", tokens) for name, tokens in (("slow", 9000), ("new", 700)) for i in range(60)]
    for name, expected in (("slow", 1.2), ("new", -0.3)):
        found = target_models(pairs(), thinking(*(row for row in rows if row[0] == name)), before)
        assert found.known[name].log_tokens == pytest.approx(expected)


def test_models_asked_side_by_side_move_against_what_was_known():
    before = TargetModels(
        {name: TargetModel(direct=0, gain=0, log_tokens=known) for name, known in (("a", 0.5), ("b", -0.5))},
        TargetModel(direct=0, gain=0, log_tokens=0),
    )
    rows = [(name, f"{i}", tokens) for name, tokens in (("a", 1000), ("b", 3000)) for i in range(300)]
    found = target_models(pairs(), thinking(*rows), before).known
    assert found["b"].log_tokens - found["a"].log_tokens == pytest.approx(np.log(3), abs=0.05)


def test_a_start_is_what_a_model_is_drawn_to_and_its_population_stays():
    before = TargetModels(
        {"known": TargetModel(direct=0.3, gain=-0.1, log_tokens=0.0)}, TargetModel(direct=0.1, gain=0, log_tokens=0)
    )
    found = target_models(pairs(*many("known", 20, 0.5, 0.1), *many("new", 20, 0.5, 0.1)), thinking(), before)
    assert found.population == before.population
    assert found.known["known"].direct == pytest.approx(0.3 * SHRINKAGE / (20 + SHRINKAGE))
    assert found.known["new"].direct == pytest.approx(0.1 * SHRINKAGE / (20 + SHRINKAGE))
