"""The hashed words of an ask: of unit length or nothing, and equal wherever the same words are asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.features import FEATURE_NAMES, WIDTH, WORDS, WORDS_WINDOW, compute, vector, words_of
from contract.prompt import Prompt

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


@given(ANY_TEXT)
def test_they_are_of_unit_length_or_nothing(text):
    found = words_of(text)
    assert (found.shape, found.dtype) == ((WORDS,), np.float32)
    length = float(np.linalg.norm(found))
    assert length == 0 or length == pytest.approx(1, abs=1e-6)


@given(ANY_TEXT, st.sampled_from(["prove", "Summarise", "a"]))
def test_with_an_english_word_there_is_a_length(text, word):
    assert words_of(f"{word} {text}").any()


@pytest.mark.parametrize("text", ["", " ", "123 + 4 = ?", "這首詩是誰寫的", "кто это написал", "?!"])
def test_without_an_english_letter_there_are_none(text):
    assert not words_of(text).any()


def test_case_marks_and_repetition_do_not_count():
    np.testing.assert_array_equal(words_of("Sum up: this, THIS and this!"), words_of("sum up this and"))


def test_the_order_counts_only_for_the_first_word():
    np.testing.assert_array_equal(words_of("list the cities named"), words_of("list named the cities"))
    assert np.abs(words_of("list the cities") - words_of("cities the list")).max() > 0.1


def test_only_the_ends_of_a_long_ask_are_read():
    start, end = "translate " + "a " * WORDS_WINDOW, " b" * WORDS_WINDOW + " please"
    np.testing.assert_array_equal(words_of(f"{start} middle {end}"), words_of(f"{start} other words {end}"))
    assert words_of(f"{start}{end}") @ words_of("translate") > 0.2
    assert words_of(f"{start}{end}") @ words_of("please") > 0.2


def test_they_are_pinned_since_a_bundle_is_fitted_on_them():
    found = words_of("prove it")
    assert {int(i): round(float(found[i]), 3) for i in np.flatnonzero(found)} == {127: 0.577, 308: 0.577, 326: 0.577}


def test_the_vector_is_the_features_and_the_words_of_the_ask():
    prompt = Prompt.from_text("Is this spam? Yes or no.\n\n```\nfree money\n```")
    found = vector(prompt)
    assert found.shape == (WIDTH,)
    np.testing.assert_array_equal(found[: len(FEATURE_NAMES)], compute(prompt))
    np.testing.assert_array_equal(found[len(FEATURE_NAMES) :], words_of(prompt.ask))
    assert np.abs(words_of(prompt.ask) - words_of(prompt.whole)).max() > 0.1
