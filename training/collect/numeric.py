"""The last number of a text: `1,234.5`, `-3/4`, `1 1/2`, `12 %`, `6.02e23`, `3 x 10^8`, LaTeX fractions."""

import math
import re
from typing import NamedTuple

TOLERANCE = 1e-6

_LATEX = (
    (re.compile(r"\\[dt]?frac\s*\{\s*([-\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}"), r"\1/\2"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;! ]"), "\u202f"),
    (re.compile(r"\\(times|cdot)"), "×"),
    (re.compile(r"\\%"), "%"),
)
_MINUS = str.maketrans("−–‒﹣－", "-----")
_GROUPS = "[, \u00a0\u2009\u202f']"
_PLAIN = rf"(?:\d{{1,3}}(?:{_GROUPS}\d{{3}})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"""
    (?<![\w.^/])(?<!\^\{{)                                # not inside a word, another number or an exponent
    (?:(?<![\w)\]])(?P<sign>[-+])\s?)?[$€£¥]?\s?(?:(?<=[$€£¥])(?P<inner>-))?
    (?:
        10\s?(?:\^|\*\*)\s?\{{?(?P<power>[-+]?\d+)\}}?
      | (?P<whole>\d+)\s(?P<part>\d+)/(?P<of>\d+)(?![\d/])
      | (?P<top>{_PLAIN})\s?/\s?(?P<bottom>{_PLAIN})(?![\d/])
      | (?P<number>{_PLAIN})(?:[eE](?P<e>[-+]?\d+)|\s?[×x*·]\s?10\s?(?:\^|\*\*)\s?\{{?(?P<ten>[-+]?\d+)\}}?)?
    )
    (?P<percent>\s?%|\s?percent\b)?
    """,
    re.VERBOSE,
)


class Number(NamedTuple):
    """A number as written, and whether it is a percentage."""

    value: float
    percent: bool


def last_number(text: str) -> Number | None:
    """Return the last number of a text, or None where it has none. A decimal comma is not read: 3,5 is 3 and 5."""
    text = text.translate(_MINUS)
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    found = list(_NUMBER.finditer(text))
    return _number(found[-1]) if found else None


def equal(one: Number, other: Number, tolerance: float = TOLERANCE) -> bool:
    """Return whether two numbers are equal within a relative tolerance; 50 % is 50 and it is 0.5, but not both at once."""
    if one.percent == other.percent:
        return math.isclose(one.value, other.value, rel_tol=tolerance, abs_tol=tolerance * 1e-3)
    share, plain = (one, other) if one.percent else (other, one)
    return any(math.isclose(value, plain.value, rel_tol=tolerance) for value in (share.value, share.value / 100))


def _number(found: re.Match[str]) -> Number | None:
    sign = -1 if "-" in ((found["sign"] or "") + (found["inner"] or "")) else 1
    try:
        if found["whole"]:
            value = float(found["whole"]) + float(found["part"]) / float(found["of"])
        elif found["top"]:
            value = _plain(found["top"]) / _plain(found["bottom"])
        elif found["power"]:
            value = 10.0 ** int(found["power"])
        else:
            value = _plain(found["number"]) * 10.0 ** int(found["e"] or found["ten"] or 0)
    except (ZeroDivisionError, OverflowError):
        return None
    return Number(sign * value, found["percent"] is not None) if math.isfinite(value) else None


def _plain(text: str) -> float:
    return float(re.sub(_GROUPS, "", text))
