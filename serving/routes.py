"""The routes that the service answers itself: what each takes, which method of the service answers, and how its errors look.

BentoML's own machinery for a route (a context, two parsings of the body, a multipart reader) costs a millisecond. It keeps the rest: workers, health,
metrics, traces, OpenAPI and its clients, which see the same routes through `bentoml.api`.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from contract.errors import InvalidRequest, ThinkworthError
from serving.access.keys import Scope
from serving.admission import Admission, Gone
from serving.gateways import portkey
from serving.observing.trail import Trail
from serving.parsing import checked, parse, read_object
from serving.schemas import BatchRequest, Outcome, OutcomesRequest, PredictRequest, ReloadRequest
from serving.systemone import protocol
from serving.systemone.schemas import SystemOneRequest

T = TypeVar("T")

LONGEST_WAIT_MS = 86_400_000
"""A day: the longest deadline of a request."""

LARGE_BYTES = 65_536
"""Beyond it a body is large: for what looks at all of it, the event loop, which all requests of a worker share, would stand still too long."""

LONGEST_S = 25.0
"""Seconds after which every request is answered, with 408 where there is no answer yet: BentoML would end it after 30, in a shape of its own."""

DEADLINE = b"x-request-timeout-ms"
"""Header with the milliseconds after which nobody waits for the answer any more."""


class Call(NamedTuple):
    """What comes with a body.

    Attributes:
        headers: names in lower case; of several alike the last.
        deadline: time of the monotonic clock after which nobody waits for the answer; None: somebody does.
        trail: where the request's steps are noted; None: nobody looks.
        size: bytes of the body.
        queue: before the threads on which work is done that looks at all of a large body.
        gone: gives what is done once the client has left; None: nobody can tell.
    """

    headers: Mapping[bytes, bytes] = {}
    deadline: float | None = None
    trail: Trail | None = None
    size: int = 0
    queue: Admission | None = None
    gone: Gone | None = None

    def texts(self) -> dict[str, str]:
        """Return the headers as texts."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self.headers.items()}

    @property
    def is_large(self) -> bool:
        """Whether the body has more than LARGE_BYTES."""
        return self.size > LARGE_BYTES

    async def let_in(self, work: Callable[[], T]) -> T:
        """Return what the first work gives that looks at all of the body; that of a large one needs a place in the queue.

        Raises:
            Overloaded: too many wait.
            DeadlinePassed, ClientGone: that came before a thread was free.
        """
        return await self._in_turn(work, let_in=False)

    async def aside(self, work: Callable[[], T]) -> T:
        """Return what further work gives that looks at all of the body: that of a large one is done on a thread, in its turn.

        Raises:
            DeadlinePassed, ClientGone: that came before a thread was free.
        """
        return await self._in_turn(work, let_in=True)

    async def _in_turn(self, work: Callable[[], T], *, let_in: bool) -> T:
        if self.queue is None or not self.is_large:
            return work()
        return await self.queue.run(work, self.deadline, self.gone, let_in=let_in, of_graphs=False)


class Reply(NamedTuple):
    """An answer with headers of its own; its body is JSON, or bytes of the type that the headers say."""

    body: BaseModel | bytes
    headers: Mapping[str, str] = {}


class Route(NamedTuple):
    """One route.

    Attributes:
        answered_by: method of the service: `async (request, call) -> BaseModel | Reply`.
        read: makes the request of the bytes of a body, or raises InvalidRequest; None: what is sent is dropped, the request is None.
        methods: of HTTP that are described.
        scope: what a key must be for.
        error: the body of an error.
        status: the number of an error.
    """

    answered_by: str
    read: Callable[[bytes], Any] | None
    methods: tuple[str, ...] = ("POST",)
    scope: Scope = "predict"
    error: Callable[[ThinkworthError], dict[str, Any]] = ThinkworthError.body
    status: Callable[[ThinkworthError], int] = attrgetter("status")

    @property
    def allowed(self) -> tuple[str, ...]:
        """Methods of HTTP with HEAD, which is answered as GET is: the server leaves the body out."""
        return (*self.methods, "HEAD") if "GET" in self.methods else self.methods


def _outcomes(raw: bytes) -> OutcomesRequest:
    """Return the outcomes of a body; one outcome stands for a list of it."""
    value = read_object(raw)
    if "outcomes" not in value:
        return OutcomesRequest(outcomes=[checked(Outcome, value)])
    return checked(OutcomesRequest, value)


ROUTES: dict[str, Route] = {
    "/predict": Route("answer", lambda raw: parse(PredictRequest, raw)),
    "/predict_batch": Route("answer_batch", lambda raw: parse(BatchRequest, raw)),
    "/outcomes": Route("take_outcomes", _outcomes, scope="outcomes"),
    "/admin/reload": Route("swap", lambda raw: parse(ReloadRequest, raw or b"{}"), scope="admin"),
    "/model": Route("describe", None, methods=("GET", "POST")),
    "/metrics": Route("tell_metrics", None, methods=("GET",), scope="admin"),
    "/v1/systemone": Route(
        "answer_systemone",
        lambda raw: parse(SystemOneRequest, raw),
        error=protocol.error_of,
        status=protocol.status_of,
    ),
    "/v1/models": Route(
        "list_models", None, methods=("GET", "POST"), error=protocol.error_of, status=protocol.status_of
    ),
    "/docs.json": Route("document", None, methods=("GET",)),
    "/gateways/portkey": Route("answer_portkey", bytes, error=portkey.error_of, status=portkey.status_of),
}


def call_of(headers: Mapping[bytes, bytes], arrived: float, trail: Trail | None = None) -> Call:
    """Return what comes with a body that arrived at a time of the monotonic clock.

    Raises:
        InvalidRequest: the deadline is no number of milliseconds.
    """
    text = headers.get(DEADLINE)
    if text is None:
        return Call(headers, arrived + LONGEST_S, trail)
    if not text.isdigit() or not 1 <= (wait_ms := int(text[:20])) <= LONGEST_WAIT_MS:
        what = (
            f"X-Request-Timeout-Ms is no whole number from 1 to {LONGEST_WAIT_MS}; give milliseconds, or leave it out"
        )
        raise InvalidRequest(what, type="out_of_range", field="X-Request-Timeout-Ms", limit=LONGEST_WAIT_MS)
    return Call(headers, arrived + min(wait_ms / 1000, LONGEST_S), trail)
