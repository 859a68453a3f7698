"""The final answer to a score in [0, 1], or to none: what cannot be decided is unscored, never 0."""

import hashlib
import importlib
import inspect
import json
import math
import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from contract.errors import InvalidInput
from training.collect import numeric

Grade = Callable[[str, str, str | None], Any]
"""A grader: prompt, final answer and reference (the right answer, where known) to a score, true, false or None."""

JUDGE = "judge:"
KINDS = (
    "exact", "numeric[:TOLERANCE]", "regex[:PATTERN]", "json-schema:FILE", "python:MODULE:FUNCTION", "judge:RUBRIC.yaml"
)  # fmt: skip
_FENCED = re.compile(r"```[\w-]*[ \t]*\n(.*?)```", re.DOTALL)
_RAISED = re.compile(r"([⁰¹²³⁴-⁹ⁱⁿᵏᵐˣ]+|(?<=\d)[₀-₉¼-¾⅐-⅞]+)")  # 10² and 10₂ are not 102, but H₂O is H2O


class Undecided(Exception):
    """A grader cannot say: the text is the reason, in words to be counted."""


class Graded(NamedTuple):
    """A score, or None and the reason."""

    score: float | None
    reason: str | None = None


class Grader(NamedTuple):
    """A grader, the words of score_kind, and the sha256 of what it is made of beside them, if anything."""

    kind: str
    grade: Grade
    digest: str | None = None

    def name(self, references: Sequence[str | None] = ()) -> str:
        """Return what names it in a journal: another version of it, or other right answers, have another name."""
        made_of = json.dumps([self.digest, *references])
        return f"{self.kind} {hashlib.sha256(made_of.encode()).hexdigest()}"


def grader(spec: str) -> Grader:
    """Return the grader that a command names.

    Raises:
        InvalidInput: there is no such grader, or it cannot work.
    """
    name, _, rest = spec.partition(":")
    if spec == "exact":
        return Grader(spec, exact, _digest(Path(__file__)))  # where ours changed, answers are graded anew
    if name == "numeric":
        return Grader(spec, numbers(_tolerance(rest)), _digest(Path(numeric.__file__)))
    if name == "regex":
        return Grader(spec, matches(_pattern(rest) if rest else None))
    if name == "json-schema" and rest:
        return Grader(f"{name}:{Path(rest).name}", follows(_schema(Path(rest))), _digest(Path(rest)))
    if name == "python" and rest:
        return Grader(spec, *_function(rest))
    raise InvalidInput(f"--grader {spec!r} is none of {', '.join(KINDS)}", field="grader", limit=list(KINDS))


def graded(grade: Grade, prompt: str, answer: str, reference: str | None) -> Graded:
    """Return a grader's score; whatever else it gives is unscored, with the reason."""
    try:
        value = grade(prompt, answer, reference)
    except Undecided as error:
        return Graded(None, str(error))
    except (Exception, SystemExit) as error:  # it may be anybody's code
        return Graded(None, f"the grader raised {type(error).__name__}")
    if value is None:
        return Graded(None, "the grader cannot decide")
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return Graded(None, f"the grader gave a {type(value).__name__}")
    if not (math.isfinite(score) and 0 <= score <= 1):
        return Graded(None, "the grader gave a value outside [0, 1]")
    return Graded(score)


def exact(prompt: str, answer: str, reference: str | None) -> bool:
    """Return whether the answer is the reference, whatever their case, spaces and width; powers are kept: 10² is not 102."""
    return _plain(answer) == _plain(_given(reference))


def numbers(tolerance: float) -> Grade:
    """Return the grader of the last number of an answer against that of the reference.

    Where they are equal in another reading only (`1.000` and 1000, `3,5` and 5, `- 42` and -42) it cannot decide.
    """

    def grade(prompt: str, answer: str, reference: str | None) -> bool:
        right = numeric.last_number(_given(reference))
        found = numeric.last_number(answer)
        if right is None:
            raise Undecided("no number in the reference")
        if found is None:
            raise Undecided("no number in the answer")
        if not numeric.equal(found, right, tolerance) and numeric.may_be_equal(found, right, tolerance):
            raise Undecided("a number that can be read in two ways")
        return numeric.equal(found, right, tolerance)

    return grade


