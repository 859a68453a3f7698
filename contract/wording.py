"""How a message names what is wrong in a value that someone else wrote; it never repeats a prompt."""

import json
import re
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

LONGEST = 40
"""Characters of a key or a value that a message shows."""

_WORD = re.compile(r"[\w.+-]+", re.ASCII)
_NEVER_SHOWN = {"prompt", "prompts"}
_LIMITS = ("gt", "ge", "lt", "le", "min_length", "max_length", "pattern", "expected")


class Broken(NamedTuple):
    """A rule that a value breaks: where, in words with the value, and the limit or the allowed values."""

    place: tuple[int | str, ...]
    words: str
    limit: Any

    @property
    def where(self) -> str:
        """The place, such as `calibration.gain`; empty for the whole."""
        return _dotted(self.place)


def broken_rule(error: ValidationError, model: type[BaseModel] | None = None) -> Broken:
    """Return one rule that a value breaks; with `model`, an unknown key lists the known ones.

    An unknown key comes before all else: a misspelt one is why another is missing.
    """
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] in ("extra_forbidden", "invalid_key")), errors[0])
    place, kind, message = first["loc"], first["type"], first["msg"]
    where = _dotted(place)
    if kind in ("extra_forbidden", "invalid_key"):
        known = _known(model, place) if model else []
        return Broken(place, unknown_key(where, known), known or None)
    limit = next((first["ctx"][name] for name in _LIMITS if name in first.get("ctx", {})), None)
    if kind == "missing":
        return Broken(place, f"{where} is missing", limit)
    if kind == "value_error":
        return Broken(place, f"{where}: {message.removeprefix('Value error, ')}".removeprefix(": "), limit)
    rule = "a mapping is needed" if kind == "model_type" else message[:1].lower() + message[1:]
    rule = rule.replace("tuple", "list").replace(" after validation", "")
    value = "" if _NEVER_SHOWN & set(place) else f" is {shown(first['input'])}"
    return Broken(place, f"{where}{value}: {rule}".strip(), limit)


def unknown_key(key: object, known: list[str]) -> str:
    """Return the words for a key that is none of the known ones."""
    near = get_close_matches(str(key).rpartition(".")[2], known, 1, 0.8)
    meant = f" (did you mean {near[0]}?)" if near else ""
    listed = f"; known keys: {', '.join(known)}" if known else ""
    return f"unknown key {cut(str(key))}{meant}{listed}"


def shown(value: object) -> str:
    """Return a value for a message: numbers and single words as they are, all else by its kind."""
    if isinstance(value, str) and not (_WORD.fullmatch(value) and len(value) <= LONGEST):
        return f"a text of {len(value)} characters"
    if value is None or isinstance(value, bool | int | float | str):
        return cut(json.dumps(value))
    kinds: dict[type, str] = {dict: "a mapping", list: "a list"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def cut(text: str) -> str:
    """Return a text for a message, its end left out where it is long."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def no_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python's JSON parser takes: its `parse_constant`."""
    raise ValueError(f"{name} is no JSON number")


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(cut(str(part)) for part in place)


def _known(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    for part in place[:-1]:
        field = model.model_fields.get(str(part))
        if field and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return list(model.model_fields)
