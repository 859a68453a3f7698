"""The ask of a prompt: found, never lost, always the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.ask import LONGEST_ASK_CHARACTERS, LONGEST_CODE_CHARACTERS, find_ask

DOCUMENT = "\n\n".join(
    f"Section {i}. The company reported steady revenue in the region. Costs fell slightly as freight became cheaper."
    for i in range(20)
)
MEETING = "The meeting went on. " * 100
QUESTION = "By how much did freight costs fall in the third quarter?"
ASK = "Summarise the material in one sentence."
FUNCTION = 'def add(a: int, b: int) -> int:\n    """Add a and b.\n\n    >>> add(1, 2)\n    3\n    """\n'
ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=600).filter(str.strip)
MARKS = (
    *(
        "```",
        "~~~",
        '"""',
        "<text>",
        "</text>",
        "<data>",
        "</data>",
        "[quote]",
        "[/quote]",
        "> q",
        "| a | b |",
        "|a|b|",
        "|x + y|",
        "\t",
    ),
    *("Question:", "Answer:", "Q:", "A:", "(A) ", "B) ", "def f():", "Solve", "?", "？", "。", "\n", "\n", "\n\n", " "),
)
PIECES = st.lists(st.sampled_from([*MARKS, '\n    """']) | st.text(max_size=8), min_size=1, max_size=60).map("".join)
WORDS = st.lists(
    st.sampled_from(["why", "two", "apples,", "|x + y|", "<", "3", "<data>", "road.", "Solve"]), min_size=1
)
DUMP = "\n".join(
    f"{16 * i:08x}  7f 45 4c 46 02 01 01 00  00 00 00 00 00 00 00 {i:02x}  |.ELF........|..|" for i in range(40)
)


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
    ask = find_ask(f"{MEETING}{QUESTION}")
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
        "```python\nreturn ZEBRA",
        '"""\nZEBRA, never closed',
        "<document>\nZEBRA, never closed",
        "— | ZEBRA | —\n— | 2019 | 2018",
        "|ZEBRA|1|\n|x|3|",
        "| ZEBRA | 1 |\n\n| x | 3 |",
        "+-------+---+\n| ZEBRA | 1 |\n+-------+---+",
        f"{DUMP} ZEBRA |\n00000280",
        "<article>ZEBRA ``` <article> ZEBRA</article>",
        "~~~\n<data> ZEBRA\n~~~",
        "[quote]\nZEBRA\n[/quote]",
        "[asy] ZEBRA; draw(unitsquare); [/asy]",
    ],
)
@pytest.mark.parametrize("repeat", [1, 200], ids=["short", "long"])
def test_material_is_set_aside(material, repeat):
    long = material.replace("ZEBRA", "ZEBRA stripes. " * repeat)
    assert find_ask(f"{ASK}\n\n{long}") == ASK


@pytest.mark.parametrize(
    "text",
    [
        "Solve |x + y| = 3 for x",
        "minimise |a| + |b|",
        "|x| + |y| = |z|",
        "Solve |x + y| = 3 for x.\nThen minimise |a| + |b|.",
        "Evaluate P(A | B | C).",
        "Why does cat log | sort | uniq print nothing?",
        "| a | b | c |\n| 1 | 2 | 3 |\nWhat is P(a | b) + P(b | c)?",
        "Name\tthis\tthing.",
        "<data> is an HTML element. What is it for?",
        "Explain this element.\n<data> wraps a value. Why would I use it?",
        "How do I put a <table> into a <table>?",
        'What does """ mean in Python?',
        '"""\nWhat is this?',
        'Read this.\n"""\nA note.\n\nSummarise it.',
        "``` is a fence. How do I write one?",
        "Here is my code:\n```python\nx = 1\n\nWhy does it fail?",
        "from the passage below, what is X?",
    ],
)
def test_what_only_resembles_material_is_never_lost(text):
    kept = text[text.index("What is P") :] if text.startswith("| a") else text
    assert kept in find_ask(text)
    long = find_ask(f"{DOCUMENT}\n\n{text}")
    assert text.split("\n")[-1] in long


@pytest.mark.parametrize("tag", ["context", "text", "article", "log", "transcript", "contract"])
def test_a_question_after_a_tagged_document_is_the_ask(tag):
    assert find_ask(f"<{tag}>\n{DOCUMENT}\n\nIs this a decoy?\n</{tag}>\n\n{QUESTION}") == QUESTION


