"""The conversation of a span, wherever instrumentations put it."""

import json

import pytest

from training.importers.conversation import chat
from training.importers.otel_content import stored_messages

ASKED = [{"role": "user", "parts": [{"type": "text", "content": "Why?"}]}]
WHY = [{"role": "user", "content": "Why?"}]


@pytest.mark.parametrize(
    ("found", "events"),
    [
        ({"gen_ai.input.messages": json.dumps(ASKED)}, []),
        ({"gen_ai.input.messages": ASKED}, []),
        ({"gen_ai.input.messages": "Why?"}, []),
        ({"gen_ai.prompt": json.dumps([{"role": "user", "content": "Why?"}])}, []),
        ({"ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "Why?"}]}])}, []),
        ({"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Why?"}, []),
        ({"gen_ai.prompt.0.content": json.dumps([{"type": "text", "text": "Why?"}])}, []),
        ({"llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Why?"}, []),
        (
            {
                "llm.input_messages.0.message.role": "user",
                "llm.input_messages.0.message.contents.0.message_content.type": "text",
                "llm.input_messages.0.message.contents.0.message_content.text": "Why?",
            },
            [],
        ),
        ({}, [("gen_ai.user.message", {"content": "Why?"})]),
        ({}, [("gen_ai.user.message", {"gen_ai.event.content": json.dumps({"content": "Why?", "role": "user"})})]),
    ],
)
def test_wherever_the_conversation_stands(found, events):
    assert chat(stored_messages(found, events)) == WHY


def test_numbered_messages_are_put_in_the_order_of_their_numbers():
    texts = {f"gen_ai.prompt.{i}.content": f"{i}" for i in (10, 2, 0)}
    assert [message["content"] for message in chat(stored_messages(texts, []))] == ["0", "2", "10"]


def test_a_users_json_is_text():
    assert chat(stored_messages({"gen_ai.prompt.0.content": "[1, 2]"}, [])) == [{"role": "user", "content": "[1, 2]"}]


def test_calls_and_pictures_tell_two_conversations_apart():
    def logged(city, url):
        found = {
            "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "Why?", "gen_ai.prompt.1.role": "assistant",
            "gen_ai.prompt.1.tool_calls.0.name": "weather", "gen_ai.prompt.1.tool_calls.0.arguments": city,
            "gen_ai.prompt.1.tool_calls.0.id": f"call {city} {url}",
        }  # fmt: skip
        picture = {
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "Why?",
            "llm.input_messages.0.message.contents.1.message_content.type": "image",
            "llm.input_messages.0.message.contents.1.message_content.image.image.url": url,
        }
        return [chat(stored_messages(one, [])) for one in (found, picture)]

    first, other = logged("Paris", "a"), logged("Rome", "b")
    assert [logged("Paris", "b")[0], logged("Rome", "a")[1]] == first
    assert first[0] != other[0]
    assert first[1] != other[1]


def test_a_tool_call_has_no_text_and_is_a_turn_all_the_same():
    found = {
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Why?",
        "gen_ai.prompt.1.role": "assistant",
        "gen_ai.prompt.1.tool_calls.0.name": "clock",
    }
    assert [message["role"] for message in chat(stored_messages(found, []))] == ["user", "assistant"]
