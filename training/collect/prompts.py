"""The prompts of a shadow run: read from a file, and sampled so that rare tasks are covered."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from contract.errors import InvalidInput, NoUsableRows
from contract.prompt import Prompt
from contract.records import COLUMNS
from training.content import is_whole
from training.importers.call import Broken
from training.importers.jsonl import records
from training.log_files import readable
from training.log_rows import identity_of
from training.log_values import CONTENT, Fault, ask, shown

NAMES = ("prompt_id", "task", "language")
KNOWN = frozenset((*COLUMNS, "reference"))
_BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Item:
    """One prompt to ask: a text or a conversation (JSON), and the right answer where it is known."""

    prompt_id: str
    digest: str
    prompt: str | None = None
    messages: str | None = None
    task: str | None = None
    language: str | None = None
    reference: str | None = None

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """The messages as a provider takes them."""
        if self.messages is None:
            return [{"role": "user", "content": self.prompt}]
        conversation: list[dict[str, Any]] = json.loads(self.messages)
        return conversation

    @cached_property
    def content(self) -> Prompt:
        """The prompt as thinkworth sees it."""
        return Prompt.from_messages(self.conversation)


@dataclass(frozen=True)
class Prompts:
    """The prompts of a file, each once, and the rows that hold none: file, line, rule, reason."""

    items: tuple[Item, ...]
    left_out: list[dict[str, Any]] = field(default_factory=list)


def read_prompts(path: Path) -> Prompts:
    """Return the prompts of a file (.jsonl, .csv, .parquet), which may be a log table: each prompt is taken once.

    Raises:
        InvalidInput: the file is missing, empty, unreadable or of an unknown format.
        NoUsableRows: no row holds a prompt.
    """
    items: dict[str, Item] = {}
    left_out: list[dict[str, Any]] = []
    for line, row in _parquet(path) if path.name.lower().endswith(".parquet") else _texts(path):
        found = row if isinstance(row, Fault) else _item(row)
        if isinstance(found, Item):
            found = _merged(items.get(found.prompt_id, found), found)
        if isinstance(found, Item):
            items[found.prompt_id] = found
        else:
            left_out.append({"file": str(path), "line": line, "rule": found.rule, "reason": found.reason})
    if not items:
        raise NoUsableRows(f"none of {len(left_out):,} rows of {path} holds a prompt: {left_out[0]['reason']}")
    return Prompts(tuple(items.values()), left_out)


def sample(items: Sequence[Item], size: int | None, seed: int) -> list[Item]:
    """Return `size` items, or all, with equal shares for the tasks and what is left over for the larger ones.

    Items without a task are one stratum. The order mixes tasks, so that a run cut short covers them too, and depends
    on the seed and the prompts alone.
    """
    strata: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: hashlib.sha256(f"{seed} {item.prompt_id}".encode()).digest()):
        strata.setdefault(item.task or "", []).append(item)
    taken = _shares({task: len(stratum) for task, stratum in strata.items()}, len(items) if size is None else size)
    ranked = [(at, task) for task, share in taken.items() for at in range(share)]
    return [strata[task][at] for at, task in sorted(ranked)]


def _shares(sizes: Mapping[str, int], total: int) -> dict[str, int]:
    """Return how many to take of each stratum: the same of all that have as many, what does not divide of the larger."""
    taken = dict.fromkeys(sizes, 0)
    able = sorted(sizes, key=lambda name: (-sizes[name], name))
    while able and total:
        each, rest = divmod(total, len(able))
        for at, name in enumerate(able):
            more = min(each + (at < rest), sizes[name] - taken[name])
            taken[name] += more
            total -= more
        able = [name for name in able if taken[name] < sizes[name]]
    return taken


def _texts(path: Path) -> Iterator[tuple[int, dict[str, Any] | Fault]]:
    for record in records(str(path)):
        if isinstance(record, Broken):
            yield record.place.line, Fault(record.rule, record.reason)
        else:
            yield record[0].line, record[1]


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    line = 0
    with readable(path), pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if not name.startswith("__index_level_")]  # pandas adds it
        for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=names):
            for row in batch.to_pylist():
                line += 1
                yield line, row
    if not line:
        raise InvalidInput(f"{path} has no rows")


def _item(row: Mapping[str, Any]) -> Item | Fault:
    for name in row.keys() - KNOWN:
        rule = f"unknown column {shown(name)}"
        return Fault(rule, f"{rule}; known are those of the log table, and reference")
    values: dict[str, str] = {}
    for name in (*CONTENT, *NAMES):
        value = row.get(name)
        if name == "messages" and isinstance(value, list):
            value = _as_json(value)
        if value is None or (value == "" and name in NAMES):
            continue
        value = ask(name, value)
        if isinstance(value, Fault):
            return value
        values[name] = value
    if len(values.keys() & set(CONTENT)) != 1:
        return Fault("give prompt or messages, one of them", "give prompt or messages, one of them")
    identity = identity_of(*next((name, values[name]) for name in CONTENT if name in values))
    if isinstance(identity, Fault):
        return identity
    if "messages" in values and not is_whole(json.loads(values["messages"])):
        rule = "a part of the prompt is not in the log"
        return Fault(
            rule, f"{rule}: of an image, a file or a call of a tool only its kind is; it cannot be asked again"
        )
    prompt_id, digest = identity
    reference = row.get("reference")
    if reference is not None and not isinstance(reference, str):
        reference = json.dumps(reference, ensure_ascii=False, default=str)
    return Item(**{"prompt_id": prompt_id, **values}, digest=digest, reference=reference)


def _as_json(messages: list[Any]) -> str:
    """Return a conversation as JSON, without the keys that a columnar file adds because another message has them."""
    cleaned = [{k: v for k, v in m.items() if v is not None} if isinstance(m, dict) else m for m in messages]
    return json.dumps(cleaned, ensure_ascii=False, default=str)


def _merged(known: Item, found: Item) -> Item | Fault:
    """Return the one prompt that two rows of an id hold; the first keeps its place, a reference may come later."""
    if found.digest != known.digest:
        return Fault("prompt_id stands for two prompts", f"prompt_id {shown(found.prompt_id)} stands for two prompts")
    if known.reference is not None and found.reference not in (None, known.reference):
        return Fault("prompt_id has two references", f"prompt_id {shown(found.prompt_id)} has two references")
    return known if known.reference is not None else replace(known, reference=found.reference)
