"""Named features of a prompt and the words of its ask: cheap, documented, in a fixed order, the same code in training and serving.

Counts are damped by log1p so that a trained threshold means the same at both ends; shares are in [0, 1]; flags are 0 or 1.
Features read at most the first and last `WINDOW` characters, so a 1 MiB paste costs no more than a page.
Words are hashed into `WORDS` columns (Weinberger et al. 2009, "Feature hashing for large scale multitask learning"); P(family)
and familiarity read them: which words ask, and in which language, is what an encoder of sentences blurs.
Changing the order, a name or a meaning bumps `contract.bundle.FORMAT_VERSION`.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from contract.prompt import Prompt

WINDOW = 4_000
"""Characters read from each end of a text."""

WORDS = 512
"""Columns of the hashed words."""

WORDS_WINDOW = 400
"""Characters from each end of the ask whose words are hashed: asks stand first or last."""

LONG_TOKEN = 30
"""Characters from which a run without white space counts as a long token (base64, identifiers, URLs)."""

# Searching is fast from a rare character, so minus and choice start at it and look back for what stands before. What is
# the right end of one match and would be the left end of the next is consumed, so that no character counts twice.
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_ASCII_NUMBER = re.compile(r"[0-9]++(?:[.,][0-9]++)*+")
_MINUS = re.compile(r"-(?=[\s\d])(?:(?<=\d.)|(?<=\d\s.))\s?\d(?:\s?-)?")
_LATEX = re.compile(r"\\[a-zA-Z]+|\$[^$\n]{1,120}\$")
_LIST_ITEM = re.compile(r"\n[ \t]*(?:[-*•]|\d{1,3}[.)])[ \t]+\S")
_CHOICE = re.compile(r"[A-H](?<=[\s(].)[).:]\s*(?:\([A-H]?|\S)")
_OPERATORS = "=+*/^<>≤≥≠√∑∫×÷"
_CODE_MARKS = (
    *("def ", "class ", "return ", "import ", "SELECT ", "#include", "self."),
    *("```", "();", "() ", "=>", "{", "};"),
)

# The kinds of a character; from _ASCII on, all are ASCII. A lone surrogate counts as the "?" that takes its place.
_OTHER, _CJK, _ASCII, _DIGIT, _CAPITAL, _SYMBOL, _SPACE = range(7)
_KIND_RANGES = (
    (_CJK, 0x3040, 0x30FF), (_CJK, 0x4E00, 0x9FFF), (_CJK, 0xAC00, 0xD7AF), (_ASCII, 0, 127), (_DIGIT, 48, 57), (_CAPITAL, 65, 90),
    (_SYMBOL, 0xD800, 0xDFFF), (_SYMBOL, 33, 47), (_SYMBOL, 58, 64), (_SYMBOL, 91, 96), (_SYMBOL, 123, 126), (_SPACE, 9, 13), (_SPACE, 32, 32),
)  # fmt: skip
_NO_WORD = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~0123456789“”‘…—–。，？！：；、（）「」『』·•'


def _table(ranges: Iterable[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Return what each code point of the basic plane is mapped to, by the last range it lies in; all beyond is as the last."""
    table = np.zeros(0x10000, dtype=np.uint8)
    for value, first, last in ranges:
        table[first : last + 1] = value
    return table


def _set(characters: Iterable[str]) -> NDArray[np.bool_]:
    return _table((1, ord(c), ord(c)) for c in characters).astype(np.bool_)


_KIND = _table(_KIND_RANGES)
_SEPARATES_WORDS = _set(_NO_WORD)
_ENDS_SENTENCE = _set(".!?。？！")
_BLANK = _set(c for c in map(chr, range(0x3001)) if c.isspace())  # U+3000 is the last of them


def _lexicon(words: str) -> frozenset[str]:
    return frozenset(words.split())


