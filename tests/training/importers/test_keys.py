import numpy as np
import pytest

from training.importers.keys import answer_keys, answer_name, event_keys, pair_keys, places_of, text_keys
from training.logs import as_frame, checked_columns

ROW = {"prompt": "hello", "model": "m", "arm": "direct", "prompt_id": "p", "timestamp": "2026-11-01T08:00:00Z"}


def frame(*rows):
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return as_frame(checked_columns(columns, len(rows), "s")[0])


def test_a_text_has_one_key_wherever_it_stands():
    alone, among = text_keys(["b"]), text_keys(["a", None, "b", "a"])
    assert alone[0] == among[2]
    assert among[0] == among[3] != among[2]
    assert among[1] == 0
    assert text_keys([]).tolist() == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"request_id": "r"}, {"request_id": "r", "model": "n", "timestamp": None}, True),
        ({"request_id": "r"}, {"request_id": "q"}, False),
        ({"request_id": None}, {}, True),
        ({}, {"model": "n"}, False),
        ({}, {"score": 0.5}, False),
        ({"attempt": 1}, {"attempt": 1, "timestamp": None, "score": 0.5}, True),
        ({"attempt": 1}, {"attempt": 2}, False),
    ],
)
def test_what_makes_two_rows_one_event(one, other, same):
    first, second = event_keys(frame({**ROW, **one}, {**ROW, **other}), text_keys([None, None]))
    assert first
    assert second
    assert (first == second) is np.bool_(same)


def test_two_answers_to_one_request_are_two_events():
    rows = frame(*[{**ROW, "request_id": "r"}] * 3)
    first, second, again = event_keys(rows, text_keys(["a", "b", "a"]))
    assert first == again != second


def test_an_id_of_a_row_that_is_no_call_says_less():
    rows = frame({**ROW, "request_id": "r"}, {**ROW, "request_id": "r", "model": "n"})
    first, second = event_keys(rows, None)
    assert first != second


def test_a_row_that_names_no_event_has_no_key():
    assert event_keys(frame({**ROW, "timestamp": None}), text_keys([None])).tolist() == [0]


def test_a_pair_is_source_prompt_and_model():
    rows = [
        ROW,
        {**ROW, "arm": "reasoning"},
        {**ROW, "model": "n"},
        {**ROW, "pair_kind": "budget"},
        {**ROW, "pair_kind": "toggle"},
    ]
    keys = pair_keys(frame(*rows))
    assert keys[0] == keys[1] == keys[4] != keys[2]
    assert keys[3] == 0


def test_an_answer_is_named_by_its_request_and_a_digest_of_its_own_id():
    one, none, other, odd = answer_keys(["chatcmpl-1", None, "chatcmpl-2", "\ud800"])
    assert none == 0
    # of older imports there are scores by these names: they must never change
    assert answer_name("a", one) == "a#05ceaaf6"
    assert len({answer_name("a", key) for key in (one, other, odd)}) == 3


def test_places_among_sorted_keys():
    among = np.array([3, 5, 9], dtype=np.uint64)
    assert places_of(np.array([9, 4, 3, 10], dtype=np.uint64), among).tolist() == [2, -1, 0, -1]
    assert places_of(among, among[:0]).tolist() == [-1, -1, -1]
