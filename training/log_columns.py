"""One column of a log: raw values into the canonical Arrow type, and a reason for each value that does not fit.

Ordinary values are checked by the column, in Arrow. What is left, a handful as a rule, goes value by value through
the very field of `contract.records.Attempt`, so that the two cannot disagree on what is allowed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from contract.records import column_kind
from training.log_values import CONTENT, LARGEST, REQUIRED, Fault, allowed, ask, bounds

ARROW_TYPES: dict[type, Any] = {
    str: pa.large_string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}
EXACT = 2.0**53


@dataclass(frozen=True)
class Checked:
    """A column in its canonical type, null where a value was bad, and the bad ones by row."""

    values: pa.Array
    faults: dict[int, Fault]


def check_column(name: str, values: Sequence[Any] | pa.Array) -> Checked:
    """Return the column `name` in its canonical type with a fault for each value that breaks a rule of `Attempt`."""
    if name == "messages":
        values = _messages_as_text(values)
    array = values if isinstance(values, pa.Array) else _as_arrow(values)
    kind = column_kind(name)
    target = ARROW_TYPES[kind]
    if array is None:
        clean, odd = pa.nulls(len(values), target), pa.array([value is not None for value in values])
    else:
        clean, odd = _ordinary(name, kind, array)
    if name in REQUIRED:
        given = array.is_valid() if array is not None else odd
        odd = pc.or_(odd, pc.invert(given))
    places = pc.indices_nonzero(odd).to_pylist()
    if not places:
        return Checked(clean, {})
    raw = values.take(pa.array(places)).to_pylist() if isinstance(values, pa.Array) else [values[i] for i in places]
    return _one_by_one(name, clean, odd, dict(zip(places, raw, strict=True)))


def _as_arrow(values: Sequence[Any]) -> pa.Array | None:
    """Return the values as an Arrow array, or None where their types are mixed or no Arrow type holds them."""
    types = set(map(type, values))
    if bool in types and types - {bool, type(None)}:
        return None  # Arrow would take [0.5, True] for numbers without a word
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        return None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _messages_as_text(values: Sequence[Any] | pa.Array) -> Sequence[Any] | pa.Array:
    """Return messages as JSON texts: a real list is taken too."""
    if isinstance(values, pa.Array):
        if not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
            return values
        values = [_without_nulls(conversation) for conversation in values.to_pylist()]
    return [json.dumps(v, ensure_ascii=False, default=str) if isinstance(v, list) else v for v in values]


def _without_nulls(conversation: list[Any] | None) -> list[Any] | None:
    """Drop the keys that a columnar file adds to each message because another one has them."""
    if conversation is None:
        return None
    return [{k: v for k, v in m.items() if v is not None} if isinstance(m, dict) else m for m in conversation]


def _ordinary(name: str, kind: type, array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return what is plainly right, cast, and the mask of the rest (not null, to be looked at one by one)."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    given = array.is_valid()
    typed = {str: _texts, int: _numbers, float: _numbers, bool: _flags, datetime: _times}[kind](name, kind, array)
    if typed is None:
        return pa.nulls(len(array), ARROW_TYPES[kind]), given
    clean, right = typed
    right = pc.fill_null(right, False)
    clean = pc.if_else(right, clean, pa.scalar(None, clean.type))
    return clean, pc.and_(given, pc.invert(right))


def _texts(name: str, kind: type, array: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return None
    clean = array.cast(pa.large_string())
    words = allowed(name)
    if words:
        return clean, pc.is_in(clean, value_set=pa.array(words, pa.large_string()))
    empty = pc.equal(clean, "")
    if name in REQUIRED:
        return clean, pc.invert(empty)
    if name not in CONTENT:  # an empty name is no name
        clean = pc.if_else(empty, pa.scalar(None, clean.type), clean)
    return clean, array.is_valid()


def _numbers(name: str, kind: type, array: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    whole = kind is int
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        pattern = r"^[0-9]{1,15}$" if whole else r"^[0-9]{1,15}(\.[0-9]{1,15})?$"
        plain = pc.fill_null(pc.match_substring_regex(array, pattern), False)
        array = pc.if_else(plain, array, pa.scalar(None, array.type)).cast(pa.float64())
    elif pa.types.is_integer(array.type):
        if whole:
            inside = pc.fill_null(_within(name, array, limit=LARGEST), False)
            return pc.if_else(inside, array, pa.scalar(None, array.type)).cast(pa.int64()), inside
        array = array.cast(pa.float64(), safe=False)
    elif not pa.types.is_floating(array.type):
        return None
    else:
        array = array.cast(pa.float64())
    right = pc.and_(pc.is_finite(array), _within(name, array, limit=EXACT if whole else None))
    if whole:
        right = pc.fill_null(pc.and_(right, pc.equal(pc.floor(array), array)), False)
        array = pc.if_else(right, array, pa.scalar(None, array.type)).cast(pa.int64())
    return array, right


def _within(name: str, array: pa.Array, *, limit: float | None) -> pa.Array:
    low, high = bounds(name)
    high = high if high is not None else limit
    inside = array.is_valid()
    if low is not None:
        inside = pc.and_(inside, pc.greater_equal(array, pa.scalar(low).cast(array.type)))
    if high is not None and (pa.types.is_floating(array.type) or pa.types.is_uint64(array.type)):
        inside = pc.and_(inside, pc.less_equal(array, pa.scalar(high).cast(array.type)))
    return inside


def _flags(name: str, kind: type, array: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    return (array, array.is_valid()) if pa.types.is_boolean(array.type) else None


def _times(name: str, kind: type, array: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    """Return timestamps as UTC; one without a zone is taken for UTC."""
    if not pa.types.is_timestamp(array.type):
        return None
    if array.type.tz is None:
        array = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(ARROW_TYPES[datetime])
    return array.cast(ARROW_TYPES[datetime], safe=False), array.is_valid()


def _one_by_one(name: str, clean: pa.Array, odd: pa.Array, raw: dict[int, Any]) -> Checked:
    """Ask `Attempt`'s own field about each odd value; equal values are asked about once."""
    faults: dict[int, Fault] = {}
    found: list[Any] = []
    known: dict[Any, Any] = {}
    for place, value in raw.items():
        key = (type(value), repr(value) if isinstance(value, float) else value)
        try:
            answer = known[key] if key in known else known.setdefault(key, ask(name, value))
        except TypeError:  # a list or a mapping has no hash
            answer = ask(name, value)
        if isinstance(answer, Fault):
            faults[place], answer = answer, None
        elif answer == "" and name not in CONTENT:  # as in `_texts`
            answer = None
        found.append(answer)
    return Checked(pc.replace_with_mask(clean, odd, pa.array(found, clean.type)), faults)