_ASK_WORDS = {
    "ask_how_many": _lexicon("many much long far old often percentage fraction"),
    "ask_why_how": _lexicon("why how"),
    "ask_fact": _lexicon("who when where which whose capital author"),
    "ask_calculate": _lexicon(
        "calculate compute solve evaluate derive determine estimate find average total sum difference ratio percent "
        "percentage change increase decrease probability"
    ),
    "ask_prove": _lexicon("prove proof show disprove theorem lemma induction contradiction"),
    "ask_plan": _lexicon(
        "plan schedule arrange allocate assign itinerary optimise optimize minimise minimize maximise maximize roster"
    ),
    "ask_debug": _lexicon(
        "debug bug error exception fix fail fails failing crash crashes crashing traceback wrong deadlock race root"
    ),
    "ask_design": _lexicon(
        "design architecture architect tradeoffs tradeoff scalable scale review bottleneck migration critique assess weaknesses risks"
    ),
    "ask_summarise": _lexicon("summarise summarize summary tldr tl recap condense shorten gist summarised summarized"),
    "ask_translate": _lexicon("translate translation french spanish german italian portuguese dutch polish"),
    "ask_rewrite": _lexicon(
        "rewrite rephrase paraphrase proofread polish reword formal concise polite casual tone grammar"
    ),
    "ask_extract": _lexicon("extract list pull identify convert format json csv yaml markdown sort reformat bullet"),
    "ask_classify": _lexicon("classify categorise categorize label sentiment positive negative spam category tag"),
    "ask_write": _lexicon("write draft compose create generate brainstorm suggest ideas poem story email"),
    "ask_explain": _lexicon("explain describe define definition mean means meaning"),
    "ask_step": _lexicon("step steps carefully reason reasoning justify"),
    "ask_brief": _lexicon("briefly brief only just short single yes"),
}
_WHOLE_WORDS = {
    "conditionals": _lexicon("if unless then otherwise whether assuming suppose given provided"),
    "constraints": _lexicon(
        "must cannot can't most least exactly each every never always except neither either both before after between "
        "adjacent next left right"
    ),
    "connectives": _lexicon("because therefore thus hence since so however although but while"),
    "quantities": _lexicon(
        "twice half third quarter double triple times dozen remaining left per more less fewer than"
    ),
    "negations": _lexicon("not no never none don't doesn't isn't can't won't neither nor"),
    "greeting": _lexicon(
        "hi hello hey thanks thank cheers morning evening bye goodbye ok okay great sure yes yep cool"
    ),
}

_COMMON = _lexicon(
    "the a an and or of to in for on with is are was were be been it its this that these those i you he she we they my "
    "your his her our their me him them us as at by from not no do does did have has had can could will would should if "
    "but so what which who when where how why there here all any some more most other than then into about after before "
    "over under out up one two please only each between give make list write explain"
)

FEATURE_NAMES: tuple[str, ...] = (
    "whole_characters", "ask_characters", "ask_share", "whole_words", "ask_words", "mean_word_length", "type_token_ratio",
    "sentences", "lines", "paragraphs",
    "numbers", "ask_numbers", "longest_number_digits", "digit_share", "operators", "ask_operators", "latex", "code_marks",
    "list_items", "choices", "table_cells", "quotes", "question_marks", "ask_ends_with_question", "exclamations",
    *_ASK_WORDS, *_WHOLE_WORDS,
    "capital_share", "ascii_share", "cjk_share", "symbol_share", "space_share", "long_tokens", "compression_ratio", "common_word_share",
    "turns", "user_turns", "system_characters", "tools", "attachments",
)  # fmt: skip
"""Names of the features, in the order of the vector."""

WIDTH = len(FEATURE_NAMES) + WORDS
"""Columns of what the heads read of a prompt beside its embeddings."""


