"""Where a request comes from and where the service listens: this machine, or elsewhere."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address

from contract.errors import Forbidden, InvalidInput
from contract.settings import Settings

PROXIED = (
    "forwarded",
    "x-forwarded-",
    "x-real-ip",
    "via",
    "x-envoy-",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
)
"""Beginnings of headers that a proxy adds: the client is then another than the address that is seen. A sidecar connects from a loopback address,
and Envoy's says of itself no more than X-Forwarded-Proto."""

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

KEYS = "make a key with `thinkworth keys new --name gateway --scope predict --scope outcomes --file keys.yaml` and set api_keys_file"
ALLOWED = "set allow_anonymous where a mesh or a proxy lets in only who may"


def is_loopback(address: str | None) -> bool:
    """Say whether an address, or the name localhost, is this machine's own, reached by nobody else."""
    if (address or "").lower() == "localhost":
        return True
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def address_of(host: str) -> str:
    """Return the IP address to listen on; localhost is 127.0.0.1, an IPv6 address may stand in brackets as in a URL.

    Raises:
        InvalidInput: it is none; another name may have several, of other machines too.
    """
    if host.lower() == "localhost":
        return "127.0.0.1"
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return str(ip_address(bare))
    except ValueError as error:
        what = f"{host} is no IP address to listen on; give one of this machine's, localhost (127.0.0.1), or 0.0.0.0 or :: for all of them"
        raise InvalidInput(what, field="host") from error


def refuse_open(host: str, settings: Settings) -> None:
    """Pass only an address to listen on that fits who is let in: beyond this machine, those who have a key.

    Raises:
        InvalidInput: anybody could use the service; the message says what to do.
    """
    if not (settings.wants_keys or settings.allow_anonymous or is_loopback(host)):
        what = (
            f"on {host} anybody could use this service, which has no API keys; {KEYS}, bind to 127.0.0.1, or {ALLOWED}"
        )
        raise InvalidInput(what, field="host", limit="127.0.0.1")


def refuse_reached(server: str | None) -> None:
    """Pass only a connection that was made to this machine's own address, whatever the service was told to listen on.

    Args:
        server: the address that the client reached; None where it was a Unix socket.

    Raises:
        Forbidden: anybody could use the service.
    """
    if server is not None and not is_loopback(server):
        what = f"this service has no API keys and was reached at {server}: anybody could use it; {KEYS}, bind it to 127.0.0.1, or {ALLOWED}"
        raise Forbidden(what, type="keys_needed")


def refuse_other_sites(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Pass only what no page of another site sent: without keys, a browser of this machine would carry it here.

    Raises:
        Forbidden: a browser says that it comes from elsewhere.
    """
    for name, value in headers:
        if name == b"sec-fetch-site" and value not in (b"same-origin", b"none"):
            raise Forbidden(
                "the request comes from a page of another site; send it from a program", field="sec-fetch-site"
            )


def refuse_elsewhere(client: str | None, headers: Mapping[str, str], what: str, remedy: str) -> None:
    """Pass only what comes from this machine by one of its own names.

    A name other than localhost in the Host header is how a foreign site reaches a local server (DNS rebinding), and a proxy's header how a
    foreign user does.

    Args:
        client: address of the other end of the connection; None where there is none.
        headers: of the request, names in lower case.
        what: is refused to others, for the message.
        remedy: for the message.

    Raises:
        Forbidden: it comes from elsewhere, through a proxy, or under another name.
    """
    if not is_loopback(client):
        raise Forbidden(f"{what} on the machine itself only, as long as there are no API keys; {remedy}")
    proxied = next((name for name in headers if name.lower().startswith(PROXIED)), None)
    if proxied:
        raise Forbidden(f"the request has the header {proxied}, so it came through a proxy; {remedy}", field=proxied)
    name = _name(headers.get("host", ""))
    if name not in LOCAL_NAMES and not is_loopback(name):  # an address is no name that somebody else's DNS could give
        told = f"the request names a host that is none of {', '.join(LOCAL_NAMES)}; {remedy}"
        raise Forbidden(told, field="host", limit=list(LOCAL_NAMES))


def _name(host: str) -> str:
    """Return the host of a Host header without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()
