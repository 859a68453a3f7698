"""The ASGI boundary in front of BentoML: size limit, JSON, one shape of error, nothing of a request in a log.

BentoML and pydantic would answer a bad body in shapes of their own and log it with the input, the prompt included. So a
body is read and checked here; only a body that passes reaches them.
"""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pydantic import BaseModel

from contract.errors import BodyTooLarge, InternalError, InvalidRequest, MethodNotAllowed, NotFound, ThinkworthError
from serving.parsing import checked, read_object
from serving.router import place, prompt_of
from serving.schemas import BatchRequest, Outcome, OutcomesRequest, PredictRequest, ReloadRequest

MAX_BODY_BYTES = 1_048_576
"""Largest body, 1 MiB."""

MAX_DRAINED_BYTES = 64 * MAX_BODY_BYTES
"""A body over the limit is read up to this and dropped, so that the client can read the answer."""

PAGE = "/audit"
"""Where the audit page is mounted: it answers people, in HTML, its errors too."""

BODIES: dict[str, type[BaseModel]] = {
    "/predict": PredictRequest,
    "/predict_batch": BatchRequest,
    "/outcomes": OutcomesRequest,
    "/admin/reload": ReloadRequest,
}
"""Routes with a body, and its model."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

logger = logging.getLogger("thinkworth")


class Boundary:
    """ASGI middleware; see the module."""

    def __init__(self, app: App, state: Callable[[], dict[str, Any]] | None = None) -> None:
        """Wrap an app; `state` is what /readyz tells beside its status."""
        self.app, self.state = app, state

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or f"{scope['path']}/".startswith(f"{PAGE}/"):
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, self.state if scope["path"] == "/readyz" else None)
        try:
            if scope["path"] != "/" and scope["path"].endswith("/"):
                raise _ours(404, scope["path"])  # Starlette would redirect, and a client that posts rarely follows
            model = BODIES.get(scope["path"])
            if model is not None and scope["method"] == "POST":
                request = _parsed(model, await _read(receive))
                if isinstance(request, BatchRequest):
                    for i, one in enumerate(request.requests):
                        with place(i):
                            prompt_of(one)
                elif isinstance(request, PredictRequest):
                    prompt_of(request)
                # What was checked, not what was sent: BentoML's parser cannot disagree with ours, and log the body.
                body = request.model_dump_json(exclude_unset=True).encode()
                scope, receive = _as_json(scope, body), _replay(body, receive)
            elif scope["path"] == "/model" and scope["method"] in ("GET", "POST"):
                await _read(receive)  # dropped: /model takes nothing, and BentoML would log a bad body
                # BentoML has no GET for an API of its own.
                scope, receive = {**_as_json(scope, b"{}"), "method": "POST"}, _replay(b"{}", receive)
            await self.app(scope, receive, answer.send)
        except ThinkworthError as error:
            await answer.refuse(error)
        except Exception as error:
            logger.error(
                "unexpected %s while answering %s",
                type(error).__name__,
                scope["path"] if scope["path"] in BODIES else "a request",
            )
            await answer.refuse(InternalError("an unexpected error; it is logged without the request"))
            return
        if answer.status >= 400 and not answer.started:
            await answer.refuse(_ours(answer.status, scope["path"]))


class _Answer:
    """Passes an answer through; holds back one that is an error in a foreign shape."""

    def __init__(self, send: Send, instead: Callable[[], dict[str, Any]] | None = None) -> None:
        """Pass on to `send`; `instead` gives the body of an answer that has nothing to say of its own."""
        self._send, self._instead = send, instead
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
                await self._json(self.status, self._instead())
        elif self.status < 400:
            self.started = True
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body") and _is_ours(bytes(self._body)):
                self.started = True
                await self._send(self._start)
                await self._send({"type": "http.response.body", "body": bytes(self._body)})

    async def refuse(self, error: ThinkworthError) -> None:
        if self.started:
            return
        self.started = True
        await self._json(error.status, error.body())

    async def _json(self, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})


def _parsed(model: type[BaseModel], raw: bytes) -> BaseModel:
    """Return the request of a body; one outcome stands for a list of it."""
    value = read_object(b"{}" if model is ReloadRequest and not raw else raw)  # it says nothing: no body does, too
    if model is OutcomesRequest and "outcomes" not in value:
        return OutcomesRequest(outcomes=[checked(Outcome, value)])
    return checked(model, value)


async def _read(receive: Receive) -> bytes:
    """Return the body.

    Raises:
        BodyTooLarge: it is over the limit; it has been drained.
    """
    body, size, more = bytearray(), 0, True
    while more and size <= MAX_DRAINED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise InvalidRequest("the connection ended within the body", type="invalid_json")
        chunk = message.get("body", b"")
        size, more = size + len(chunk), message.get("more_body", False)
        if size <= MAX_BODY_BYTES:
            body += chunk
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge(
            f"the body has {'over ' if more else ''}{size} bytes; limit {MAX_BODY_BYTES}; send the last turns only",
            limit=MAX_BODY_BYTES,
        )
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _as_json(scope: Any, body: bytes) -> Any:
    """Return the scope with the content type that the body was proved to have."""
    dropped = (b"content-type", b"content-length", b"content-encoding", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {**scope, "headers": headers}


def _is_ours(body: bytes) -> bool:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(error, dict) and error.keys() == {"type", "message", "field", "limit"}


def _ours(status: int, path: str) -> ThinkworthError:
    """Return a foreign error in our shape, without its text."""
    known = "/predict, /predict_batch, /outcomes, /admin/reload, /model, /livez, /readyz, /metrics, /docs.json, /audit"
    if status == 404:
        return NotFound(f"no such route; there are {known}")
    if status == 405:
        return MethodNotAllowed(
            f"{path if path in BODIES else 'this route'} takes another method; /docs.json lists them"
        )
    if status == 503 and path in ("/readyz", "/livez"):
        error: ThinkworthError = InternalError("not ready", type="not_ready")
    elif status < 500:
        error = InvalidRequest("the request was refused; /docs.json describes what is accepted")
    else:
        error = InternalError("an unexpected error; it is logged without the request")
    error.status = status  # type: ignore[misc]
    return error
