"""Challengers that score the traffic of the champion beside it: what they would have said is recorded, and nobody waits for it.

One thread of the lowest priority takes what waits in a short queue, and rests after each request so that it has no more than SHARE of a
core. What finds no room is dropped and counted: a shadow is a sample of the traffic, the larger the quieter it is. The encoder is not called
again where champion and challenger have the same one: a verdict costs a run of the challenger's heads.
"""

import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from sys import getsizeof
from time import perf_counter
from typing import Any

from contract.errors import ThinkworthError
from contract.policy import Decision
from contract.store.records import SHADOW, Record
from serving.router import Decided, Router
from serving.schemas import PredictRequest

SHARE = 0.25
"""Of a core, that the thread takes at most."""

REQUESTS, LIMIT_BYTES = 256, 32 * 2**20
"""Requests that may wait, and the bytes of their bodies and prompts together."""

CLOSE_S = 5.0
"""Seconds that the end of a service waits for what is being scored."""

DIGITS = 6
"""Of recorded points and tokens after the decimal point."""

LOWEST_PRIORITY = 19

logger = logging.getLogger("thinkworth")


class Shadow:
    """Scores requests for challengers in a thread of its own; safe to use from several threads."""

    def __init__(
        self,
        challengers: Sequence[Router],
        record: Callable[[Sequence[Record]], None],
        *,
        count: Callable[[str], None] | None = None,
        share: float = SHARE,
    ) -> None:
        """Take challengers, what records, what is told of events by name (agreed, disagreed, dropped, failed), and the thread's share of a core."""
        self.challengers = tuple(challengers)
        self.counts = Counter[str]()
        self._record, self._told, self._share = record, count or (lambda name: None), share
        self._waiting: deque[tuple[PredictRequest, Decided, int]] = deque()
        self._bytes = 0
        self._changed, self._ended = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)
        self._thread.start()

    def offer(self, request: PredictRequest, decided: Decided, size_bytes: int = 0) -> None:
        """Let challengers score a request that is decided and recorded; return at once, also where it is dropped.

        Args:
            request: is held until it is scored, with its images and tools.
            decided: the champion's decision.
            size_bytes: of the request's body.
        """
        if not self.challengers:
            return
        size = size_bytes + sum(getsizeof(turn.text) for turn in decided.prompt.turns)
        with self._changed:
            room = len(self._waiting) < REQUESTS and self._bytes + size <= LIMIT_BYTES and not self._ended.is_set()
            if room:
                self._waiting.append((request, decided, size))
                self._bytes += size
                self._changed.notify()
        if not room:
            self._count("dropped")

    def state(self) -> dict[str, Any]:
        """Return which challengers score, and how many requests were scored, dropped for want of room, or failed."""
        names = ("scored", "dropped", "failed")
        return {"revisions": [one.manifest.revision for one in self.challengers]} | {n: self.counts[n] for n in names}

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Drop what waits and end the thread."""
        with self._changed:
            self._ended.set()
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        with suppress(OSError, AttributeError):  # of this thread alone, where the system has priorities of threads
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended.is_set())
                if self._ended.is_set():
                    return
                request, decided, size = self._waiting.popleft()
                self._bytes -= size
            start = perf_counter()
            self._score(request, decided)
            self._ended.wait((perf_counter() - start) * (1 / self._share - 1))

    def _score(self, request: PredictRequest, decided: Decided) -> None:
        said: dict[str, Any] = {}
        for one in self.challengers:
            if one.manifest.revision == decided.answer.revision:
                continue
            try:
                judged = said[one.manifest.revision] = told(_judged(one, request, decided))
                self._told("agreed" if judged["verdict"] == decided.answer.verdict else "disagreed")
            except ThinkworthError:  # it has no such profile
                self._count("failed")
            except Exception as error:  # a challenger's fault is nobody's trouble but its own
                logger.error("the challenger %s raised %s", one.manifest.revision, type(error).__name__)
                self._count("failed")
        if said:
            self._record([Record(SHADOW, {"decision_id": decided.answer.decision_id, "shadow": said})])
            self.counts["scored"] += 1

    def _count(self, name: str) -> None:
        self.counts[name] += 1
        self._told(name)


def told(decision: Decision) -> dict[str, Any]:
    """Return what is recorded of a challenger's decision: the arm is the policy's, points and tokens as in the columns of the champion's."""
    numbers = {
        "gain": decision.gain, "extra_tokens": decision.extra_tokens, "net_benefit": decision.net_benefit,
        "familiarity": decision.familiarity,
    }  # fmt: skip
    return {
        "verdict": decision.verdict.value, "arm": decision.arm.value, "thinking_budget": decision.thinking_budget,
        **{name: round(value, DIGITS) for name, value in numbers.items()},
    }  # fmt: skip


def _judged(challenger: Router, request: PredictRequest, decided: Decided) -> Decision:
    """Return the challenger's decision on a request, by the champion's embeddings where both have one encoder."""
    scorer, prompt = challenger.scorer, decided.prompt
    if challenger.manifest.encoder.sha256 == decided.encoder:
        scored = scorer.score_again(decided.scored, request.model)
    else:
        scored = scorer.score(prompt, request.model)
    return challenger.judge(request, prompt, scored, decided.last_arm)
