"""The ask of a prompt: found, never lost, always the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.ask import LONGEST_ASK_CHARACTERS, find_ask

DOCUMENT = "\n\n".join(
    f"Section {i}. The company reported steady revenue in the region. Costs fell slightly as freight became cheaper."
    for i in range(20)
)
QUESTION = "By how much did freight costs fall in the third quarter?"
ASK = "Summarise the material in one sentence."
FUNCTION = 'def add(a: int, b: int) -> int:\n    """Add a and b.\n\n    >>> add(1, 2)\n    3\n    """\n'
ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=600).filter(str.strip)
PIECES = st.lists(
    st.sampled_from(
        ["```", "~~~", '"""', "<text>", "</text>", "> q", "| a | b |", "Question:", "Answer:", "\n", "\n\n", " ", "?"]
    )
    | st.text(max_size=8),
    min_size=1,
    max_size=60,
).map("".join)


@pytest.mark.parametrize(
    "text",
    [
        "hi",
        "What is the capital of France?",
        "Anna has 3 apples. She buys 4 more and eats 2. How many are left?",
        "Write a haiku.\n\nIt should mention rain.",
    ],
)
def test_short_prose_is_taken_whole(text):
    assert find_ask(text) == text
    assert find_ask(f"\n  {text}  \n") == text


@pytest.mark.parametrize("template", ["{document}\n\n{question}", "{question}\n\n{document}"], ids=["last", "first"])
@pytest.mark.parametrize(
    "question", [QUESTION, "Summarise the report in three bullet points.", "请问这家公司的收入是多少？"]
)
def test_the_question_of_a_document_is_the_ask(template, question):
    assert find_ask(template.format(document=DOCUMENT, question=question)) == question


def test_an_overlong_asking_paragraph_is_cut_to_what_asks():
    filler = "The meeting went on. " * 100
    ask = find_ask(f"{filler}{QUESTION}")
    assert ask == QUESTION
    assert len(find_ask("Explain this " + "word " * 1000)) <= LONGEST_ASK_CHARACTERS


@pytest.mark.parametrize(
    "material",
    [
        "```python\nZEBRA = 1\n```",
        "~~~\nZEBRA\n~~~",
        '"""\nZEBRA\n"""',
        "> ZEBRA said so\n> and so on",
        "| ZEBRA | 1 | 2 |\n|---|---|---|\n| x | 3 | 4 |",
        "ZEBRA\t1\t2\nx\t3\t4",
        "<document>\nZEBRA\n</document>",
        '<document id="7">\nZEBRA\n</document>',
        "<EMAIL>\nZEBRA\n</EMAIL>",
        "```\nZEBRA, never closed",
    ],
)
@pytest.mark.parametrize("repeat", [1, 200], ids=["short", "long"])
def test_material_is_set_aside(material, repeat):
    long = material.replace("ZEBRA", "ZEBRA stripes. " * repeat)
    assert find_ask(f"{ASK}\n\n{long}") == ASK


@pytest.mark.parametrize("tag", ["context", "text", "article", "log", "transcript", "contract"])
def test_a_question_after_a_tagged_document_is_the_ask(tag):
    assert find_ask(f"<{tag}>\n{DOCUMENT}\n\nIs this a decoy?\n</{tag}>\n\n{QUESTION}") == QUESTION


@pytest.mark.parametrize(
    "label", ["Question:", "question :", "**Question:**", "## Task:", "Q:", "Instruction：", "Query:"]
)
@pytest.mark.parametrize("document", [DOCUMENT, "A short passage of text."], ids=["long", "short"])
def test_a_labelled_question_is_the_ask(label, document):
    assert find_ask(f"{document}\n\n{label} {QUESTION}") == QUESTION


def test_the_answer_cue_and_the_shots_are_no_part_of_the_ask():
    shots = "".join(f"Question: What is {i} plus {i}?\nAnswer: {2 * i}\n\n" for i in range(10, 30))
    assert find_ask(f"{shots}Question: {QUESTION}\nAnswer:") == QUESTION


@pytest.mark.parametrize("function", [FUNCTION, f"from typing import List\n\n\n{FUNCTION}"])
def test_a_function_to_complete_stays_whole(function):
    assert find_ask(function) == function.strip()


@pytest.mark.parametrize(
    "material", ["```\nx = 1\n```", "> only a quote", "<text>only this</text>", '"""a"""', "| a | b |"]
)
def test_material_alone_is_its_own_ask(material):
    assert find_ask(material) == material


@given(ANY_TEXT | PIECES.filter(str.strip))
def test_the_ask_is_deterministic_and_never_empty(text):
    ask = find_ask(text)
    assert ask.strip()
    assert find_ask(text) == ask
    assert len(ask) <= len(text)


@given(PIECES.filter(str.strip))
def test_the_ask_beside_a_long_document_is_never_empty(text):
    assert find_ask(f"{DOCUMENT}\n\n{text}").strip()


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "\n",
        "?",
        ". ",
        "```",
        "~~~",
        '"""',
        "<text",
        "<text>",
        "</text>",
        "Question:\n",
        "\nq ",
        "#*",
        "| ",
        "> \n",
    ],
)
def test_a_megabyte_paste_does_not_hang(unit):
    paste = unit * (1_000_000 // len(unit))
    assert find_ask(f"{ASK}\n\n{paste}").strip()
    assert find_ask(f"{paste}\n\n{ASK}").strip()
