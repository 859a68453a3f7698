"""Who may see the page, and what a browser may do with it.

Until there are API keys, only the machine itself: a page shows prompts and takes marks. A name other than localhost in the Host header
is how a foreign site reaches a local server (DNS rebinding), and a proxy's header how a foreign user does.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from contract.errors import InvalidRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

PROXIED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers that a proxy adds: the client is then another than the address that is seen."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Forbidden(InvalidRequest):
    """The page is not shown to this client, or a form came from elsewhere."""

    type = "forbidden"
    status = 403


class Headers:
    """ASGI middleware that adds the headers that every answer has; no answer is kept but by its own word."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def adding(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = {name.lower() for name, _ in message["headers"]}
                added = {"cache-control": "no-store", **HEADERS}
                more = [(n.encode(), v.encode()) for n, v in added.items() if n.encode() not in named]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        await self.app(scope, receive, adding)


def refuse_others(client: str | None, headers: Mapping[str, str], port: int | None) -> None:
    """Pass only what comes from this machine by one of its own names.

    Args:
        client: address of the other end of the connection; None where there is none.
        headers: of the request, names in lower case.
        port: of the server, for the way to reach it.

    Raises:
        Forbidden: it comes from elsewhere, through a proxy, or under another name.
    """
    remedy = f"open a tunnel (ssh -L {port or 3000}:127.0.0.1:{port or 3000} HOST) and browse to http://127.0.0.1:{port or 3000}/audit"
    if not _is_loopback(client):
        raise Forbidden(
            f"the audit page is shown on the machine itself only, as long as there are no API keys; {remedy}"
        )
    proxied = next((name for name in PROXIED if name in headers), None)
    if proxied:
        raise Forbidden(f"the request has the header {proxied}, so it came through a proxy; {remedy}", field=proxied)
    if _name(headers.get("host", "")) not in LOCAL_NAMES:
        what = f"the request names a host that is none of {', '.join(LOCAL_NAMES)}; {remedy}"
        raise Forbidden(what, field="host", limit=list(LOCAL_NAMES))


def refuse_foreign_form(headers: Mapping[str, str], scheme: str) -> None:
    """Pass only a form that a page of this very origin sent.

    Chromium sends `Origin: null` from a page that has no-referrer; then its Sec-Fetch-Site, which no script can set, is what tells.

    Raises:
        Forbidden: it came from another site, or nothing says where from.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = f"{scheme}://{headers.get('host', '')}"
    same_site = site == "same-origin" and origin in (None, "null", own)
    if same_site or (site is None and origin == own):
        return
    raise Forbidden("the form was not sent by this page; open the decision here and mark it again", field="origin")


def _is_loopback(client: str | None) -> bool:
    try:
        address = ip_address(client or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _name(host: str) -> str:
    """Return the host of a Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
