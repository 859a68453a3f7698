"""Tables of Markdown."""

from collections.abc import Iterator


def table(*heads: str) -> Iterator[str]:
    """Yield the head of a table."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"


def row(*cells: str) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(map(cell, cells))} |"


def cell(text: str) -> str:
    """Return text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")
