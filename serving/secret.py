"""Secret keys that are files, made where there is none."""

import secrets
from pathlib import Path

from contract.errors import InvalidInput
from contract.files import written_whole

KEY_BYTES = 32
"""Length of a secret key that is made here."""

LEAST_KEY_BYTES = 16


def secret_key(path: Path, setting: str) -> bytes:
    """Return the secret key of a file; it is made where there is none, readable by its owner alone.

    Args:
        path: of the file.
        setting: that names it, for messages.

    Raises:
        InvalidInput: the file cannot be read or made, or is too short to be a secret.
    """
    try:
        if not path.exists():
            with written_whole(path, mode=0o600, replaces=False) as new:  # of several that start at once, one wins
                new.write_bytes(secrets.token_hex(KEY_BYTES).encode())
        key = path.read_bytes().strip()
    except OSError as error:
        what = f"{setting} {path}: {error.strerror}; name another with {setting}"
        raise InvalidInput(what, field=setting) from error
    if len(key) < LEAST_KEY_BYTES:
        what = (
            f"{setting} {path} has {len(key)} bytes; at least {LEAST_KEY_BYTES} are needed; remove it to have one made"
        )
        raise InvalidInput(what, field=setting, limit=LEAST_KEY_BYTES)
    return key
