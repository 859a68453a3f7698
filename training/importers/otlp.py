"""OTLP as JSON: the spans and log records of one record of a file, and their attributes as plain values.

The encoding: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. A file holds one kind of signal:
https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE = re.compile(r"-?\d{1,19}")
_SIGNALS = {
    "resourceSpans": ("scopeSpans", "spans"),
    "resourceLogs": ("scopeLogs", "logRecords"),
}
SPANS, LOGS = _SIGNALS


def inside(record: Mapping[str, Any], signal: str) -> Iterator[dict[str, Any] | None]:
    """Yield the spans (`resourceSpans`) or log records (`resourceLogs`) of a record; None for each that is no object."""
    found: list[Any] = [record]
    for name in (signal, *_SIGNALS[signal]):
        found = [inner for one in found for inner in _listed(one, name)]
    yield from (one if isinstance(one, dict) else None for one in found)


def _listed(one: Any, name: str) -> list[Any]:
    """Return a list that an object holds, empty where it has none; [None] where either is not what it should be."""
    value = (one.get(name) or []) if isinstance(one, dict) else None
    return value if isinstance(value, list) else [None]


def objects(values: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; nothing where it is none."""
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def attributes(pairs: Any) -> dict[str, Any]:
    """Return a list of {key, value} as a mapping to plain values."""
    return {str(pair["key"]): _plain(pair.get("value")) for pair in objects(pairs) if "key" in pair}


def _plain(wrapped: Any) -> Any:
    """Return what an AnyValue holds; a whole number is a text in this encoding, and may be a number too."""
    for kind, value in wrapped.items() if isinstance(wrapped, dict) else ():
        values = value.get("values") if isinstance(value, dict) else None
        if kind == "arrayValue":
            return [_plain(item) for item in values] if isinstance(values, list) else []
        if kind == "kvlistValue":
            return attributes(values)
        if kind == "intValue" and isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        return value
    return None


def numbered(found: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the list that `<prefix>.0.role`, `<prefix>.0.content`, `<prefix>.1.role`, ... spell, keys dotted."""
    items: dict[int, dict[str, Any]] = {}
    for key, value in found.items():
        number, _, name = key.removeprefix(f"{prefix}.").partition(".")
        if key.startswith(f"{prefix}.") and number.isascii() and number.isdigit() and len(number) < 7 and name:
            items.setdefault(int(number), {})[name] = value
    return [items[number] for number in sorted(items)]


def nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"thinking.type": "enabled"} as {"thinking": {"type": "enabled"}}; a key that is also a value stays dotted."""
    tree: dict[str, Any] = {}
    for key, value in sorted(dotted.items()):
        *above, last = key.split(".")
        branch = tree
        for name in above:
            branch = branch.setdefault(name, {}) if isinstance(branch, dict) else branch
        if isinstance(branch, dict):
            branch[last] = value
        else:
            tree[key] = value
    return tree


def moment(nanoseconds: Any) -> datetime | str | None:
    """Return a time in nanoseconds since 1970 (a text in this encoding); 0 is none, and what is no time stays a text."""
    if nanoseconds in (None, "", 0, "0"):
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(nanoseconds) // 1000)
    except (ValueError, TypeError, OverflowError):
        return str(nanoseconds)[:40]
