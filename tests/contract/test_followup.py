"""What a short turn wants: what was offered, what was asked before it, or nothing but itself."""

import pytest

from contract.prompt import Prompt

from .test_conversation import DONE, FIRST, GO_AHEAD, OFFERED, PROOF, THANKS, ask, assistant, each, system, user


@pytest.mark.parametrize("follow_up", GO_AHEAD)
def test_a_go_ahead_wants_what_was_offered(follow_up):
    assert ask(FIRST, f"{DONE} {PROOF}", follow_up) == OFFERED


@pytest.mark.parametrize("mark", ["👍", "👍🏽", "✅", "👌!", "✔️"])
def test_a_mark_that_agrees_takes_the_offer_and_without_one_wants_nothing(mark):
    assert ask(FIRST, f"{DONE} {PROOF}", mark) == OFFERED
    assert ask(FIRST, DONE, mark) == mark


@pytest.mark.parametrize("mark", ["👎", "👎👍", "✅❌", "🚫"])
def test_a_mark_that_refuses_takes_no_offer(mark):
    assert ask(FIRST, f"{DONE} {PROOF}", mark) == mark


@pytest.mark.parametrize("question", ["Which would you prefer?", "What would you like me to do?"])
def test_a_bare_question_word_is_no_offer(question):
    assert ask(FIRST, f"By residues, or by brute force. {question}", "the first one") == f"{FIRST}\nthe first one"


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


def test_a_yes_with_a_wish_is_joined_to_what_was_offered():
    assert ask(FIRST, PROOF, "Yes please, in French") == f"{OFFERED}\nYes please, in French"
    assert ask(FIRST, PROOF, "yes, and what is the capital of Peru?") == "yes, and what is the capital of Peru?"


def test_without_an_earlier_ask_a_follow_up_is_its_own():
    for text in ("continue", "yes, do it", "and for 2023?", "the second one please"):
        assert ask(text) == ask("hi", "Hello! How can I help you?", text) == text
