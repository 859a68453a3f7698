"""Bodies of requests: read to a limit, in time, and no more of them at once than a worker has memory for."""

import asyncio

from contract.errors import BodyTooLarge, DeadlinePassed, InvalidRequest, Overloaded
from serving.asgi import Receive

DRAINED = 64
"""A body over the limit is read up to so many times the limit and dropped, so that the client can read the answer."""

BODY_S = 10.0
"""Seconds that a body may take to come whole: a client that stalls would hold its part of HELD_BYTES, and the end of a service."""

HELD_BYTES = 64 * 2**20
"""Of bodies that are not parsed yet, all together. A parsed one takes a place of the queue, which bounds them too."""


class Bodies:
    """Reads bodies within one event loop, and counts what they hold until `give_back`."""

    def __init__(self, most_bytes: int = HELD_BYTES, in_s: float = BODY_S) -> None:
        """Take how much all bodies may hold together, and the seconds that each may take."""
        self.held = 0
        self._most_bytes, self._in_s = most_bytes, in_s

    async def read(self, receive: Receive, limit: int) -> bytes:
        """Return the body of a request.

        Raises:
            BodyTooLarge: it is over the limit; it has been drained.
            Overloaded: all bodies together are over theirs; it has been drained.
            DeadlinePassed: it did not come in time.
            InvalidRequest: the connection ended within it.
        """
        body, kept = bytearray(), False
        try:
            async with asyncio.timeout(self._in_s):
                await self._into(body, receive, limit)
            kept = True
        except TimeoutError:
            what = f"the body did not come whole within {self._in_s:g} s; send it at once"
            late = DeadlinePassed(what)
            late.headers["Connection"] = "close"
            raise late from None
        finally:
            if not kept:
                self.give_back(len(body))
        return bytes(body)

    def give_back(self, size: int) -> None:
        """Note that the bytes of a body are needed no more."""
        self.held -= size

    async def _into(self, body: bytearray, receive: Receive, limit: int) -> None:
        size, more, room = 0, True, True
        while more and size <= DRAINED * limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise InvalidRequest("the connection ended within the body", type="invalid_json")
            chunk = message.get("body", b"")
            size, more = size + len(chunk), message.get("more_body", False)
            room = room and self.held + len(chunk) <= self._most_bytes
            if room and size <= limit:
                self.held += len(chunk)
                body += chunk
            else:  # a client is answered when it has sent all, not while it does
                self.give_back(len(body))
                body.clear()
                room = room and size <= limit
        if size > limit:
            what = f"the body has {'over ' if more else ''}{size} bytes; limit {limit}; send the last turns only"
            raise BodyTooLarge(what, limit=limit)
        if not room:
            raise Overloaded(
                f"bodies of {self._most_bytes} bytes are being read already; try again in 1 s", limit=self._most_bytes
            )