@pytest.mark.parametrize(
    "label", ["Question:", "question :", "**Question:**", "## Task:", "Q:", "Instruction：", "Query:"]
)
@pytest.mark.parametrize("document", [DOCUMENT, "A short passage of text."], ids=["long", "short"])
def test_a_labelled_question_is_the_ask(label, document):
    assert find_ask(f"{document}\n\n{label} {QUESTION}") == QUESTION


@pytest.mark.parametrize("gap", ["\n\n", "\n\nContext: "])
def test_a_single_label_above_a_long_document_is_found(gap):
    assert find_ask(f"You are an analyst.\n\nQuestion: {QUESTION}{gap}{DOCUMENT}") == QUESTION


def test_a_long_labelled_problem_is_cut_to_what_it_asks():
    story = "Anna walks to the market and buys some pears. " * 30
    assert find_ask(f"Problem: {story}How many pears are left?") == "How many pears are left?"
    assert find_ask(f"Problem: {story}\n\nHow many pears are left?") == "How many pears are left?"


def test_the_answer_cue_and_the_shots_are_no_part_of_the_ask():
    shots = "".join(f"Question: What is {i} plus {i}?\nAnswer: {2 * i}\n\n" for i in range(10, 30))
    assert find_ask(f"{shots}Question: {QUESTION}\nAnswer:") == QUESTION


@pytest.mark.parametrize("between", ["\n", " ", "\n\n"], ids=["lines", "one line", "paragraphs"])
@pytest.mark.parametrize("last", ["2+2?", "Which is red?\n(A) the sky at noon\n(B) a ripe tomato"])
def test_the_last_shot_is_the_ask(between, last):
    shots = between.join(["Q: What is 1 + 1?", "A: 2", "Q: Is ice warm?", "A: no", f"Q: {last}", "A:"])
    assert find_ask(shots) == last
    assert find_ask(f"Answer each question.\n\n{shots}") == last


@pytest.mark.parametrize("gap", ["\n", "\n\n", "\nOptions:\n", "\n\nOptions:\n", " "])
@pytest.mark.parametrize("form", ["({})", "{})", "{}."])
def test_options_belong_to_their_question(gap, form):
    options = [f"{form.format(letter)} by {i} %" for i, letter in enumerate("ABCD", 3)]
    choices = f"{QUESTION}{gap}{(' ' if gap == ' ' else chr(10)).join(options)}"
    assert find_ask(choices) == choices
    assert find_ask(f"{DOCUMENT}\n\n{choices}") == choices
    assert find_ask(f"{MEETING}{choices}") == choices
    assert find_ask(f"{DOCUMENT}\n\nQuestion: {choices}\nAnswer:") == choices


def test_options_apart_belong_to_their_question():
    choices = f"{QUESTION}\n\nA) by 3 %\n\nB) by 4 %\n\nC) by 5 %"
    assert find_ask(f"{DOCUMENT}\n\n{choices}") == choices


@pytest.mark.parametrize("function", [FUNCTION, f"from typing import List\n\n\n{FUNCTION}"])
def test_a_function_to_complete_stays_whole(function):
    assert find_ask(function) == function.strip()


def test_a_function_to_complete_keeps_a_long_docstring():
    function = FUNCTION.replace("Add a and b.", "Return a + b.\n\n    A paragraph of it. " * 50)
    assert len(function) > LONGEST_ASK_CHARACTERS
    assert find_ask(function) == function.strip()
    other = "def other():\n    return [1, 2, 3]\n\n\n" * 100
    assert find_ask(f"import math\n\n{other}{function}") == function.strip()
    assert (
        find_ask(function.replace("3\n", "3\n" * 5000))
        == function.strip().replace("3\n", "3\n" * 5000)[:LONGEST_CODE_CHARACTERS]
    )


def test_a_docstring_is_no_quotation():
    text = f"Complete this function:\n\n{FUNCTION}".replace("    >>> add(1, 2)\n", "")
    assert find_ask(text) == text.strip()


def test_the_examples_of_a_docstring_are_no_quotation():
    text = f"LIMIT = 3\n\n{FUNCTION}"
    assert find_ask(text) == text.strip()


