"""A bundle: one versioned folder that holds all that serving needs, verified before it is used.

    manifest.json        what is below; read first
    heads.onnx           every head in one graph: (embeddings, features) -> scores, tokens, probabilities, similarities
    card.md              what it was trained on, with which results, and what it does not know
    report.json          the evaluation behind the card

The encoder is named by its digest and lies in a folder of its own (models/encoder), shared by bundles.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.errors import BundleMismatch, BundleMissing, BundleTooNew
from contract.locate import ROOT
from contract.profiles import Profile

FORMAT_VERSION = 1
"""Bumped when an older reader would misread a new bundle: a feature, an output or a key changes meaning, order or name.

A reader refuses newer formats; it may read older ones through a function of its own, with a test on a stored example.
"""

MANIFEST = "manifest.json"
HEADS = "heads.onnx"
QUANTILES: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Levels of the token heads."""


class Frozen(BaseModel):
    """Immutable, unknown keys refused, finite numbers only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Curve(Frozen):
    """A monotone map as piecewise-linear knots, with a local 95 % band; flat beyond its ends.

    Attributes:
        x: knots, strictly increasing.
        y: value at each knot, non-decreasing.
        lower: lower 95 % bound of the mean at each knot; empty for a map without a band.
        upper: upper 95 % bound of the mean at each knot; empty for a map without a band.
    """

    x: tuple[float, ...] = Field(min_length=2)
    y: tuple[float, ...]
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _shape(self) -> Self:
        n = len(self.x)
        if len(self.y) != n or len(self.lower) not in (0, n) or len(self.upper) != len(self.lower):
            raise ValueError("x, y, lower and upper differ in length")
        if any(b <= a for a, b in zip(self.x, self.x[1:], strict=False)):
            raise ValueError("x is not strictly increasing")
        if any(b < a for a, b in zip(self.y, self.y[1:], strict=False)):
            raise ValueError("y decreases")
        if any(not low <= y <= high for low, y, high in zip(self.lower, self.y, self.upper, strict=False)):
            raise ValueError("y is outside its band")
        return self

    def at(self, value: float) -> float:
        """Return the value of the map."""
        return float(np.interp(value, self.x, self.y))

    def band(self, value: float) -> tuple[float, float]:
        """Return the lower and upper bound of the mean."""
        return float(np.interp(value, self.x, self.lower)), float(np.interp(value, self.x, self.upper))


class Calibration(Frozen):
    """Maps fitted on the calibration split, applied by `contract.policy` in training and serving alike.

    Attributes:
        gain: predicted gain -> calibrated gain, with its local band.
        familiarity: the head's probability that the evidence covers a prompt -> familiarity in [0, 1].
        unfamiliar_below: familiarity under which the verdict is `maybe`.
        budget_scale: factor on the upper thinking-token quantile that reaches the coverage (conformal).
        small_budget: thinking tokens granted where the verdict is `maybe`.
    """

    gain: Curve
    familiarity: Curve
    unfamiliar_below: float = Field(ge=0, le=1)
    budget_scale: float = Field(gt=0)
    small_budget: int = Field(gt=0)


class EncoderIdentity(Frozen):
    """Which encoder the heads were trained on."""

    name: str
    sha256: str
    dimension: int = Field(gt=0)
    max_tokens: int = Field(gt=0)


class Manifest(Frozen):
    """What a bundle is made of. Holds no prompt and no embedding of one."""

    format_version: int
    revision: str
    created: str
    thinkworth_version: str
    files: dict[str, str]
    encoder: EncoderIdentity
    feature_names: tuple[str, ...]
    tasks: tuple[str, ...]
    quantiles: tuple[float, ...]
    profiles: dict[str, Profile]
    calibration: Calibration
    models: tuple[str, ...]
    training: dict[str, Any]
    metrics: dict[str, Any]
    licences: dict[str, str]


class Bundle:
    """A verified bundle on disk.

    Raises:
        BundleMissing: the folder, its manifest or a listed file is not there.
        BundleMismatch: a file's sha256 differs, or the manifest is not one.
        BundleTooNew: the format is newer than this thinkworth reads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder)
        for name, expected in self.manifest.files.items():
            verify(folder / name, expected)
        if HEADS not in self.manifest.files:
            raise BundleMismatch(f"{folder / MANIFEST} lists no {HEADS}; train the bundle again")

    @property
    def heads(self) -> Path:
        """Path of the graph of all heads."""
        return self.folder / HEADS


def verify(path: Path, expected: str) -> None:
    """Check one file against its digest.

    Raises:
        BundleMissing: the file is not there.
        BundleMismatch: its sha256 differs.
    """
    if not path.is_file():
        raise BundleMissing(f"{path} is missing; restore it or train the bundle again", field=path.name)
    found = sha256(path)
    if found != expected:
        raise BundleMismatch(
            f"{path}: sha256 {found[:12]}.. expected {expected[:12]}..; restore it or train the bundle again",
            field=path.name,
        )


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleMissing(
            f"{path} is missing: {folder} is no bundle; make one with `thinkworth train`", field=MANIFEST
        )
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise BundleMismatch(f"{path} is not JSON ({error}); restore it", field=MANIFEST) from error
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleTooNew(
            f"{path} has format {version}; this thinkworth reads up to {FORMAT_VERSION}; upgrade it",
            field=MANIFEST,
            limit=FORMAT_VERSION,
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise BundleMismatch(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}", field=MANIFEST) from error


def in_use(named: Path | None = None) -> Path:
    """Return the folder of the bundle in use: named, else THINKWORTH_BUNDLE, else models/current, else models/default."""
    if named is not None:
        return named
    if from_environment := os.environ.get("THINKWORTH_BUNDLE"):
        return Path(from_environment)
    for root in (Path.cwd(), ROOT):
        current = root / "models" / "current"
        if current.is_dir():
            return current
        if current.is_file():  # a file that names the folder beside it
            return current.parent / current.read_text(encoding="utf-8").strip()
        if (root / "models" / "default").is_dir():
            return root / "models" / "default"
    raise BundleMissing(
        "no bundle: neither models/current nor models/default; name one with --bundle, or run `thinkworth train`"
    )
