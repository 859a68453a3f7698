"""Asks a predictor, and leaves it alone while it is away: whatever it does, the answer is a decision or None."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .aside import Aside
from .breaker import Breaker
from .decision import Decision, Unusable, decision_of
from .wire import Away, Declined, Predictor

logger = logging.getLogger("thinkworth.litellm")


class Guarded:
    """A predictor behind a deadline and a breaker. It writes a line when the breaker opens or closes, none a request."""

    def __init__(
        self, predictor: Predictor, breaker: Breaker, counts: Counter[str], *, aside: Aside, timeout_s: float
    ) -> None:
        self._predictor, self.breaker, self._counts, self._aside, self._timeout_s = (
            predictor,
            breaker,
            counts,
            aside,
            timeout_s,
        )

    async def decision(self, body: Mapping[str, Any]) -> Decision | None:
        """Return the decision on a request; None where there is none, for whatever reason."""
        if not self.breaker.allows():
            self._counts["skipped"] += 1
            return None
        known = False
        try:
            decision = decision_of(await self._aside.run(self._predictor.predict(body), self._timeout_s))
            known = True
        except Declined:
            self._counts["declined"] += 1
            return None
        except Exception as error:
            known = True
            self._failed(error)
            return None
        finally:
            if not known:  # declined, or the caller went away: neither says whether the service is well
                self.breaker.undecided()
        self._counts["answered"] += 1
        if self.breaker.succeeded():
            logger.warning("thinkworth answers again. Counts: %s", dict(self._counts))
        return decision

    def _failed(self, error: Exception) -> None:
        self._counts["away"] += 1
        why = (
            str(error) if isinstance(error, Away | Unusable) else type(error).__name__
        )  # another's text may hold a prompt
        if isinstance(error, asyncio.TimeoutError):
            why = f"no answer within {self._timeout_s:g} s"
        if self.breaker.failed(error.pause_s if isinstance(error, Away) else None):
            logger.warning("thinkworth: %s. Requests go on without it. Counts: %s", why, dict(self._counts))
