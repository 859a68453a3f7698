"""Hidden tokens counted once, where a log may or may not have counted them into the output."""

import math
import re
from typing import Any

_DIGITS = re.compile(r"[0-9]{1,15}")


def whole(count: Any) -> int | None:
    """Return a count as a whole number, also where it is a text or a float, or None where it is none."""
    if isinstance(count, str) and _DIGITS.fullmatch(count):
        return int(count)
    if isinstance(count, float) and math.isfinite(count) and count.is_integer():
        count = int(count)
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def billed_output(output: int, parts: int, *, total: int | None, inputs: tuple[int | None, int | None]) -> int | None:
    """Return all that was billed as output, or None where the log does not tell.

    A log's `output` either includes its parts (hidden tokens and the like) or stands beside them. The total decides: less
    the output, it must leave the input. Without one, parts that are more than the output cannot be inside it.

    Args:
        output: what the log calls output.
        parts: the hidden tokens and other parts of the output that it names.
        total: all tokens of the call, as logged.
        inputs: the least and the most that the input may be, whether cached tokens stand inside or beside it.
    """
    inside, beside = output, output + parts
    if not parts:
        return output
    low, high = inputs
    if total is None or low is None or high is None:
        return beside if parts > output else None
    fits = [billed for billed in (inside, beside) if low <= total - billed <= high]
    if len(fits) == 2:  # the input's own parts leave room for both
        fits = [billed for billed in fits if total - billed in (low, high)]
    return fits[0] if len(fits) == 1 else None
