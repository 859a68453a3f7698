"""The log table itself: its rows pass through, checked like any other."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from training.importers.call import Broken, Options, Place, Record, Rows
from training.log_files import read_blocks

NAME = "canonical"
ABOUT = "the log table itself (.parquet, .jsonl, .csv, the last two also .gz)"
NO_TEXT = "each row needs prompt or messages"
TAKES: tuple[str, ...] = ()


def read(places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the rows of the files, block by block, and the lines that hold none.

    Raises:
        InvalidInput: a file is missing, empty, unreadable, of an unknown suffix, or has unknown columns.
    """
    for place in places:
        for block in read_blocks(Path(place)):
            for line, fault in block.broken.items():
                yield Broken(Place(place, line), fault.rule, fault.reason)
            yield Rows(place, block)
