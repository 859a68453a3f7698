"""Finds the ask of a prompt: the part that says what is wanted, without the material it is wanted on.

Production prompts are a document plus a question, or an instruction plus a paste. Embedded as one text, the document
drowns the question. The rules, in order, all deterministic and linear in the length of the text:

1. A function to complete is its own ask: signature and docstring.
2. Material is set aside: fenced code, what stands between triple quotes or tags (<document>, [quote]), quoted lines, rows
   of tables and of hex dumps. A row is one only beside another row; a span that never closes is set aside only where a
   question stands before it and none at its end. Where nothing else is left, the text is the ask.
3. A short remainder (one screen of prose; two where it is mathematics) is the ask as it stands: a word problem needs all
   its sentences.
4. Of a longer one, the last labelled question ("Question: ...") wins; else the last question or instruction
   paragraph, searched from both ends, since asks stand first or last. The options of a question belong to it.
"""

import re
from collections.abc import Iterator

SHORT_CHARACTERS = 700
"""Prose up to this length is taken whole. Chosen on the training sources; see docs/decisions."""

LONGEST_MATHS_CHARACTERS = 1_600
"""Prose with four formulas is one problem up to this length: "Find m + n." asks for nothing without the rest."""
LONGEST_ASK_CHARACTERS = 600
"""A single paragraph longer than this is cut to its sentences that ask."""

LONGEST_CODE_CHARACTERS = 2_000
"""A function to complete is cut to this many characters from its signature on."""

_PARAGRAPHS_SEARCHED = 12

_MARKER = re.compile(
    r'(?:\n[ \t]++)?"""|```+|~~~+|[<\[](/?)(document|context|text|passage|article|email|code|data|log|logs|file|transcript|table|input|report|contract|quote|asy)\b[^>\]]{0,80}[>\]]',
    re.IGNORECASE,
)
_CODE_FILE = re.compile(
    r"\s*+(?:from [\w.]+ import\b|import [\w.]+[ \t]*(?:$|,|;|#|as\b)|(?:async )?def \w+[(\[]|class \w+[(:\[]|@[\w.]+(?:\(.*\))?$|#!)",
    re.MULTILINE,
)
_SIGNATURE = re.compile(r"^(?:@|(?:async )?def |class )", re.MULTILINE)
_OF_CODE = re.compile(r"^[ \t#@}]|=|[:;{)]$|\"{3}|\A[^ ]*\Z", re.MULTILINE)  # and not of prose
_EMPTY_LINES = re.compile(r"\n\n\n+")
_UNEVEN_BAR = re.compile(r"\s\|\S|\S\|\s")
_RULE = re.compile(r"[-=:]*+[+|][-=+|: ]*\Z")
_DUMP_ROW = re.compile(r"0[0-9a-fA-F]{6,}(?::?(?:\s+[0-9a-fA-F]{2,4}){2}|\Z)")
_LABEL = re.compile(
    r"\n[ \t#*]*+(question|query|task|instruction|instructions|request|problem|q|your task|user question)[ \t*]*[:：][ \t*]*",
    re.IGNORECASE,
)
_ANSWER_CUE = re.compile(r"\n[ \t#*]*+(?:answer|a|response|output|solution)[ \t*]*[:：][ \t*]*\Z", re.IGNORECASE)
_PARAGRAPH_END = re.compile(
    r"\n\n(?![ \t]*(?:(?:answer )?(?:options|choices)\b[^\n]{0,20}\n[ \t]*)?\(?[A-H][).:][ \t])", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?]\s+|[。？！]+\s*|\n+")
_FORMULA = re.compile(r"\$(?:[A-Za-z]|[^$\n]{0,200}?[\\^_=][^$\n]{0,200})\$|\\[(\[]|\\begin\{")  # and no pair of prices
_OPTION_A, _OPTION_B = (re.compile(rf"(?:\A|\s)\(?[{c}][).:]\s") for c in ("Aa1", "Bb2"))
_QUESTION_MARKS = ("?", "？", "?)", '?"')
_VERBS_OF_INSTRUCTION = """
    add analyse analyze answer arrange assess brainstorm build calculate cancel categorise categorize change check choose classify clean
    compare complete compose compute convert correct count create critique debug decide define delete derive describe design
    detect determine diagnose discuss draft draw edit elaborate estimate evaluate examine explain extract fill find fix format generate
    give help identify implement improve infer judge label list make match merge name optimise optimize order organise
    organize outline parse pick plan point predict prepare produce proofread propose prove provide put rank rate read
    recommend refactor reformat remove rename reorder rephrase replace reply respond restructure return review rewrite say schedule
    select send show simplify solve sort split state suggest sum summarise summarize tag teach tell translate turn update use
    validate verify work write tl;dr tldr please kindly can could would
"""
_VERBS = frozenset(_VERBS_OF_INSTRUCTION.split())


