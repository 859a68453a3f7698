"""The middleware: one shape of error, headers on every answer, and nobody passes who is not let in."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from serving.access.middleware import CALLER, HEADERS, MAX_DROPPED_BYTES, AtTheDoor
from serving.routes import ROUTES

from .conftest import key_of

BEARER = {"Authorization": f"Bearer {key_of('gateway')}"}


async def predict(request):
    caller = request.scope[CALLER]
    return JSONResponse({"caller": caller.name, "bytes": len(await request.body())}, headers={"Server": "software/1.2"})


async def page(request):
    return PlainTextResponse("x", headers={"Cache-Control": "public", "Content-Security-Policy": "default-src 'self'"})


APP = Starlette(
    routes=[
        Route("/predict", predict, methods=["POST"]),
        Route("/audit", page),
        Route("/", page),
        Route("/broken", page),
    ]
)


def asking(app, method="POST", path="/predict", **more):
    async def send():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as http:
            return await http.request(method, path, **more)

    return asyncio.run(send())


@pytest.fixture
def app(door):
    at = door()
    return AtTheDoor(APP, lambda: at)


def test_who_is_let_in_is_answered_and_named(app):
    answer = asking(app, headers=BEARER, content=b"12345")
    assert answer.json() == {"caller": "gateway", "bytes": 5}


def test_every_answer_has_the_headers_and_no_software(app):
    for answer in (asking(app), asking(app, headers=BEARER), asking(app, path="/nowhere", headers=BEARER)):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert "server" not in answer.headers


def test_an_answer_keeps_its_own_headers(app):
    headers = asking(app, "GET", "/audit").headers
    assert (headers["cache-control"], headers["content-security-policy"]) == ("public", "default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"


def test_who_is_not_is_refused_in_the_one_shape_and_the_body_is_gone(app):
    answer = asking(app, content=b"x" * 100_000)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="thinkworth"'
    assert answer.json()["error"].keys() == {"type", "message", "field", "limit"}
    assert "connection" not in answer.headers
    assert asking(app, content=b"x" * (MAX_DROPPED_BYTES + 9)).headers["connection"] == "close"


def test_a_route_has_its_own_shape_of_error(app, monkeypatch):
    route = ROUTES["/predict"]._replace(
        error=lambda error: {"error": {"message": error.message, "field": error.field}},
        status=lambda error: error.status + 1,
    )
    monkeypatch.setitem(ROUTES, "/predict", route)
    answer = asking(app)
    assert answer.status_code == 402
    assert answer.json()["error"].keys() == {"message", "field"}


def test_the_rate_is_told_with_the_time_to_wait(door):
    at = door(more={"gateway": "requests_per_second=0.1 burst=1"})
    app = AtTheDoor(APP, lambda: at)
    assert asking(app, headers=BEARER).status_code == 200
    answer = asking(app, headers=BEARER)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")


def test_no_other_protocol_passes(app):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "websocket", "path": "/predict"}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
