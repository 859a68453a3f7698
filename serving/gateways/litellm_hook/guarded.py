"""Asks a predictor, and leaves it alone while it is away: whatever it does, the answer is a decision or None."""

import asyncio
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .aside import Aside
from .asking import characters
from .breaker import Breaker
from .decision import Decision, Unusable, decision_of
from .wire import Away, Declined, Predictor

LENGTHS = (400, 1600)
"""Characters at which prompts take the service longer: it reads so much of them, and one whose ask stands among more twice."""

logger = logging.getLogger("thinkworth.litellm")


class Guarded:
    """A predictor behind a deadline and breakers. It writes a line when one opens or closes, none a request.

    A long prompt takes longer by nature, so a missed deadline speaks of prompts as long or longer alone: each length has a breaker for
    those, and what hangs costs so many deadlines a length at most. All else that fails counts for all prompts.
    """

    def __init__(
        self, predictor: Predictor, breaker: Breaker, counts: Counter[str], *, aside: Aside, timeout_s: float
    ) -> None:
        self._predictor, self.breaker, self._counts, self._aside = predictor, breaker, counts, aside
        self._timeout_s = timeout_s
        self._late = [breaker.another() for _ in range(len(LENGTHS) + 1)]

    async def decision(self, body: Mapping[str, Any]) -> Decision | None:
        """Return the decision on a request; None where there is none, for whatever reason."""
        length = bisect_left(LENGTHS, characters(body))
        late = self._late[length]
        if not late.allows():
            self._counts["skipped"] += 1
            return None
        if not self.breaker.allows():
            late.undecided()
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
            if _is_late(error):
                self.breaker.undecided()
                self._was_late(length)
            else:
                late.undecided()
                self._failed(error)
            return None
        finally:
            if not known:  # declined, or the caller went away: neither says whether the service is well
                self.breaker.undecided()
                late.undecided()
        self._counts["answered"] += 1
        shorter = [one.succeeded() for one in self._late[: length + 1]]
        if self.breaker.succeeded() or any(shorter):
            logger.warning("thinkworth answers again. Counts: %s", dict(self._counts))
        return decision

    def _was_late(self, length: int) -> None:
        self._counts["away"] += 1
        opened = [one.failed() for one in self._late[length:]]
        if any(opened):
            shortest = LENGTHS[length - 1] if length else 0
            which = f"prompts of more than {shortest} characters" if shortest else "requests"
            logger.warning(
                "thinkworth: no answer within %g s. %s go on without it. Counts: %s", self._timeout_s, which.capitalize(), dict(self._counts)
            )  # fmt: skip

    def _failed(self, error: Exception) -> None:
        self._counts["away"] += 1
        why = (
            str(error) if isinstance(error, Away | Unusable) else type(error).__name__
        )  # another's text may hold a prompt
        if self.breaker.failed(error.pause_s if isinstance(error, Away) else None):
            logger.warning("thinkworth: %s. Requests go on without it. Counts: %s", why, dict(self._counts))


def _is_late(error: Exception) -> bool:
    return isinstance(error, asyncio.TimeoutError) or (isinstance(error, Away) and error.late)
