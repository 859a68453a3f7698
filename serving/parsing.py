"""A JSON body into a request, strictly: what is wrong is said in our one shape of error, and never with the input."""

import json
import re
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from contract.errors import InvalidRequest
from contract.wording import no_constant
from serving.schemas import Outcome, PredictRequest

T = TypeVar("T", bound=BaseModel)

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1

MAX_DEPTH = 64
"""Nesting of a JSON body; beyond it a body is refused before it is parsed."""


def parse(model: type[T], raw: bytes) -> T:
    """Return a request from a JSON body.

    Raises:
        InvalidRequest: not JSON, too deep, an unknown key, a wrong type or a number out of range; never with the input.
    """
    return checked(model, read_object(raw))


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object of a body.

    Raises:
        InvalidRequest: not JSON, too deep, or no object; never with the input.
    """
    raw = well_formed(raw)
    if _depth(raw) > MAX_DEPTH:
        raise InvalidRequest(
            f"the body nests deeper than {MAX_DEPTH} levels; flatten it", type="too_deep", limit=MAX_DEPTH
        )
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=no_constant)  # of bytes it would guess UTF-16 too
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is not JSON in UTF-8; send a JSON object", type="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidRequest(
            "the body is JSON but no object; send one with the keys of /docs.json", type="invalid_json"
        )
    return value


def checked(model: type[T], value: dict[str, Any]) -> T:
    """Return a request from an object.

    Raises:
        InvalidRequest: an unknown key, a wrong type or a number out of range; never with the input.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise from_validation(error, model) from None


def well_formed(raw: bytes) -> bytes:
    """Return a JSON body without a byte order mark, and with question marks for lone surrogates.

    They are no text, and stricter parsers refuse them.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return raw
    try:
        return json.dumps(json.loads(raw.decode("utf-8")), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return raw  # no JSON: the parser says so


def from_validation(error: ValidationError, model: type[BaseModel]) -> InvalidRequest:
    """Return the first broken rule in our shape; pydantic's own message would repeat the input."""
    first = error.errors(include_input=False, include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    field = ".".join(map(str, first["loc"])) or None
    if kind == "extra_forbidden":
        nested = PredictRequest if "requests" in first["loc"] else Outcome if "outcomes" in first["loc"] else model
        known = list(nested.model_fields)
        parent = ".".join(map(str, first["loc"][:-1])) or None
        return InvalidRequest(
            f"unknown key; known ones: {', '.join(known)}",
            type="unknown_key",
            field=_short(field) or parent,
            limit=known,
        )
    limit: Any = next(
        (context[k] for k in ("ge", "le", "gt", "lt", "max_length", "min_length", "expected") if k in context), None
    )
    field = _short(field)
    if kind == "literal_error" and first["loc"][-1] == "provider":
        return InvalidRequest(f"provider is not one of {limit}", type="unknown_provider", field=field, limit=limit)
    names = {
        "greater_than_equal", "less_than_equal", "too_long", "too_short", "string_too_long", "string_too_short", "finite_number",
    }  # fmt: skip
    if kind in names:
        return InvalidRequest(f"{field}: {first['msg']}", type="out_of_range", field=field, limit=limit)
    if kind == "missing":
        return InvalidRequest(f"{field} is missing", type="missing_key", field=field)
    if kind == "value_error":  # a rule of ours: its message says value and remedy
        return InvalidRequest(first["msg"].removeprefix("Value error, "), type="inconsistent", field=field)
    return InvalidRequest(f"{field}: {first['msg']}", type="wrong_type", field=field, limit=limit)


def _short(field: str | None) -> str | None:
    """A key may be a prompt in the wrong place: long ones are cut."""
    return field if field is None or len(field) <= 60 else f"{field[:20]}…"


def _depth(raw: bytes) -> int:
    """Return how deep brackets nest outside strings; 0 where they are too few to nest deeper than the limit."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return 0
    steps = _STEP[np.frombuffer(_STRING.sub(b"", raw), np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
