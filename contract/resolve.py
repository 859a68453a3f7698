"""Where a bundle lies: a folder as it is, or an address such as models:/thinkworth@champion, which what is installed turns into a folder.

What may not be imported here is found as verbs are (`contract.cli`): through the entry-point group `thinkworth.resolvers`, by the part of
an address before its colon.
"""

import sys
from importlib.metadata import entry_points
from pathlib import Path

from contract.errors import InvalidInput, MissingExtra, ThinkworthError

GROUP = "thinkworth.resolvers"


def is_address(named: str | Path) -> bool:
    """Return whether a name is an address, and no path."""
    scheme, colon, _ = str(named).partition(":/")
    return bool(colon) and len(scheme) > 1 and not Path(named).exists()  # one letter is a drive


def resolved(named: Path) -> Path:
    """Return the folder that a path or an address names.

    Raises:
        InvalidInput: nothing is known of such addresses.
        MissingExtra: what fetches from there is not installed.
        BundleMissing, BundleMismatch: nothing is there, or something else than what was registered.
    """
    if not is_address(named):
        return named
    address = str(named)
    scheme = address.partition(":/")[0]
    known = entry_points(group=GROUP)
    for point in known.select(name=scheme):
        try:
            fetch = point.load()
        except ModuleNotFoundError as error:
            raise MissingExtra(f"{address} needs {error.name}; install thinkworth[train]", field="bundle") from error
        return Path(fetch(address))
    names = ", ".join(sorted(f"{name}:/" for name in known.names)) or "none"
    raise InvalidInput(
        f"{address}: no folder, and no address that is known (known: {names}); name a folder", field="bundle"
    )


def main() -> None:
    """Print the folder of the address that is given: for who must not load what fetches it (`serving.swap.source`)."""
    try:
        print(resolved(Path(sys.argv[1])).absolute())  # noqa: T201 - its one answer
    except ThinkworthError as error:
        sys.exit(f"thinkworth: {error.message}")


if __name__ == "__main__":
    main()
