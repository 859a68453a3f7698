"""Who a request is of, by the key that it presents, and whether that key may do what is asked: pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from contract.errors import Forbidden, Unauthorised
from serving.access.keys import ApiKey, Keys, Scope

MOST_PRESENTED = 4
"""Keys of one request that are looked up."""

HOW = "send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`"


class Caller(NamedTuple):
    """Who asks; without a key, anybody.

    Attributes:
        key: the entry of the key that was presented; None where none was needed or keys are off.
    """

    key: ApiKey | None = None

    @property
    def name(self) -> str:
        """The name of the key, for logs and metrics."""
        return self.key.name if self.key else "anonymous"


ANYBODY = Caller()


def authorise(
    headers: Iterable[tuple[bytes, bytes]], needed: Iterable[Scope], keys: Keys | None, now: datetime
) -> Caller:
    """Return who asks.

    Args:
        headers: of the request, names in lower case.
        needed: scopes, each of which suffices; none of them: any key does.
        keys: that are let in; None: no key is needed, and one that is presented is not looked at.
        now: the time, with its zone.

    Raises:
        Unauthorised: no key, or none that is known and not expired.
        Forbidden: the key has none of the needed scopes.
    """
    return permitted(headers, known_key(headers, keys), needed, now) if keys is not None else ANYBODY


def known_key(headers: Iterable[tuple[bytes, bytes]], keys: Keys) -> ApiKey | None:
    """Return the entry of the first key that a request presents and that is known, expired or not."""
    found = None
    for one in presented_keys(headers):
        found = found or keys.of(one)
    return found


def permitted(
    headers: Iterable[tuple[bytes, bytes]], known: ApiKey | None, needed: Iterable[Scope], now: datetime
) -> Caller:
    """Return who asks, of the entry that `known_key` found; raises what `authorise` does."""
    if known is None and not presented_keys(headers):
        raise Unauthorised(f"an API key is needed; {HOW}")
    if known is None:
        raise Unauthorised("the API key is unknown; ask who runs this service for one", type="unknown_api_key")
    if known.is_expired(now):
        raise Unauthorised(f"the API key {known.name} has expired; ask for a new one", type="expired_api_key")
    refuse_without_scope(known, needed)
    return Caller(known)


def refuse_without_scope(key: ApiKey, needed: Iterable[Scope]) -> None:
    """Pass only a key that has one of the needed scopes, or where none is needed.

    Raises:
        Forbidden: it has none of them.
    """
    needed = tuple(needed)
    if needed and not set(needed) & set(key.scopes):
        what = f"the API key {key.name} has the scopes {', '.join(key.scopes)}; {' or '.join(needed)} is needed here; "
        raise Forbidden(what + "ask for a key that has it", type="scope_missing", limit=list(needed))


def presented_keys(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the keys that a request presents; other schemes than Bearer are passed over."""
    found = []
    for name, value in headers:
        if name == b"x-api-key":
            found.append(value.strip())
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            found.append(value[7:].strip())
    return [key for key in found if key][:MOST_PRESENTED]
