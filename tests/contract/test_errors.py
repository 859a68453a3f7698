"""Every error has a status, an exit code, a type of its own and a place in the drawn tree; all have one body."""

import inspect
import json
import re

import pytest

from contract import errors
from contract.errors import InvalidInput, InvalidRequest, Refused, ThinkworthError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, ThinkworthError)]
TREE = [line for line in errors.__doc__.splitlines() if line.startswith("    ")]


def drawn():
    """Return name -> (name of its parent, status where one is drawn), as the module's docstring draws it."""
    found, parents = {}, {}
    for line in TREE:
        depth = (re.search(r"[A-Z]", line).start() - 4) // 4
        for name, status in re.findall(r"([A-Z]\w+)(?: \((\d+)\))?", re.split(r"(?<=\S) {4,}", line)[0]):
            found[name] = (parents.get(depth - 1), int(status) if status else None)
            parents[depth] = name
    return found


def test_there_is_something_to_test():
    assert len(CLASSES) >= 14


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_has_a_status_an_exit_code_and_a_sentence(kind):
    assert type(kind.status) is int
    assert 400 <= kind.status <= 599
    assert kind.exit_code in (1, 2)
    assert "\n" not in kind.__doc__.strip().split("\n\n")[0]
    assert kind.__doc__.strip().split("\n\n")[0].endswith(".")


@pytest.mark.parametrize("kind", CLASSES)
def test_a_type_is_a_word_in_snake_case(kind):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.type)


def test_no_two_classes_share_a_type():
    types = [kind.type for kind in CLASSES]
    assert sorted(set(types)) == sorted(types)
    assert all("type" in vars(kind) for kind in CLASSES)  # none is inherited


def test_the_tree_draws_every_class_under_its_parent():
    assert {name: parent for name, (parent, _) in drawn().items()} == {
        kind.__name__: None if kind is ThinkworthError else kind.__base__.__name__ for kind in CLASSES
    }


def test_the_statuses_of_the_tree_are_those_of_the_classes():
    statuses = {name: status for name, (_, status) in drawn().items() if status is not None}
    assert statuses == {name: getattr(errors, name).status for name in statuses}
    reach_a_caller = {kind.__name__ for kind in CLASSES if issubclass(kind, InvalidRequest)} | {
        "InternalError",
        "StoreDown",
    }
    assert set(statuses) == reach_a_caller


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, InvalidRequest)])
def test_what_a_caller_sent_is_never_our_fault(kind):
    assert 400 <= kind.status <= 499
    # BentoML keeps these for itself: ours are answered before a request comes to it
    assert kind.status not in (401, 403) or kind in (errors.Unauthorised, errors.Forbidden)
    assert kind.exit_code == 2


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if not issubclass(kind, InvalidRequest)])
def test_all_else_is_no_fault_of_a_caller(kind):
    assert kind.status >= 500


def test_exit_codes_part_bad_input_from_failure():
    assert (InvalidInput.exit_code, Refused.exit_code) == (2, 1)
    assert {kind.exit_code for kind in CLASSES if issubclass(kind, Refused)} == {1}
    assert [kind.__name__ for kind in CLASSES if issubclass(kind, InvalidInput) and kind.exit_code == 1] == [
        "NoUsableRows"
    ]


@pytest.mark.parametrize("kind", CLASSES)
def test_the_body_of_an_error(kind):
    bare = kind("too long")
    assert bare.body() == {"error": {"type": kind.type, "message": "too long", "field": None, "limit": None}}
    full = kind("too long", field="prompt", limit=[1, 2])
    assert full.body() == {"error": {"type": kind.type, "message": "too long", "field": "prompt", "limit": [1, 2]}}
    assert json.loads(json.dumps(full.body(), allow_nan=False)) == full.body()
    assert str(full) == full.message == "too long"


def test_a_type_may_be_named_for_one_error_alone():
    named = InvalidRequest("no prompt", type="empty_prompt")
    assert named.body()["error"]["type"] == named.type == "empty_prompt"
    assert InvalidRequest.type == InvalidRequest("other").type == "invalid_request"


def test_an_answer_says_how_a_key_is_presented_and_when_to_ask_again():
    assert InvalidRequest("x").headers == {}
    assert errors.Unauthorised("x").headers == {"WWW-Authenticate": 'Bearer realm="thinkworth"'}
    assert errors.RateLimited("x", retry_after_s=0.2).headers == {"Retry-After": "1"}
    assert errors.RateLimited("x", retry_after_s=3.1).headers == {"Retry-After": "4"}


def test_all_but_the_message_is_given_by_name():
    with pytest.raises(TypeError):
        InvalidRequest("message", "empty_prompt")
