from contract.prompt import Prompt
from training.content import fingerprint, is_whole, prompt_id_of
from training.importers.conversation import chat

IMAGE = {"type": "image_url", "image_url": {"url": "https://host/a.png", "detail": "high"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MESSAGES = [
    {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "A cat.", "tool_call_id": "c1"},
]


def identity(messages):
    return prompt_id_of(Prompt.from_messages(messages), messages)


def test_texts_alone_have_the_digest_of_the_prompt():
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": [{"type": "text", "text": "U"}]}]
    assert identity(messages) == Prompt.from_messages(messages).digest


def test_an_imported_conversation_has_the_id_of_the_one_that_was_sent():
    assert identity(chat(MESSAGES)) == identity(MESSAGES) != Prompt.from_messages(MESSAGES).digest


def test_a_fingerprint_is_of_the_content_alone_and_stays():
    assert fingerprint(CALL) == fingerprint({**CALL, "id": "c2", "index": 0}) != fingerprint(IMAGE)
    assert fingerprint({"type": "image_url", "digest": fingerprint(IMAGE)}) == fingerprint(IMAGE)
    assert fingerprint({"b": 1, "a": {"d": 1, "c": None}}) == fingerprint({"a": {"c": None, "d": 1}, "b": 1})
    assert fingerprint({"type": "image_url", "id": "x", "status": None}) is None


def test_a_picture_in_another_turn_is_another_prompt():
    text = {"type": "text", "text": "What is this?"}
    first = [{"role": "user", "content": [text, IMAGE]}, {"role": "user", "content": [text]}]
    second = [{"role": "user", "content": [text]}, {"role": "user", "content": [text, IMAGE]}]
    assert Prompt.from_messages(first).digest == Prompt.from_messages(second).digest
    assert identity(first) != identity(second)


def test_thinking_of_earlier_turns_is_no_part_of_a_prompt():
    def thought(text):
        parts = [{"type": "thinking", "thinking": text, "signature": text}, {"type": "text", "text": "A"}]
        return [MESSAGES[0], {"role": "assistant", "content": parts}]

    assert identity(thought("long")) == identity(thought("longer"))
    assert is_whole(thought("long"))


def test_an_older_call_of_a_function_counts_too():
    def called(arguments):
        call = {"name": "f", "arguments": arguments}
        return [MESSAGES[0], {"role": "assistant", "content": None, "function_call": call}]

    assert identity(called("a")) != identity(called("b"))
    assert identity(chat(called("a"))) == identity(called("a"))


def test_what_was_taken_out_cannot_be_asked_again():
    assert is_whole(MESSAGES)
    assert not is_whole(chat(MESSAGES))
    assert not is_whole([{"role": "user", "content": [{"type": "text", "text": "What?"}, {"type": "image_url"}]}])
    assert is_whole(chat([{"role": "user", "content": [{"type": "text", "text": "What?"}]}]))
