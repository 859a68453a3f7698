"""What tokens cost: prices that are given, or those that LiteLLM knows."""

from typing import Any

from training.collect.libraries import litellm
from training.collect.spending import Cost


class Prices:
    """The price of a model's tokens; unknown ones give None, never 0.

    Args:
        model: its name.
        given: dollars per million input and output tokens (cached ones are charged as input).
        known: whether LiteLLM may be asked; at an address of one's own a name says nothing of the price.
    """

    def __init__(self, model: str, *, given: tuple[float, float] | None, known: bool) -> None:
        self._model, self._given, self._known = model, given, known

    def of(self, input_tokens: int | None, output_tokens: int | None, usage: Any = None) -> float | None:
        """Return the dollars of a call, from LiteLLM's own usage of it where there is one."""
        if input_tokens is None or output_tokens is None:
            return None
        if self._given is not None:
            return (input_tokens * self._given[0] + output_tokens * self._given[1]) / 1e6
        if not self._known:
            return None
        try:
            parts = litellm().cost_per_token(
                model=self._model, prompt_tokens=input_tokens, completion_tokens=output_tokens, usage_object=usage
            )
        except Exception:  # its ways to say that it knows no price are many
            return None
        return float(sum(parts))

    def worst(self, prompt_bytes: int, output_tokens: int | None) -> Cost:
        """Return what a call may cost at most: no token is shorter than a byte."""
        return Cost(output_tokens or 0, self.of(prompt_bytes, output_tokens))
