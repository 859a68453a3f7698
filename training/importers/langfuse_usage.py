"""Tokens and money of an observation of Langfuse: usage in parts that by its contract do not overlap."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.importers.call import Usage
from training.importers.jsonl import json_text
from training.importers.tokens import all_input, billed_output, has_unnamed, whole

_INPUT = ("input", "input_tokens", "prompt_tokens")
_OUTPUT = ("output", "output_tokens", "completion_tokens")
_TOTAL = ("total", "total_tokens")
_CACHED = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read")
_HIDDEN = ("reasoning", "thinking", "thoughts")
_PARTS_OF_PARTS = ("priority", "ephemeral")
"""A price tier of OpenAI's, the lifetimes of Anthropic's cache: counted in another part already."""


class Undecidable(ValueError):
    """The tokens of an observation do not say whether the hidden ones are part of its output."""


def usage_of(found: Mapping[str, Any]) -> Usage:
    """Return the usage of an observation, by the API's names.

    Raises:
        Undecidable: the log does not tell whether the hidden tokens are part of the output or stand beside it.
    """
    counts = _counts(found)
    output, spent, total = (_first(counts, names) for names in (_OUTPUT, _INPUT, _TOTAL))
    parts = {name: whole(count) or 0 for name, count in counts.items() if name not in _INPUT + _OUTPUT + _TOTAL}
    hidden = [name for name in parts if _has(name, _HIDDEN)]
    beside = sum(n for name, n in parts.items() if name in hidden or ("output" in name and "priority" not in name))
    within = sum(n for name, n in parts.items() if name not in hidden and _has(name, ("input", "cache")))
    billed, inputs = output, (whole(spent), (whole(spent) or 0) + within)
    if (given := whole(output)) is not None:
        billed = billed_output(given, beside, total=whole(total), inputs=inputs)
        foreign = any("output" not in name and parts[name] for name in hidden)
        if billed is None or (foreign and given < billed and beside <= given):  # Langfuse's own sum has any part twice
            raise Undecidable(f"output {given}, its parts {beside} and the total {total} do not say how they add up")
    named = whole(spent)
    if named is not None and not beside and has_unnamed(output, named + sum(parts.values()), total):
        billed = None
    cached = _first(counts, _CACHED)
    return Usage(
        output_tokens=billed,
        thinking_tokens=counts[hidden[0]] if len(hidden) == 1 else sum(parts[name] for name in hidden) or None,
        input_tokens=all_input(_input(spent, within, parts, total=whole(total), billed=whole(billed)), cached),
        cached_tokens=cached,
        cost_usd=_cost(found),
    )


def _counts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts by part; of an old export the three that it has, where they count tokens."""
    details = json_text(found.get("usageDetails"))
    if not isinstance(details, Mapping) or not details:
        details = json_text(found.get("usage"))
        if not isinstance(details, Mapping) or details.get("unit") not in (None, "TOKENS"):
            return {}
        details = {name: details.get(name) for name in ("input", "output", "total")}
    return {name: count for name, count in details.items() if count is not None}


def _input(spent: Any, within: int, parts: Mapping[str, int], *, total: int | None, billed: int | None) -> Any:
    """Return all tokens of the request, cached ones included; None where the log does not tell."""
    if not within:
        return spent
    least = whole(spent)
    if least is None or total is None or billed is None or any(_has(name, _PARTS_OF_PARTS) for name in parts):
        return None
    return total - billed if least <= total - billed <= least + within else None


def _cost(found: Mapping[str, Any]) -> Any:
    """Return the dollars; where Langfuse knows no price its details are empty, and its total 0."""
    details = json_text(found.get("costDetails"))
    return details.get("total") if isinstance(details, Mapping) else found.get("totalCost")


def _first(counts: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((counts[name] for name in names if name in counts), None)


def _has(name: str, words: Sequence[str]) -> bool:
    return any(word in name.lower() for word in words)
