"""The rows of a CSV file with the lines they begin on; a quote out of place costs the rows that it spans, and is said."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from contract.errors import InvalidInput
from training.log_values import Fault

LONGEST = 64 * 2**20
"""Characters of a field over which it is not read."""

_BAD_QUOTES = "a quote is not closed or not doubled"


def csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str] | Fault]]:
    """Yield each row of a CSV file, or why it is none, with the line it begins on: a quoted field may span lines."""
    csv.field_size_limit(LONGEST)
    reader = csv.reader(lines, strict=True)  # or a quote out of place would make one field of the rows after it, unsaid
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            spanned = f"line {begins} is" if begins == reader.line_num else f"lines {begins} to {reader.line_num} are"
            rule = f"a field is over {LONGEST:,} characters" if "limit" in str(error) else _BAD_QUOTES
            yield begins, Fault(rule, f"{rule}: {spanned} not read")
        else:
            yield begins, row


def csv_header(path: Path, rows: Iterator[tuple[int, list[str] | Fault]]) -> list[str]:
    """Return the first of the rows of a CSV file.

    Raises:
        InvalidInput: it is no row.
    """
    _, header = next(rows, (1, []))
    if isinstance(header, Fault):
        raise InvalidInput(f"{path}: {header.reason}")
    return header


def wrong_count(row: Sequence[str], header: Sequence[str]) -> Fault:
    """Return what is wrong with a row that has not as many fields as the header."""
    return Fault("number of fields is not the header's", f"{len(row)} fields where the header has {len(header)}")
