"""Which scripts and lengths the evidence holds, and that a prompt beyond is not covered by it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import features
from contract.bundle import LEAST_NEIGHBOURS
from contract.features import FEATURE_NAMES
from contract.prompt import Prompt
from training.evidence import Rows
from training.extent import (
    ANY_ASCII,
    ANY_ATTACHMENTS,
    ANY_CJK,
    ASCII,
    ATTACHMENTS,
    CJK,
    LEAST_ASCII,
    LENGTH,
    LONGER,
    MOST_CJK,
    Extent,
    extent_of,
)  # fmt: skip

CLOSED, OPEN = Extent(), Extent(ANY_CJK, ANY_ASCII)
ALL = (CLOSED, Extent(most_cjk=ANY_CJK), Extent(least_ascii=ANY_ASCII), OPEN)
ENGLISH, CHINESE, RUSSIAN = (0.0, 1.0), (0.9, 0.1), (0.0, 0.1)
"""Shares of CJK and of ASCII characters."""

TEXTS = {
    "english": "What is 17 * 23?",
    "french": "Où était-elle passée l'été où l'on a rénové l'hôtel ?",
    "chinese": "请用三句话解释为什么天空是蓝色的。",
    "japanese": "なぜ空は青いのですか。",
    "korean": "하늘은 왜 파란색인가요?",
    "russian": "Почему небо голубое?",
    "arabic": "لماذا السماء زرقاء؟",
    "greek": "Γιατί ο ουρανός είναι μπλε;",
}


def of(*shares):
    """Return features of prompts with shares of CJK and ASCII characters."""
    found = np.zeros((len(shares), len(FEATURE_NAMES)), np.float32)
    found[:, [CJK, ASCII]] = np.reshape(shares, (-1, 2))
    return found


def evidence(*counts, each=1):
    """Return evidence of (shares, number of prompts), `each` rows a prompt."""
    shares = [one for one, n in counts for _ in range(n)]
    group = [f"prompt {i}" for i in range(len(shares))]
    table = pd.DataFrame({"group": np.repeat(group, each)})
    return Rows(np.zeros((len(table), 4), np.float32), np.repeat(of(*shares), each, axis=0), table)


@pytest.mark.parametrize(
    ("shares", "held"),
    [
        (ENGLISH, [1, 1, 1, 1]),
        (CHINESE, [0, 1, 0, 1]),
        (RUSSIAN, [0, 0, 1, 1]),
        ((MOST_CJK, 0.95), [0, 1, 0, 1]),
        ((MOST_CJK - 1e-6, 0.95), [1, 1, 1, 1]),
        ((MOST_CJK, 0.1), [0, 1, 0, 1]),
        ((MOST_CJK - 1e-6, 0.1), [0, 0, 1, 1]),
        ((0.0, LEAST_ASCII), [0, 0, 1, 1]),
        ((0.0, LEAST_ASCII + 1e-6), [1, 1, 1, 1]),
        ((1.0, 0.0), [0, 1, 0, 1]),
        ((0.0, 0.0), [0, 0, 1, 1]),
    ],
)
def test_a_prompt_is_held_where_its_script_is(shares, held):
    """Of no other script, of Chinese, Japanese and Korean, of other alphabets, of both."""
    assert [scripts.holds(of(shares))[0] for scripts in ALL] == held


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8))
def test_more_evidence_never_holds_less_and_all_scripts_hold_every_prompt(shares):
    closed, chinese, russian, everything = (scripts.holds(of(*shares)) for scripts in ALL)
    assert (closed <= np.minimum(chinese, russian)).all()
    assert (np.maximum(chinese, russian) == everything).all()
    assert (everything == 1).all()
    assert everything.shape == (len(shares),)
    assert everything.dtype == np.float32


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_prompt_is_judged_alone(cjk, ascii_share):
    beside = of(ENGLISH, (cjk, ascii_share), CHINESE)
    assert CLOSED.holds(beside)[1] == CLOSED.holds(of((cjk, ascii_share)))[0]


@pytest.mark.parametrize(
    ("counts", "scripts"),
    [
        ([(ENGLISH, 50)], CLOSED),
        ([(ENGLISH, 50), (CHINESE, LEAST_NEIGHBOURS)], Extent(most_cjk=ANY_CJK)),
        ([(ENGLISH, 50), (CHINESE, LEAST_NEIGHBOURS - 1)], CLOSED),
        ([(RUSSIAN, LEAST_NEIGHBOURS)], Extent(least_ascii=ANY_ASCII)),
        ([(RUSSIAN, LEAST_NEIGHBOURS - 1), (CHINESE, LEAST_NEIGHBOURS - 1)], CLOSED),
        ([(RUSSIAN, LEAST_NEIGHBOURS), (CHINESE, LEAST_NEIGHBOURS)], OPEN),
        ([((MOST_CJK, 0.9), LEAST_NEIGHBOURS)], Extent(most_cjk=ANY_CJK)),
        ([((0.0, LEAST_ASCII), LEAST_NEIGHBOURS)], Extent(least_ascii=ANY_ASCII)),
        ([], CLOSED),
    ],
)
def test_twenty_prompts_of_a_script_open_it_and_no_other(counts, scripts):
    assert extent_of(evidence(*counts)) == scripts


@pytest.mark.parametrize("shares", [CHINESE, RUSSIAN])
def test_a_prompt_logged_many_times_counts_once(shares):
    assert extent_of(evidence((shares, LEAST_NEIGHBOURS - 1), each=30)) == CLOSED


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4), st.integers(20, 40))
def test_evidence_of_enough_prompts_holds_its_own(shares, n):
    rows = evidence(*((one, n) for one in shares))
    assert extent_of(rows).holds(rows.features).min() == 1


@pytest.mark.parametrize(
    ("scripts", "held"),
    [
        (CLOSED, {"english", "french"}),
        (Extent(most_cjk=ANY_CJK), {"english", "french", "chinese", "japanese", "korean"}),
        (Extent(least_ascii=ANY_ASCII), {"english", "french", "russian", "arabic", "greek"}),
        (OPEN, {*TEXTS}),
    ],
)
def test_real_texts_are_of_the_scripts_that_they_are_written_in(scripts, held):
    read = np.stack([features.compute(Prompt.from_text(text)) for text in TEXTS.values()])
    assert {name for name, one in zip(TEXTS, scripts.holds(read), strict=True) if one} == held


def long(characters, n):
    """Return evidence of n prompts in English of so many characters."""
    rows = evidence((ENGLISH, n))
    rows.features[:, LENGTH] = np.log1p(characters)
    return rows


@pytest.mark.parametrize(
    ("characters", "n", "most"),
    [
        (50_000, LEAST_NEIGHBOURS, LONGER * 50_000),
        (50_000, LEAST_NEIGHBOURS - 1, 10_000),
        (300, LEAST_NEIGHBOURS, 10_000),
        (0, 0, 10_000),
    ],
)
def test_a_prompt_may_be_some_times_as_long_as_twenty_of_the_evidence(characters, n, most):
    extent = extent_of(long(characters, n))
    judged = of(ENGLISH, ENGLISH)
    judged[:, LENGTH] = np.log1p([most * 0.99, most * 1.01])
    assert extent.holds(judged).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("n", "held", "bound"), [(LEAST_NEIGHBOURS - 1, [1, 0, 0], 0.0), (LEAST_NEIGHBOURS, [1, 1, 1], ANY_ATTACHMENTS)]
)
def test_twenty_prompts_with_an_image_let_images_be_judged(n, held, bound):
    rows = evidence((ENGLISH, 50))
    rows.features[:n, ATTACHMENTS] = np.log1p(1)
    extent, judged = extent_of(rows), of(ENGLISH, ENGLISH, ENGLISH)
    judged[:, ATTACHMENTS] = np.log1p([0, 1, 7])
    assert extent.attachments == bound
    assert extent.holds(judged).tolist() == held
