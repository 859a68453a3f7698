"""Records on their way into the store: what is written, and the lines of a journal that holds them meanwhile."""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

SHADOW = "shadow"
"""Names a record that is no row of its own: decision_id, and what the column `shadow` of that decision is to hold."""


class Record(NamedTuple):
    """A row for one of the tables `decisions`, `outcomes`, `prompts`, `reviews` or `gaps`, an absent column being NULL; or a SHADOW."""

    table: str
    row: Mapping[str, Any]


def to_line(record: Record) -> bytes:
    """Return a record as a line of JSON, its end included."""
    return json.dumps([record.table, dict(record.row)], default=_plain, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Record | None:
    """Return the record of a line, None where it holds none: it is torn, its writer was killed before it was acknowledged."""
    try:
        table, row = json.loads(line, object_hook=_rich)
    except (ValueError, TypeError):
        return None
    return Record(table, row) if isinstance(table, str) and isinstance(row, dict) else None


def _plain(value: Any) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"$time": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} in a record")


def _rich(value: dict[str, Any]) -> Any:
    if value.keys() == {"$time"}:
        return datetime.fromisoformat(value["$time"])
    if value.keys() == {"$bytes"}:
        return base64.b64decode(value["$bytes"])
    return value
