"""A folder that a manifest describes, read and verified before anything in it is used: bundles and encoders alike.

Each says its own remedy, and which formats it reads.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError

from contract.errors import BundleMismatch, BundleMissing, BundleTooNew
from contract.wording import broken_rule, no_constant, shown

MANIFEST = "manifest.json"

M = TypeVar("M", bound=BaseModel)


def _plain(name: str) -> str:
    if name in ("", ".", "..") or any(mark in name for mark in ("/", "\\", "\0")):
        raise ValueError("a file is named without any path: it lies in the folder itself")
    return name


Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
"""A sha256 in hexadecimal."""

Files = Annotated[dict[Annotated[str, AfterValidator(_plain)], Digest], Field(min_length=1)]
"""The files of a folder, by plain name, with their digests."""


def read_manifest(path: Path, model: type[M], *, of: str, reads: tuple[int, int], remedy: str) -> M:
    """Return the manifest of a folder, taken strictly: no text and no truth value is a number.

    Raises:
        BundleMissing: the file is not there.
        BundleMismatch: it is not JSON, has no format_version that is one or an older one, or breaks a rule of `model`.
        BundleTooNew: its format_version is a whole number above the newest of `reads`, (oldest, newest).
    """
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text, parse_constant=no_constant)
    except OSError as error:
        raise BundleMissing(f"{path} {_lacking(error)}: {path.parent} is no {of}; {remedy}", field=path.name) from error
    except (ValueError, RecursionError) as error:
        raise BundleMismatch(f"{path} is not JSON ({error}); {remedy}", field=path.name) from error
    _check_format(path, raw, reads, remedy)
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        broken = broken_rule(error)
        field = str(broken.place[0]) if broken.place else path.name
        raise BundleMismatch(f"{path}: {broken.words}; {remedy}", field=field, limit=broken.limit) from error


def verify(folder: Path, files: Mapping[str, str], *, remedy: str) -> None:
    """Check the files of a folder against their digests.

    Raises:
        BundleMissing: one is not there.
        BundleMismatch: the sha256 of one differs.
    """
    for name, expected in files.items():
        path = folder / name
        try:
            found = sha256(path)
        except OSError as error:
            raise BundleMissing(f"{path} {_lacking(error)}; {remedy}", field=name) from error
        if found != expected:
            what = f"{path}: sha256 {found[:12]}.. expected {expected[:12]}..; {remedy}"
            raise BundleMismatch(what, field=name)


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_format(path: Path, raw: Any, reads: tuple[int, int], remedy: str) -> None:
    field, (oldest, newest) = "format_version", reads
    if not isinstance(raw, dict):
        raise BundleMismatch(f"{path} holds {shown(raw)}, a JSON object is needed; {remedy}", field=path.name)
    version = raw.get(field)
    if type(version) is int and version > newest:
        what = f"{path} has format {shown(version)}; this thinkworth reads up to {newest}; upgrade thinkworth"
        raise BundleTooNew(what, field=field, limit=newest)
    if type(version) is not int or version < oldest:
        found = f"{field} {shown(version)}" if field in raw else f"no {field}"
        what = f"{path} has {found}; this thinkworth reads whole numbers from {oldest} up to {newest}; {remedy}"
        raise BundleMismatch(what, field=field, limit=newest)


def _lacking(error: OSError) -> str:
    return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
