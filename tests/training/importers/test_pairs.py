"""Requests and responses of different files, joined by id."""

import json
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from training.importers.call import Broken, Place
from training.importers.pairs import EVENTS, NO_REQUEST, NO_RESPONSE, TWO_REQUESTS, Half, Pair, pairs


def half_of(record):
    return Half(record.get("id"), record.get("ask"), record.get("answer"))


def same(pair):
    return pair


def ask(id_, text):
    return {"id": id_, "ask": {"text": text}}


def answer(id_, text):
    return {"id": id_, "answer": {"text": text}}


@pytest.fixture
def joined(tmp_path):
    def join(*files):
        """Return what the files give: (id, request's text, response's text), or (line, rule)."""
        paths = [tmp_path / f"{number}.jsonl" for number in range(len(files))]
        for path, rows in zip(paths, files, strict=True):
            path.write_text("".join(row if isinstance(row, str) else f"{json.dumps(row)}\n" for row in rows))
        return [
            (found.id, found.request["text"], found.response["text"])
            if isinstance(found, Pair)
            else (found.place.line, found.rule)
            for found in pairs([str(path) for path in paths], half_of, same)
        ]

    return join


def test_a_response_that_is_a_list_of_events_is_no_missing_one(joined):
    logged = {**ask("a", "A"), **answer("a", "1"), "response": [{"type": "response.created"}]}
    text = {**logged, "response": json.dumps(logged["response"])}
    assert joined([logged, text]) == [(1, EVENTS), (2, EVENTS)]


def test_files_may_come_in_any_order(joined):
    requests, responses, errors = (
        [ask("a", "A?"), ask("b", "B?"), ask("c", "C?")],
        [answer("c", "C!"), answer("a", "A!")],
        [answer("b", "no")],
    )
    expected = {("a", "A?", "A!"), ("b", "B?", "no"), ("c", "C?", "C!")}
    assert set(joined(requests, responses, errors)) == expected
    assert set(joined(errors, responses, requests)) == expected
    assert set(joined([*responses, *requests, *errors])) == expected


def test_a_pair_stands_where_its_response_does(tmp_path):
    for name, row in (("in", ask("a", "A?")), ("out", answer("a", "A!"))):
        (tmp_path / f"{name}.jsonl").write_text(f"\n{json.dumps(row)}\n")
    [pair] = pairs([str(tmp_path / "in.jsonl"), str(tmp_path / "out.jsonl")], half_of, same)
    assert (pair.place.file, pair.place.line) == (str(tmp_path / "out.jsonl"), 2)


def test_a_record_with_both_is_a_pair_by_itself_and_needs_no_id(joined):
    assert joined([{"ask": {"text": "A?"}, "answer": {"text": "A!"}}]) == [(None, "A?", "A!")]


def test_a_half_alone_is_broken(joined):
    assert joined([ask("a", "A?"), ask("b", "B?")], [answer("b", "B!"), answer("c", "C!")]) == [
        ("b", "B?", "B!"),
        (2, NO_REQUEST),
        (1, NO_RESPONSE),
    ]


def test_every_response_of_a_request_is_paired_with_it(joined):
    found = joined([ask("a", "A?")], [answer("a", "error"), answer("a", "A!")])
    assert found == [("a", "A?", "error"), ("a", "A?", "A!")]


def test_one_id_for_two_requests_is_never_guessed(joined):
    batches = (
        [ask("a", "A?"), ask("b", "B?")],
        [answer("a", "A!")],
        [ask("a", "other"), ask("b", "B?")],
        [answer("b", "B!")],
    )
    assert joined(*batches) == [(1, TWO_REQUESTS), ("b", "B?", "B!")]


@pytest.mark.parametrize("id_", [None, "", {"a": 1}, 1.5])
def test_a_half_without_an_id_is_broken(joined, id_):
    assert joined([ask(id_, "A?"), ask("b", "B?")], [answer("b", "B!")]) == [(1, "no id"), ("b", "B?", "B!")]


def test_a_number_and_a_text_are_two_ids(joined):
    assert joined([ask(1, "one"), ask("1", "text")], [answer(1, "!")]) == [(1, "one", "!"), (2, NO_RESPONSE)]


