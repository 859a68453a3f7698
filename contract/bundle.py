"""A bundle: one versioned folder that holds all that serving needs, verified before it is used.

    manifest.json        what is below; read first
    heads.onnx           every head in one graph: (embeddings, features) -> scores, tokens, probabilities, similarities
    card.md              what it was trained on, with which results, and what it does not know
    report.json          the evaluation behind the card

The encoder is named by its digest and lies in a folder of its own (models/encoder), shared by bundles.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from contract.calibration import Calibration, Frozen
from contract.errors import BundleMissing
from contract.locate import ROOT
from contract.manifest_file import MANIFEST as MANIFEST
from contract.manifest_file import Digest, Files, read_manifest, verify
from contract.manifest_file import sha256 as sha256
from contract.profiles import Profile
from contract.resolve import resolved

FORMAT_VERSION = 4
"""Bumped when an older reader would misread a new bundle: a feature, an output or a key changes meaning, order or name.

A reader refuses newer formats; it may read older ones through a function of its own, with a test on a stored example.
Formats 1 (no mixing of logs and prior), 2 (nothing of the target model) and 3 (no words, prior_band, outcomes, certainty) were never
released, and are refused.
"""

OLDEST_FORMAT = 4
"""The oldest format that is still read."""

HEADS = "heads.onnx"
QUANTILES: tuple[float, ...] = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Levels of the token heads; budgets and the odds of finishing under a cap are read off them."""

SHARE_EQUAL = 0.999
"""Share of the rows on which a bundle's graph answers as the fitted heads do; with less it is neither written nor promoted."""

REMEDY = "restore it, or make it again with `thinkworth train`"
LEAST_NEIGHBOURS = 20
"""Logged prompts of a neighbourhood: fewer would say too much of each."""

Name = Annotated[str, Field(min_length=1)]


class EncoderIdentity(Frozen):
    """Which encoder the heads were trained on."""

    name: Name
    sha256: Digest
    dimension: int = Field(gt=0)
    max_tokens: int = Field(gt=0)


class TargetModel(Frozen):
    """What logs say of a target model, less what the prompts' families say of any: heads read it beside the prompt.

    Attributes:
        direct: how much better than expected it scores without thinking, in points.
        gain: how much more than expected thinking gains, in points.
        log_tokens: logarithm of its thinking tokens over the expected ones.
    """

    direct: float
    gain: float
    log_tokens: float


class Neighbourhood(Frozen):
    """What logs say around a centroid of LEAST_NEIGHBOURS logged prompts or more; no prompt and no id of one.

    Attributes:
        task: the family of the taxonomy that most of them are nearest to.
        n: logged prompts that it stands for.
        gain: their mean gain, in points.
        extra_tokens: their mean extra tokens; None where unknown.
    """

    task: Name
    n: int = Field(ge=LEAST_NEIGHBOURS)
    gain: float
    extra_tokens: float | None


class Manifest(Frozen):
    """What a bundle is made of. Holds no prompt and no embedding of one."""

    format_version: int
    revision: str
    created: str
    thinkworth_version: str
    files: Files
    encoder: EncoderIdentity
    feature_names: tuple[Name, ...] = Field(min_length=1)
    tasks: tuple[Name, ...] = Field(min_length=1)
    quantiles: tuple[float, ...]
    profiles: dict[Name, Profile] = Field(min_length=1)
    calibration: Calibration
    models: dict[Name, TargetModel]
    population: TargetModel
    neighbourhoods: tuple[Neighbourhood, ...] = ()
    usual_features: tuple[float, ...]
    training: dict[str, Any]
    metrics: dict[str, Any]
    licences: dict[str, str]

    @field_validator("files")
    @classmethod
    def _lists_the_heads(cls, files: dict[str, str]) -> dict[str, str]:
        if HEADS not in files:
            raise ValueError(f"lists no {HEADS}")
        return files

    @field_validator("quantiles")
    @classmethod
    def _are_ours(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if levels != QUANTILES:
            raise ValueError(f"{levels}, where this thinkworth reads {QUANTILES}")
        return levels

    @model_validator(mode="after")
    def _has_usual_features(self) -> Self:
        if len(self.usual_features) != len(self.feature_names):
            raise ValueError(f"has {len(self.usual_features)} usual_features for {len(self.feature_names)} features")
        return self

    @field_validator("feature_names", "tasks")
    @classmethod
    def _differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"lists {twice[0]} twice")
        return names


class Bundle:
    """A verified bundle on disk.

    Raises:
        BundleMissing: the folder, its manifest or a listed file is not there.
        BundleMismatch: a file's sha256 differs, or the manifest is not one that can be used.
        BundleTooNew: the format is newer than this thinkworth reads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest = read_manifest(
            folder / MANIFEST, Manifest, of="bundle", reads=(OLDEST_FORMAT, FORMAT_VERSION), remedy=REMEDY
        )
        verify(folder, self.manifest.files, remedy=REMEDY)

    @property
    def heads(self) -> Path:
        """Path of the graph of all heads."""
        return self.folder / HEADS


def in_use(named: Path | None = None) -> Path:
    """Return the folder of the bundle in use: named, else THINKWORTH_BUNDLE, else models/current, else models/default.

    The first two may be an address: see `contract.resolve`. A file instead of a folder names the one beside it.

    Raises:
        BundleMissing: there is none.
        InvalidInput, MissingExtra, BundleMismatch: an address that leads nowhere.
    """
    if named is None and (from_environment := os.environ.get("THINKWORTH_BUNDLE")):
        named = Path(from_environment)
    if named is not None:
        return _pointed(resolved(named))
    for root in (Path.cwd(), ROOT):
        current = root / "models" / "current"
        if current.exists():
            return _pointed(current)
        if (root / "models" / "default").is_dir():
            return root / "models" / "default"
    raise BundleMissing(
        "no bundle: neither models/current nor models/default; name one with --bundle, or run `thinkworth train`"
    )


def _pointed(path: Path) -> Path:
    """Return the folder beside a file that the file names; any other path as it is."""
    if not path.is_file():
        return path
    try:
        return path.parent / path.read_bytes()[:4096].decode().strip()
    except (OSError, ValueError) as error:
        raise BundleMissing(f"{path} names no folder of a bundle ({type(error).__name__}); {REMEDY}") from error
