"""Conversations: what a short turn wants, what the whole holds of what is around it, and that none raises."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.conversation import PREVIOUS_TURNS, SHORT_TURN
from contract.errors import InvalidRequest
from contract.features import FEATURE_NAMES, compute
from contract.followup import END_READ, LONGEST_REPLY
from contract.prompt import ROLES, Prompt

FIRST = "Find all integers n for which n^2 + 1 is divisible by 13."
DONE = "They are n = 5 and n = 8 modulo 13."
PROOF = "Shall I prove by induction that there are no others?"
OFFERED = "prove by induction that there are no others"
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def system(content):
    return {"role": "system", "content": content}


def ask(*messages):
    return Prompt.from_messages([user(m) if i % 2 == 0 else assistant(m) for i, m in enumerate(messages)]).ask


def each(texts):
    return texts.split(" | ")


GO_AHEAD = each(
    "yes, do it | ok go ahead | Yes please! | sure | yes | Yeah, go for it. | please do | ok | "
    "Sounds good, go ahead | absolutely | Yes, please do that | do it | proceed | continue | go on | "
    "alright, let's do it | great, yes please | ja bitte | ja, mach das | oui, vas-y | oui s'il te plaît | "
    "sí, por favor | sí, hazlo | sì, vai | sim | да, давай | 好的 | 好的，请继续 | 是的，请做 | 可以 | はい、お願いします | 続けて | "
    "네 | 계속해 주세요 | "
    "that would be great | yes, that would be great, thanks! | I'd like that | yes thanks | please | y | claro que sí"
)


THANKS = each(
    "thanks, that works | Thanks! | thank you so much | great, thanks | perfect | got it | "
    "that makes sense, thanks | ok | cool | thanks, that fixed the parser | no thanks | nice | 👍 | hello | "
    "no need | great, that helps | thanks, I'll try it | see you tomorrow | hm ok | vielen Dank | 太好了 | thanks again | ok thanks bye | never mind | yes | danke | merci beaucoup | gracias | 谢谢 | "
    "好的，谢谢 | 明白了 | ありがとうございます | 감사합니다 | спасибо"
)


def test_the_nearest_earlier_turn_that_has_an_ask_is_inherited():
    earlier = [FIRST, DONE, "Write a poem about rain.", "Drip, drop.", "thanks", "My pleasure.", "hm ok", "Yes."]
    assert ask(*earlier, "and about snow?") == "Write a poem about rain.\nand about snow?"
    assert ask(*earlier, "and about snow?", "Flake, flake.", "continue") == "Write a poem about rain.\nand about snow?"
    assert ask(FIRST, f"{DONE} {PROOF}", "yes please", "First let n = 0.", "continue") == OFFERED


def test_the_question_of_an_inherited_document_is_the_ask():
    document = "The council met and talked about the bridge. " * 60
    prompt = Prompt.from_messages(
        [user(f"{document}\n\nHow much did the bridge cost in 2022?"), assistant("Two million."), user("and in 2023?")]
    )
    assert prompt.ask == "How much did the bridge cost in 2022?\nand in 2023?"
    assert document.strip() in prompt.whole


def test_an_image_without_a_text_wants_what_was_asked_before():
    prompt = Prompt.from_messages([user("What does this sign say?"), assistant("Please send it."), user([IMAGE])])
    assert prompt.ask == "What does this sign say?"
    assert Prompt.from_messages([system("Describe each image."), user([IMAGE])]).ask == "Describe each image."
    attachments = FEATURE_NAMES.index("attachments")
    assert compute(prompt)[attachments] > compute(Prompt.from_text("What does this sign say?"))[attachments] == 0


def test_a_text_that_asks_nothing_wants_what_the_system_prompt_says():
    review = "The battery died after two days."
    instruction = "Classify the sentiment of the review as positive or negative."
    assert Prompt.from_messages([system(instruction), user(review)]).ask == f"{instruction}\n{review}"
    for manner in (
        "You are a helpful assistant.",
        "Answer briefly. Use markdown.",
        "Are you ready? Be kind and reply in German.",
    ):
        assert Prompt.from_messages([system(manner), user(review)]).ask == review
    assert Prompt.from_messages([system(instruction), user("What is 1 + 1?")]).ask == "What is 1 + 1?"


def test_the_whole_holds_a_short_last_turn_and_those_around_it():
    turns = [user("What is zero?") if i % 2 == 0 else assistant(f"Answer {i}.") for i in range(12)]
    texts = [f"Answer {i}." if i % 2 else "What is zero?" for i in range(12 - PREVIOUS_TURNS, 12)]
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    results = [message for i in range(9) for message in (call, {"role": "tool", "content": f"Result {i}."})]
    after = [f"Result {i}." for i in range(9 - PREVIOUS_TURNS, 9)]
    last = "How tall is the highest tower?"
    prompt = Prompt.from_messages([system("Be kind. " * 900), *turns, user(last), *results])
    assert prompt.ask == last
    assert prompt.whole == "\n\n".join([*texts, last, *after])
    everything = ["Be kind. " * 900, *(t["content"] for t in turns), last, *(f"Result {i}." for i in range(9))]
    assert prompt.transcript == "\n\n".join(everything)


def test_a_long_last_turn_needs_no_other():
    last = f"How tall is the highest tower? {'It stands in Dubai. ' * (SHORT_TURN // 20 + 1)}"
    prompt = Prompt.from_messages([user("What is zero?"), assistant("A number."), user(last)])
    assert prompt.whole == last


def test_pleasantries_are_no_context():
    turns = [
        user(FIRST),
        assistant(DONE),
        user("thanks!"),
        assistant("My pleasure."),
        user("How tall is the highest tower?"),
    ]
    assert Prompt.from_messages(turns).whole == "\n\n".join([FIRST, DONE, "How tall is the highest tower?"])
    assert Prompt.from_messages([user("hi"), assistant("Hello, how can I help you?"), user(FIRST)]).whole == FIRST


def test_the_whole_holds_the_turn_whose_ask_is_inherited_however_far_it_is():
    turns = [user(FIRST), *[assistant("So far."), user("continue")] * 20]
    assert Prompt.from_messages(turns).whole == FIRST
    assert Prompt.from_messages([*turns, assistant("Done."), user("and for 17?")]).whole == f"{FIRST}\n\nand for 17?"
    offered = Prompt.from_messages(
        [user(FIRST), assistant(PROOF), {"role": "tool", "content": "13"}, user("yes please")]
    )
    assert offered.whole == f"{FIRST}\n\n{PROOF}"


def test_a_short_question_belongs_to_the_short_story_before_it():
    story = "Anna has 3 apples and 5 pears. She eats 2 of the apples and buys as many pears as she has apples."
    turns = [user(story), assistant("A tasty story. What of it?")]
    question = "How many pears does she have?"
    assert Prompt.from_messages([*turns, user(question)]).ask == f"{story}\n\n{question}"
    longer = f"{question} Take into account that she may have been given some of them by a neighbour."
    assert Prompt.from_messages([*turns, user(longer)]).ask == longer
    assert ask("Tell me a story.", story, question) == question


@pytest.mark.parametrize("content", [None, [], ""])
def test_a_turn_of_tool_calls_has_no_text_in_any_form(content):
    call = {"role": "assistant", "content": content, "tool_calls": [{"id": "1"}]}
    prompt = Prompt.from_messages([user(FIRST), call, {"role": "tool", "content": "13"}])
    assert (prompt.ask, prompt.whole) == (FIRST, f"{FIRST}\n\n13")


@pytest.mark.parametrize(
    ("prompt", "digest"),
    [
        (Prompt.from_text("What is 1 + 1?"), "7a88e6fc04a49ed9b97752d70d40af44c3b51c43c25a9d4930e752d579f06e93"),
        (
            Prompt.from_messages([user("a"), assistant("b")]),
            "e9090a957d1421f5455c50af599a9df682e4848d7d884716d41756359ac698ae",
        ),
    ],
)
def test_digests_are_those_that_logs_hold(prompt, digest):
    assert prompt.digest == digest


@pytest.mark.timeout(60)
def test_long_conversations_do_not_hang():
    for last in ("continue", "and for 17?", "?" * 70):
        turns = [message for _ in range(20_000) for message in (assistant("? " * 20), user("go on"))]
        assert Prompt.from_messages([user(FIRST), *turns, assistant("?" * 100_000), user(last)]).ask.startswith(FIRST)


SHORT = st.sampled_from(
    [
        *GO_AHEAD,
        *THANKS,
        "",
        " ",
        "?",
        "!",
        "and for 17?",
        "the second one please",
        "1.",
        "(a)",
        FIRST,
        PROOF,
        DONE,
        "第二个",
        "呢",
        "は",
    ]
) | st.text(max_size=30)
PART = st.builds(lambda text: {"type": "text", "text": text}, SHORT) | st.sampled_from([IMAGE, {"type": "hologram"}])
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(ROLES), "content": SHORT | st.lists(PART, min_size=1, max_size=3)},
) | st.just({"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]})


@given(st.lists(TURN, min_size=1, max_size=8))
def test_any_conversation_has_an_ask_and_a_whole(messages):
    prompt = None
    with contextlib.suppress(InvalidRequest):
        prompt = Prompt.from_messages(messages)
    if prompt is None:
        assert all(not str(m["content"] or "").strip() or isinstance(m["content"], list) for m in messages)
        return
    said = any(turn.text.strip() for turn in prompt.turns)
    assert prompt.ask
    assert prompt.whole
    assert not said or (prompt.ask.strip() and prompt.whole.strip())
    again = Prompt.from_messages(json.loads(json.dumps(messages)))
    assert (again.ask, again.whole, again.digest) == (prompt.ask, prompt.whole, prompt.digest)
    assert len(prompt.ask) <= len(prompt.transcript) + LONGEST_REPLY + END_READ


@given(st.lists(SHORT.filter(str.strip), min_size=1, max_size=7))
def test_each_word_of_an_ask_was_said(texts):
    words = ask(*texts).split()
    assert [word for word in words if not any(word in text for text in texts)] == []
