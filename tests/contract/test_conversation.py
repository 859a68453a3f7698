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


@pytest.mark.parametrize("follow_up", GO_AHEAD)
def test_a_go_ahead_wants_what_was_offered(follow_up):
    assert ask(FIRST, f"{DONE} {PROOF}", follow_up) == OFFERED


@pytest.mark.parametrize(
    ("said", "offered"),
    [
        ("I can also draw a graph of it.", "draw a graph of it"),
        ("If you like, I can draw a graph of it.", "draw a graph of it"),
        ("Would you like me to draw a graph of it?", "draw a graph of it"),
        ("Want me to draw a graph of it? 🙂", "draw a graph of it"),
        ("Let me know if you'd like me to draw a graph of it.", "draw a graph of it"),
        ("I'd be happy to draw a graph of it.", "draw a graph of it"),
        ("I can draw a graph of it, if you want.", "I can draw a graph of it"),
        ("Soll ich eine Kurve zeichnen?", "eine Kurve zeichnen"),
        ("Voulez-vous que je dessine une courbe ?", "dessine une courbe"),
        ("¿Quieres que dibuje una curva?", "dibuje una curva"),
        ("需要我画一张图吗？", "画一张图吗"),
        ("グラフを描きましょうか？", "グラフを描き"),
        ("Should I stop? Shall we draw a graph of it? There is room.", "draw a graph of it"),
    ],
)
def test_an_offer_is_found_however_it_is_made(said, offered):
    assert ask(FIRST, f"{DONE}\n\n{said}", "yes please") == offered


@pytest.mark.parametrize(
    "said",
    each("Shall I go ahead? | Should I do that now? | Would you like more details? | Ready to proceed?"),
)
def test_a_go_ahead_to_an_offer_that_does_not_say_what_wants_what_was_asked(said):
    assert ask(FIRST, f"I would factor it first. {said}", "yes, do it") == FIRST


@pytest.mark.parametrize(
    "follow_up",
    each(
        "continue | go on | keep going | Continue please | next | more | proceed | another one | 继续 | weiter | "
        "continúa | 続けて | 계속"
    ),
)
def test_going_on_wants_what_was_asked_and_adds_nothing(follow_up):
    assert ask(FIRST, DONE, follow_up) == FIRST


@pytest.mark.parametrize(
    "follow_up",
    each(
        "and for 17? | what about 17? | How about modulo 29? | And if n is negative? | same for 17 | "
        "but without 13? | and 17? | Now for 17 please | also for 29 | use 17 instead | try again with 17 | "
        "give me another example | do the same for 17 | once more, slowly | what if n is prime? | or 29? | "
        "with 17 | for n = 17? | in general? | now with limits 0 to 17 | but what if n is negative | why 13? | which one? | what else? | "
        "let's go with 17 | is that right? | why? | how so? | but why | why not? | really? | ? | are you sure? | und für 17? | et pour 17 ? | "
        "¿y para 17? | e per 17? | а для 17? | warum? | pourquoi ? | ¿por qué? | 那17呢？ | 那么负数呢 | 为什么？ | 换成17 | "
        "じゃあ17は？ | なぜですか？ | 그럼 17은? | 왜요?"
    ),
)
def test_an_elliptical_turn_is_joined_to_what_was_asked(follow_up):
    assert ask(FIRST, DONE, follow_up) == f"{FIRST}\n{follow_up}"
    assert ask(FIRST, DONE, "ok thanks", "You are welcome.", follow_up) == f"{FIRST}\n{follow_up}"


@pytest.mark.parametrize(
    "follow_up",
    each(
        "the second one please | the second | 2 | option 2 | B | b) | I'd like the second option | "
        "das zweite bitte | 第二个"
    ),
)
def test_a_choice_wants_the_item_that_it_names(follow_up):
    methods = "I could go by\n1. residues\n2. the Gaussian integers\n3. brute force\nWhich would be best?"
    assert ask(FIRST, methods, follow_up) == f"{FIRST}\nthe Gaussian integers\n{follow_up}"
    tasks = "Next could be:\n- Prove it\n- Write a program that checks it\n- Draw it"
    assert ask(FIRST, tasks, follow_up) == "Write a program that checks it"