def test_a_long_problem_of_mathematics_is_its_own_ask():
    problem = "Let $n$ be a natural number and $a_n = n^2$ the square of it, of which $a_1 = 1$ is the first. " * 9
    assert find_ask(f"{problem}Find $m+n$.") == f"{problem}Find $m+n$."
    prices = "Revenue rose from $12 to $15 and costs fell from $9 to $7 in that year. " * 11
    assert find_ask(f"{prices}Find the profit.") == "Find the profit."


def test_a_bracket_that_is_no_tag_hides_nothing():
    text = "Where does it say so?\n\n[text](https://example.org) is a link.\n\n[data] is a reference."
    assert find_ask(text) == text


@pytest.mark.parametrize("repeat", [5, 100], ids=["short", "long"])
def test_a_question_below_a_file_of_code_is_found(repeat):
    code = f"import os\n\n\n{FUNCTION * repeat}"
    for question in (
        "Why is add(1, 2) = 3?",
        "Explain add(a, b) to me.",
        "It fails on Tuesdays and I want to know why.",
    ):
        assert find_ask(f"{code}\n\n{question}").endswith(question)
    for statement in ("count = add(1, 2)", "main()", "print(add(1, 2))", "# find it", "if True:\n    add(1, 2)"):
        assert "def add" in find_ask(f"{code}\n\n{statement}")


def test_prose_that_starts_like_code_is_prose():
    for start in ("from my notes:", "import taxes rose, and", "class action suits grew, and", "@anna"):
        assert find_ask(f"{start} see below.\n\n<text>{DOCUMENT}</text>\n\n{QUESTION}") == QUESTION


def test_a_question_in_chinese_or_japanese_is_cut_out_of_a_long_paragraph():
    filler = "公司在第三季度的收入有所增长。" * 60
    assert find_ask(f"{filler}收入增长了多少？") == "收入增长了多少？"
    assert find_ask(f"{filler}請回答：売上はいくらですか？{filler}") == "請回答：売上はいくらですか？"


def test_an_instruction_in_chinese_without_a_question_mark_is_found_below_its_text():
    text = "公司在第三季度的收入有所增长。" * 60
    assert find_ask(f"{text}\n\n请总结上面的文章。") == "请总结上面的文章。"


def test_a_hex_dump_alone_is_its_own_ask():
    assert find_ask(DUMP) == DUMP
    assert find_ask(f"{DUMP}\n00000280\n") == f"{DUMP}\n00000280"
    assert find_ask(f"What kind of file is this?\n\n{DUMP}") == "What kind of file is this?"


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


@given(ANY_TEXT | PIECES.filter(str.strip))
def test_each_word_of_the_ask_is_of_the_text(text):
    words = find_ask(f"{DOCUMENT[:900]}\n{text}").split()
    assert {word for word in words if word not in f"{DOCUMENT}\n{text}"} == set()


@given(WORDS.map(" ".join))
def test_the_ask_of_short_prose_is_the_prose(prose):
    assert find_ask(prose) == prose
    assert find_ask(find_ask(prose)) == prose


@given(PIECES.filter(str.strip))
def test_the_ask_beside_a_long_document_is_never_empty(text):
    assert find_ask(f"{DOCUMENT}\n\n{text}").strip()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "unit",
    [
        *("a", " ", "\n", "?", ". ", "。", "\t", "\n    ", "`", "```", "```\n", "~~~", '"""', '\n    """', 'x """ '),
        *(
            "<text",
            "<text>",
            "x <data>",
            "<data>\n",
            "</text>",
            "<data></data>",
            "[quote]",
            "[asy] [/asy]",
            "$",
            "$a",
            "$a=b$",
            "\\[",
            "Question:\n",
            " Q: ",
            "\nq ",
            "#*",
        ),
        *("|", "| ", "|a|b|\n", "a | b | c\n", "-|", ">", "> \n", "(A) ", "\n\nA) ", "\n\noptions\n", "0000000 "),
        *("def f(x):\n", "import a\n", "@a(", "Solve x.\n"),
    ],
)
def test_a_megabyte_paste_does_not_hang(unit):
    paste = unit * (1_000_000 // len(unit))
    for text in (f"{ASK}\n\n{paste}", f"{paste}\n\n{ASK}", f"{paste}x"):
        assert find_ask(text).strip()
