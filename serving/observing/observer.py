"""Turns what requests leave behind into metrics, spans and lines."""

import os
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from contract.bands import band_of
from contract.model_families import ModelFamilies
from contract.settings import Settings
from serving.metrics import Metrics, forget_gauges
from serving.observing.gauges import Gauge, Gauges
from serving.observing.lines import Lines
from serving.observing.tracing import tracing
from serving.observing.trail import Seen, Trail
from serving.routes import ROUTES

KNOWN = frozenset({*ROUTES, "/livez", "/readyz", "/healthz", "/docs.json"})
"""Paths that are told by their names."""

UNANSWERED = 504
"""Status of a request that ended without an answer of ours: BentoML's timeout, outside of us, answers it so."""

_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Observer:
    """What observes the requests of one process."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.metrics = metrics
        wants_lines = settings.log_decisions or settings.log_format == "json"
        self.lines = Lines(settings.log_format, metrics.dropped_line) if wants_lines else None
        self._line_a_decision = settings.log_decisions
        self.tracing = tracing(os.environ)  # after the lines: what it warns of is one of them
        self._gauges: Gauges | None = None

    def watch(self, look: Callable[[], Iterable[Gauge]]) -> None:
        """Note what `look` tells once a second, until the end."""
        self._gauges = Gauges(look, self.metrics.gauge)
        self._gauges.start()

    def ended(self, trail: Trail, scope: Any) -> None:
        """Tell of a request that has been answered."""
        ended, route, status = time.monotonic(), route_of(scope["path"]), trail.status or UNANSWERED
        self.metrics.answered(route, status, ended - trail.arrived)
        if trail.error is not None:
            self.metrics.refused(trail.error)
        if trail.asked is not None and trail.begun is not None:
            self.metrics.queued(trail.begun - trail.asked)
        for one in (trail, *trail.parts):
            if one.begun is not None and one.read is not None:
                self.metrics.read(one.read - one.begun)
        for seen in trail.seen:
            self._count(seen)
        if self.tracing and route in ROUTES:
            self.tracing.trace(trail, scope, route)
        if self._line_a_decision and self.lines and (trail.seen or trail.error):
            self._write(trail, scope, route, status, ended - trail.arrived)

    def close(self) -> None:
        """Send and write what waits, and take this process out of the gauges."""
        if self._gauges:
            self._gauges.stop()
        if self.tracing:
            self.tracing.close()
        if self.lines:
            self.lines.close()
        forget_gauges()

    def _count(self, seen: Seen) -> None:
        answer, below = seen.decided.answer, seen.router.manifest.calibration.unfamiliar_below
        family, band = family_of(seen), band_of(answer.familiarity, below)
        self.metrics.decided(answer.verdict, answer.arm, answer.profile, family, band, remembered=seen.remembered)

    def _write(self, trail: Trail, scope: Any, route: str, status: int, seconds: float) -> None:
        assert self.lines
        common = {"route": route, "status": status, "ms": round(seconds * 1000, 2), "trace_id": trace_id(scope)}
        if trail.error is not None:
            self.lines.write("refused", {"error": trail.error, **common})
        for seen in trail.seen:
            self.lines.write("decided", {**_told(seen), **common})


def _told(seen: Seen) -> dict[str, Any]:
    answer = seen.decided.answer
    return {
        "decision_id": answer.decision_id, "request_id": answer.request_id, "verdict": answer.verdict, "arm": answer.arm,
        "thinking_budget": answer.thinking_budget, "profile": answer.profile, "model": family_of(seen),
        "familiarity": answer.familiarity, "revision": answer.revision, "remembered": seen.remembered,
    }  # fmt: skip


def route_of(path: str) -> str:
    """Return what a path is told as: a path that somebody made up is `other`."""
    if path in KNOWN:
        return path
    return "/audit" if f"{path}/".startswith("/audit/") else "other"


def family_of(seen: Seen) -> str:
    """Return the family of the target model of a decision: its name, `other` where it is unknown, `none` where no model was named."""
    if not seen.request.model:
        return "none"
    families = seen.router.families
    family = families.of(seen.request.model)
    return "other" if family is None else _names(families)[id(family)]


@lru_cache(4)  # a bundle that is swapped has families of its own
def _names(families: ModelFamilies) -> dict[int, str]:
    return {id(family): name for name, family in families.by_name.items()}


def trace_id(scope: Any) -> str | None:
    """Return the id of the trace that a request says it is part of, None where it says none."""
    for name, value in scope["headers"]:
        if name == b"traceparent" and (found := _TRACE.fullmatch(value)):
            return str(found[1].decode())
    return None
