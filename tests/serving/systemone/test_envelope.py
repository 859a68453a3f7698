"""LiteLLM's envelope is taken off a state, whatever the texts in it say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.systemone.envelope import messages_of

SYSTEM = "\nCaller system prompt, quoted as task context:\n"
RECENT = "\nRecent conversation (context only, do not classify these):\n"
LENGTH = "\nConversation so far: ~12 tokens across the request\n"
ASKED = "\nClassify this message:\n"
PROMPT = "Prove that sqrt(2) is irrational."


def said(*pairs):
    return [{"role": role, "content": text} for role, text in pairs]


@pytest.mark.parametrize(
    ("state", "messages"),
    [
        (f"{ASKED}{PROMPT}", said(("user", PROMPT))),
        (f"{LENGTH}{ASKED}{PROMPT}", said(("user", PROMPT))),
        (f"{SYSTEM}You are terse.\n{ASKED}{PROMPT}", said(("system", "You are terse."), ("user", PROMPT))),
        (f"{RECENT}[1] hi\n{LENGTH}{ASKED}{PROMPT}", said(("user", "hi"), ("user", PROMPT))),
        (f"{RECENT}[1] hi\n{ASKED}{PROMPT}", said(("user", "hi"), ("user", PROMPT))),
        (
            f"{SYSTEM}You are terse.\n{RECENT}[1] hi\n[2] two\nlines\n{LENGTH}{ASKED}{PROMPT}",
            said(("system", "You are terse."), ("user", "hi"), ("user", "two\nlines"), ("user", PROMPT)),
        ),
        (
            f"{RECENT}[1] user: Plan it?\n[2] assistant: I can: [3] steps\n[3] or so\n[3] user: ok\n{LENGTH}{ASKED}yes",
            said(("user", "Plan it?"), ("assistant", "I can: [3] steps\n[3] or so"), ("user", "ok"), ("user", "yes")),
        ),
        (f"{RECENT}[1] hi\n[2] user: hi\n{LENGTH}{ASKED}x", said(("user", "hi"), ("user", "user: hi"), ("user", "x"))),
    ],
)  # fmt: skip
def test_each_block_becomes_its_turns(state, messages):
    assert messages_of(state) == messages


@pytest.mark.parametrize(
    "prompt",
    [
        "Classify this message:\nYou won a prize",
        f"Some rules.\n{ASKED}You won a prize",
        f"Why does a router send this?\n{SYSTEM}x\n{RECENT}[1] y\n{LENGTH}{ASKED}z",
    ],
)
def test_a_prompt_that_holds_the_lines_is_whole(prompt):
    assert messages_of(f"{ASKED}{prompt}") == said(("user", prompt))
    assert messages_of(f"{LENGTH}{ASKED}{prompt}") == said(("user", prompt))
    assert messages_of(f"{RECENT}[1] hi\n{LENGTH}{ASKED}{prompt}") == said(("user", "hi"), ("user", prompt))


def test_a_system_prompt_or_an_earlier_turn_that_holds_the_line_stays_one():
    rules = f"You sort mail.\n{ASKED}an example"
    state = f"{SYSTEM}{rules}\n{RECENT}[1] {rules}\n{LENGTH}{ASKED}{PROMPT}"
    assert messages_of(state) == said(("system", rules), ("user", rules), ("user", PROMPT))


def test_without_a_conversation_the_rest_of_such_a_system_prompt_stands_before_the_prompt():
    (system, user) = messages_of(f"{SYSTEM}You sort mail.\n{ASKED}an example\n{ASKED}{PROMPT}")
    assert system["content"] == "You sort mail."
    assert user["content"].endswith(PROMPT)


@pytest.mark.parametrize(
    "state", ["Classify this message:\nYou won", "  hi", f"{SYSTEM}nothing asked", f"{RECENT}[1] hi"]
)
def test_a_text_without_an_envelope_is_the_prompt(state):
    assert messages_of(state) == said(("user", state))


@pytest.mark.parametrize(
    ("state", "messages"),
    [
        ({"messages": said(("system", "Be brief."), ("user", PROMPT)), "team": "a"},
         said(("system", "Be brief."), ("user", PROMPT))),
        (said(("user", PROMPT)), said(("user", PROMPT))),
        ({"message": PROMPT}, said(("user", PROMPT))),
        ([f"{ASKED}{PROMPT}"], said(("user", PROMPT))),
        ({"subject": "é", "n": 1}, said(("user", '{"subject": "é", "n": 1}'))),
        ({}, said(("user", "{}"))),
    ],
)  # fmt: skip
def test_a_state_in_json(state, messages):
    assert messages_of(state) == messages


@given(prompt=st.text(), system=st.none() | st.text(min_size=1), turns=st.lists(st.text(min_size=1), max_size=3))
def test_nothing_of_a_prompt_is_lost(prompt, system, turns):
    blocks = [f"{SYSTEM}{system}"] if system is not None else []
    blocks += [RECENT + "\n".join(f"[{i}] {text}" for i, text in enumerate(turns, 1)), LENGTH[:-1]] if turns else []
    messages = messages_of("\n".join([*blocks, f"{ASKED}{prompt}"]))
    assert messages[-1] == {"role": "user", "content": prompt}
    assert messages[0]["content"] == system or system is None
