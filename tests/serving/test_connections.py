"""What clients do to connections: odd chunks, pipelines, bodies that never come, bombs of headers. Others are answered meanwhile, and after."""

import gzip
import json
import socket
import struct
from urllib.parse import urlsplit

import httpx
import pytest

from .test_service import PROMPTS, SECRET, assert_not_logged, assert_refused

GOOD = json.dumps({"prompt": f"{PROMPTS[0]} {SECRET}", "request_id": "é"}, ensure_ascii=False).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD


@pytest.fixture
def connect(served):
    opened = []

    def open_one():
        where = urlsplit(served.url)
        connection = socket.create_connection((where.hostname, where.port), timeout=60)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture(autouse=True)
def others_are_answered_and_nothing_is_logged(http, served):
    yield
    assert http.post("/predict", content=GOOD).status_code == 200
    assert_not_logged(served)
    assert "Traceback" not in served.log.read_text(errors="replace")


def answers(connection, n=1):
    """The next answers: their statuses and bodies; fewer where the connection ends."""
    found, reader = [], connection.makefile("rb")
    while len(found) < n and (line := reader.readline()):
        status, length = int(line.split()[1]), 0
        while (header := reader.readline().strip().lower()) != b"":
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        if status != 100:
            found.append((status, reader.read(length)))
        else:
            found.append((status, b""))
    return found


def chunked(body, size, extension=b""):
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)


@pytest.mark.parametrize("size", [1, 2, 7, 65_537])
@pytest.mark.parametrize("extension", [b"", b";a=b", b';name="value"'])
def test_chunks_of_any_size_are_one_body(connect, size, extension):
    connection = connect()
    connection.sendall(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(GOOD, size, extension) + b"0\r\nX-Trailer: 1\r\n\r\n"
    )
    ((status, body),) = answers(connection)
    assert status == 200
    assert json.loads(body)["request_id"] == "é"


def test_a_body_that_comes_byte_by_byte_is_answered(connect):
    connection = connect()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for at in range(len(WHOLE)):
        connection.send(WHOLE[at : at + 1])
    assert answers(connection)[0][0] == 200


def test_bodies_that_do_not_come_hold_nobody_up(connect, http):
    waiting = [connect() for _ in range(40)]
    for connection in waiting:
        connection.sendall(WHOLE[:-20])
    assert [http.post("/predict", content=GOOD).status_code for _ in range(5)] == [200] * 5
    for connection in waiting[:20]:
        connection.sendall(WHOLE[-20:])
    assert [answers(connection)[0][0] for connection in waiting[:20]] == [200] * 20


def test_a_client_that_asks_first_is_told_to_go_on(connect):
    connection = connect()
    connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(GOOD))
    assert answers(connection)[0][0] == 100
    connection.sendall(GOOD)
    assert answers(connection)[0][0] == 200


def test_requests_sent_without_waiting_are_answered_in_order(connect):
    connection = connect()
    named = [json.dumps({"prompt": PROMPTS[n % 3], "request_id": str(n)}).encode() for n in range(12)]
    connection.sendall(b"".join(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body for body in named))
    assert [json.loads(body)["request_id"] for _, body in answers(connection, 12)] == [str(n) for n in range(12)]


def test_a_refused_request_does_not_spoil_the_next_one_of_its_connection(connect):
    connection = connect()
    bad = f'{{"prompt": "{SECRET}'.encode()
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(bad) + bad + WHOLE)
    assert [status for status, _ in answers(connection, 2)] == [400, 200]


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("sent", [HEAD[:20], HEAD, WHOLE[:-1], WHOLE], ids=["line", "headers", "body", "whole"])
def test_connections_that_are_cut_at_any_place_leave_room_for_others(connect, how, sent):
    for _ in range(5):
        connection = connect()
        connection.sendall(sent)
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    other = connect()
    other.sendall(WHOLE)
    assert [status for status, _ in answers(other, 1)] == [200]


ENCODINGS = {
    "gzip": gzip.compress(GOOD),
    "deflate": GOOD,
    "br": b"\x0b",
    "x, gzip": gzip.compress(gzip.compress(b"a" * 10_000_000)),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_packed_body_is_not_unpacked(http, encoding):
    answer = http.post("/predict", content=ENCODINGS[encoding], headers={"content-encoding": encoding})
    if answer.status_code != 200:  # it was JSON after all
        assert_refused(answer, 400)


BROKEN = {
    "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n",
    "an old request": b"GET /livez\r\n\r\n",
    "a version to come": b"GET /livez HTTP/9.9\r\nHost: x\r\n\r\n",
    "no path": b"POST HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of noise": b"\x00\xff\xfe /predict HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long method": b"A" * 100_000 + b" / HTTP/1.1\r\n\r\n",
    "a length below nothing": HEAD + b"Content-Length: -1\r\n\r\n",
    "no number as length": HEAD + b"Content-Length: ten\r\n\r\n",
    "a huge length": HEAD + b"Content-Length: 99999999999999999999999999\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "chunks of noise": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "a chunk too long": HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "an unknown coding": HEAD + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "NUL in a header": HEAD + b"X-Request-Id: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "a header without a name": HEAD + b": x\r\n\r\n",
    "a folded header": HEAD + b"X-A: b\r\n c\r\nContent-Length: 2\r\n\r\n{}",
    "very many headers": HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"Content-Length: 2\r\n\r\n{}",
    "a megabyte of a header": HEAD + b"X-A: " + b"a" * 1_000_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "a header that never ends": HEAD + b"X-A: " + b"a" * 300_000,
    "a long path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path of noise": b"GET /%00%ff/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\n\r\n",
    "a proxy's request": b"GET http://elsewhere.example/livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an upgrade": b"GET /predict HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "deadline of noise": HEAD + b"X-Request-Timeout-Ms: \xb2\xff\r\nContent-Length: 2\r\n\r\n{}",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_hardly_http_is_refused_and_breaks_nothing(connect, name):
    connection = connect()
    try:
        connection.sendall(BROKEN[name])
        connection.shutdown(socket.SHUT_WR)
        found = answers(connection)
    except OSError:
        return  # it was cut off, as it may be
    assert all(status < 500 for status, _ in found), found
    assert all(SECRET.encode() not in body for _, body in found)


@pytest.mark.parametrize(
    "name",
    [
        "X-Request-Id",
        "X-LiteLLM-Call-Id",
        "X-Thinkworth-Profile",
        "X-Portkey-Provider",
        "traceparent",
        "Content-Type",
        "Accept",
        "Cookie",
        "Authorization",
    ],
)
@pytest.mark.parametrize(
    "value", [b"\xff\xfe", b"a" * 5000, b"'\"{}%s", b"00-0-0-00"], ids=["noise", "long", "marks", "trace"]
)
def test_no_value_of_a_header_is_an_error_of_ours(http, name, value):
    for path, body in (
        ("/predict", GOOD),
        ("/v1/systemone", b'{"state": "a", "questions": {"thinking_helps": {"type": "noul"}}}'),
        ("/gateways/portkey", b'{"request": {"json": {"prompt": "a"}}}'),
    ):
        answer = http.post(path, content=body, headers=httpx.Headers([(name.encode(), value)]))
        assert answer.status_code == 200, answer.text
