"""Rows that are found by a model's name, however a provider writes it: one way to compare names for all that is known of models."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, StringConstraints

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.wording import shown
from contract.yaml_file import validated

REMEMBERED = 4096
"""Model names whose short form, and whose row, are remembered; the least recently asked for is forgotten."""

_VENDORS = "anthropic|amazon|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|zai"
_VENDOR = re.compile(
    rf"^(?:[a-z]+(?:-[a-z0-9]+)*\.)?(?:{_VENDORS})\."
)  # us.anthropic.claude-...: a region and a vendor
_REVISION = re.compile(r"-v\d+:\d+$")  # ...-v1:0
_SUFFIX = re.compile(r":.*|@(?:default|latest)$")  # :free, :thinking
_DATE = re.compile(r"[-@]20\d{2}(?:\d{4}|-\d{2}-\d{2})(?=-|$)")

Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._*-]*[a-z0-9][a-z0-9._*-]*$", max_length=100)]
"""A pattern on a normalised name, where `*` stands for any characters, or none."""


class Matching(Protocol):
    """A row that says which names it is of."""

    @property
    def matches(self) -> tuple[str, ...]:
        """Patterns on a normalised name."""


R = TypeVar("R", bound=Matching)
B = TypeVar("B", bound=BaseModel)


class ByName(Generic[R]):
    """Rows by the names of models; safe to ask from several threads."""

    def __init__(self, shipped: Mapping[str, R], own: Mapping[str, R] | None = None) -> None:
        """Take the shipped rows and the operator's, which win by name."""
        own = own or {}
        self.by_name: dict[str, R] = {**shipped, **own}
        ranked = sorted(
            (_literals(pattern), name in own, -pattern.count("*"), pattern, name)
            for name, row in self.by_name.items()
            for pattern in row.matches
        )
        self._patterns = [(_compiled(pattern), self.by_name[name]) for *_, pattern, name in reversed(ranked)]
        self._remembered: Callable[[str], R | None] = lru_cache(REMEMBERED)(self._find)

    def of(self, model: str) -> R | None:
        """Return the row of a model by its name, as a request gives it; None: unknown.

        The pattern with most characters besides `*` wins; of two alike the operator's, then the one with fewer `*`.
        """
        return self._remembered(model)

    def _find(self, model: str) -> R | None:
        name = normalised(model)
        return next((row for pattern, row in self._patterns if pattern.fullmatch(name)), None)


@lru_cache(REMEMBERED)
def normalised(model: str) -> str:
    """Return a model's name in lower case, without provider, date, revision or what follows a colon."""
    name = model.strip().lower().rpartition("/")[2]
    name = _VENDOR.sub("", _SUFFIX.sub("", _REVISION.sub("", name)))
    return _DATE.sub("", name)


def shipped_file(relative: str) -> Path | None:
    """Return a shipped file, of the working directory or of the checkout; None where there is neither."""
    return next((folder / relative for folder in (Path.cwd(), ROOT) if (folder / relative).is_file()), None)


def named_rows(model: type[B], raw: Mapping[Any, Any], path: Path, what: str, entry: str) -> dict[str, B]:
    """Return the rows of a file by name, read and checked.

    Args:
        model: of a row; it has `matches`.
        raw: the rows as they stand in the file.
        path: of the file.
        what: a row is called in messages, such as family.
        entry: of the file that holds the rows.

    Raises:
        InvalidInput: a name is no text; a row has an unknown key or a value out of range; or two rows claim one pattern.
    """
    for name in raw:
        if not isinstance(name, str) or not name.strip():
            wrong = "is empty; give it one" if isinstance(name, str) else f"is {shown(name)}; write it in quotes"
            raise InvalidInput(f"{path}: the name of a {what} {wrong}", field=entry)
    rows = {name: validated(model, value, path, name) for name, value in raw.items()}
    claimed: dict[str, str] = {}
    for name, pattern in _claims(rows):
        if claimed.setdefault(pattern, name) != name:
            wrong = f"{path}: {claimed[pattern]} and {name} both match {pattern}; leave it to one of them"
            raise InvalidInput(wrong, field=f"{name}.matches")
    return rows


def _claims(rows: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return ((name, pattern) for name, row in rows.items() for pattern in row.matches)


def _literals(pattern: str) -> int:
    return len(pattern) - pattern.count("*")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
