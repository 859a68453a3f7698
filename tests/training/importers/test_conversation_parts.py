"""What is no text in a conversation: what tools gave and were asked, images and files, and what tells two of them apart."""

import json

import pytest

from contract.prompt import Prompt
from training.content import prompt_id_of
from training.importers.conversation import chat


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ({"type": "tool_result", "content": "given"}, "given"), ({"type": "tool_result"}, ""),
        ({"type": "tool_result", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"type": "tool_call_response", "response": {"temperature": 7}}, '{"temperature": 7}'),
        ({"type": "tool_call_response", "result": [1, 2]}, "[1, 2]"),
        ({"functionResponse": {"name": "f", "response": {"result": "given"}}}, "given"),
        ({"function_response": {"name": "f", "response": {"a": "é", "b": 1}}}, '{"a": "é", "b": 1}'),
        ({"toolResult": {"toolUseId": "t", "content": [{"text": "given"}]}}, "given"),
    ],
    ids=str,
)  # fmt: skip
def test_what_a_tool_gave_is_a_turn_of_its_own(part, text):
    assert chat([turn("user", "U"), turn("user", [part])]) == [turn("user", "U"), turn("tool", text)]
    both = chat([turn("user", "U"), turn("user", [part, {"type": "text", "text": "V"}])])
    assert both == [turn("user", "U"), turn("tool", text), turn("user", "V")]


PICTURE = turn(
    "user", [{"type": "text", "text": "U"}, {"type": "image_url", "image_url": {"url": "https://host/a.png"}}]
)
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}


@pytest.mark.parametrize(
    ("messages", "other"),
    [
        ([PICTURE], [turn("user", [PICTURE["content"][0], {"type": "image_url", "image_url": {"url": "https://host/b.png"}}])]),
        ([PICTURE], [turn("user", "U")]),
        (
            [turn("user", "U"), turn("assistant", None, tool_calls=[CALL])],
            [turn("user", "U"), turn("assistant", None, tool_calls=[{**CALL, "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}])],
        ),
        (
            [turn("user", [{"type": "text", "text": "U"}, {"type": "document", "source": {"data": "AAAA"}}])],
            [turn("user", [{"type": "text", "text": "U"}, {"type": "document", "source": {"data": "BBBB"}}])],
        ),
        ([turn("user", "U"), turn("user", [{"type": "tool_result", "content": "a"}])], [turn("user", "U"), turn("user", [{"type": "tool_result", "content": "b"}])]),
    ],
    ids=["image", "no image", "call", "file", "result"],
)  # fmt: skip
def test_what_is_no_text_tells_two_prompts_apart(messages, other):
    ids = [prompt_id_of(Prompt.from_messages(found), found) for found in map(chat, (messages, other, messages))]
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda number: {"functionCall": {"id": number, "name": "f", "args": {"id": 7}}, "thoughtSignature": number},
        lambda number: {"toolUse": {"toolUseId": number, "name": "f", "input": {"id": 7}}},
        lambda number: {"type": "tool_use", "id": number, "name": "f", "input": {"id": 7}},
        lambda number: {"type": "tool_call", "id": number, "name": "f7", "provider_specific_fields": {"thought_signature": number}},
    ],
)  # fmt: skip
def test_numbers_and_signatures_part_no_prompt_in_two(call):
    first, again = (
        chat([turn("user", "U"), {"role": "assistant", "content": [call(number)]}]) for number in ("1", "2")
    )
    assert first == again
    other = json.loads(json.dumps(call("1")).replace("7", "8"))
    assert chat([turn("user", "U"), {"role": "assistant", "content": [other]}]) != first


def test_numbers_of_calls_and_marks_of_caches_do_not():
    again = [turn("user", [{**part, "cache_control": {"type": "ephemeral"}} for part in PICTURE["content"]])]
    again.append(turn("assistant", None, tool_calls=[{**CALL, "id": "c2"}]))
    first = chat([PICTURE, turn("assistant", None, tool_calls=[CALL])])
    assert chat(again) == first


def test_a_picture_that_the_gateway_cut_out_tells_nothing_apart():
    cut = {"type": "image_url", "image_url": {"url": "data:image/png;base64,[base64_data truncated: 12.3KB]"}}
    with pytest.raises(ValueError, match="cut out by LiteLLM: set MAX_BASE64_LENGTH_FOR_LOGGING=0"):
        chat([turn("user", [{"type": "text", "text": "U"}, cut])])
