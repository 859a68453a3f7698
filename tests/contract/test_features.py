"""The feature vector: as long as its names, finite for any text, and pointing the right way."""

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.features import FEATURE_NAMES, LONG_TOKEN, WINDOW, compute
from contract.prompt import Prompt

ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=400).filter(str.strip)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": ANY_TEXT}),
    min_size=1,
    max_size=5,
)
MARKS = (
    *(
        "1",
        "12",
        "3.4",
        ",",
        ".",
        "-",
        "−",
        " ",
        "\n",
        "\t",
        "\u3000",
        "(",
        ")",
        "A",
        "B)",
        "(C) x",
        "H:",
        "- ",
        "1. ",
        "?",
    ),
    *(
        "？",
        "。",
        "!",
        "*",
        "٣",
        "１",
        "𝟘",
        "春",
        "あ",
        "봄",
        "İ",
        "Σ",
        "\ud800",
        "$",
        "\\a",
        "{",
        "def ",
        "x" * LONG_TOKEN,
    ),
)
SHARES = {
    "digit_share": "[0-9]",
    "capital_share": "[A-Z]",
    "ascii_share": "[\x00-\x7f\ud800-\udfff]",  # a lone surrogate counts as the "?" that takes its place
    "cjk_share": "[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]",
    "symbol_share": "[!-/:-@[-`{-~\ud800-\udfff]",
    "space_share": "[\t-\r ]",
}
COUNTS = {
    "sentences": r"[.!?。？！](?:\s|$)",
    "numbers": r"\d+(?:[.,]\d+)*",
    "latex": r"\\[a-zA-Z]+|\$[^$\n]{1,120}\$",
    "list_items": r"(?m)^[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+\S",
    "choices": r"[\s(][A-H][).:]\s*\S",
    "operators": r"[=+*/^<>≤≥≠√∑∫×÷]|\d\s?[-−]\s?\d",
    "long_tokens": rf"\S{{{LONG_TOKEN},}}",
}
PLAIN = "Tell me about the weather in spring."


def named(prompt):
    prompt = Prompt.from_text(prompt) if isinstance(prompt, str) else prompt
    return dict(zip(FEATURE_NAMES, compute(prompt).tolist(), strict=True))


def test_names_are_unique_and_as_many_as_values():
    vector = compute(Prompt.from_text(PLAIN))
    assert len({*FEATURE_NAMES}) == len(FEATURE_NAMES)
    assert vector.shape == (len(FEATURE_NAMES),)
    assert vector.dtype == np.float32


@given(ANY_TEXT, st.integers(0, 1000))
def test_features_of_any_text_are_finite_and_repeatable(text, tools):
    vector = compute(Prompt.from_text(text, tools=tools))
    assert vector.shape == (len(FEATURE_NAMES),)
    assert np.isfinite(vector).all()
    assert (vector >= 0).all()
    np.testing.assert_array_equal(vector, compute(Prompt.from_text(text, tools=tools)))


@given((st.lists(st.sampled_from(MARKS), max_size=40).map("".join) | ANY_TEXT).filter(str.strip))
def test_counts_and_shares_are_what_their_plain_definitions_say(text):
    values = named(text)
    for name, pattern in COUNTS.items():
        assert values[name] == np.float32(math.log1p(len(re.findall(pattern, text)))), name
    for name, pattern in SHARES.items():
        assert values[name] == pytest.approx(len(re.findall(pattern, text)) / len(text)), name


@given(MESSAGES)
def test_features_of_any_conversation_are_finite_and_shares_are_shares(messages):
    values = named(Prompt.from_messages(messages))
    assert np.isfinite([*values.values()]).all()
    shares = [value for name, value in values.items() if name.endswith("_share")]
    assert all(0 <= share <= 1 for share in shares)


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\x00\udfff\x00", "?", "0", "𝟘", "İ", "\u2028x"])
def test_odd_texts_are_finite(text):
    assert np.isfinite(compute(Prompt.from_text(text))).all()


def test_an_image_alone_has_finite_features():
    values = named(Prompt.from_messages([{"role": "user", "content": [{"type": "image_url"}]}]))
    assert np.isfinite([*values.values()]).all()
    assert values["attachments"] > 0


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("Add 12345 and 67,890.5 and 3", ["numbers", "ask_numbers", "digit_share", "longest_number_digits"]),
        ("x = 3 * 4 + 5 ^ 2", ["operators", "ask_operators", "symbol_share"]),
        ("春天的天气怎么样", ["cjk_share"]),
        ("봄 날씨", ["cjk_share"]),
        ("```\ndef f(x):\n    return x\n```\nclass A: self.b = {}", ["code_marks", "lines"]),
        ("Where is the weather best?", ["question_marks", "ask_ends_with_question", "ask_fact"]),
        ("天气怎么样？", ["question_marks", "ask_ends_with_question"]),
        ("Find $x^2$ where \\frac{1}{2} holds", ["latex"]),
        ("Pick:\n- one\n- two\n3. three", ["list_items"]),
        ("Which one? (A) red (B) blue", ["choices"]),
        ("| a | b |", ["table_cells"]),
        ("Great news! Wonderful!", ["exclamations"]),
        ("Calculate the total", ["ask_calculate"]),
        ("Prove the theorem", ["ask_prove"]),
        ("Translate to French", ["ask_translate"]),
        ("If it rains then stay unless told", ["conditionals"]),
        ("A" * 64 + " spring", ["long_tokens", "capital_share"]),
        ("hello, thanks", ["greeting"]),
    ],
)
def test_each_feature_rises_with_what_it_names(text, raised):
    plain, values = named(PLAIN), named(text)
    assert {name: values[name] > plain[name] for name in raised} == dict.fromkeys(raised, True)


def test_other_scripts_lower_the_ascii_share():
    assert named("春天的天气")["ascii_share"] < named(PLAIN)["ascii_share"] == 1


def test_turns_system_text_and_tools_are_counted():
    one = named(PLAIN)
    talk = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": PLAIN},
    ]
    many = named(Prompt.from_messages(talk, tools=3))
    for name in ("turns", "user_turns", "system_characters", "tools"):
        assert many[name] > one[name]
    assert one["tools"] == one["system_characters"] == one["attachments"] == 0
    fewer = named(Prompt.from_messages(talk, tools=1))
    assert fewer["tools"] < many["tools"]
    assert {name for name in many if many[name] != fewer[name]} == {"tools"}


def test_what_lies_beyond_the_window_is_not_read():
    def vector(middle):
        system = f"{'a' * 2 * WINDOW}{middle}{'b' * 2 * WINDOW}"
        return compute(
            Prompt.from_messages([{"role": "system", "content": system}, {"role": "user", "content": PLAIN}])
        )

    np.testing.assert_array_equal(vector("?9 def 春\n\n" * 1000), vector("." * 10_000))


def test_length_is_seen_beyond_the_window():
    short, long = named("word " * 3 * WINDOW), named("word " * 6 * WINDOW)
    assert {name for name in short if short[name] != long[name]} <= {"whole_characters", "ask_characters", "ask_share"}
    assert long["whole_characters"] > short["whole_characters"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["a", "1", "$", "\\", "9.", "- ", "\n", "春"])
def test_a_megabyte_paste_does_not_hang(unit):
    assert np.isfinite(compute(Prompt.from_text("x" + unit * (1_000_000 // len(unit))))).all()
