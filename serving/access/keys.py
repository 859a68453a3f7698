"""API keys as they are kept: a name, the hash of the key, what it may do, until when, and how often.

A key is 256 random bits, so one SHA-256 of it cannot be turned round: guessing takes 2^255 tries on average, and a slow hash (argon2,
bcrypt), which is there for words that people choose, would cost each request a tenth of a second for nothing. The hash names its algorithm,
`sha256:`, so that another may come beside it. Shorter keys than LEAST_CHARACTERS are never looked up: a hash of a word lets nobody in.
"""

import hashlib
import hmac
import json
import re
import secrets
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contract.errors import InvalidInput
from contract.wording import shown, unknown_key
from contract.yaml_file import read_mapping, validated

ALGORITHM = "sha256:"
PREFIX = "tw_"
"""What a key of ours begins with, so that scanners for secrets find one that got lost."""

SECRET_BYTES = 32
LEAST_CHARACTERS, MOST_CHARACTERS = 32, 200

Scope = Literal["predict", "outcomes", "audit", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_HASH = re.compile(rf"{ALGORITHM}[0-9a-f]{{64}}")


class ApiKey(BaseModel):
    """What is kept of a key.

    Attributes:
        name: of whoever holds it; logs and metrics show it.
        hash: `sha256:` and the SHA-256 of the key, hexadecimal.
        scopes: what it may do.
        expires: moment from which it is refused, of UTC where it names no zone; None: never.
        requests_per_second: how often it may ask each worker; None: the setting key_requests_per_second.
        burst: how many requests may come at once; None: the setting key_burst.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    hash: str
    scopes: tuple[Scope, ...] = Field(min_length=1)
    expires: datetime | None = None
    requests_per_second: float | None = Field(None, gt=0, le=1_000_000)
    burst: int | None = Field(None, ge=1, le=1_000_000)

    @field_validator("hash")
    @classmethod
    def _is_a_hash(cls, value: str) -> str:
        if not _HASH.fullmatch(value):  # not shown: somebody may have put the key itself there
            raise ValueError(
                "it is no hash, sha256: and 64 hexadecimal digits; `thinkworth keys new` prints the entry of a new key"
            )
        return value

    @field_validator("expires")
    @classmethod
    def _of_a_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @property
    def fingerprint(self) -> str:
        """What tells it from another key of the same name: the beginning of its hash."""
        return self.hash.removeprefix(ALGORITHM)[:16]

    def is_expired(self, now: datetime) -> bool:
        """Say whether it is refused for its age."""
        return self.expires is not None and now >= self.expires


class Keys:
    """Keys that are let in; it never changes, new keys are another one."""

    def __init__(self, entries: Iterable[ApiKey] = ()) -> None:
        self.entries = tuple(entries)
        self._digests = [(key, bytes.fromhex(key.hash.removeprefix(ALGORITHM))) for key in self.entries]
        self._by_name = {key.name: key for key in self.entries}

    def of(self, presented: bytes) -> ApiKey | None:
        """Return the entry of a key, expired or not; None where it is unknown.

        Every entry is compared, in constant time and to the end, so that the time tells neither how much of a hash was right nor where its entry stands.
        """
        if not LEAST_CHARACTERS <= len(presented) <= MOST_CHARACTERS:
            return None
        digest, found = hashlib.sha256(presented).digest(), None
        for key, kept in self._digests:
            if hmac.compare_digest(digest, kept):
                found = key
        return found

    def named(self, name: str) -> ApiKey | None:
        """Return the entry of a name; None where there is none."""
        return self._by_name.get(name)


def new_key(name: str, scopes: Iterable[str], **more: Any) -> tuple[str, ApiKey]:
    """Return a new key and the entry that is kept of it; the key itself is nowhere else.

    Raises:
        InvalidInput: the name, a scope or another value of the entry cannot be.
    """
    key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    try:
        entry = validated(ApiKey, {"name": name, "hash": hashed(key), "scopes": tuple(scopes), **more}, Path("the key"))
    except InvalidInput as error:
        error.message = error.message.replace("correct the file", "correct it")
        raise
    return key, entry


def hashed(key: str) -> str:
    """Return what is kept of a key."""
    return ALGORITHM + hashlib.sha256(key.encode()).hexdigest()


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Return the keys of a file: TOML where its name ends so, else YAML; `keys` is a list of entries, and may be empty.

    Raises:
        InvalidInput: the file cannot be read, or an entry is wrong; no key and no hash is shown.
    """
    raw = _toml(path) if path.suffix == ".toml" else _yaml(path)
    for key in raw:
        if key != "keys":
            raise InvalidInput(f"{path}: {unknown_key(key, ['keys'])}; correct the file", field="keys", limit=["keys"])
    entries = raw.get("keys")
    if not isinstance(entries, list):
        what = f"{path}: `keys` is {shown(entries)}; give a list of entries, or [] to let nobody in"
        raise InvalidInput(what, field="keys")
    return _checked(entries, path)


def given_keys(given: str | Iterable[Any]) -> tuple[ApiKey, ...]:
    """Return the keys of the setting `api_keys`: a list of entries, the same as JSON, or lines of `NAME HASH SCOPE[,SCOPE...] [name=value...]`.

    Raises:
        InvalidInput: an entry is wrong; no key and no hash is shown.
    """
    entries = list(_entries(given)) if isinstance(given, str) else list(given)
    return _checked(entries, Path("api_keys"))


def all_keys(*groups: Iterable[ApiKey]) -> Keys:
    """Return the keys of several sources as one.

    Raises:
        InvalidInput: a name or a hash occurs twice.
    """
    return Keys(_each_once([key for group in groups for key in group], Path("api_keys_file and api_keys")))


def _checked(entries: Iterable[Any], path: Path) -> tuple[ApiKey, ...]:
    return _each_once([validated(ApiKey, entry, path, f"keys.{i}") for i, entry in enumerate(entries)], path)


def _each_once(entries: list[ApiKey], path: Path) -> tuple[ApiKey, ...]:
    for field in ("name", "hash"):
        times = Counter(getattr(key, field) for key in entries)
        twice = next((key.name for key in entries if times[getattr(key, field)] > 1), None)
        if twice:
            what = f"{path}: the {field} of the key {twice} occurs twice; each entry needs its own"
            raise InvalidInput(what, field=field)
    return tuple(entries)


def _yaml(path: Path) -> dict[Any, Any]:
    return read_mapping(path, field="api_keys_file", remedy="`thinkworth keys new --file FILE` makes one")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"{path}: {error.strerror}; name another with api_keys_file"
        raise InvalidInput(what, field="api_keys_file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} is no TOML in UTF-8; correct it", field="api_keys_file") from error


def _entries(text: str) -> Iterator[Any]:
    if text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(text)
        except ValueError as error:
            raise InvalidInput("api_keys is no JSON; give a list of entries", field="api_keys") from error
        yield from value if isinstance(value, list) else [value]
        return
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3 or any("=" not in word for word in words[3:]):
            what = f"api_keys: line {number} is not NAME HASH SCOPE[,SCOPE...] [name=value...]; `thinkworth keys new` prints it"
            raise InvalidInput(what, field="api_keys")
        name, kept, scopes, *more = words
        yield {"name": name, "hash": kept, "scopes": scopes.split(","), **dict(word.split("=", 1) for word in more)}
