"""What is noted of a request on its way through the service."""

import time
from typing import NamedTuple

from serving.router import Decided, Router
from serving.schemas import PredictRequest

TRAIL = "thinkworth.trail"
"""Key of the ASGI scope under which a request's trail goes with it."""


class Seen(NamedTuple):
    """One decision of a request.

    Attributes:
        request: that asked for it.
        decided: what was decided.
        remembered: whether the reading of the prompt was remembered, so that no graph was called.
        router: that decided.
    """

    request: PredictRequest
    decided: Decided
    remembered: bool
    router: Router


class Trail:
    """The steps of one request, by times of the monotonic clock; None is a step that there was not.

    Attributes:
        arrived: when its head was read.
        asked: when its body was read and checked; it waits for a core from here on.
        begun: when a core began with it.
        encoded: when the encoder was done.
        read: when the heads were.
        resumed: when the event loop had the reading.
        decided: when all its decisions were made.
        recorded: when these were recorded, or handed over to be.
        seen: its decisions; several of a batch.
        parts: trails of a batch's requests through the graphs.
        status: of HTTP, as sent; None: nothing was sent.
        error: the type of the error that answers it.
    """

    __slots__ = (
        "arrived", "asked", "begun", "decided", "encoded", "error", "parts", "read", "recorded", "resumed", "seen", "status",
    )  # fmt: skip

    def __init__(self) -> None:
        self.arrived = time.monotonic()
        self.asked: float | None = None
        self.begun: float | None = None
        self.encoded: float | None = None
        self.read: float | None = None
        self.resumed: float | None = None
        self.decided: float | None = None
        self.recorded: float | None = None
        self.seen: list[Seen] = []
        self.parts: list[Trail] = []
        self.status: int | None = None
        self.error: str | None = None

    def note(self, step: str) -> None:
        """Note that a step is reached now."""
        setattr(self, step, time.monotonic())
