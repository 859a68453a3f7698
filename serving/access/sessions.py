"""Sessions of the audit page: a signed cookie that names a key and ends with it; nothing is kept on the server."""

import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from serving.access.keys import ApiKey, Keys

COOKIE = "thinkworth_session"
SESSION_S = 8 * 3600
"""Seconds that a login lasts: a working day."""

_FORM = re.compile(
    r"1~(?P<name>[\w.-]{1,64})~(?P<fingerprint>[0-9a-f]{16})~(?P<ends>\d{1,12})~(?P<signature>[0-9a-f]{64})"
)


def issued(secret: bytes, key: ApiKey, now: datetime) -> str:
    """Return the value of a cookie: version, name of the key, beginning of its hash, end of the session, and their HMAC-SHA256."""
    ends = now + timedelta(seconds=SESSION_S)
    said = f"1~{key.name}~{key.fingerprint}~{int(ends.timestamp())}"
    return f"{said}~{_signature(secret, said)}"


def holder(secret: bytes, cookie: str, keys: Keys, now: datetime) -> ApiKey | None:
    """Return the key of a session; None where the cookie is not ours, has ended, or its key has: revoked, replaced, or expired."""
    found = _FORM.fullmatch(cookie)
    if found is None or not hmac.compare_digest(_signature(secret, cookie.rpartition("~")[0]), found["signature"]):
        return None
    key = keys.named(found["name"])
    ended = now >= datetime.fromtimestamp(int(found["ends"]), UTC)
    if key is None or ended or key.is_expired(now) or key.fingerprint != found["fingerprint"]:
        return None
    return key


def cookie_options(root: str, *, is_https: bool) -> dict[str, Any]:
    """Return how the cookie is set: for the page alone, out of reach of scripts, never sent from another site.

    It names no domain, so that no other host gets it, one of another name for the same address neither.
    """
    return {"path": root or "/", "httponly": True, "samesite": "strict", "secure": is_https}


def _signature(secret: bytes, said: str) -> str:
    return hmac.new(secret, said.encode("ascii"), "sha256").hexdigest()
