"""The last number of a text: `1,234.5`, `3,5`, `-3/4`, `3½`, `12 %`, `6.02e23`, `3 x 10⁸`, `2^10`, LaTeX fractions.

`1,000` is a thousand, `1.000` is one, `3,5` is three and a half and `- 42` is 42 behind a dash. Where a number may be
another as well (1.000 a thousand, 3,5 the end of a list, - 42 negative, 2 million a count of millions), that is kept too.
"""

import math
import re
import unicodedata
from typing import NamedTuple

TOLERANCE = 1e-6

# A digit or a letter, but not one of a script without spaces: 是 and は stand straight before numbers.
_WORD = r"[^\W_\u0e01-\u0e4e\u0e81-\u0ece\u3005-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
_GAP = r"[^\S\n]"
_SPACES = "[ \u00a0\u2009\u202f'’]"
_LEAD = r"(?!0)\d{1,3}"
_VULGAR = "[¼-¾⅐-⅞]"
_MYRIADS = dict.fromkeys("万萬만", 1e4) | dict.fromkeys("亿億억", 1e8)
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9} | _MYRIADS
_FOLDED = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if code not in (0xFF0C, 0xFF0E)}
_FOLDED |= str.maketrans("–‒‐‑﹣⁄∕٫٬", "-----//.,")
_WIDE = re.compile("(?<=[０-９])[，．](?=[０-９])")  # elsewhere a comma between two numbers
_REWRITTEN = (
    (re.compile("[⁺⁻]?[⁰¹²³⁴-⁹]+"), lambda found: "^" + unicodedata.normalize("NFKC", found[0])),
    (re.compile(rf"(?<=\d)(?=\\[dt]?frac|{_VULGAR})"), " "),
    (re.compile(rf"(?<!\d)(\d{{1,9}}){_GAP}?(?:分[の之]|분의){_GAP}?(\d+)"), r"\2/\1"),
    (re.compile(_VULGAR), lambda found: unicodedata.normalize("NFKC", found[0]).replace("⁄", "/")),
    (re.compile(rf"([=≈<≤≥+×([{{]{_GAP}?|\$)[-−]{_GAP}(?=[\d.\\$€£¥])"), r"\1-"),  # = - 42: a sign, after an operator
    (re.compile(rf"(?<!{_WORD})(?<!{_WORD}\s)(?<![)\]])(?<![)\]]\s)−{_GAP}"), "-"),  # this minus is no dash
    (re.compile("−"), "-"),
    (re.compile(r"\{,\}|,\\!"), ","),
    (re.compile(r"\\[,;! ]"), "\u202f"),
    (re.compile(r"\\[dt]?frac\s*\{\s*([-\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}"), r"\1/\2"),
    (re.compile(rf"(?<!\d)(?<!\d\s)\^{_GAP}?(?:\{{[^{{}}]*\}}|[-+]?\d+)|_\{{[^{{}}]*\}}"), ""),  # m^2, s^{-1}, x_{1}
)

_PLAIN = rf"""
        {_LEAD}(?:,\d{{3}})+(?!\d)(?:\.\d+)?                           # 1,234.5
      | (?<!\d,)(?!0)\d{{1,2}}(?:,\d\d)+,\d{{3}}(?!\d)(?:\.\d+)?       # 12,34,567
      | {_LEAD}(?:\.\d{{3}})+(?:,\d+|\.\d{{3}})(?![.,]?\d)             # 1.234,5 and 1.234.567
      | {_LEAD}(?:{_SPACES}\d{{3}})+(?!\d)(?:[.,]\d+(?![.,]?\d))?      # 10 000,5
      | (?<!\d,)\d+,\d+(?![.,]?\d)                                     # 3,5 but not 1,2,3
      | (?:\d+(?:\.\d+)?|\.\d+)(?!\.?\d)                               # 42, 3.5 and .5 but not 1.2.3
"""
_TO_THE = rf"(?:{_GAP}?\^{_GAP}?|\*\*|{_GAP}\*\*{_GAP})\{{?"
_NUMBER = rf"""
    (?<!{_WORD})(?<!{_WORD}_)(?<![.^/])(?<!\^\{{)                               # not inside a word, another number, an exponent
    (?:(?P<dash>-{_GAP})|(?<![)\]])(?P<sign>-))?                       # with a space it is rather a bullet or a dash
    (?:\\?[$€£¥₹₩])?{_GAP}?(?:(?<=[$€£¥₹₩])(?P<inner>-))?              # $-5
    (?:
        (?:(?P<whole>\d+){_GAP}(?!\d{{3}}))?                           # 3/4 and 1 1/2
        (?P<top>{_PLAIN}){_GAP}?/{_GAP}?(?P<bottom>{_PLAIN})(?![\d/])
      | (?P<base>{_PLAIN}){_TO_THE}(?P<power>[-+]?\d+)\}}?(?![\d/]|\.\d|{_WORD})  # 2^10
      | (?P<number>{_PLAIN})                                           # 42, 6e23 and 6 x 10^23
        (?:[eE](?P<e>[-+]?\d+)|{_GAP}?(?:[×x*·]|\\times|\\cdot){_GAP}?10{_TO_THE}(?P<ten>[-+]?\d+)\}}?)?
    )
    (?:{_GAP}?(?P<scale>(?i:thousand|[mb]illion)|[万萬만亿億억])(?P<more>\d)?)?  # 2 million; 3万5千 is not read
    (?P<percent>{_GAP}?\\?%|{_GAP}?percent\b)?
"""


