"""The ASGI middleware in front of all others: the door, and the headers that every answer has."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from contract.errors import ThinkworthError
from serving.access.door import Door
from serving.asgi import App, Message, Receive, Send
from serving.observing.trail import TRAIL
from serving.routes import ROUTES

CALLER = "thinkworth.caller"
"""Key of the ASGI scope under which the routes find who asks."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of an answer that has no such header of its own; the audit page has a stricter policy of its own."""

DOCUMENTS = ("/", "/static_content/")
"""BentoML's page of the routes, which needs its own scripts: it may not be framed, and no more."""

FRAMES = {**HEADERS, "content-security-policy": "frame-ancestors 'none'"}

MAX_DROPPED_BYTES = 2**20
"""Of the body of a request that is not let in, this much is read."""

Body = dict[str, Any]


class AtTheDoor:
    """ASGI middleware; see the module."""

    def __init__(self, app: App, door: Callable[[], Door]) -> None:
        """Wrap an app; `door` gives the door of this process, for each request, so that importing opens none."""
        self.app, self._door = app, door

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":  # no route speaks it, and none would be guarded
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _with_headers(send, FRAMES if _is_document(scope["path"]) else HEADERS)
        try:
            scope[CALLER] = self._door().admit(scope)
        except ThinkworthError as error:
            if (trail := scope.get(TRAIL)) is not None:
                trail.error = error.type
            whole = await _dropped(receive)
            route = ROUTES.get(scope["path"])
            status, body = (route.status(error), route.error(error)) if route else (error.status, error.body())
            await _refuse(answer, status, body, error.headers, keeps=whole)
            return
        await self.app(scope, receive, answer)


def _is_document(path: str) -> bool:
    return path == DOCUMENTS[0] or path.startswith(DOCUMENTS[1])


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    """Return a `send` that adds what an answer has not, and takes away what tells of the server's software."""
    added = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"server"]
            named = {name.lower() for name, _ in own}
            message = {**message, "headers": own + [pair for pair in added if pair[0] not in named]}
        await send(message)

    return adding


async def _dropped(receive: Receive) -> bool:
    """Read the body up to a limit and drop it, so that the client can read the answer; return whether that was all of it."""
    size, more = 0, True
    while more and size <= MAX_DROPPED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    return not more


async def _refuse(send: Send, status: int, value: Body, more: Mapping[str, str], *, keeps: bool) -> None:
    """Answer with an error; the connection goes on where nothing of the request is left in it."""
    body = json.dumps(value).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **more}
    headers |= {} if keeps else {"connection": "close"}
    pairs = [(name.lower().encode(), text.encode("latin-1", "replace")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