def test_lines_of_another_format_and_bad_lines_are_broken_in_their_place(joined):
    found = joined([ask("a", "A?"), {"span": 1}, "{cut\n"], [answer("a", "A!")])
    assert found == [(2, "not of the format"), (3, "not a JSON object"), ("a", "A?", "A!")]


def test_a_lone_surrogate_in_an_id_or_a_text(joined):
    assert joined([ask("\ud800", "\udfff")], [answer("\ud800", "!")]) == [("\ud800", "\udfff", "!")]


def test_no_reason_repeats_a_long_id(tmp_path):
    path = tmp_path / "a.jsonl"
    secret = "the whole prompt as an id"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in (ask(secret, "A?"), answer(f"{secret}!", "A!"))))
    reasons = [found.reason for found in pairs([str(path)], half_of, same) if isinstance(found, Broken)]
    assert len(reasons) == 2
    assert not any(secret in reason for reason in reasons)


def test_retries_share_their_id_and_what_they_ask():
    place = Place("a.jsonl", 1)
    pair = Pair(place, "a", {"text": "A?"}, {})
    assert pair.attempt_of({"x": 1, "y": 2}) == Pair(place, "a", {}, {"no": 1}).attempt_of({"y": 2, "x": 1})
    assert pair.attempt_of({"x": 1}) not in (pair.attempt_of({"x": 2}), Pair(place, "b", {}, {}).attempt_of({"x": 1}))
    assert Pair(place, None, {}, {}).attempt_of({}) is None


def test_an_answer_without_an_id_is_told_by_what_was_asked_and_answered():
    one, other, again = (Pair(Place("a.jsonl", 1), "a", {"text": text}, {"no": 1}) for text in ("A?", "B?", "A?"))
    assert one.answer_id(None) == again.answer_id(None) != other.answer_id(None)
    assert one.answer_id(7) == other.answer_id(7) == "7"


@pytest.mark.parametrize("answered", [False, True])
def test_what_the_parser_takes_may_be_nested_too_deep_to_be_written_again(tmp_path, answered):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "deep"}\n{"id": "flat"}\n')
    deep = {}
    for _ in range(sys.getrecursionlimit()):
        deep = {"a": deep}

    def half(record):
        content = deep if record["id"] == "deep" else {}
        return Half(record["id"], content, content if answered else None)

    def told(pair):
        return pair.answer_id(None) and pair

    found = list(pairs([str(path)], half, told))
    assert [(item.place.line, getattr(item, "rule", "a pair")) for item in found] == [
        (1, "nested too deep"),
        (2, "a pair" if answered else NO_RESPONSE),
    ]


def test_a_file_that_cannot_be_read_is_one_error(tmp_path):
    with pytest.raises(InvalidInput, match="no such file"):
        list(pairs([str(tmp_path / "none.jsonl")], half_of, same))


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1), st.randoms(use_true_random=False))
def test_each_record_becomes_one_pair_or_one_broken(tmp_path_factory, halves, order: random.Random):
    """Whatever the order of the lines: a response is paired or broken, a request is paired or broken."""
    rows = [answer(id_, "!") if answers else ask(id_, f"{id_}?") for id_, answers in halves]
    order.shuffle(rows)
    path = tmp_path_factory.mktemp("pairs") / "a.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    found = list(pairs([str(path)], half_of, same))
    asked = {row["id"] for row in rows if "ask" in row}
    answered = [row["id"] for row in rows if "answer" in row]
    assert sorted(f.id for f in found if isinstance(f, Pair)) == sorted(id_ for id_ in answered if id_ in asked)
    assert all(f.request == {"text": f"{f.id}?"} for f in found if isinstance(f, Pair))
    rules = [f.rule for f in found if isinstance(f, Broken)]
    assert rules.count(NO_REQUEST) == sum(id_ not in asked for id_ in answered)
    assert rules.count(NO_RESPONSE) == sum("ask" in row and row["id"] not in answered for row in rows)
    assert len(rules) == rules.count(NO_REQUEST) + rules.count(NO_RESPONSE)
