"""thinkworth over HTTP, with a deadline that no answer can stretch; and what else may stand in its place."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import httpx

KEEPALIVE_S = 4.0
"""A connection that was idle for longer is not used again: servers close them after 5 seconds, and one that closes as we
write would count as a failure."""

_OF_THE_REQUEST = (400, 413, 422)
"""Statuses that speak of what was sent, not of the service."""


class Away(Exception):
    """No usable answer: the service is away, slow, overloaded, refuses our key, or speaks another language.

    Attributes:
        reason: in few words, without anything of a prompt.
        pause_s: seconds after which to ask again, where the service said so.
    """

    def __init__(self, reason: str, pause_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.pause_s = reason, pause_s


class Declined(Exception):
    """The service is there and does not take this one request: it is too long, or of a shape that it does not know."""


class Predictor(Protocol):
    """What the hook asks and tells: the service's two routes, as coroutines; bodies and answers as over HTTP."""

    async def predict(self, request: Mapping[str, Any]) -> Any:
        """Return the answer of `POST /predict`; raises `Away` or `Declined`."""

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Do what `POST /outcomes` does; raises `Away` or `Declined`."""


class Service:
    """A service over HTTP: one client an event loop, made when first needed."""

    def __init__(self, url: str, *, api_key: str | None, timeout_s: float, tell_timeout_s: float) -> None:
        self._url, self._timeout_s, self._tell_timeout_s = url.rstrip("/"), timeout_s, tell_timeout_s
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def predict(self, request: Mapping[str, Any]) -> Any:
        """Return the answer to a request; see `Predictor`."""
        response = await self._post("/predict", request, self._timeout_s)
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise Away("an answer that is no JSON") from None

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Tell what came of decisions; see `Predictor`."""
        await self._post("/outcomes", {"outcomes": list(outcomes)}, self._tell_timeout_s)

    async def close(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _post(self, path: str, body: Mapping[str, Any], timeout_s: float) -> httpx.Response:
        # httpx's own limits are on each step: a server that drips a byte a moment would never reach one
        try:
            response = await asyncio.wait_for(self._client().post(f"{self._url}{path}", json=body), timeout_s)
        except (asyncio.TimeoutError, httpx.TimeoutException):  # noqa: UP041 - two classes until Python 3.11
            raise Away(f"no answer within {timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Away(type(error).__name__) from None
        if response.status_code in _OF_THE_REQUEST:
            raise Declined(f"status {response.status_code}")
        if response.status_code != 200:
            raise Away(f"status {response.status_code}", _seconds(response.headers.get("Retry-After")))
        return response

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(
                headers=self._headers, timeout=max(self._timeout_s, self._tell_timeout_s), trust_env=False,
                limits=httpx.Limits(max_connections=256, max_keepalive_connections=64, keepalive_expiry=KEEPALIVE_S),
            )  # fmt: skip
        return client


def _seconds(text: str | None) -> float | None:
    """Return the seconds of a Retry-After; None where there is none, or a date."""
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
