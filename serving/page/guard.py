"""Who may see the page where there are no API keys, the machine itself alone, and what a browser may do with it."""

from collections.abc import Mapping
from typing import Any

from contract.errors import Forbidden
from serving.access.places import refuse_elsewhere
from serving.asgi import App, Message, Receive, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer a form says Origin: null, and without https nothing else tells where it comes from
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


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
    refuse_elsewhere(client, headers, "the audit page is shown", remedy)


def is_https(headers: Mapping[str, str], scheme: str) -> bool:
    """Say whether the browser speaks https: to this service, or to the proxy in front of it by its own word."""
    return scheme == "https" or headers.get("x-forwarded-proto", "").strip().lower() == "https"


def refuse_foreign_form(headers: Mapping[str, str], scheme: str) -> None:
    """Pass only a form that a page of this very origin sent.

    Browsers send Sec-Fetch-Site, which no script can set, over https and to this machine, and Origin everywhere. What a proxy in front says
    of the scheme is believed: the worst that a false word does is to refuse.

    Raises:
        Forbidden: it came from another site, or nothing says where from.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = f"{'https' if is_https(headers, scheme) else scheme}://{headers.get('host', '')}"
    same_site = site == "same-origin" and origin in (None, "null", own)
    if same_site or (site is None and origin == own):
        return
    raise Forbidden("the form was not sent by this page; open it here and send the form again", field="origin")
