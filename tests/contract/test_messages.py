"""What messages hold beside texts, in OpenAI's and Anthropic's format: what tools gave, calls, refusals, images and files."""

import pytest

from contract.prompt import Prompt

from .test_conversation import FIRST, IMAGE, assistant, user


def test_content_parts_of_unknown_types_are_noticed_and_not_read():
    parts = [{"type": "hologram", "data": [1]}, {"type": "text", "text": FIRST}, IMAGE]
    prompt = Prompt.from_messages([user(parts)])
    assert (prompt.ask, prompt.whole, prompt.attachments) == (FIRST, FIRST, 2)


CALL = {"id": "1", "function": {"name": "run", "arguments": "{}"}}


@pytest.mark.parametrize("result", ["2 failed", [{"type": "text", "text": "2 failed"}]])
def test_what_a_tool_gave_is_a_turn_of_its_own_in_either_format(result):
    openai = [
        user("Why do the tests fail?"), {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "1", "content": "2 failed"},
    ]  # fmt: skip
    thought = {"type": "thinking", "thinking": "I should run them.", "signature": "x"}
    anthropic = [
        user("Why do the tests fail?"), assistant([thought, {"type": "tool_use", "id": "1", "name": "run", "input": {}}]),
        user([{"type": "tool_result", "tool_use_id": "1", "content": result}]),
    ]  # fmt: skip
    one, other = map(Prompt.from_messages, (openai, anthropic))
    assert one == other
    assert (other.ask, other.attachments) == ("Why do the tests fail?", 0)
    assert other.turns[-1].role == "tool"


def test_a_result_with_an_image_and_words_of_the_user_beside_it():
    parts = [
        {"type": "tool_result", "content": [{"type": "text", "text": "a chart"}, IMAGE]},
        {"type": "text", "text": FIRST},
    ]
    prompt = Prompt.from_messages([user("Draw it."), user(parts)])
    assert [(turn.role, turn.text, turn.attachments) for turn in prompt.turns] == [
        ("user", "Draw it.", 0), ("tool", "a chart", 1), ("user", FIRST, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""), ("", ""), ([], ""), (7, "7"), ([3], "[3]"), ({"rows": 2}, '{"rows": 2}'),
        ([{"type": "tool_result", "content": "deep"}], ""), (["a", {"type": "search_result", "text": "b"}], "a\nb"),
    ],
)  # fmt: skip
def test_whatever_a_tool_gave_is_read_as_text(content, text):
    prompt = Prompt.from_messages([user("Go."), user([{"type": "tool_result", "content": content}])])
    assert [(turn.role, turn.text, turn.attachments) for turn in prompt.turns[1:]] == [("tool", text, 0)]


@pytest.mark.parametrize("nothing", [{"content": None}, {"content": ""}, {"content": []}, {}])
def test_a_tool_of_openai_may_give_nothing(nothing):
    prompt = Prompt.from_messages([user("Go."), {"role": "tool", "tool_call_id": "1", **nothing}])
    assert [(turn.role, turn.text) for turn in prompt.turns[1:]] == [("tool", "")]


SERVER = [
    {"type": "server_tool_use", "name": "web_search", "input": {}},
    {"type": "web_search_tool_result", "content": [{"type": "web_search_result", "encrypted_content": "x"}]},
    {"type": "mcp_tool_use", "name": "run"}, {"type": "mcp_tool_result", "content": "13"}, {"type": "function_call", "name": "run"},
    {"type": "text", "text": "It is 13."},
]  # fmt: skip


def test_calls_and_what_the_providers_own_tools_gave_are_no_attachments():
    prompt = Prompt.from_messages([user(FIRST), assistant(SERVER), user("And why?")])
    assert (prompt.attachments, prompt.turns[1].text) == (0, "It is 13.")


def test_an_image_counts_as_long_as_the_prompt_may_speak_of_it():
    photo, long = user(["What is this?", IMAGE]), "Prove that the square root of seven is irrational. " * 6
    assert Prompt.from_messages([photo, assistant("A sign."), user("What does it say?")]).attachments == 1
    assert (
        Prompt.from_messages([user([IMAGE]), assistant("What about it?"), user("What does it say?")]).attachments == 1
    )
    assert Prompt.from_messages([photo, assistant("A sign."), user(long)]).attachments == 0
    assert Prompt.from_messages([photo, assistant("A sign."), user([long, IMAGE])]).attachments == 1


def test_an_assistant_may_refuse_or_speak_instead_of_writing():
    refused = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    same = assistant([{"type": "refusal", "refusal": "I cannot help with that."}])
    spoke = {"role": "assistant", "content": None, "audio": {"id": "audio_1"}}
    for turn in (refused, same, refused | {"content": ""}):
        assert Prompt.from_messages([user(FIRST), turn]).turns[1].text == "I cannot help with that."
    assert [Prompt.from_messages([user(FIRST), turn]).attachments for turn in (spoke, refused)] == [1, 0]


def test_a_conversation_without_attachments_is_not_read_to_count_them():
    prompt = Prompt.from_messages([user(FIRST), assistant("It is 13."), user("And why?")])
    assert prompt.attachments == 0
    assert "_wanted" not in vars(prompt)
