"""Requests and responses that stand in different files, joined by the id that they share.

The files come in any order, so both halves go to a temporary database on disk until all have been read: memory does not
grow with the log. A record that holds both is a pair at once.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from training.importers.call import Broken, Place, Record
from training.importers.jsonl import json_text, records
from training.log_values import shown

NO_RESPONSE = "request without a response"
NO_REQUEST = "response without its request"
TWO_REQUESTS = "one id for two requests"
EVENTS = "response is a list of stream events"
TOO_DEEP = "nested too deep"


@dataclass(frozen=True)
class Half:
    """What a record holds: a request, a response, or both, and the id that its other half has too."""

    id: Any
    request: Mapping[str, Any] | None
    response: Mapping[str, Any] | None


@dataclass(frozen=True)
class Pair:
    """A request and its response, at the place of the response."""

    place: Place
    id: Any
    request: Mapping[str, Any]
    response: Mapping[str, Any]

    def answer_id(self, given: Any) -> str:
        """Return what tells the answer from another under the same id: the provider's id, or a digest of the pair."""
        return _digest([self.request, self.response]) if given is None else str(given)

    def attempt_of(self, asked: Mapping[str, Any]) -> str | None:
        """Return what the retries of the request share: its id, and what was asked; None without an id."""
        return None if self.id is None else f"{self.id} {_digest(asked)}"


def _digest(content: Any) -> str:
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def pairs(
    places: Sequence[str], half_of: Callable[[Mapping[str, Any]], Half], record_of: Callable[[Pair], Record]
) -> Iterator[Record]:
    """Yield the record of each request with each of its responses, and what is broken or lacks its other half.

    Args:
        places: files of requests, of responses, or of both.
        half_of: what a record of the format holds.
        record_of: what a request and its response say.

    Raises:
        InvalidInput: a file cannot be read.
    """
    with closing(sqlite3.connect("")) as store:
        store.executescript("""
            PRAGMA journal_mode = OFF;
            PRAGMA cache_size = -65536; -- 64 MB: responses come in another order than their requests
            CREATE TABLE requests (id TEXT, file TEXT, line INTEGER, text TEXT);
            CREATE TABLE responses (id TEXT, file TEXT, line INTEGER, text TEXT);
        """)
        for file in places:
            for item in records(file):
                found = item if isinstance(item, Broken) else _taken(store, *item, half_of)
                if found is not None:
                    yield _record(found, record_of)
        store.executescript("CREATE INDEX r ON requests (id); CREATE INDEX s ON responses (id);")
        yield from (_record(found, record_of) for found in _joined(store))


def _record(found: Pair | Broken, record_of: Callable[[Pair], Record]) -> Record:
    try:
        return record_of(found) if isinstance(found, Pair) else found
    except RecursionError:
        return Broken(found.place, TOO_DEEP, TOO_DEEP)


def _taken(
    store: sqlite3.Connection,
    place: Place,
    record: Mapping[str, Any],
    half_of: Callable[[Mapping[str, Any]], Half],
) -> Pair | Broken | None:
    """Return a pair, what is wrong with a record, or None where it is now stored."""
    if _is_list(record.get("response")):
        return Broken(place, EVENTS, f"{EVENTS}; log the response that they add up to")
    half = half_of(record)
    if half.request is not None and half.response is not None:
        return Pair(place, half.id, half.request, half.response)
    if half.request is None and half.response is None:
        return Broken(place, "not of the format", "neither a request nor a response of the format")
    if not isinstance(half.id, str | int) or half.id == "":
        return Broken(place, "no id", "no id that its request or response could be found by")
    table, content = ("requests", half.request) if half.response is None else ("responses", half.response)
    try:
        row = (json.dumps(half.id), place.file, place.line, json.dumps(content))
    except RecursionError:  # the parser went as deep, but was called from less deep
        return Broken(place, TOO_DEEP, TOO_DEEP)
    store.execute(f"INSERT INTO {table} VALUES (?, ?, ?, ?)", row)  # noqa: S608 - one of two words
    return None


def _is_list(response: Any) -> bool:
    """Whether a response is a list, or a text of one; any other text is left for its format to parse."""
    text = isinstance(response, str) and response.lstrip()[:1] == "["
    return isinstance(json_text(response) if text else response, list)


def _joined(store: sqlite3.Connection) -> Iterator[Pair | Broken]:
    for id_, file, line, text in store.execute("SELECT id, file, line, text FROM responses ORDER BY rowid"):
        requests = store.execute("SELECT DISTINCT text FROM requests WHERE id = ? LIMIT 2", (id_,)).fetchall()
        place, name = Place(file, line), json.loads(id_)
        if not requests:
            yield Broken(place, NO_REQUEST, f"no request has the id {shown(name)}; give the file of requests too")
        elif len(requests) > 1:
            reason = f"id {shown(name)} stands for different requests; import each batch by itself"
            yield Broken(place, TWO_REQUESTS, reason)
        else:
            yield Pair(place, name, json.loads(requests[0][0]), json.loads(text))
    alone = "SELECT id, file, line FROM requests q WHERE NOT EXISTS (SELECT 1 FROM responses s WHERE s.id = q.id)"
    for id_, file, line in store.execute(f"{alone} ORDER BY rowid"):
        reason = f"no response has the id {shown(json.loads(id_))}; give the files of results and of errors too"
        yield Broken(Place(file, line), NO_RESPONSE, reason)
