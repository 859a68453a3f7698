"""The records of a log file, one JSON object each, in memory bounded by the longest of them.

A line of more bytes than `csv_files.LONGEST` is not read, nor an item of an array of more characters.

One object a line; one array; one object that holds the list under `data`, as export APIs give it; or a CSV file, whose
cells stay texts. Each may be gzipped.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from contract.errors import InvalidInput
from training.csv_files import LONGEST, csv_header, csv_rows, wrong_count
from training.importers.call import Broken, Place
from training.log_files import open_binary, open_text, readable
from training.log_values import Fault

_PIECE = 2**20
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv")
_TOO_LONG = f"line over {LONGEST >> 20} MB"
_NO_OBJECT = "not a JSON object"
_BETWEEN = re.compile(r"[\s,]*")
_LIST = re.compile(r'\s*(?:\{\s*"data"\s*:\s*)?\[')

Item = tuple[Place, dict[str, Any]] | Broken


def records(place: str) -> Iterator[Item]:
    """Yield each record of a file with its place (a line or, of an array, the number of the item), or what is broken.

    Raises:
        InvalidInput: the file is missing, empty, of an unknown suffix, no text, cut off, or holds no record.
    """
    path = Path(place)
    name = path.name.lower().removesuffix(".gz")
    if not name.endswith(_SUFFIXES):
        raise InvalidInput(f"{path}: unknown suffix; use one of {', '.join(_SUFFIXES)} (also .gz)", limit=_SUFFIXES)
    with readable(path):
        reader = _cells if name.endswith(".csv") else _values if name.endswith(".json") else _lines
        empty = True
        for item in reader(path):
            empty = False
            yield item
        if empty:
            raise InvalidInput(f"{path} has no records")


def json_text(value: Any) -> Any:
    """Return what a JSON object or array in a text says; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _lines(path: Path) -> Iterator[Item]:
    with open_binary(path) as handle:
        for number, line in enumerate(_bounded(handle), 1):
            place = Place(str(path), number)
            if line is None:
                yield Broken(place, _TOO_LONG, _TOO_LONG)
            elif not line.isspace():
                yield _record(place, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)


def _bounded(handle: IO[bytes]) -> Iterator[bytes | None]:
    """Yield each line, or None for one over the limit, of which no more than that is ever held."""
    while line := handle.readline(LONGEST + 1):
        if len(line) <= LONGEST:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = handle.readline(_PIECE)
        yield None


def _record(place: Place, line: bytes) -> Item:
    try:
        value = json.loads(str(line, "utf-8"))
    except UnicodeDecodeError:
        return Broken(place, "not UTF-8", f"not UTF-8 (a line of {len(line):,} bytes)")
    except (ValueError, RecursionError):
        cut = "" if line.endswith(b"\n") else ", the last of the file: it may be cut off"
        return Broken(place, _NO_OBJECT, f"{_NO_OBJECT} (a line of {len(line):,} bytes{cut})")
    return _object(place, value)


def _object(place: Place, value: Any) -> Item:
    if isinstance(value, dict):
        return place, value
    return Broken(place, _NO_OBJECT, f"{_NO_OBJECT} but a {type(value).__name__}")


def _values(path: Path) -> Iterator[Item]:
    """Yield the records of a .json file, which may be any of the forms."""
    with open_text(path, newline=None) as handle:
        head = handle.read(_PIECE)
        begins = _LIST.match(head)
        if begins or not _first_line_is_whole(path):
            yield from _scanned(path, handle, head[begins.end() if begins else 0 :], closed=bool(begins))
            return
    for item in _lines(path):
        listed = item[1].get("data") if isinstance(item, tuple) else None
        if isinstance(listed, list):  # after other keys, all on one line
            yield from (_object(Place(str(path), number), value) for number, value in enumerate(listed, 1))
        else:
            yield item


def _first_line_is_whole(path: Path) -> bool:
    with open_binary(path) as handle:
        line = next(_bounded(handle))
    return line is not None and not isinstance(_record(Place(str(path), 1), line.lstrip(b"\xef\xbb\xbf")), Broken)


def _scanned(path: Path, handle: IO[str], text: str, *, closed: bool) -> Iterator[Item]:
    """Yield the values of a text one after the other, holding no more than one and a piece; `closed` ends them by ]."""
    decoder = json.JSONDecoder()
    at, number = 0, 1
    while True:
        place = Place(str(path), number)
        at = _BETWEEN.match(text, at).end()  # type: ignore[union-attr] # it matches nothing too
        if closed and text[at : at + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            more = "" if isinstance(error, RecursionError) else handle.read(max(_PIECE, len(text) - at))
            if more and len(text) - at <= LONGEST:
                text, at = text[at:] + more, 0
                continue
            if closed or at < len(text):
                yield Broken(place, "not JSON", f"not JSON from item {number:,} on, or cut off: the rest is not read")
            return
        yield _object(place, value) if _is_utf8(text[at:end]) else Broken(place, "not UTF-8", "not UTF-8")
        at, number = end, number + 1


def _is_utf8(text: str) -> bool:
    """Return whether no byte had to be read as a lone surrogate."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _cells(path: Path) -> Iterator[Item]:
    with open_text(path, newline="") as handle:
        rows = csv_rows(iter(lambda: handle.readline(2 * LONGEST), ""))  # of a longer line, piece by piece
        header = csv_header(path, rows)
        for number, row in rows:
            place = Place(str(path), number)
            if not isinstance(row, Fault) and len(row) == len(header):
                yield _checked(place, {name: value or None for name, value in zip(header, row, strict=True)})
            elif row:
                fault = row if isinstance(row, Fault) else wrong_count(row, header)
                yield Broken(place, fault.rule, fault.reason)


def _checked(place: Place, record: Mapping[str, str | None]) -> Item:
    if all(value is None or _is_utf8(value) for value in record.values()):
        return place, dict(record)
    return Broken(place, "not UTF-8", "not UTF-8")
