"""What an importer gives for each record of a gateway's log, before it is a row of the log table.

An importer is a module with five names:

    NAME: str                    the format, as the command takes it
    ABOUT: str                   what it reads, one line of the command's help
    NO_TEXT: str                 the remedy where prompts were not stored
    TAKES: tuple[str, ...]       what it takes of the command's options that not every format does
    read(places, options)        yields a `Record` for each record of the log, in the order read

It says what the record holds and decides nothing: the arm comes from `arms`, the score from `scores`, retries are summed
by `merge`, and values are checked by the rules of the log table. What a record does not say is None, never zero.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from training.log_files import Block


@dataclass(frozen=True)
class Place:
    """Where a record stands: a file (or an address without its password) and a line, span or row from 1."""

    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens and money of one call; None is not recorded.

    Attributes:
        output_tokens: all that was billed as output, hidden tokens included, whatever the format's convention.
        thinking_tokens: the hidden part of it.
        input_tokens: tokens of the request, cached ones included.
        cached_tokens: the part of input_tokens read from a prompt cache.
        cost_usd: dollars billed.
    """

    output_tokens: Any = None
    thinking_tokens: Any = None
    input_tokens: Any = None
    cached_tokens: Any = None
    cost_usd: Any = None


@dataclass(frozen=True)
class Mark:
    """A score of the log's own: its name, its value as logged (number, true or false, or a category), who gave it."""

    name: str
    value: Any
    by: str | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a model, as logged.

    Attributes:
        place: where it stands.
        model: the model that answered, as the log names it.
        messages: the conversation, OpenAI-style, system prompt first; None where no text was stored.
        parameters: the request's parameters as they were sent, in the provider's own words; what `arms.arm_of` reads.
        usage: tokens and money.
        request_id: the request's own id; what a scores file is joined by.
        answer_id: what tells two answers to one request_id apart; None where a request_id names one answer only.
        attempt_of: what the retries of one request share, or None where nothing tells.
        started, ended: when; a text is read as ISO 8601, a number is not taken.
        latency_s: seconds, where the log says them and not the two times.
        finish_reason: stop, length, ... as the provider gives it.
        failed: the call ended in an error: it has no answer, and what it cost belongs to the retry that has one.
        marks: the log's own scores of this call.
        conversation_id: what the calls of one conversation share.
        decision_id, p_reasoning, task: what thinkworth's integrations leave in the metadata, under the key `thinkworth`.
    """

    place: Place
    model: Any = None
    messages: Sequence[Mapping[str, Any]] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    request_id: Any = None
    answer_id: Any = None
    attempt_of: str | None = None
    started: datetime | str | None = None
    ended: datetime | str | None = None
    latency_s: Any = None
    finish_reason: Any = None
    failed: bool = False
    marks: Sequence[Mark] = ()
    conversation_id: Any = None
    decision_id: Any = None
    p_reasoning: Any = None
    task: Any = None


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read; `rule` is counted in the report, `reason` says the value, never a prompt."""

    place: Place
    rule: str
    reason: str


@dataclass(frozen=True)
class Other:
    """A record that is no attempt (an embedding, a tool's span, an answer from a cache): counted by kind, left aside."""

    place: Place
    kind: str


@dataclass(frozen=True)
class Rows:
    """Rows of a file that are the log table already; they have their arm and their score."""

    file: str
    block: "Block"


Record = Call | Broken | Other | Rows


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an importer is told beside the places to read.

    Attributes:
        experiment: name of the MLflow experiment to read; all where None.
        table: name of the table to read in a database.
    """

    experiment: str | None = None
    table: str | None = None


class Importer(Protocol):
    """A format; see the module's docstring."""

    NAME: str
    ABOUT: str
    NO_TEXT: str
    TAKES: tuple[str, ...]

    def read(self, places: Sequence[str], options: Options) -> Iterator[Record]:
        """Yield the records of files (or addresses).

        Raises:
            InvalidInput: a place is missing, empty, not of this format, or cannot be read.
        """
        ...


def own_marks(metadata: Any) -> dict[str, Any]:
    """Return decision_id, p_reasoning and task, where a call's metadata has them, as arguments of `Call`.

    thinkworth's integrations leave them under the key `thinkworth`, or each under `thinkworth.<name>` where metadata is
    flat; either may have become a JSON text on its way.
    """
    outer = _as_mapping(metadata)
    inner = _as_mapping(outer.get("thinkworth"))
    marks = {name: inner.get(name, outer.get(f"thinkworth.{name}")) for name in ("decision_id", "p_reasoning", "task")}
    return {name: mark for name, mark in marks.items() if mark is not None}


def _as_mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}
