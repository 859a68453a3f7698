"""Any provider's messages as the log table holds them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.prompt import Prompt
from training.content import fingerprint
from training.importers.conversation import chat


def kept(kind, **content):
    """What stands for something that is no text, of which this is the content."""
    return {"type": kind, "digest": fingerprint(content)}


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ("Hello.", [turn("user", "Hello.")]),
        (turn("user", "Hello."), [turn("user", "Hello.")]),
        ({"messages": [turn("user", "Hello.")]}, [turn("user", "Hello.")]),
        ({"system": "Be brief.", "messages": [turn("user", "Hi")]}, [turn("system", "Be brief."), turn("user", "Hi")]),
        # OpenAI Chat
        ([turn("developer", "D"), turn("user", "U")], [turn("developer", "D"), turn("user", "U")]),
        ([turn("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])], [turn("user", "a\nb")]),
        (
            [
                turn("user", "U"),
                turn("assistant", None, tool_calls=[{"id": "c1", "function": {"name": "f", "arguments": "secret"}}]),
                turn("tool", "42", tool_call_id="c1"),
            ],
            [turn("user", "U"), turn("assistant", None, tool_calls=[kept("function", function={"name": "f", "arguments": "secret"})]), turn("tool", "42")],
        ),
        (
            [turn("user", "U"), turn("assistant", "A", reasoning_content="long thoughts"), turn("user", "V")],
            [turn("user", "U"), turn("assistant", "A"), turn("user", "V")],
        ),
        (
            [turn("user", [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:..."}}])],
            [turn("user", [{"type": "text", "text": "What?"}, kept("image_url", image_url={"url": "data:..."})])],
        ),
        # OpenAI Responses
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "U"}]}], [turn("user", "U")]),
        (
            [
                turn("user", "U"),
                {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "thoughts"}]},
                {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
                {"type": "function_call_output", "call_id": "c", "output": "42"},
                {"type": "item_reference", "id": "rs_1"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]},
                {"type": "additional_tools", "role": "developer", "tools": []},
            ],
            [
                turn("user", "U"),
                turn("assistant", None, tool_calls=[kept("function", name="f", arguments="{}")]),
                turn("tool", "42"),
                turn("assistant", None, tool_calls=[{"type": "function"}]),
                turn("assistant", "A"),
            ],
        ),
        (
            [turn("user", "U"), {"type": "function_call_output", "output": [{"type": "input_text", "text": "42"}]}],
            [turn("user", "U"), turn("tool", "42")],
        ),
        # Anthropic
        (
            [
                turn("user", [{"type": "text", "text": "U", "cache_control": {"type": "ephemeral"}}]),
                turn(
                    "assistant",
                    [
                        {"type": "thinking", "thinking": "hidden", "signature": "s"},
                        {"type": "redacted_thinking", "data": "x"},
                        {"type": "text", "text": "A"},
                        {"type": "tool_use", "id": "t", "name": "f", "input": {"secret": 1}},
                    ],
                ),
                turn("user", [{"type": "tool_result", "tool_use_id": "t", "content": "given"}, {"type": "text", "text": "V"}]),
            ],
            [
                turn("user", "U"),
                turn("assistant", [{"type": "text", "text": "A"}, kept("tool_use", name="f", input={"secret": 1})]),
                turn("tool", "given"),
                turn("user", "V"),
            ],
        ),
        (
            [turn("user", "U"), turn("assistant", [{"type": "thinking", "thinking": "hidden"}]), turn("user", "V")],
            [turn("user", "U"), turn("assistant", ""), turn("user", "V")],
        ),
        # Gemini
        ([{"parts": [{"text": "U"}]}], [turn("user", "U")]),
        ({"role": "user", "parts": {"text": "U"}}, [turn("user", "U")]),
        (
            [
                {"role": "user", "parts": [{"text": "U"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
                {"role": "model", "parts": [{"text": "hidden", "thought": True}, {"text": "A"}, {"functionCall": {}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"given": 1}}}]},
            ],
            [
                turn("user", [{"type": "text", "text": "U"}, kept("inline_data", inlineData={"mimeType": "image/png", "data": "AAAA"})]),
                turn("assistant", [{"type": "text", "text": "A"}, kept("function_call", functionCall={})]),
                turn("tool", '{"given": 1}'),
            ],
        ),
        # OpenTelemetry
        (
            [
                {"role": "user", "parts": [{"type": "text", "content": "U"}]},
                {"role": "assistant", "parts": [{"type": "reasoning", "content": "hidden"}, {"type": "tool_call", "id": "c", "name": "f"}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "given"}]},
            ],
            [turn("user", "U"), turn("assistant", [kept("tool_call", name="f")]), turn("tool", "given")],
        ),
        # Bedrock, LangChain
        ([turn("user", [{"text": "U"}, {"image": {"format": "png"}}])], [turn("user", [{"type": "text", "text": "U"}, kept("image", image={"format": "png"})])]),
        ([{"type": "human", "content": "U"}, {"type": "ai", "content": "A"}], [turn("user", "U"), turn("assistant", "A")]),
    ],
)  # fmt: skip
def test_every_provider_s_messages(messages, expected):
    found = chat(messages)
    assert found == expected
    Prompt.from_messages(found)


@pytest.mark.parametrize(
    "system",
    [
        "Be brief.",
        {"role": "system", "content": "Be brief."},
        [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        {"parts": [{"text": "Be brief."}]},
        {"role": "user", "parts": {"text": "Be brief."}},
        [{"type": "text", "content": "Be brief."}],
        ["Be brief."],
    ],
    ids=str,
)
def test_a_system_prompt_beside_the_messages_stands_first(system):
    assert chat([turn("user", "U")], system=system) == [turn("system", "Be brief."), turn("user", "U")]


def test_one_conversation_has_one_digest_whoever_logged_it():
    forms = [
        chat([turn("system", "S"), turn("user", "U"), turn("assistant", "A"), turn("user", "V")]),
        chat([turn("user", [{"type": "text", "text": "U"}]), turn("assistant", [{"type": "thinking", "thinking": "h"}, {"type": "text", "text": "A"}]), turn("user", "V")], system=[{"type": "text", "text": "S"}]),
        chat([{"role": "user", "parts": [{"text": "U"}]}, {"role": "model", "parts": [{"text": "A"}]}, {"parts": [{"text": "V"}]}], system={"parts": [{"text": "S"}]}),
        chat([turn("user", "U"), {"type": "reasoning"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]}, turn("user", "V")], system="S"),
        chat([{"role": "human", "parts": [{"type": "text", "content": "U"}]}, {"role": "ai", "parts": [{"type": "text", "content": "A"}]}, {"role": "user", "parts": [{"type": "text", "content": "V"}]}], system=[{"type": "text", "content": "S"}]),
    ]  # fmt: skip
    assert len({Prompt.from_messages(form).digest for form in forms}) == 1


@pytest.mark.parametrize(
    "item", [{"type": "item_reference", "id": "msg_1"}, {"type": "compaction", "encrypted_content": "x"}]
)
def test_turns_that_the_provider_keeps_are_not_in_the_log(item):
    with pytest.raises(ValueError, match="earlier turns not in the log"):
        chat([item, turn("user", "And why?")])


def test_text_parts_digest_as_the_service_would_digest_them():
    parts = [turn("user", [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "input_text", "text": "b"}])]
    assert Prompt.from_messages(chat(parts)).digest == Prompt.from_messages(parts).digest


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        [],
        7,
        [3],
        {"rows": 2, "of": 3},
        "text",
        ["a", {"type": "search_result", "text": "b"}],
        [{"type": "tool_result", "content": "deep"}],
    ],
)
def test_what_a_tool_gave_is_read_as_the_service_reads_it(given):
    messages = [turn("user", "Go."), turn("user", [{"type": "tool_result", "content": given}])]
    assert Prompt.from_messages(chat(messages)).digest == Prompt.from_messages(messages).digest


@pytest.mark.parametrize(
    "said",
    [
        {"content": None, "refusal": "No."},
        {"content": "", "refusal": "No."},
        {"content": [{"type": "refusal", "refusal": "No."}]},
        {"content": None, "audio": {"id": "audio_1"}},
    ],
)
def test_what_an_assistant_says_without_content_is_read_as_the_service_reads_it(said):
    messages = [turn("user", "Go."), {"role": "assistant", **said}]
    imported, live = Prompt.from_messages(chat(messages)), Prompt.from_messages(messages)
    assert (imported.digest, imported.turns[1].attachments) == (live.digest, live.turns[1].attachments)


@pytest.mark.parametrize(
    "messages",
    [
        *(None, "", " ", [], {}, {"messages": []}, {"messages": None}),
        "redacted-by-litellm",
        [turn("user", "redacted-by-litellm")],
        [turn("user", "")],
        [turn("user", [{"type": "image_url"}])],
        [turn("user", []), turn("assistant", None)],
    ],
    ids=str,
)
def test_without_any_text_there_is_no_conversation(messages):
    assert chat(messages) is None


def test_a_system_prompt_alone_is_not_what_was_asked():
    assert chat(None, system="Be brief.") is None
    assert chat([], system="Be brief.") is None


@pytest.mark.parametrize(
    ("messages", "rule"),
    [
        (7, "messages are no list"),
        ([7], "a message is no object"),
        ([turn("narrator", "U")], "a message's role is not one of system"),
        ([{"content": "U"}], "a message's role is not one of system"),
        ([turn(["user"], "U")], "a message's role is not one of system"),
        ([{"role": "user"}], "a message has no content"),
        ([turn("user", 7)], "a message's content is neither a text nor a list of parts"),
        ([turn("user", [7])], "a message's part is neither a text nor an object"),
        ({"question": "U"}, "a message's role is not one of system"),
    ],
    ids=str,
)
def test_what_is_no_conversation_says_which_rule_it_breaks(messages, rule):
    with pytest.raises(ValueError, match=rule):
        chat(messages)


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
KEYS = st.sampled_from(["role", "content", "parts", "type", "text", "messages", "tool_calls", "thought", "output"])
KINDS = st.sampled_from(["user", "assistant", "model", "tool", "text", "thinking", "function_call_output", "message"])
JSON = st.recursive(
    LEAVES | KINDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=15,
)


@given(JSON, JSON)
def test_any_json_is_a_conversation_the_service_takes_or_breaks_a_rule(messages, system):
    try:
        found = chat(messages, system=system)
    except ValueError:
        return
    if found is not None:
        assert Prompt.from_messages(json.loads(json.dumps(found))).whole.strip()
