"""What asking costs: the counts that a server tells, ceilings, and a pace.

A ceiling is never passed by more than what calls in flight may cost.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from training.importers.call import Usage
from training.importers.rows import USAGE
from training.importers.tokens import all_input, billed_of_total
from training.log_values import Fault, ask


@dataclass(frozen=True)
class Cost:
    """Output tokens and dollars; dollars are None where no price is known."""

    output_tokens: int = 0
    usd: float | None = None

    def __add__(self, other: "Cost") -> "Cost":
        usd = None if self.usd is None and other.usd is None else (self.usd or 0.0) + (other.usd or 0.0)
        return Cost(self.output_tokens + other.output_tokens, usd)


def known(name: str, value: Any) -> Any:
    """Return a value as its column holds it, or None where it cannot."""
    answer = ask(name, value)
    return None if isinstance(answer, Fault) else answer


def counted(told: Usage, total: Any, *, inputs: Sequence[Any], said: bool) -> Usage:
    """Return the counts that a server told, hidden tokens inside the output; None is what they leave unknown.

    No prompt has 0 tokens, and no answer or thinking that was seen: there, 0 stands for a count that is missing.

    Args:
        told: counts as they came, without dollars.
        total: all tokens of the call, as they came.
        inputs: the parts of the input that the usage names.
        said: whether there was an answer or thinking to see.
    """
    output, thinking, given, cached = (known(name, getattr(told, name)) for name in USAGE[:4])
    given = given or None
    if output is None or (output == 0 and (said or given is None)):
        output = thinking = None  # a part of an unknown whole
    else:
        total = known("output_tokens", total)
        output = billed_of_total(output, thinking, prompt=given, inputs=inputs, total=total)
        output += thinking if thinking is not None and thinking > output else 0  # it cannot be a part
    given, cached = all_input(given, cached), None if given is None else cached
    return Usage(output_tokens=output, thinking_tokens=thinking, input_tokens=given, cached_tokens=cached)


def added(one: Usage, other: Usage) -> Usage:
    """Return two usages in one; what neither recorded stays unknown."""
    return Usage(**{name: _sum(getattr(one, name), getattr(other, name)) for name in USAGE})


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other


class Meter:
    """Counts what was spent against ceilings; a call reserves its worst case before it is made.

    Args:
        spent: what earlier runs of the same journal cost.
        max_tokens: ceiling on output tokens, None for none.
        max_usd: ceiling on dollars, None for none.
    """

    def __init__(self, spent: Cost, *, max_tokens: int | None = None, max_usd: float | None = None) -> None:
        self.spent = spent
        self._max_tokens, self._max_usd = max_tokens, max_usd
        self._reserved: list[Cost] = []
        self._changed = asyncio.Condition()

    def left_for(self, worst: Cost) -> str:
        """Return why a call does not fit under the ceilings, in words."""
        said = []
        if self._max_tokens is not None:
            tokens = f"{self.spent.output_tokens:,} of {self._max_tokens:,} output tokens are spent"
            said.append(f"{tokens} and the next call may take {worst.output_tokens:,}")
        if self._max_usd is not None:
            said.append(
                f"${self.spent.usd or 0:.4f} of ${self._max_usd:.4f} and the next call may cost ${worst.usd:.4f}"
            )
        return "; ".join(said)

    async def reserve(self, worst: Cost) -> bool:
        """Return whether a call that may cost `worst` fits under the ceilings, and reserve it if so.

        Calls in flight are waited for: as a rule they cost less than their worst case.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(worst) or not self._reserved)
            fits = self._fits(worst)
            if fits:
                self._reserved.append(worst)
            return fits

    async def settle(self, worst: Cost, cost: Cost) -> None:
        """Replace a reservation by what the call did cost."""
        async with self._changed:
            self._reserved.remove(worst)
            self.spent += cost
            self._changed.notify_all()

    def _fits(self, worst: Cost) -> bool:
        total = sum(self._reserved, self.spent + worst)
        tokens = self._max_tokens is None or total.output_tokens <= self._max_tokens
        return tokens and (self._max_usd is None or (total.usd or 0.0) <= self._max_usd)


class Pace:
    """Spaces calls evenly, so that a minute never has more than its number of them."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap_s = 60 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until the next call may be made."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._gap_s
        await asyncio.sleep(at - now)