def compute(prompt: Prompt) -> NDArray[np.float32]:
    """Return the features of a prompt, float32 [len(FEATURE_NAMES)], all finite."""
    whole, ask = _window(prompt.whole), _window(prompt.ask)
    words = _words(whole)
    ask_words = words if ask == whole else _words(ask)
    counts, ask_set = Counter(words), frozenset(ask_words)
    numbers = _numbers(whole)
    n_words = max(len(words), 1)
    framed = f"\n{whole}\n"
    codes = np.frombuffer(framed.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kind_shares(codes[1:-1])
    sentences, long_tokens = _sentences_and_long_tokens(codes)
    raw = whole[:2000].encode("utf-8", "replace")
    log = math.log1p
    values: list[float] = [
        log(len(prompt.whole)), log(len(prompt.ask)), min(len(prompt.ask) / max(len(prompt.whole), 1), 1.0),
        log(len(words)), log(len(ask_words)), len("".join(words)) / n_words, len(counts) / n_words,
        log(sentences), log(whole.count("\n")), log(whole.count("\n\n")),
        log(len(numbers)), log(len(_numbers(ask))), log(max(map(len, numbers), default=0)),
        kinds[_DIGIT], log(_operators(whole)), log(_operators(ask)),
        log(_latex(whole)), log(_code_marks(whole)),
        log(len(_LIST_ITEM.findall(framed))), log(len(_CHOICE.findall(whole))), log(whole.count("|")),
        log(whole.count('"') + whole.count("“")), log(whole.count("?") + whole.count("？")),
        float(ask.rstrip().endswith(("?", "？"))), log(whole.count("!")),
        *[float(not ask_set.isdisjoint(lexicon)) for lexicon in _ASK_WORDS.values()],
        *[log(_occurrences(counts, lexicon)) for lexicon in _WHOLE_WORDS.values()],
        kinds[_CAPITAL], sum(kinds[_ASCII:]), kinds[_CJK], kinds[_SYMBOL],
        kinds[_SPACE], log(long_tokens),
        len(zlib.compress(raw, 1)) / max(len(raw), 1), _occurrences(counts, _COMMON) / n_words,
        log(len(prompt.turns)), log(sum(t.role == "user" for t in prompt.turns)),
        log(sum(len(t.text) for t in prompt.turns if t.role in ("system", "developer"))),
        log(prompt.tools), log(prompt.attachments),
    ]  # fmt: skip
    return np.asarray(values, dtype=np.float32)


def vector(prompt: Prompt) -> NDArray[np.float32]:
    """Return what the heads read of a prompt beside its embeddings: its features, then the words of its ask, float32 [WIDTH]."""
    return np.concatenate([compute(prompt), words_of(prompt.ask)])


def words_of(ask: str) -> NDArray[np.float32]:
    """Return the distinct ASCII words of an ask, its first one marked as such too, hashed with signs to unit length, float32 [WORDS].

    Zeros where there is none, as in Chinese: the taxonomy that P(family) learns from is English.
    """
    words = [word for word in _words(_window(ask, WORDS_WINDOW)) if word.isascii()]
    if not words:
        return np.zeros(WORDS, np.float32)
    codes = np.array([zlib.crc32(word.encode("ascii")) for word in {*words, f"^{words[0]}"}], dtype=np.uint32)
    signs = np.where(codes >> 31, 1.0, -1.0)
    counts = np.bincount(codes % WORDS, signs, WORDS)
    return np.asarray(counts / max(float(np.linalg.norm(counts)), 1.0), dtype=np.float32)


def _words(text: str) -> list[str]:
    """Return the words in lower case; by a table and not by str.translate, which is ten times slower on Chinese."""
    raw = bytearray(text.lower().encode("utf-32-le", "surrogatepass"))
    codes = np.frombuffer(raw, dtype=np.uint32)
    codes[_SEPARATES_WORDS.take(codes, mode="clip")] = ord(" ")
    return raw.decode("utf-32-le", "surrogatepass").split()


def _occurrences(counts: Counter[str], lexicon: frozenset[str]) -> int:
    return sum([counts[word] for word in counts.keys() & lexicon])


def _numbers(text: str) -> list[str]:
    return (_ASCII_NUMBER if text.isascii() else _NUMBER).findall(text)


def _operators(text: str) -> int:
    return sum(map(text.count, _OPERATORS)) + len(_MINUS.findall(text.replace("−", "-")))


def _code_marks(text: str) -> int:
    return sum([text.count(mark) for mark in _CODE_MARKS if mark[0] in text])  # one character is looked up fastest


def _latex(text: str) -> int:
    return len(_LATEX.findall(text)) if "\\" in text or "$" in text else 0


def _kind_shares(codes: NDArray[np.uint32]) -> list[float]:
    """Return the share of characters of each kind, [7]."""
    counts = np.bincount(_KIND.take(codes, mode="clip"), minlength=_SPACE + 1)
    return [count / max(len(codes), 1) for count in counts.tolist()]


def _sentences_and_long_tokens(codes: NDArray[np.uint32]) -> tuple[int, int]:
    """Return how many sentences end before white space, and how many tokens are long, of a text framed by white space."""
    blank = _BLANK.take(codes, mode="clip")
    sentences = np.count_nonzero(_ENDS_SENTENCE.take(codes[:-1], mode="clip") & blank[1:])
    borders = np.flatnonzero(blank)
    return int(sentences), int(np.count_nonzero(borders[1:] - borders[:-1] > LONG_TOKEN))


def _window(text: str, end: int = WINDOW) -> str:
    return text if len(text) <= 2 * end else f"{text[:end]}\n{text[-end:]}"
