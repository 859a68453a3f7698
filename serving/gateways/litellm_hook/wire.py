"""thinkworth over HTTP, and what else may stand in its place. Deadlines are those of the callers."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import httpx

KEEPALIVE_S = 4.0
"""A connection that was idle for longer is not used again: servers close them after 5 seconds, and one that closes as we
write would count as a failure."""

LONGEST_STEP_S = 60.0
"""httpx's limit, which is on each step: a server that drips a byte a moment never reaches it, so callers have one on the whole."""

_OF_THE_REQUEST = (400, 413, 422)
"""Statuses that speak of what was sent, not of the service."""


class Away(Exception):
    """No usable answer: the service is away, slow, overloaded, refuses our key, or speaks another language.

    Attributes:
        reason: in few words, without anything of a prompt.
        pause_s: seconds after which to ask again, where the service said so.
        late: it is there, and gave up at our deadline.
    """

    def __init__(self, reason: str, pause_s: float | None = None, *, late: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.pause_s, self.late = reason, pause_s, late


class Declined(Exception):
    """The service is there and does not take this one request: it is too long, or of a shape that it does not know."""


class Predictor(Protocol):
    """What the hook asks and tells: the service's two routes, as coroutines; bodies and answers as over HTTP.

    They run in an event loop of the hook's own, in a thread beside the proxy's.
    """

    async def predict(self, request: Mapping[str, Any]) -> Any:
        """Return the answer of `POST /predict`; raises `Away` or `Declined`."""

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Do what `POST /outcomes` does; raises `Away` or `Declined`."""


class Service:
    """A service over HTTP: one client an event loop, made when first needed."""

    def __init__(self, url: str, *, api_key: str | None, timeout_s: float | None = None) -> None:
        self._url = url.rstrip("/")
        # a question that nobody waits for any more is dropped before it costs anything
        self._deadline = {} if timeout_s is None else {"X-Request-Timeout-Ms": str(max(1, round(timeout_s * 1000)))}
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    async def predict(self, request: Mapping[str, Any]) -> Any:
        """Return the answer to a request; see `Predictor`."""
        response = await self._post("/predict", request, self._deadline)
        try:
            return response.json()
        except (ValueError, RecursionError):
            raise Away("an answer that is no JSON") from None

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Tell what came of decisions; see `Predictor`."""
        await self._post("/outcomes", {"outcomes": list(outcomes)}, {})

    async def close(self) -> None:
        """Close the connections of this event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> httpx.Response:
        try:
            response = await self._client().post(f"{self._url}{path}", json=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Away(type(error).__name__) from None
        if response.status_code in _OF_THE_REQUEST:
            raise Declined(f"status {response.status_code}")
        if response.status_code != 200:
            pause_s = _seconds(response.headers.get("Retry-After"))
            raise Away(f"status {response.status_code}", pause_s, late=response.status_code == 408)
        return response

    def _client(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = httpx.AsyncClient(
                headers=self._headers, timeout=LONGEST_STEP_S, trust_env=False,
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