class Number(NamedTuple):
    """A number as written, whether it is a percentage, and what it may be as well."""

    value: float
    percent: bool
    others: tuple[float, ...] = ()


def last_number(text: str) -> Number | None:
    """Return the last number of a text, or None where it has none, or where that one is not understood."""
    text = _WIDE.sub(lambda mark: unicodedata.normalize("NFKC", mark[0]), text).translate(_FOLDED)
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    found = list(re.finditer(_NUMBER, text, re.VERBOSE))
    return _number(found[-1]) if found else None


def equal(one: Number, other: Number, tolerance: float = TOLERANCE) -> bool:
    """Return whether two numbers are equal within a relative tolerance; 50 % is 50 and it is 0.5, but not both at once."""
    if one.percent == other.percent:
        return math.isclose(one.value, other.value, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
    share, plain = (one, other) if one.percent else (other, one)
    return any(math.isclose(value, plain.value, rel_tol=tolerance) for value in (share.value, share.value / 100))


def may_be_equal(one: Number, other: Number, tolerance: float = TOLERANCE) -> bool:
    """Return whether two numbers are equal where one of them is what it may be as well."""
    pairs = [(value, other.value) for value in one.others] + [(one.value, value) for value in other.others]
    return any(equal(one._replace(value=a), other._replace(value=b), tolerance) for a, b in pairs)


def _number(found: re.Match[str]) -> Number | None:
    try:
        values = _values(found)
    except (ZeroDivisionError, OverflowError):
        return None
    if found["more"] or not math.isfinite(values[0]):
        return None
    if found["scale"]:
        values.append(values[0] * _SCALES[found["scale"].lower()])
    if found["dash"]:
        values.append(-values[0])
    value, *others = (-value if found["sign"] or found["inner"] else value for value in values)
    return Number(value, found["percent"] is not None, tuple(others))


def _values(found: re.Match[str]) -> list[float]:
    """Return what a number without its sign may be, the likeliest first."""
    if found["top"]:
        return [float(found["whole"] or 0) + _readings(found["top"])[0] / _readings(found["bottom"])[0]]
    if found["base"]:
        return [_readings(found["base"])[0] ** float(found["power"])]
    ten = 10.0 ** float(found["e"] or found["ten"] or 0)
    return [value * ten for value in _readings(found["number"])]


def _readings(text: str) -> list[float]:
    text = re.sub(_SPACES, "", text)
    marks = re.sub(r"\d", "", text)
    *wholes, part = re.split("[.,]", text)
    group, decimal = (float("".join(wholes) + point + part) for point in ("", "."))
    if len(marks) != 1:  # of two kinds of them, the last is that of the decimals
        return [decimal if len(set(marks)) == 2 else group]
    if re.fullmatch(rf"{_LEAD}\D\d{{3}}", text):
        return [group, decimal] if marks == "," else [decimal, group]
    if marks == ".":
        return [decimal]
    return [float(part), decimal] if len(part) > 3 and text[0] != "0" else [decimal, float(part)]  # 1,2345: two numbers
