"""Where a bundle lies: a folder as it is, or an address such as models:/thinkworth@champion, which what is installed turns into a folder.

What may not be imported here is found as verbs are (`contract.cli`): through the entry-point group `thinkworth.resolvers`, by the part of
an address before its colon.
"""

from importlib.metadata import entry_points
from pathlib import Path

from contract.errors import InvalidInput, MissingExtra

GROUP = "thinkworth.resolvers"


def resolved(named: Path) -> Path:
    """Return the folder that a path or an address names.

    Raises:
        InvalidInput: nothing is known of such addresses.
        MissingExtra: what fetches from there is not installed.
        BundleMissing, BundleMismatch: nothing is there, or something else than what was registered.
    """
    address = str(named)
    scheme, colon, _ = address.partition(":/")
    if not colon or len(scheme) < 2 or named.exists():  # one letter is a drive
        return named
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
