"""Settings that a person wrote in YAML, read and checked: what is wrong is an InvalidInput that says where."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.composer import Composer

from contract.errors import InvalidInput
from contract.wording import broken_rule, cut, shown, unknown_key

M = TypeVar("M", bound=BaseModel)


def read_mapping(path: Path, *, field: str, remedy: str) -> dict[Any, Any]:
    """Return the mapping that a YAML file holds; its keys and values are still unchecked.

    Raises:
        InvalidInput: the file cannot be read, is not UTF-8, is not YAML, has a key twice, is empty or no mapping.
    """
    try:
        value = _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}; {remedy}", field=field) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8", field=field) from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not valid YAML: {_problem(error)}; correct it", field=field) from error
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        # PyYAML lets these out of a value that its tag does not fit, 2024-13-45 or !!bool 3, and of deep nesting.
        what = "it nests too deeply" if isinstance(error, RecursionError) else "a value does not fit its kind"
        raise InvalidInput(f"{path} is not valid YAML: {what}; correct it", field=field) from error
    if not isinstance(value, dict):
        found = "is empty" if value is None else f"holds {shown(value)}"
        raise InvalidInput(f"{path} {found}; a mapping of keys to values is needed; {remedy}", field=field)
    return value


def configured(model: type[M], path: Path | None, option: str = "config") -> M:
    """Return the settings that the file of a verb's option has, the model's defaults where there is none.

    Raises:
        InvalidInput: as `read_mapping` and `validated`.
    """
    if path is None:
        return model()
    remedy = f"name another with --{option}, or leave it out for the defaults"
    return validated(model, read_mapping(path, field=option, remedy=remedy), path)


def only_entry(path: Path, raw: Mapping[Any, Any], name: str, kind: type) -> Any:
    """Return the one entry that a file may have, `name`: a dict or a list of at least one.

    Raises:
        InvalidInput: another key is there, or the entry is missing, empty or of another kind.
    """
    for key in raw:
        if key != name:
            raise InvalidInput(f"{path}: {unknown_key(key, [name])}; correct the file", field=name, limit=[name])
    value = raw.get(name)
    if not isinstance(value, kind) or not value:
        what = "mapping" if kind is dict else "list"
        found = f"`{name}` is {shown(value)}" if value else f"`{name}` is missing or empty"
        raise InvalidInput(f"{path}: {found}; give a {what} `{name}` of at least one", field=name)
    return value


def validated(model: type[M], value: Any, path: Path, at: str = "") -> M:
    """Return the model of the value that lies at `at` in a file.

    Raises:
        InvalidInput: a key is unknown (the known ones are listed), missing, or has a value of a wrong kind or size.
    """
    place = f"{path}: {at}: " if at else f"{path}: "
    known = list(model.model_fields)
    if not isinstance(value, dict):
        what = f"{place}{shown(value)} is no mapping; known keys: {', '.join(known)}"
        raise InvalidInput(what, field=at or None, limit=known)
    try:
        made = model.model_validate(value)
    except ValidationError as error:
        broken = broken_rule(error, model)
        what = f"{place}{broken.words}; correct the file"
        raise InvalidInput(what, field=broken.where or None, limit=broken.limit) from error
    for name, switch in _switches(made, value):
        raise InvalidInput(f"{place}{name} is {shown(switch)}; give a number", field=name)
    return made


def _switches(made: BaseModel, given: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Yield the keys and values where true or false, YAML's yes and no among them, was taken for a number."""
    for name, value in given.items():
        inner = getattr(made, name)
        if isinstance(inner, BaseModel):
            yield from ((f"{name}.{key}", switch) for key, switch in _switches(inner, value))
        elif isinstance(value, bool) and not isinstance(inner, bool):
            yield name, value


class _Reader(Composer, yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc]
    """Reads by libyaml, which takes a fifth of the time, but composes in Python: libyaml's own way ends the process on deep nesting."""

    def __init__(self, text: str) -> None:
        super(Composer, self).__init__(text)
        Composer.__init__(self)


class _Loader(_Reader):
    """Refuses a key that occurs twice in a mapping: the later would silently win."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"the key {cut(key.value)} occurs twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return node


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _problem(error: yaml.YAMLError) -> str:
    """Return what is wrong and where, without the line itself: it may be a prompt."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return f"a character that YAML does not allow ({type(error).__name__})"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
