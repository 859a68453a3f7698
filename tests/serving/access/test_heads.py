"""Headers without an end are ended, with either of uvicorn's parsers, and what is within the bound is not touched."""

import contextlib
import socket
import threading
import time

import httpx
import pytest
import uvicorn

from serving.access.heads import MOST_HEAD_BYTES, limit_heads


async def echo(scope, receive, send):
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture(scope="module", params=["h11", "httptools"])
def port(request):
    if request.param == "httptools":
        pytest.importorskip("httptools", reason="needs httptools")
    limit_heads()
    limit_heads()
    config = uvicorn.Config(echo, host="127.0.0.1", port=0, http=request.param, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not come up"
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize(
    "head",
    [b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET /", b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"],
    ids=["headers", "a header", "an address", "trailers"],
)  # fmt: skip
def test_what_never_ends_is_ended(port, head):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head)
        piece = b"X: " + b"a" * 4000 + b"\r\n" if head.endswith(b"\n") else b"a" * 4000
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 100 * MOST_HEAD_BYTES:
                connection.sendall(piece)
                sent += len(piece)
    assert sent < 100 * MOST_HEAD_BYTES


def test_requests_within_the_bound_are_answered_on_one_connection(port):
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(3):
            assert client.get("/", headers={"X": "a" * 30_000}).text == "0"
            assert client.post("/", content=b"x" * 300_000).text == "300000"
            assert client.post("/", content=(b"x" * 10_000 for _ in range(50))).text == "500000"
