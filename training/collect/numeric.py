"""The last number of a text: `1,234.5`, `3,5`, `-3/4`, `3½`, `12 %`, `6.02e23`, `3 x 10⁸`, `2^10`, LaTeX fractions.

`1,000` is a thousand and `1.000` is one; `3,5` is three and a half. A number whose other reading is as good keeps
that one beside it: `1.000` may be a thousand, `3,5` may end a list, `- 42` may be negative, `2 million` may count as 2.
"""

import math
import re
import unicodedata
from typing import NamedTuple

TOLERANCE = 1e-6

_UNSPACED = "\u0e01-\u0e4e\u0e81-\u0ece\u3005-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
_WORD = rf"[^\W_{_UNSPACED}]"  # a digit, or a letter of a script that parts words: 是 and は stand straight before numbers
_GAP = r"[^\S\n]?"
_VULGAR = "¼-¾⅐-⅞"
_SPACES = "[ \u00a0\u2009\u202f'’]"
_LEAD = r"(?!0)\d{1,3}"
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_SCALES |= dict.fromkeys("万萬만", 1e4) | dict.fromkeys("亿億억", 1e8)

_FOLDED = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans("–‒‐‑﹣⁄∕٫٬", "-----//.,")
_REWRITTEN = (
    (re.compile("[⁺⁻]?[⁰¹²³⁴-⁹]+"), lambda found: "^" + unicodedata.normalize("NFKC", found[0])),
    (re.compile(rf"(?<=\d)(?=\\[dt]?frac|[{_VULGAR}])"), " "),
    (re.compile(f"[{_VULGAR}]"), lambda found: unicodedata.normalize("NFKC", found[0])),
    (re.compile(rf"([=≈<≤≥+×([{{]{_GAP}|\$)[-−]\s(?=[\d.\\$€£¥])"), r"\1-"),  # "= - 42": a sign after an operator
    (re.compile(rf"(?<!{_WORD})(?<!{_WORD}\s)(?<![)\]])(?<![)\]]\s)−\s"), "-"),  # a true minus is no dash
    (re.compile("−"), "-"),
    (re.compile(r"\{,\}|,\\!"), ","),
    (re.compile(r"\\[,;! ]"), "\u202f"),
    (re.compile(r"\\(times|cdot)"), "×"),
    (re.compile(r"\\([%$])"), r"\1"),
    (re.compile(r"\\[dt]?frac\s*\{\s*([-\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}"), r"\1/\2"),
    (re.compile(rf"(?<![\d\s])\^{_GAP}(?:\{{[^{{}}]*\}}|[-+]?\d+)|_\{{[^{{}}]*\}}"), ""),  # m^2, s^{-1}, x_{1}
)

_PLAIN = "|".join(
    (
        rf"{_LEAD}(?:,\d{{3}})+(?!\d)(?:\.\d+)?",  # 1,234.5
        r"(?!0)\d{1,2}(?:,\d\d)+,\d{3}(?!\d)(?:\.\d+)?",  # 12,34,567
        rf"{_LEAD}(?:\.\d{{3}})+(?:,\d+|\.\d{{3}})(?![.,]?\d)",  # 1.234,5 and 1.234.567
        rf"{_LEAD}(?:{_SPACES}\d{{3}})+(?!\d)(?:[.,]\d+(?![.,]?\d))?",  # 10 000,5
        r"(?<!\d,)\d+,\d+(?![.,]?\d)",  # 3,5 but not 1,2,3
        r"\d*\.?\d+(?!\.?\d)",  # 42, 3.5 and .5 but not 1.2.3
    )
)
_RAISED_TO = rf"(?:{_GAP}\^{_GAP}|\*\*|\s\*\*\s)\{{?"
_NUMBER = re.compile(
    rf"""
    (?<!{_WORD})(?<!{_WORD}_)(?<![.^/])                  # not inside a word, another number or an exponent
    (?:(?P<dash>-[^\S\n])|(?<![)\]])(?P<sign>-))?        # a minus and a space: a bullet, a dash, or a minus
    [$€£¥₹₩]?{_GAP}(?:(?<=[$€£¥₹₩])(?P<inner>-))?        # $-5
    (?:
        (?P<whole>\d+){_GAP.rstrip("?")}(?P<part>\d+)/(?P<of>\d+)(?![\d/])                      # 1 1/2
      | (?P<top>{_PLAIN}){_GAP}/{_GAP}(?P<bottom>{_PLAIN})(?![\d/])                             # 3/4
      | (?P<base>{_PLAIN}){_RAISED_TO}(?P<power>[-+]?\d+)\}}?(?![\d/]|\.\d)                     # 2^10
      | (?P<number>{_PLAIN})                                                                    # 42, 6e23, 6 x 10^23
        (?:[eE](?P<e>[-+]?\d+)|{_GAP}[×x*·]{_GAP}10{_RAISED_TO}(?P<ten>[-+]?\d+)\}}?)?
    )
    (?:{_GAP}(?P<scale>(?i:thousand|[mb]illion|trillion)|[万萬만亿億억])(?P<more>\d)?)?         # 2 million; 3万5千
    (?P<percent>{_GAP}%|{_GAP}percent\b)?
    """,
    re.VERBOSE,
)