def matches(pattern: re.Pattern[str] | None) -> Grade:
    """Return the grader of a pattern that is searched in the answer; without one the reference is the pattern.

    Where the pattern has a group and there is a reference, what the group last caught must be the reference.
    """

    def grade(prompt: str, answer: str, reference: str | None) -> bool:
        if pattern is None or not pattern.groups or reference is None:
            return (pattern or _reference_pattern(_given(reference))).search(answer) is not None
        caught = [found[1] for found in pattern.finditer(answer)]
        return bool(caught) and exact(prompt, caught[-1] or "", reference)

    return grade


def follows(validator: Any) -> Grade:
    """Return the grader of a JSON schema: the JSON is that of the last fenced block, or else the whole answer."""

    def grade(prompt: str, answer: str, reference: str | None) -> bool:
        blocks = _FENCED.findall(answer)
        try:
            value = json.loads(blocks[-1] if blocks else answer, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return False
        return bool(validator.is_valid(value))

    return grade


def _given(reference: str | None) -> str:
    if reference is None:
        raise Undecided("no reference")
    return reference


def _plain(text: str) -> str:
    parts = _RAISED.split(text)
    parts[::2] = [unicodedata.normalize("NFKC", part) for part in parts[::2]]
    return " ".join("".join(parts).casefold().split())


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _reference_pattern(reference: str) -> re.Pattern[str]:
    try:
        return re.compile(reference)
    except re.error as error:
        raise Undecided("the reference is no pattern") from error


def _tolerance(text: str) -> float:
    try:
        tolerance = float(text) if text else numeric.TOLERANCE
    except ValueError:
        tolerance = -1.0
    if not 0 <= tolerance < 1:
        raise InvalidInput(f"--grader numeric: the tolerance {text!r} is not in [0, 1)", field="grader")
    return tolerance


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidInput(f"--grader regex: the pattern is not valid: {error}", field="grader") from error


def _schema(path: Path) -> Any:
    """Return the validator of a schema file; what it refers to elsewhere is not fetched."""
    from jsonschema import exceptions, validators
    from referencing import Registry

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        kind = validators.validator_for(schema)
        kind.check_schema(schema)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}; name a JSON schema", field="grader") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON in UTF-8; correct it", field="grader") from error
    except exceptions.SchemaError as error:
        raise InvalidInput(f"{path} is no JSON schema: {error.message[:200]}", field="grader") from error
    return kind(schema, registry=Registry())


def _function(named: str) -> tuple[Grade, str | None]:
    """Return the function that `module:function` names, and the sha256 of the files that it is written in.

    Modules of the working directory are found too.
    """
    module, _, name = named.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = importlib.import_module(module)
        function = getattr(found, name, None) if name else None
    except Exception as error:  # it is anybody's code
        what = f"--grader python: {module!r} cannot be imported ({type(error).__name__}: {error})"
        raise InvalidInput(f"{what}; run from the folder that holds it", field="grader") from error
    if not callable(function):
        what = f"--grader python:{named} is no function; name it as module:function"
        raise InvalidInput(f"{what}, called as f(prompt, answer, reference)", field="grader")
    files = set()
    parts: tuple[Any, ...] = (found, function)
    for written in parts:
        with suppress(TypeError, ValueError):  # it is compiled, an object, or wraps itself
            files.add(inspect.getsourcefile(inspect.unwrap(written)))
    return function, _digest(*(Path(file) for file in sorted(file for file in files if file)))


def _digest(*files: Path) -> str | None:
    contents = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(contents).hexdigest() if files else None
