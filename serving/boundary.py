"""The ASGI boundary in front of BentoML: it answers our routes itself, and gives every error our one shape.

BentoML and pydantic would answer a bad body in shapes of their own and log it with the input, the prompt included. So a body is read and
checked here, and what is no route of ours (health, OpenAPI) is passed on without one.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import uuid_utils

from contract.errors import InternalError, InvalidRequest, MethodNotAllowed, NotFound, ThinkworthError
from serving.access.authorise import ANYBODY
from serving.access.door import Door
from serving.access.middleware import CALLER
from serving.asgi import App, Message, Receive, Send
from serving.bodies import Bodies
from serving.observing.trail import TRAIL
from serving.routes import ROUTES, Reply, Route, call_of

PAGE = "/audit"
"""Where the audit page is mounted: it answers people, in HTML, its errors too."""


logger = logging.getLogger("thinkworth")


class Boundary:
    """ASGI middleware; see the module."""

    def __init__(self, app: App, service: Callable[[], Any], door: Callable[[], Door]) -> None:
        """Wrap an app; `service` gives what answers the routes, once it is there, `door` what knows who asks and the limits."""
        self.app, self.service, self.door = app, service, door
        self._bodies = Bodies()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or f"{scope['path']}/".startswith(f"{PAGE}/"):
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        route = ROUTES.get(path)
        answer = _Answer(
            send,
            self._state if path == "/readyz" else None,
            route.error if route else ThinkworthError.body,
            route.status if route else attrgetter("status"),
        )
        try:
            if route is not None:
                if scope["method"] not in route.allowed:
                    self._bodies.give_back(len(await self._bodies.read(receive, self.door().most_body_bytes)))
                    raise _ours(405, path, ", ".join(route.allowed))
                reply = await self._reply(route, scope, receive)
                await answer.reply(reply)
                return
            if path != "/" and path.endswith("/"):
                raise _ours(404, path)  # Starlette would redirect, and a client that posts rarely follows
            await self.app(scope, receive, answer.send)
        except ThinkworthError as error:
            await self._refuse(answer, error, scope)
        except Exception as error:
            name, where = uuid_utils.uuid7(), path if route else "a request"
            logger.error("unexpected %s while answering %s (error %s)", type(error).__name__, where, name)
            what = f"an unexpected error; it is logged without the request, as error {name}"
            await self._refuse(answer, InternalError(what), scope)
            return
        if answer.status >= 400 and not answer.started:
            await self._refuse(answer, _ours(answer.status, path, answer.allowed), scope)

    async def _refuse(self, answer: "_Answer", error: ThinkworthError, scope: Any) -> None:
        if TRAIL in scope:
            scope[TRAIL].error = error.type
        await answer.refuse(error)

    async def _reply(self, route: Route, scope: Any, receive: Receive) -> Reply:
        arrived, headers = time.monotonic(), dict(scope["headers"])
        door, service, gone = self.door(), self.service(), _Departure(receive)
        body = await self._bodies.read(receive, door.most_body_bytes)
        size = len(body)
        try:
            try:
                call = call_of(headers, arrived, scope.get(TRAIL))._replace(
                    size=size, gone=gone, queue=service.admission
                )
                request = await call.let_in(partial(route.read, body)) if route.read else None
            finally:
                del body  # a MiB, while the request waits
                self._bodies.give_back(size)
            door.weigh(scope.get(CALLER, ANYBODY), request)
            found = await getattr(service, route.answered_by)(request, call)
        finally:
            gone.end()
        return found if isinstance(found, Reply) else Reply(found)

    def _state(self) -> dict[str, Any]:
        """Return what /readyz tells beside its status."""
        service = self.service()
        state: dict[str, Any] = service.state() if service is not None else {"ready": True}
        return state


class _Departure:
    """Gives what is done once the client has left; a connection is watched only from when it is asked for."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None

    def __call__(self) -> "asyncio.Future[None]":
        if self._watch is None:
            self._watch = asyncio.create_task(self._left())
        return self._watch

    def end(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


class _Answer:
    """Passes an answer through; holds back one that is an error in a foreign shape."""

    def __init__(
        self,
        send: Send,
        instead: Callable[[], dict[str, Any]] | None,
        shape: Callable[[ThinkworthError], dict[str, Any]],
        number: Callable[[ThinkworthError], int],
    ) -> None:
        """Pass on to `send`; `instead` gives the body of an answer that has nothing to say of its own, `shape` and `number` those of an error."""
        self._send, self._instead, self._shape, self._number = send, instead, shape, number
        self.status = 200
        self.started = False
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._start = message
        if self.status < 400 and self._instead is not None:
            if not self.started:
                self.started = True
                await self._json(self.status, json.dumps(self._instead()).encode(), {})
        elif self.status < 400:
            self.started = True
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body") and _is_ours(bytes(self._body)):
                self.started = True
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": bytes(self._body)})

    @property
    def allowed(self) -> str:
        """The methods that a foreign error names."""
        return str(dict(self._start["headers"]).get(b"allow", b""), "latin-1")

    async def reply(self, reply: Reply) -> None:
        self.started = True
        body = reply.body
        raw = body if isinstance(body, bytes) else body.__pydantic_serializer__.to_json(body)
        await self._json(200, raw, reply.headers)

    async def refuse(self, error: ThinkworthError) -> None:
        if self.started:
            return
        self.started = True
        await self._json(self._number(error), json.dumps(self._shape(error)).encode(), error.headers)

    async def _json(self, status: int, body: bytes, more: Mapping[str, str]) -> None:
        headers = {b"content-type": b"application/json", b"content-length": str(len(body)).encode()}
        headers |= {name.lower().encode(): value.encode() for name, value in more.items()}
        await self._send({"type": "http.response.start", "status": status, "headers": list(headers.items())})
        await self._send({"type": "http.response.body", "body": body})


def _is_ours(body: bytes) -> bool:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(error, dict) and error.keys() == {"type", "message", "field", "limit"}


def _ours(status: int, path: str, allowed: str = "") -> ThinkworthError:
    """Return a foreign error in our shape, without its text; `allowed` names the methods that a route takes."""
    if status == 404:
        known = ", ".join([*ROUTES, "/livez, /readyz", PAGE])
        return NotFound(f"no such route; there are {known}")
    if status == 405:
        named = path if path in ROUTES else "this route"
        return MethodNotAllowed(f"{named} takes another method; /docs.json lists them", allowed=allowed)
    if status == 503 and path in ("/readyz", "/livez"):
        error: ThinkworthError = InternalError("not ready", type="not_ready")
    elif status < 500:
        error = InvalidRequest("the request was refused; /docs.json describes what is accepted")
    else:
        error = InternalError("an unexpected error; it is logged without the request")
    error.status = status  # type: ignore[misc]
    return error
