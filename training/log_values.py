"""One value of a log: is it what its field of `Attempt` takes, and if not, why, in words fit for a report."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from contract.records import Arm, Attempt, column_kind

CONTENT = ("prompt", "messages")
REQUIRED = ("model", "arm")
KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", datetime: "a timestamp"}
LARGEST = 2**63 - 1
_SHOWABLE = re.compile(r"[\w.:+/-]{1,32}")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a value: the rule (counted in reports) and the reason (with the value, never a prompt)."""

    rule: str
    reason: str


def shown(value: object) -> str:
    """Return a value as a reason may show it: numbers and single words; of a longer text only its length."""
    if isinstance(value, bool | int | float):
        return repr(value)[:40]
    if isinstance(value, str):
        return repr(value) if _SHOWABLE.fullmatch(value) else f"(a text of {len(value):,} characters)"
    return f"({type(value).__name__})"


def ask(name: str, value: object) -> Any:
    """Return the value as its column holds it, or a Fault."""
    try:
        answer = _field(name).validate_python(value)
        if isinstance(answer, datetime):
            return answer.replace(tzinfo=UTC) if answer.tzinfo is None else answer.astimezone(UTC)
        if isinstance(answer, str):
            answer.encode()
    except ValidationError as error:
        return _fault(name, value, dict(error.errors(include_url=False, include_input=False)[0]))
    except UnicodeEncodeError:  # a lone surrogate: what JSON may escape, and what bytes that are no UTF-8 were read as
        wrong = f"{name} is not valid UTF-8 text"
        return Fault(wrong, wrong)
    except (OverflowError, RecursionError):
        return Fault(f"{name} is out of range", f"{name} {shown(value)} is out of range")
    if isinstance(answer, int) and abs(answer) > LARGEST:
        return Fault(f"{name} is over {LARGEST}", f"{name} {shown(value)} is over {LARGEST}")
    return answer.value if isinstance(answer, Enum) else answer


def _fault(name: str, value: object, error: Mapping[str, Any]) -> Fault:
    if value is None:
        return Fault(f"{name} is missing", f"{name} is missing")
    context = error.get("ctx", {})
    if error["type"] == "string_too_short":
        return Fault(f"{name} is empty", f"{name} is empty")
    if error["type"] == "greater_than_equal":
        wrong = f"is under {context['ge']:g}"
    elif error["type"] == "less_than_equal":
        wrong = f"is over {context['le']:g}"
    elif isinstance(value, float) and not math.isfinite(value):
        wrong = "is not a finite number"
    elif words := allowed(name):
        wrong = f"is not one of {', '.join(words)}"
    else:
        wrong = f"is not {KINDS[column_kind(name)]}"
    return Fault(f"{name} {wrong}", f"{name} {wrong}" if name in CONTENT else f"{name} {shown(value)} {wrong}")


@cache
def _field(name: str) -> TypeAdapter[Any]:
    field = Attempt.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))


@cache
def bounds(name: str) -> tuple[float | None, float | None]:
    """Return the least and the largest value of a number's field, None where there is none."""
    metadata = Attempt.model_fields[name].metadata
    low, high = ([float(getattr(m, bound)) for m in metadata if hasattr(m, bound)] for bound in ("ge", "le"))
    return (low[0] if low else None), (high[0] if high else None)


@cache
def allowed(name: str) -> tuple[str, ...]:
    """Return the words of a field that takes only some; of any other nothing."""
    if name == "arm":
        return tuple(Arm)
    literals = [a for a in get_args(Attempt.model_fields[name].annotation) if getattr(a, "__origin__", None) is Literal]
    return tuple(get_args(literals[0])) if literals else ()