def find_ask(text: str) -> str:
    """Return the ask of a text: never empty for a text that is not, and the text itself where it is short prose."""
    if _CODE_FILE.match(text):
        return _ask_of_code(text.strip())
    prose = _without_material(text)
    if not any(map(str.isalnum, prose)):
        return text.strip()
    short = len(prose) <= SHORT_CHARACTERS and len(text) <= 2 * SHORT_CHARACTERS
    return _ask_of_prose(prose, taken_whole=short or _is_maths(prose))


def _is_maths(prose: str) -> bool:
    return len(prose) <= LONGEST_MATHS_CHARACTERS and len(_FORMULA.findall(prose)) >= 4


def asks(sentence: str) -> bool:
    """Return whether a sentence is a question or starts with a verb of instruction."""
    sentence = sentence.strip()
    if sentence.endswith(_QUESTION_MARKS):
        return True
    words = sentence[:40].lower().split(maxsplit=1)
    return bool(words) and words[0].strip(",.:;!*-") in _VERBS


def _ask_of_code(code: str) -> str:
    """Return the question below a file of code; without one, the function to complete, which is the last."""
    if len(code) <= SHORT_CHARACTERS:
        return code
    last = code.rsplit("\n\n", 1)[-1]
    if last.endswith(_QUESTION_MARKS) or not _OF_CODE.search(last):
        return _ask_of_prose(last, taken_whole=len(last) <= SHORT_CHARACTERS)
    if len(code) <= LONGEST_CODE_CHARACTERS:
        return code
    signatures = [match.start() for match in _SIGNATURE.finditer(code)]
    return code[signatures[-1] if signatures else 0 :][:LONGEST_CODE_CHARACTERS]


def _ask_of_prose(prose: str, *, taken_whole: bool) -> str:
    if " Q: " in prose:  # shots on one line
        prose = prose.replace(" Q: ", "\nQ: ").replace(" A:", "\nA:")
    if prose.endswith((":", "：", "*")):
        prose = _ANSWER_CUE.sub("", "\n" + prose).strip() or prose
    if labelled := _labelled(prose):
        return labelled if len(labelled) <= LONGEST_ASK_CHARACTERS else _asking_paragraph(labelled, first=True)
    return prose if taken_whole else _asking_paragraph(prose, first=False)


def _without_material(text: str) -> str:
    prose = _without_rows(_without_spans(text))
    return _EMPTY_LINES.sub("\n\n", prose).strip()


def _without_spans(text: str) -> str:
    if not any(
        mark[0] in text and mark in text for mark in ('"""', "```", "~~~", "<", "[/")
    ):  # a character is found faster
        return text
    spans, unclosed = _spans(text)
    kept = _cut_out(text, spans)
    if unclosed >= 0:
        before = _cut_out(text[:unclosed], [span for span in spans if span[1] <= unclosed])
        if asks_anywhere(before) and not _asks_at_the_end(kept[len(before) :].strip()):
            return before
    return kept


def _spans(text: str) -> tuple[list[tuple[int, int]], int]:
    """Return the spans from an opening marker to the next closing one, and where one opens a line but never closes, or -1.

    An indented triple quote opens a docstring, which is no quotation.
    """
    markers = [(*match.span(), match[1], (match[2] or match[0][-3:]).lower()) for match in _MARKER.finditer(text)]
    last = {kind: start for start, _, slash, kind in markers if slash != ""}
    spans, unclosed, opened, opened_at = [], -1, "", 0
    for start, end, slash, kind in markers:
        if opened:
            if kind == opened and slash != "":
                opened = ""
                if text[opened_at] != "\n":
                    spans.append((opened_at, end))
        elif slash != "/":
            if last.get(kind, 0) > start:
                opened, opened_at = kind, start
            elif unclosed < 0 and text[start] not in "\n[" and text[start - 1 : start] in ("", "\n"):
                unclosed = start
    return spans, unclosed


