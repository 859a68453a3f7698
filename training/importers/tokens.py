"""Hidden tokens counted once, where a log may or may not have counted them into the output."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

_INPUT_PART = re.compile(r"cache(?!_miss)|tool")
_DIGITS = re.compile(r"[0-9]{1,15}")


def whole(count: Any) -> int | None:
    """Return a count as a whole number, also where it is a text or a float, or None where it is none."""
    if isinstance(count, str) and _DIGITS.fullmatch(count):
        return int(count)
    if isinstance(count, float) and math.isfinite(count) and count.is_integer():
        count = int(count)
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def billed_of_total(output: Any, hidden: Any, *, prompt: Any, inputs: Sequence[Any], total: Any) -> Any:
    """Return the output tokens of a usage in OpenAI's words: all of the total that is no prompt, where that is more.

    OpenAI's completion_tokens include the hidden ones. xAI and Gemini's compatible endpoint leave them out, but not out of
    total_tokens, and some endpoints name them nowhere else. What is over the sum may also be input that an endpoint leaves
    out of prompt_tokens; and where it is neither that nor the hidden tokens that are named, the total is not followed.

    Args:
        output: completion_tokens.
        hidden: the reasoning tokens that are named, if any.
        prompt: prompt_tokens.
        inputs: the parts of the input that the usage names: read from a cache, written to it, fed back by tools.
        total: total_tokens.
    """
    answered, asked, all_told, thought = (whole(count) for count in (output, prompt, total, hidden))
    if answered is None or asked is None or all_told is None:
        return output
    rest, parts = all_told - answered - asked, [part for count in inputs if (part := whole(count))]
    if rest <= 0 or thought not in (None, 0, rest):
        return output
    sums = (sum(some) for size in range(1, len(parts) + 1) for some in combinations(parts, size))
    return output if rest in sums else answered + rest


def named_inputs(usage: Any) -> dict[str, Any]:
    """Return the parts of the input that a usage in OpenAI's words names, by name: of caches, and what tools fed back."""
    outer = usage if isinstance(usage, Mapping) else {}
    layers = (outer, *(outer.get(name) for name in ("prompt_tokens_details", "input_tokens_details")))
    found = {name: count for layer in layers if isinstance(layer, Mapping) for name, count in layer.items()}
    return {name: count for name, count in found.items() if _INPUT_PART.search(name) and whole(count) is not None}


def all_input(prompt: Any, cached: Any, written: Any = None) -> Any:
    """Return all tokens of a request: where more were read from the cache than it has, they stand beside it."""
    asked, read = whole(prompt), whole(cached)
    return prompt if asked is None or read is None or read <= asked else asked + read + (whole(written) or 0)


def has_unnamed(output: Any, others: Any, total: Any) -> bool:
    """Whether a total counts tokens that are neither output nor any other that a log names: how much was billed is not said."""
    answered, named, all_told = (whole(count) for count in (output, others, total))
    return answered is not None and named is not None and all_told is not None and answered + named < all_told


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
