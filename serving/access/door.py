"""The door of a process: who comes in to which route, how often, and what /readyz, the log and the metrics are told of it."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

from contract.errors import Forbidden, HeadersTooLarge, NotFound, RateLimited, ThinkworthError, Unauthorised
from contract.settings import Settings
from serving.access.authorise import ANYBODY, Caller, known_key, permitted, presented_keys, refuse_without_scope
from serving.access.keys import ApiKey, Keys, Scope
from serving.access.places import ALLOWED, is_loopback, refuse_elsewhere, refuse_other_sites, refuse_reached
from serving.access.rates import Buckets
from serving.access.sessions import holder, issued
from serving.access.sizes import refuse_large_batch
from serving.access.watch import WatchedKeys
from serving.routes import ROUTES
from serving.schemas import BatchRequest
from serving.secret import secret_key

OPEN = frozenset({"/livez", "/healthz", "/readyz", "/", "/docs.json", "/schema.json"})
"""Paths without a key: what probes ask, and what is the same for every installation. The audit page asks for its own."""

OPEN_BELOW = ("/static_content/", "/audit/")

OF_METRICS: tuple[Scope, ...] = ("metrics", "admin")
"""Scopes each of which suffices for /metrics: a scraper need not be able to reload."""

ADVICE: tuple[Scope, ...] = ("predict",)
"""Scopes of what is answered without keys though a program of this machine passes on what others ask: gateways do."""

ANYBODYS: tuple[Scope, ...] = ("predict", "outcomes", "metrics")
"""Scopes of what `allow_anonymous` opens."""

ADMIN = "/admin/"
PROBES = ("/livez", "/healthz")

AUDIT: tuple[Scope, ...] = ("audit",)

LOGIN_BURST, LOGIN_EVERY_S = 10, 6.0
"""Logins that an address may try at once, and seconds until it may try one more."""

Counted = Callable[[str, str], None]

logger = logging.getLogger("thinkworth")


class Door:
    """Lets requests in; its methods are for the event loop alone.

    Raises:
        InvalidInput: the keys of the settings are wrong.
    """

    def __init__(
        self, settings: Settings, *, count: Counted | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read the keys; `count` is told the name of the key and what became of each request: admitted, or the type of the error."""
        self.settings, self._count, self._clock = settings, count, clock
        self._watched = WatchedKeys(settings)
        self._buckets, self._logins = Buckets(), Buckets()
        self._secret: bytes | None = None
        self.most_body_bytes = settings.limits.body_kib * 1024
        self._most_header_bytes = settings.limits.header_kib * 1024
        if settings.allow_anonymous:
            logger.warning("allow_anonymous: anybody who reaches this service may use it without a key")

    @property
    def keys(self) -> Keys | None:
        """The keys that are let in now; None where none is needed."""
        return self._watched.held.keys

    def admit(self, scope: Mapping[str, Any]) -> Caller:
        """Return who asks, of an ASGI scope of HTTP; it counts as one request of the key.

        Raises:
            HeadersTooLarge: address and headers are over the limit.
            Unauthorised: a key is needed, and none that is known and not expired is presented.
            Forbidden: the key has not the scope of the route; without keys: the request comes from where it may not.
            RateLimited: the key has asked as often as it may.
        """
        self._refuse_large(scope)
        keys, path, headers = self._watched.held.keys, scope["path"], scope["headers"]
        if keys is None:
            self._admit_without_keys(scope)
            return ANYBODY
        if path in OPEN or f"{path}/".startswith(OPEN_BELOW):
            return ANYBODY
        if path == "/metrics" and self._is_local(scope):
            return ANYBODY
        known = known_key(headers, keys)
        became = "admitted"
        try:
            caller = permitted(headers, known, _needed(path), datetime.now(UTC))
            self.charge(caller, 1)
            return caller
        except ThinkworthError as error:
            became = error.type
            raise
        finally:
            self._tell(known, became)

    def charge(self, caller: Caller, n: int) -> None:
        """Count n requests of a key.

        Raises:
            RateLimited: it has asked as often as it may; none of them counts.
        """
        key, settings = caller.key, self.settings
        rate = (key.requests_per_second if key else None) or settings.key_requests_per_second
        if key is None or rate is None or n < 1:
            return
        burst = key.burst or settings.key_burst or max(1, ceil(rate))
        wait_s = self._buckets.take(key.name, n, rate, burst, self._clock())
        if wait_s > 0:
            what = (
                f"the API key {key.name} may ask {rate:g} times a second, {burst} at once; ask again in {wait_s:.1f} s"
            )
            raise RateLimited(what, retry_after_s=wait_s, limit=rate)

    def weigh(self, caller: Caller, request: object) -> None:
        """Count a request whose body was read: a batch counts as many requests of the key as it has.

        Raises:
            InvalidRequest: the batch is too large.
            RateLimited: the key has asked as often as it may.
        """
        if isinstance(request, BatchRequest):
            refuse_large_batch(request, self.settings.limits)
            self.charge(caller, len(request.requests) - 1)  # one was counted before the body was read

    def visitor(self, headers: Iterable[tuple[bytes, bytes]], cookie: str | None) -> ApiKey | None:
        """Return the key of who visits the audit page, by a key that the request presents or else by its session; None where keys are off.

        Raises:
            Unauthorised: neither lets in.
            Forbidden: the key has not the scope audit.
            RateLimited: the key has asked as often as it may.
            InvalidInput: the secret key of the sessions cannot be read.
        """
        keys, now = self.keys, datetime.now(UTC)
        if keys is None:
            return None
        if cookie and not presented_keys(headers):
            key = holder(self._session_key(), cookie, keys, now)
            if key is None:
                raise Unauthorised("the session has ended, or its key has; log in again", type="session_ended")
            refuse_without_scope(key, AUDIT)
            return key
        caller = permitted(headers, known_key(headers, keys), AUDIT, now)
        self.charge(caller, 1)
        return caller.key

    def login(self, presented: str, client: str | None) -> tuple[ApiKey, str]:
        """Return the key of a login and the value of its session's cookie.

        Raises:
            RateLimited: too many came from this address.
            NotFound: keys are off.
            Unauthorised, Forbidden, InvalidInput: as `visitor`.
        """
        keys, now = self.keys, datetime.now(UTC)
        if keys is None:
            raise NotFound("there is nothing to log in to: this service has no API keys")
        self._charge_login(client)
        as_header = [(b"x-api-key", presented.strip().encode())]
        became, known = "login", known_key(as_header, keys)
        try:
            key = permitted(as_header, known, AUDIT, now).key
            assert key is not None
            return key, issued(self._session_key(), key, now)
        except ThinkworthError as error:
            became = error.type
            raise
        finally:
            self._tell(known, became)

    def state(self) -> dict[str, Any]:
        """Return what /readyz tells: whether keys are needed, and why the keys that are let in are not those of the file."""
        held = self._watched.held
        if held.keys is None:
            return {"keys": "off", "anonymous": self.settings.allow_anonymous}
        return {"keys": "on", "file": "stale" if held.stale else "current", "why": held.stale}

    def close(self) -> None:
        """Let go of the file of keys."""
        self._watched.close()

    def _admit_without_keys(self, scope: Mapping[str, Any]) -> None:
        path, headers = scope["path"], scope["headers"]
        if not self.settings.allow_anonymous:
            if path not in PROBES:
                refuse_reached((scope.get("server") or (None,))[0])
            if scope["method"] not in ("GET", "HEAD"):
                refuse_other_sites(headers)
        if path.startswith(ADMIN) and any(name == b"origin" for name, _ in headers):
            raise Forbidden("the request comes from a browser; send it from a program", field="origin")
        scopes = _needed(path)
        shared = ANYBODYS if self.settings.allow_anonymous else ADVICE
        if scopes and scopes[0] not in shared:
            remedy = f"make a key with the scope {scopes[0]}" + (f", or {ALLOWED}" if scopes[0] in ANYBODYS else "")
            client = (scope.get("client") or (None,))[0]
            named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
            refuse_elsewhere(client, named, "this route answers", remedy)

    def _charge_login(self, client: str | None) -> None:
        wait_s = self._logins.take(client or "", 1, 1 / LOGIN_EVERY_S, LOGIN_BURST, self._clock())
        if wait_s > 0:
            what = f"too many logins from this address; try again in {ceil(wait_s)} s"
            raise RateLimited(what, retry_after_s=wait_s, limit=LOGIN_BURST)

    def _session_key(self) -> bytes:
        if self._secret is None:
            self._secret = secret_key(self.settings.session_key, "session_key_file")
        return self._secret

    def _tell(self, known: ApiKey | None, became: str) -> None:
        if self._count:
            self._count(known.name if known else "unknown", became)

    def _is_local(self, scope: Mapping[str, Any]) -> bool:
        """Say whether a request comes from this machine itself, and not through a proxy on it."""
        client = (scope.get("client") or (None,))[0]
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            refuse_elsewhere(client, named, "", "")
        except Forbidden:
            return False
        return is_loopback((scope.get("server") or (None,))[0])

    def _refuse_large(self, scope: Mapping[str, Any]) -> None:
        size = len(scope.get("raw_path") or scope["path"]) + len(scope.get("query_string", b""))
        for name, value in scope["headers"]:
            size += len(name) + len(value)
        if size > self._most_header_bytes:
            limit = self._most_header_bytes
            what = (
                f"address and headers have {size} bytes; limit {limit}; send fewer headers, or raise limits.header_kib"
            )
            raise HeadersTooLarge(what, limit=limit)


def _needed(path: str) -> tuple[Scope, ...]:
    """Return the scopes of a path, each of which suffices; none: any key does, and it is told that there is no such route."""
    if path.startswith(ADMIN):
        return ("admin",)
    if path == "/metrics":
        return OF_METRICS
    return (ROUTES[path].scope,) if path in ROUTES else ()