class Number(NamedTuple):
    """A number as written, whether it is a percentage, and what it may be as well."""

    value: float
    percent: bool
    others: tuple[float, ...] = ()


def last_number(text: str) -> Number | None:
    """Return the last number of a text, or None where it has none, or one that is not understood."""
    text = text.translate(_FOLDED)
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    found = list(_NUMBER.finditer(text))
    return _number(found[-1]) if found else None


def equal(one: Number, other: Number, tolerance: float = TOLERANCE) -> bool:
    """Return whether two numbers are equal within a relative tolerance; 50 % is 50 and it is 0.5, but not both at once."""
    if one.percent == other.percent:
        return math.isclose(one.value, other.value, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
    share, plain = (one, other) if one.percent else (other, one)
    return any(math.isclose(value, plain.value, rel_tol=tolerance) for value in (share.value, share.value / 100))


def may_be_equal(one: Number, other: Number, tolerance: float = TOLERANCE) -> bool:
    """Return whether two numbers are equal where one of them is read in another way."""
    pairs = [(one._replace(value=value), other) for value in one.others]
    pairs += [(one, other._replace(value=value)) for value in other.others]
    return any(equal(*pair, tolerance) for pair in pairs)


def _number(found: re.Match[str]) -> Number | None:
    sign = -1 if found["sign"] or found["inner"] else 1
    try:
        if found["whole"]:
            values = [float(found["whole"]) + float(found["part"]) / float(found["of"])]
        elif found["top"]:
            values = [_readings(found["top"])[0] / _readings(found["bottom"])[0]]
        elif found["base"]:
            values = [_readings(found["base"])[0] ** float(found["power"])]
        else:
            ten = 10.0 ** float(found["e"] or found["ten"] or 0)
            values = [value * ten for value in _readings(found["number"])]
    except (ZeroDivisionError, OverflowError):
        return None
    if found["more"] or not math.isfinite(values[0]):
        return None
    if found["scale"]:
        values.append(values[0] * _SCALES[found["scale"].lower()])
    if found["dash"]:
        values.append(-values[0])
    value, *others = (sign * value for value in values)
    return Number(value, found["percent"] is not None, tuple(others))


def _readings(text: str) -> list[float]:
    """Return what a number with its points and commas may be, the likeliest first."""
    text = re.sub(_SPACES, "", text)
    if "," in text and "." in text:  # the last of them is that of the decimals
        return [float(text.replace(",", "") if text.rfind(".") > text.rfind(",") else text.replace(".", "").replace(",", "."))]
    mark = "," if "," in text else "."
    whole, *parts = text.split(mark)
    if len(parts) != 1:
        return [float("".join([whole, *parts]))]
    decimal, group, last = float(f"{whole}.{parts[0]}"), float(whole + parts[0]), float(parts[0])
    if re.fullmatch(rf"{_LEAD}\D\d{{3}}", text):
        return [group, decimal] if mark == "," else [decimal, group]
    if mark == ".":
        return [decimal]
    return [last, decimal] if len(parts[0]) > 3 and whole != "0" else [decimal, last]  # 1,2345 is rather a list
