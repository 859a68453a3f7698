"""A bound on what a connection sends before there is a request to look at.

Of uvicorn's two parsers h11 ends a connection whose headers pass 64 KiB; httptools, the faster one, keeps all that comes, before anybody was
asked for a key: one connection could fill the memory. BentoML makes the server and takes no protocol from us, so the parser's class is
given the bound that the other one has.
"""

import json
from typing import Any

from contract.errors import HeadersTooLarge

MOST_HEAD_BYTES = 65_536
"""Bytes that may come without an end of headers, a piece of a body, or an end of a request."""


def limit_heads() -> None:
    """Bound the heads of all requests of this process, where its server parses with httptools; a second call changes nothing."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:  # httptools is not installed
        return
    if "_unread" not in vars(HttpToolsProtocol):
        _bound(HttpToolsProtocol)


def _bound(protocol: Any) -> None:
    receive, body, end = protocol.data_received, protocol.on_body, protocol.on_message_complete

    def data_received(self: Any, data: bytes) -> None:
        self._got_on = False
        receive(self, data)
        self._unread = 0 if self._got_on else self._unread + len(data)
        if self._unread > MOST_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_answer())
            self.transport.close()

    def on_body(self: Any, piece: bytes) -> None:
        self._got_on = True
        body(self, piece)

    def on_message_complete(self: Any) -> None:
        self._got_on = True
        end(self)

    protocol._unread, protocol._got_on = 0, False
    protocol.data_received, protocol.on_body, protocol.on_message_complete = data_received, on_body, on_message_complete


def _answer() -> bytes:
    what = f"address and headers have over {MOST_HEAD_BYTES} bytes; send fewer headers"
    error = HeadersTooLarge(what, limit=MOST_HEAD_BYTES)
    value = json.dumps(error.body()).encode()
    head = f"HTTP/1.1 {error.status} Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    return f"{head}content-length: {len(value)}\r\n\r\n".encode() + value