def _cut_out(text: str, spans: list[tuple[int, int]]) -> str:
    starts = [start for start, _ in spans]
    ends = [end for _, end in spans]
    return "\n\n".join([text[end:start] for end, start in zip([0, *ends], [*starts, len(text)], strict=True)])


def asks_anywhere(text: str) -> bool:
    """Return whether a sentence of a text asks."""
    return any(asks(sentence) for _, sentence in _sentences(text))


def _asks_at_the_end(span: str) -> bool:
    """Return whether the end of an unclosed span asks; of code, only a question mark says so: `return` is a verb too."""
    if span.startswith(("```", "~~~")):
        return span.endswith(_QUESTION_MARKS)
    return asks_anywhere(span.rsplit("\n\n", 1)[-1])


def _without_rows(text: str) -> str:
    """Return a text without its quoted lines, and without rows that have a row of their kind above or below them."""
    if not any(mark in text for mark in (">", "|", "\t", "\n0")):
        return text
    lines = text.split("\n")
    kinds = ["", *(_row_kind(line) for line in lines if line.strip()), ""]
    is_material = iter(
        [
            kind == ">" or (kind != "" and kind in (above, below))
            for above, kind, below in zip(kinds, kinds[1:], kinds[2:], strict=False)
        ]
    )
    return "\n".join([line for line in lines if not line.strip() or not next(is_material)])


def _row_kind(line: str) -> str:
    """Return what makes a line look like a row, or nothing: the bars of |x + y| stand otherwise than those of cells."""
    row = line.strip()
    if row[0] == ">":
        return "" if line.startswith("    ") else ">"  # so far in stands a doctest
    if row[0] == row[-1] == "|":
        return "|"
    if row.count("\t") >= 2:
        return "\t"
    if row.count("|") >= 2 and not row.endswith(_QUESTION_MARKS) and not _UNEVEN_BAR.search(row):
        return "|"
    return "|" if _RULE.match(row) or _DUMP_ROW.match(row) else ""


def _labelled(prose: str) -> str:
    """Return what follows the last label: always that of the last shot, else only where most of the text is before it."""
    found = [*_LABEL.finditer("\n" + prose)]
    if not found:
        return ""
    labels = [label[1].lower() for label in found]
    if labels.count(labels[-1]) == 1 < len(labels) and found[-1].start() < len(prose) / 2:
        return ""
    tail = prose[found[-1].end() - 1 :].strip()
    return tail if any(map(str.isalnum, tail)) else ""


def _asking_paragraph(prose: str, *, first: bool) -> str:
    """Return the asking part of the paragraph that asks, searched from one end (the first or the last) and the other."""
    paragraphs = [p for p in map(str.strip, _PARAGRAPH_END.split(prose)) if p]
    if first:
        ordered = [*paragraphs[:1], *paragraphs[:0:-1]]
    else:
        ordered = [*paragraphs[-1:], *paragraphs[:-1][:1], *paragraphs[-2:0:-1]]
    for paragraph in ordered[:_PARAGRAPHS_SEARCHED]:
        if asking := [(start, sentence) for start, sentence in _sentences(paragraph) if asks(sentence)]:
            return _cut(paragraph, asking, from_end=paragraph is paragraphs[-1])
    return ordered[0][:LONGEST_ASK_CHARACTERS] if first else ordered[0][-LONGEST_ASK_CHARACTERS:]


def _cut(paragraph: str, asking: list[tuple[int, str]], *, from_end: bool) -> str:
    """Return a paragraph, or of a long one its sentences that ask; the last of them with its options, if it has any."""
    if len(paragraph) <= LONGEST_ASK_CHARACTERS:
        return paragraph
    start, question = asking[-1]
    option = _OPTION_A.search(paragraph, start + len(question))
    if option and _OPTION_B.search(paragraph, option.end()):
        return paragraph[start:][:LONGEST_ASK_CHARACTERS]
    joined = " ".join(sentence for _, sentence in asking)
    return joined[-LONGEST_ASK_CHARACTERS:] if from_end else joined[:LONGEST_ASK_CHARACTERS]


def _sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield each sentence and where it starts."""
    start = 0
    for end in _SENTENCE_END.finditer(text):
        yield start, text[start : end.end()].strip()
        start = end.end()
    yield start, text[start:].strip()
