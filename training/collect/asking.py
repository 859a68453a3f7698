"""An ask and its tries: again where another may succeed, at the run's pace, under its ceilings, and what all of it cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tenacity

from training.collect.prices import Prices
from training.collect.providers import Failed, Provider, Reply
from training.collect.spending import Cost, Meter, Pace, added
from training.importers.call import Usage

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0


class CeilingReached(Exception):
    """Another try might pass a ceiling, so it was not made; the text says what is spent and what it might cost."""


@dataclass
class Spent:
    """What the tries of an ask cost.

    Attributes:
        failed: what failed tries reported; None where none reported anything.
        charged: what counts against the ceilings: what was reported, else the worst case.
        reported: output tokens and dollars that were reported.
    """

    failed: Usage | None = None
    charged: Cost = field(default_factory=Cost)
    reported: Cost = field(default_factory=Cost)
    tries: int = 0
    failed_tries: Counter[str] = field(default_factory=Counter)

    def record(self, *, judge: bool) -> dict[str, Any]:
        """Return it as a journal holds it."""
        return {
            "charged_tokens": self.charged.output_tokens, "charged_usd": self.charged.usd,
            "output_tokens": self.reported.output_tokens, "cost_usd": self.reported.usd, "judge": judge,
            "tries": self.tries, "failed_tries": dict(self.failed_tries),
        }  # fmt: skip


@dataclass(frozen=True)
class Asker:
    """Asks one model: retries with exponential backoff and jitter, and never sooner than a server's Retry-After.

    Attributes:
        max_output_tokens: the cap on a call's output that is sent with it; None sends none.
        cap: the most output tokens that a call can have; None where nothing says it.
    """

    provider: Provider
    meter: Meter
    pace: Pace
    retries: int
    max_output_tokens: int | None
    cap: int | None

    @property
    def prices(self) -> Prices:
        """What the model's tokens cost."""
        return self.provider.prices

    def worst(self, messages: Sequence[Mapping[str, Any]]) -> Cost:
        """Return what a call may cost at most."""
        size = len(str(list(messages)).encode("utf-8", "replace"))
        return self.prices.worst(size, self.cap)

    async def ask(self, messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], spent: Spent) -> Reply:
        """Return the answer; `spent` is added to as tries are made, whatever becomes of them.

        Raises:
            Failed: no try gave an answer.
            CeilingReached: another try might cost more than is left.
        """
        again = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(1 + self.retries),
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, Failed) and error.again),
            wait=_wait,
            reraise=True,
        )
        return await again(self._try, messages, parameters, spent)

    async def _try(self, messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], spent: Spent) -> Reply:
        worst = self.worst(messages)
        if not await self.meter.reserve(worst):
            raise CeilingReached(self.meter.left_for(worst))
        cost = Cost()
        try:
            await self.pace.turn()
            spent.tries += 1
            cost = worst  # of a try that is cancelled nothing is known
            reply = await self.provider.ask(messages, parameters, self.max_output_tokens)
            cost = _cost(reply.usage, worst)
            spent.reported += _cost(reply.usage, Cost())
        except Failed as failure:
            cost = worst if failure.billed else Cost()
            spent.failed_tries[failure.reason] += 1
            if failure.usage is not None:
                spent.failed = added(spent.failed or Usage(), failure.usage)
                spent.reported += _cost(failure.usage, Cost())
            raise
        finally:
            spent.charged += cost
            await self.meter.settle(worst, cost)
        return reply


def _cost(usage: Usage | None, unknown: Cost) -> Cost:
    """Return what a usage says; of what it does not say, the part of `unknown`."""
    if usage is None:
        return unknown
    tokens, usd = usage.output_tokens, usage.cost_usd
    return Cost(unknown.output_tokens if tokens is None else tokens, unknown.usd if usd is None else usd)


def _wait(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next try."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.wait_s if isinstance(failure, Failed) else None
    return (asked or 0.0) + tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)(state)