@pytest.mark.parametrize(
    "follow_up",
    each("the second one please | both | the last one | the tenth"),
)
def test_a_choice_without_a_list_is_joined_to_what_was_asked(follow_up):
    assert ask(FIRST, "By residues, or by brute force?", follow_up) == f"{FIRST}\n{follow_up}"


@pytest.mark.parametrize(
    "reply",
    each("Python | the positive ones | 17 | no, only primes | My teacher wants them up to 100, in a table."),
)
def test_a_reply_to_a_question_is_joined_to_what_was_asked(reply):
    assert ask(FIRST, "For which numbers do you need it?", reply) == f"{FIRST}\n{reply}"
    assert ask(FIRST, "Done. Anything else I can help you with?", reply) != f"{FIRST}\n{reply}"


THANKS = each(
    "thanks, that works | Thanks! | thank you so much | great, thanks | perfect | got it | "
    "that makes sense, thanks | ok | cool | thanks, that fixed the parser | no thanks | nice | 👍 | hello | "
    "no need | great, that helps | thanks, I'll try it | see you tomorrow | hm ok | vielen Dank | 太好了 | thanks again | ok thanks bye | never mind | yes | danke | merci beaucoup | gracias | 谢谢 | "
    "好的，谢谢 | 明白了 | ありがとうございます | 감사합니다 | спасибо"
)


@pytest.mark.parametrize("text", THANKS)
def test_thanks_inherit_nothing(text):
    prompt = Prompt.from_messages([system("Solve with care."), user(FIRST), assistant(DONE), user(text)])
    assert prompt.ask == prompt.whole == text


@pytest.mark.parametrize(
    "text",
    each("no thanks | No, thank you. | thanks, that works | perfect | never mind | nein danke | 谢谢"),
)
def test_thanks_take_no_offer(text):
    assert ask(FIRST, f"{DONE} {PROOF}", text) == text


@pytest.mark.parametrize(
    "text",
    each(
        "What is the capital of Peru? | And what is the capital of Peru? | Translate it to French. | "
        "thanks, can you write a poem? | Thanks. Now write a poem about rain. | "
        "Now summarise that in one sentence | who wrote Hamlet? | Write another poem about cats. | "
        "why is the sky blue? | 2 + 2? | What is another word for happy? | and who wrote Hamlet? | "
        "The first man on the moon was Armstrong. | 你叫什么名字呢？ | 法国的首都是哪里？ | "
        "Can you go on holiday without a visa? | Debug the next function | Thanks! Which rivers cross Berlin? | In which country is Lima? | no, count the lines | "
        "who is the king of Spain | ok now sort the list by date | Cancel it"
    ),
)
def test_a_turn_of_its_own_inherits_nothing(text):
    assert ask(FIRST, DONE, text) == text.strip()


def test_the_nearest_earlier_turn_that_has_an_ask_is_inherited():
    earlier = [FIRST, DONE, "Write a poem about rain.", "Drip, drop.", "thanks", "My pleasure.", "hm ok", "Yes."]
    assert ask(*earlier, "and about snow?") == "Write a poem about rain.\nand about snow?"
    assert ask(*earlier, "and about snow?", "Flake, flake.", "continue") == "Write a poem about rain.\nand about snow?"
    assert ask(FIRST, f"{DONE} {PROOF}", "yes please", "First let n = 0.", "continue") == OFFERED


def test_a_yes_with_a_wish_is_joined_to_what_was_offered():
    assert ask(FIRST, PROOF, "Yes please, in French") == f"{OFFERED}\nYes please, in French"
    assert ask(FIRST, PROOF, "yes, and what is the capital of Peru?") == "yes, and what is the capital of Peru?"


def test_without_an_earlier_ask_a_follow_up_is_its_own():
    for text in ("continue", "yes, do it", "and for 2023?", "the second one please"):
        assert ask(text) == ask("hi", "Hello! How can I help you?", text) == text


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


def test_content_parts_of_unknown_types_are_noticed_and_not_read():
    parts = [
        {"type": "hologram", "data": [1]},
        {"type": "text", "text": FIRST},
        {"type": "tool_result", "content": "x"},
    ]
    prompt = Prompt.from_messages([user(parts)])
    assert (prompt.ask, prompt.whole, prompt.turns[0].attachments) == (FIRST, FIRST, 2)


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
