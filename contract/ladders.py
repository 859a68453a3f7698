"""Ladders: how a number of thinking tokens becomes a word for it, where a provider takes no number."""

from itertools import pairwise
from typing import Annotated, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.policy import EFFORTS

Effort = Literal["minimal", "low", "medium", "high", "xhigh", "max"]
"""Words that providers have for more and more thinking, weakest first."""

ORDER: tuple[Effort, ...] = get_args(Effort)


class Ladder(BaseModel):
    """What each effort stands for: tokens, or shares of the cap on all output. The least effort that covers a budget is its word.

    Attributes:
        tokens: thinking tokens of each effort, rising; what is above the strongest is the strongest.
        shares: shares of max_output_tokens of each effort, rising.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tokens: dict[Effort, Annotated[int, Field(ge=1)]] = {}
    shares: dict[Effort, Annotated[float, Field(gt=0, le=1)]] = {}

    @model_validator(mode="after")
    def _agrees(self) -> "Ladder":
        if bool(self.tokens) == bool(self.shares):
            raise ValueError("a ladder has either tokens or shares; give one of them")
        steps: list[tuple[Effort, float]] = [*self.tokens.items(), *self.shares.items()]
        if any(ORDER.index(a[0]) >= ORDER.index(b[0]) or a[1] >= b[1] for a, b in pairwise(steps)):
            raise ValueError("efforts stand weakest first, each worth more than the one before; put them in order")
        return self

    def effort(self, budget: int, max_output_tokens: int | None) -> Effort | None:
        """Return the least effort that covers a budget, else the strongest; None: the cap that the shares are of is not given."""
        if self.shares and max_output_tokens is None:
            return None
        of = {word: share * (max_output_tokens or 0) for word, share in self.shares.items()} or self.tokens
        return next((word for word, most in of.items() if budget <= most), list(of)[-1])


OWN = Ladder(tokens=cast(dict[Effort, int], {word: most for most, word in EFFORTS if most} | {"high": 1_000_000}))
"""The words of `effort` in answers: all that is above the last of `contract.policy.EFFORTS` is high."""

SHIPPED_LADDERS = {
    "litellm": Ladder(tokens={"minimal": 128, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}),
    "openrouter": Ladder(shares={"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.95}),
}
"""LiteLLM's, of its release 1.110.2 (litellm/constants.py), and OpenRouter's (its page on reasoning tokens)."""
