"""Finds the ask of a prompt: the part that says what is wanted, without the material it is wanted on.

Production prompts are a document plus a question, or an instruction plus a paste. Embedded as one text, the document
drowns the question. The rules, in order, all deterministic and linear in the length of the text:

1. Material is set aside: fenced code, quoted lines, table rows, and what stands between triple quotes or XML-like tags.
2. A short remainder (one screen of prose) is the ask as it stands: a word problem needs all its sentences.
3. Of a longer one, the last labelled question ("Question: ...") wins; else the last question or instruction
   paragraph, searched from both ends, since asks stand first or last.
"""

import re

SHORT_CHARACTERS = 700
"""Prose up to this length is taken whole. Chosen on the training sources; see docs/decisions."""

LONGEST_ASK_CHARACTERS = 600
"""A single paragraph longer than this is cut to its sentences that ask."""

_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_QUOTED = re.compile(
    r'"""(?s:.*?)(?:"""|\Z)|<(document|context|text|passage|article|email|code|data|log|logs|file|transcript|table|input|report|contract)\b[^>]{0,80}>(?s:.*?)(?:</\1>|\Z)',
    re.IGNORECASE,
)
_CODE_FILE = re.compile(r"\A\s*(?:from \w|import \w|def \w|class \w|@\w|#!)")
_LABEL = re.compile(
    r"(?:^|\n)[ \t#*]*(?:question|query|task|instruction|instructions|request|problem|q|your task|user question)[ \t*]*[:：][ \t*]*",
    re.IGNORECASE,
)
_ANSWER_CUE = re.compile(r"\n[ \t#*]*(?:answer|a|response|output|solution)[ \t*]*[:：][ \t*]*\Z", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?。？！])\s+|\n+")
_VERBS = frozenset(
    [
        "add",
        "analyse",
        "analyze",
        "answer",
        "arrange",
        "assess",
        "build",
        "calculate",
        "categorise",
        "categorize",
        "change",
        "check",
        "choose",
        "classify",
        "clean",
        "compare",
        "complete",
        "compose",
        "compute",
        "convert",
        "correct",
        "count",
        "create",
        "critique",
        "debug",
        "decide",
        "define",
        "derive",
        "describe",
        "design",
        "detect",
        "determine",
        "diagnose",
        "discuss",
        "draft",
        "edit",
        "estimate",
        "evaluate",
        "examine",
        "explain",
        "extract",
        "fill",
        "find",
        "fix",
        "format",
        "generate",
        "give",
        "help",
        "identify",
        "implement",
        "improve",
        "infer",
        "judge",
        "label",
        "list",
        "make",
        "match",
        "merge",
        "name",
        "optimise",
        "optimize",
        "order",
        "organise",
        "organize",
        "outline",
        "parse",
        "pick",
        "plan",
        "point",
        "predict",
        "prepare",
        "produce",
        "proofread",
        "propose",
        "prove",
        "provide",
        "put",
        "rank",
        "rate",
        "read",
        "recommend",
        "refactor",
        "reformat",
        "rename",
        "reorder",
        "rephrase",
        "replace",
        "reply",
        "respond",
        "restructure",
        "return",
        "review",
        "rewrite",
        "say",
        "select",
        "show",
        "simplify",
        "solve",
        "sort",
        "split",
        "state",
        "suggest",
        "sum",
        "summarise",
        "summarize",
        "tag",
        "tell",
        "translate",
        "turn",
        "update",
        "use",
        "validate",
        "verify",
        "work",
        "write",
        "tl;dr",
        "tldr",
        "please",
        "kindly",
        "can",
        "could",
        "would",
    ]
)


def find_ask(text: str) -> str:
    """Return the ask of a text: never empty for a text that is not, and the text itself where it is short prose."""
    prose = _without_material(text)
    if not prose:
        return text.strip()
    prose = _ANSWER_CUE.sub("", "\n" + prose).strip() or prose
    if len(prose) <= SHORT_CHARACTERS and len(text) <= 2 * SHORT_CHARACTERS and not _labelled(prose):
        return prose
    labelled = _labelled(prose)
    if labelled:
        return labelled
    return _asking_paragraph(prose)


def _without_material(text: str) -> str:
    if _CODE_FILE.search(text):
        return text.strip()  # a function to complete: its docstring is the ask, not a quotation
    text = _QUOTED.sub("\n\n", _FENCE.sub("\n\n", text))
    kept = [line for line in text.split("\n") if not _is_material(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()


def _is_material(line: str) -> bool:
    stripped = line.lstrip()
    return stripped.startswith(">") or line.count("|") >= 2 or line.count("\t") >= 2


def _labelled(prose: str) -> str:
    """Return what follows the last label, or nothing where there is no label with a text of its own."""
    found = [*_LABEL.finditer("\n" + prose)]
    if not found:
        return ""
    if len(found) > 1 and found[-1].start() < len(prose) / 2:
        return ""
    tail = ("\n" + prose)[found[-1].end() :].strip()
    return tail[:LONGEST_ASK_CHARACTERS] if len(tail) >= 8 else ""


def _asking_paragraph(prose: str) -> str:
    paragraphs = [p.strip() for p in prose.split("\n\n") if p.strip()]
    ordered = [paragraphs[-1], paragraphs[0], *reversed(paragraphs[1:-1])]
    for paragraph in ordered[:12]:
        asking = [s for s in _SENTENCE.split(paragraph) if asks(s)]
        if asking:
            whole = paragraph if len(paragraph) <= LONGEST_ASK_CHARACTERS else " ".join(asking)
            return whole[-LONGEST_ASK_CHARACTERS:] if paragraph is paragraphs[-1] else whole[:LONGEST_ASK_CHARACTERS]
    return paragraphs[-1][-LONGEST_ASK_CHARACTERS:]


def asks(sentence: str) -> bool:
    """Return whether a sentence is a question or starts with a verb of instruction."""
    sentence = sentence.strip()
    if sentence.endswith(("?", "？", "?)", '?"')):
        return True
    words = sentence[:40].lower().split()
    return bool(words) and words[0].strip(",.:;!*-") in _VERBS
