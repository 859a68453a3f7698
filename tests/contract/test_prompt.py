"""A prompt in each of its forms, and every way to get one wrong."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import InvalidRequest
from contract.prompt import ROLES, Prompt, Turn

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.sampled_from(["secret", "", " ", *ROLES]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "content", "role", "image_url"]), inner, max_size=3)
    ),
    max_leaves=8,
)
PART = JSON | st.fixed_dictionaries({}, optional={"type": st.just("text") | JSON, "text": JSON})
MESSAGE = JSON | st.fixed_dictionaries(
    {"role": st.sampled_from(ROLES) | JSON},
    optional={"content": JSON | st.lists(PART, max_size=3), "tool_calls": JSON, "function_call": JSON, "name": JSON},
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=200).filter(str.strip)


def user(content):
    return {"role": "user", "content": content}


@pytest.mark.parametrize(
    ("content", "turn"),
    [
        ("hello", Turn("user", "hello")),
        ([{"type": "text", "text": "hello"}], Turn("user", "hello")),
        ([{"type": "input_text", "text": "hello"}], Turn("user", "hello")),
        (["hello", {"type": "text", "text": "you"}], Turn("user", "hello\nyou")),
        ([{"type": "text", "text": "what is it?"}, IMAGE], Turn("user", "what is it?", 1)),
        ([IMAGE, {"type": "input_audio", "input_audio": {}}], Turn("user", "", 2)),
    ],
)
def test_the_forms_of_content(content, turn):
    assert Prompt.from_messages([user(content)]).turns == (turn,)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_kept(role):
    prompt = Prompt.from_messages([{"role": role, "content": "a text"}])
    assert prompt.turns == (Turn(role, "a text"),)
    assert prompt.ask == "a text"


@pytest.mark.parametrize("key", ["tool_calls", "function_call"])
@pytest.mark.parametrize("rest", [{"content": None}, {}], ids=["null", "absent"])
def test_an_assistant_turn_of_tool_calls_needs_no_content(key, rest):
    call = {"role": "assistant", key: [{"id": "1"}], **rest}
    prompt = Prompt.from_messages([user("the weather?"), call, {"role": "tool", "content": "rain"}])
    assert [turn.text for turn in prompt.turns] == ["the weather?", "", "rain"]
    assert prompt.whole == "the weather?\n\nrain"
    assert prompt.ask == "the weather?"


def test_the_ask_is_found_in_the_last_user_turn():
    prompt = Prompt.from_messages(
        [
            {"role": "system", "content": "Be brief."},
            user("What is 1 + 1?"),
            {"role": "assistant", "content": "2"},
            user("How much is 2 + 2?"),
            {"role": "assistant", "content": "Let me see."},
        ]
    )
    assert prompt.ask == prompt.last_user_text == "How much is 2 + 2?"
    assert prompt.whole == "What is 1 + 1?\n\n2\n\nHow much is 2 + 2?\n\nLet me see."
    assert prompt.transcript == f"Be brief.\n\n{prompt.whole}"


def test_an_image_alone_is_a_prompt_without_a_text():
    prompt = Prompt.from_messages([user([IMAGE])])
    assert prompt.turns == (Turn("user", "", 1),)
    assert prompt.ask == prompt.whole
    assert not prompt.whole.strip()


@pytest.mark.parametrize(
    ("messages", "type_", "field"),
    [
        ([], "empty_messages", "messages"),
        (None, "wrong_type", "messages"),
        (7, "wrong_type", "messages"),
        ("hi", "wrong_type", "messages"),
        (user("x"), "wrong_type", "messages"),
        (["hi"], "wrong_type", "messages[0]"),
        ([None], "wrong_type", "messages[0]"),
        ([user("x"), ["user", "x"]], "wrong_type", "messages[1]"),
        ([{"role": "robot", "content": "x"}], "unknown_role", "messages[0].role"),
        ([{"content": "x"}], "unknown_role", "messages[0].role"),
        ([user("x"), {"role": ["user"], "content": "x"}], "unknown_role", "messages[1].role"),
        ([{"role": "user"}], "missing_content", "messages[0].content"),
        ([user(None)], "missing_content", "messages[0].content"),
        ([user([])], "missing_content", "messages[0].content"),
        ([user(7)], "missing_content", "messages[0].content"),
        ([user(b"bytes")], "missing_content", "messages[0].content"),
        ([{"role": "assistant", "content": None}], "missing_content", "messages[0].content"),
        ([{"role": "assistant", "content": None, "tool_calls": []}], "empty_prompt", "messages"),
        ([{"role": "user", "content": None, "tool_calls": [1]}], "missing_content", "messages[0].content"),
        ([user("x"), user(["a", 3])], "missing_content", "messages[1].content[1]"),
        ([user([{"text": 3}])], "missing_content", "messages[0].content[0]"),
        ([user([IMAGE, {"type": "text", "text": None}])], "missing_content", "messages[0].content[1]"),
        ([user([{"type": "input_text"}])], "missing_content", "messages[0].content[0]"),
        ([user([None])], "missing_content", "messages[0].content[0]"),
        ([user([["a"]])], "missing_content", "messages[0].content[0]"),
        ([{"role": "tool", "content": None}], "empty_prompt", "messages"),
        ([{"role": None, "content": "x"}], "unknown_role", "messages[0].role"),
        ([{"role": {"a": 1}, "content": "x"}], "unknown_role", "messages[0].role"),
        ([user("")], "empty_prompt", "messages"),
        ([user(" \n"), {"role": "assistant", "content": None, "tool_calls": [1]}], "empty_prompt", "messages"),
    ],
)
def test_each_wrong_message_has_its_error(messages, type_, field):
    with pytest.raises(InvalidRequest) as caught:
        Prompt.from_messages(messages)
    assert (caught.value.type, caught.value.field, caught.value.status) == (type_, field, 400)
    assert caught.value.body()["error"]["type"] == type_


def test_an_unknown_role_names_the_known_ones_and_repeats_nothing():
    with pytest.raises(InvalidRequest) as caught:
        Prompt.from_messages([{"role": "secret-role", "content": "secret-text"}])
    assert caught.value.limit == list(ROLES)
    assert "secret" not in str(caught.value.body())


@pytest.mark.parametrize(
    "messages", ["secret", ["secret"], [["secret"]], [user({"secret": 1})], [user(["a", {"secret": "secret"}])]]
)
def test_an_error_says_what_to_send_and_repeats_nothing(messages):
    with pytest.raises(InvalidRequest, match="; send ") as caught:
        Prompt.from_messages(messages)
    assert "secret" not in str(caught.value.body())


@given(st.lists(MESSAGE, max_size=3) | MESSAGE)
def test_whatever_is_sent_is_a_prompt_or_an_invalid_request(messages):
    prompt = refusal = None
    try:
        prompt = Prompt.from_messages(messages)
    except InvalidRequest as error:
        refusal = error
    if prompt is None:
        assert refusal.field.startswith("messages")
        assert "secret" not in str(refusal.body())
    else:
        assert all(isinstance(turn.text, str) for turn in prompt.turns)
        assert prompt.ask
        assert prompt.whole
        assert len(prompt.digest) == 64


@pytest.mark.parametrize("text", ["", " ", "\n\t\n", "\u3000"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(InvalidRequest) as caught:
        Prompt.from_text(text)
    assert (caught.value.type, caught.value.field) == ("empty_prompt", "prompt")


@given(ANY_TEXT)
def test_equal_prompts_have_equal_digests_whatever_their_form(text):
    forms = [
        Prompt.from_text(text),
        Prompt.from_messages([user(text)]),
        Prompt.from_messages([user([{"type": "text", "text": text}])]),
        Prompt.from_messages([user([text])]),
    ]
    assert {*forms} == {forms[0]}
    assert len({form.digest for form in forms}) == 1
    assert len(forms[0].digest) == 64
    assert set(forms[0].digest) <= set(string.hexdigits)
    assert {(form.whole, form.ask) for form in forms} == {(text, forms[0].ask)}


def test_roles_texts_and_the_borders_of_turns_tell_digests_apart():
    prompts = [
        Prompt.from_messages([user("ab")]),
        Prompt.from_messages([user("a"), user("b")]),
        Prompt.from_messages([user("b"), user("a")]),
        Prompt.from_messages([user("a"), {"role": "assistant", "content": "b"}]),
        Prompt.from_messages([{"role": "system", "content": "ab"}]),
        Prompt.from_messages([user('a"],["user","b')]),
    ]
    assert len({prompt.digest for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize("text", ["\ud800", "\udfff?", "a \ud83d b", "\x00"])
def test_lone_surrogates_and_nulls_have_an_ask_and_a_digest(text):
    prompt = Prompt.from_text(text)
    assert prompt.ask
    assert prompt.digest == Prompt.from_messages([user(text)]).digest
    assert prompt.digest != Prompt.from_text(text + "x").digest
