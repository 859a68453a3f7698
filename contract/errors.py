"""Every error that thinkworth raises on purpose.

    ThinkworthError
    ├── InvalidRequest (400)      what a caller of the service sent
    │   ├── Unauthorised (401)    no key, or one that is unknown or expired
    │   ├── Forbidden (403)       who asks may not do this, or not from there
    │   ├── RateLimited (429)     the key has asked as often as it may
    │   ├── BodyTooLarge (413), HeadersTooLarge (431)
    │   ├── NotFound (404), MethodNotAllowed (405)
    │   ├── RecordingOff (409)
    │   ├── NotReloaded (409)
    │   ├── DeadlinePassed (408)
    │   ├── ClientGone (499)
    │   └── Overloaded (429)
    ├── InternalError (500)       a bug: its message never repeats the request
    ├── StoreDown (503)           the decision store cannot be reached
    ├── InvalidInput              a file, a flag or a configuration of a command (exit code 2)
    │   ├── NoUsableRows
    │   └── MissingExtra
    └── Refused                   the work was done and its result is not good enough (exit code 1)
        ├── BundleMissing, BundleMismatch, BundleTooNew
        ├── StoreTooNew
        └── ParityFailed

A message says the value, the limit and the remedy, and never repeats a prompt.
"""

from math import ceil
from typing import Any, ClassVar


class ThinkworthError(Exception):
    """Base of all: what went wrong, in which field, against which limit.

    Attributes:
        type: stable machine-readable name, the `type` of an error answer.
        field: the offending field, or None.
        limit: the limit or the allowed values, or None.
        headers: of an answer that tells it.
    """

    type: str = "error"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, type: str | None = None, field: str | None = None, limit: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.type = type or self.type
        self.field = field
        self.limit = limit
        self.headers: dict[str, str] = {}

    def body(self) -> dict[str, Any]:
        """The one shape of an error on the wire."""
        return {"error": {"type": self.type, "message": self.message, "field": self.field, "limit": self.limit}}


class InvalidRequest(ThinkworthError):
    """The request cannot be answered as it is; `type` says which rule it broke."""

    type = "invalid_request"
    status = 400
    exit_code = 2


class Unauthorised(InvalidRequest):
    """No key was presented, or one that is unknown or expired."""

    type = "no_api_key"
    status = 401

    def __init__(self, message: str, **named: Any) -> None:
        super().__init__(message, **named)
        self.headers["WWW-Authenticate"] = 'Bearer realm="thinkworth"'


class Forbidden(InvalidRequest):
    """Who asks may not do this, or not from there."""

    type = "forbidden"
    status = 403


class RateLimited(InvalidRequest):
    """The key has asked as often as it may; `Retry-After` says when it may again."""

    type = "rate_limited"
    status = 429

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **named: Any) -> None:
        super().__init__(message, **named)
        self.headers["Retry-After"] = str(max(1, ceil(retry_after_s)))


class HeadersTooLarge(InvalidRequest):
    """The request's address and headers are over the size limit."""

    type = "headers_too_large"
    status = 431


class BodyTooLarge(InvalidRequest):
    """The body is over the size limit."""

    type = "body_too_large"
    status = 413


class NotFound(InvalidRequest):
    """No such route."""

    type = "not_found"
    status = 404


class MethodNotAllowed(InvalidRequest):
    """The route exists, with another method; `Allow` names those that there are."""

    type = "method_not_allowed"
    status = 405

    def __init__(self, message: str, *, allowed: str = "", **more: Any) -> None:
        super().__init__(message, **more)
        if allowed:
            self.headers["Allow"] = allowed


class RecordingOff(InvalidRequest):
    """The service records nothing, so there is nothing that an outcome could be of."""

    type = "recording_off"
    status = 409


class DeadlinePassed(InvalidRequest):
    """The caller's own deadline passed while the request waited; nothing was computed for it."""

    type = "deadline_passed"
    status = 408


class ClientGone(InvalidRequest):
    """The client closed its connection while the request waited; nobody reads this, but those who count errors."""

    type = "client_gone"
    status = 499


class Overloaded(InvalidRequest):
    """More requests than can be answered in time; `Retry-After` says when there should be room."""

    type = "overloaded"
    status = 429

    def __init__(self, message: str, *, retry_after_s: int = 1, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers["Retry-After"] = str(retry_after_s)


class NotReloaded(InvalidRequest):
    """Another bundle was to be served and is not: every worker keeps the one it had."""

    type = "not_reloaded"
    status = 409


class InternalError(ThinkworthError):
    """A bug of ours; the log has the traceback, never the prompt."""

    type = "internal_error"


class StoreDown(ThinkworthError):
    """The decision store cannot be reached."""

    type = "store_down"
    status = 503


class InvalidInput(ThinkworthError):
    """A file, a flag or a configuration that a command cannot work with."""

    type = "invalid_input"
    exit_code = 2


class NoUsableRows(InvalidInput):
    """All rows of the input were bad."""

    type = "no_usable_rows"
    exit_code = 1


class MissingExtra(InvalidInput):
    """The command needs an optional dependency that is not installed."""

    type = "missing_extra"


class Refused(ThinkworthError):
    """The result did not pass a gate."""

    type = "refused"


class BundleMissing(Refused):
    """A bundle, or one of its files, is not there."""

    type = "bundle_missing"


class BundleMismatch(Refused):
    """A file of a bundle is not the one its manifest describes."""

    type = "bundle_mismatch"


class BundleTooNew(Refused):
    """The bundle was written by a newer thinkworth."""

    type = "bundle_too_new"


class StoreTooNew(Refused):
    """The tables of the decision store were made by a newer thinkworth."""

    type = "store_too_new"


class ParityFailed(Refused):
    """The exported graph does not reproduce the fitted estimators."""

    type = "parity_failed"
