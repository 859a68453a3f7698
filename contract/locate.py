"""Where shipped files lie: the working directory first, then the checkout that the packages were installed from."""

from pathlib import Path

from contract.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[1]
"""The checkout; of an installed wheel, its site-packages."""


def find(relative: str) -> Path:
    """Return the existing file or folder `relative` of the working directory or of the checkout.

    Raises:
        InvalidInput: neither has it.
    """
    candidates = (Path.cwd() / relative, ROOT / relative)
    for path in candidates:
        if path.exists():
            return path
    looked = " nor ".join(str(path.parent) for path in candidates)
    raise InvalidInput(f"{relative} is neither in {looked}; name it with an option, or run from the checkout")
