"""The registered model: its versions by number and alias, what they say of themselves, and their bundles as folders."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from contract.bundle import MANIFEST, Bundle, sha256
from contract.errors import BundleMismatch, BundleMissing, InvalidInput, ThinkworthError
from contract.frames import BUNDLE
from contract.locate import ROOT
from training.files import folder_written_atomically
from training.register import RECIPE, START
from training.tracking_server import MODEL, client, reached, told_uri

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

    from training.recipe import Known

CHAMPION, PREVIOUS = "champion", "previous"
"""Aliases: the version in use, and the one that a rollback brings back."""

MANIFEST_SHA256 = "manifest_sha256"
"""Tag of a version: the digest of its bundle's manifest, which has those of all other files."""


def models_folder() -> Path:
    """Return the working directory's models/, else the checkout's: where `contract.bundle.in_use` looks."""
    here = Path.cwd() / "models"
    return here if here.is_dir() else ROOT / "models"


def aliased(api: "MlflowClient", alias: str) -> "ModelVersion | None":
    """Return the version with an alias, with its tags; None: no version has it."""
    from mlflow.exceptions import MlflowException

    try:
        return api.get_model_version_by_alias(MODEL, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def numbered(api: "MlflowClient", version: str) -> "ModelVersion":
    """Return a version with its tags.

    Raises:
        InvalidInput: there is none of that number.
    """
    from mlflow.exceptions import MlflowException

    try:
        return api.get_model_version(MODEL, version)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        known = sorted(int(one.version) for one in api.search_model_versions(f"name='{MODEL}'"))
        raise InvalidInput(
            f"{MODEL} has no version {version} in {told_uri()}; it has {', '.join(map(str, known)) or 'none'}",
            field="version", limit=known,
        ) from error  # fmt: skip


def fetch(address: str) -> Path:
    """Return the verified folder of the bundle at `models:/thinkworth@ALIAS` or `models:/thinkworth/VERSION`, below models/registry.

    Raises:
        InvalidInput: the address is another one, or there is no such version.
        BundleMissing: no version has the alias.
        BundleMismatch: what was fetched is not what was registered.
    """
    name, _, rest = address.removeprefix("models:/").partition("@")
    name, _, number = name.partition("/")
    if name != MODEL or bool(rest) == bool(number):
        what = f"{address} is no address of a bundle; give models:/{MODEL}@{CHAMPION} or models:/{MODEL}/7"
        raise InvalidInput(what, field="bundle")
    with reached():
        api = client()
        found = numbered(api, number) if number else aliased(api, rest)
        if found is None:
            what = f"no version of {MODEL} has the alias {rest} in {told_uri()}"
            raise BundleMissing(f"{what}; promote one with `thinkworth promote VERSION`, or name another bundle")
        return fetched(found, models_folder())


def fetched(version: "ModelVersion", models: Path) -> Path:
    """Return the folder models/registry/VERSION with the verified bundle of a version; it is fetched unless it is there already.

    Raises:
        BundleMissing: the version's files are not where the tracking server says.
        BundleMismatch: what was fetched is not what was registered.
    """
    folder, wanted = models / "registry" / str(version.version), version.tags.get(MANIFEST_SHA256)
    if wanted is None:
        what = f"version {version.version} of {MODEL} was registered by an older thinkworth"
        raise BundleMismatch(
            f"{what}, without its manifest's digest; train it again with `thinkworth train --from-run`"
        )
    if not _is(folder, wanted):
        with folder_written_atomically(folder) as temporary:
            _download(version, temporary)
            if (found := sha256(temporary / MANIFEST)) != wanted:
                what = f"version {version.version}: {MANIFEST} is {found[:12]}.., registered as {wanted[:12]}.."
                raise BundleMismatch(f"{what}; promote another version, or train it again")
            Bundle(temporary)
    return folder


def _is(folder: Path, manifest: str) -> bool:
    """Return whether a folder is the whole bundle of that manifest."""
    try:
        return sha256(folder / MANIFEST) == manifest and bool(Bundle(folder))
    except (OSError, ThinkworthError):
        return False


def _download(version: "ModelVersion", out: Path) -> None:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    from training.mlflow_model import FOLDER

    with tempfile.TemporaryDirectory() as place:  # MLflow makes folders of its own where it downloads
        try:
            got = download_artifacts(
                artifact_uri=f"models:/{MODEL}/{version.version}/data/{FOLDER}/{BUNDLE}", dst_path=place
            )
        except (MlflowException, OSError) as error:
            what = f"the files of version {version.version} of {MODEL} are not in {version.source}"
            raise BundleMissing(f"{what}; restore the artifacts, or name another version") from error
        shutil.copytree(got, out, dirs_exist_ok=True)


def recipe_of(api: "MlflowClient", run_id: str, into: Path) -> "Known":
    """Return what a run recorded; the bundle that it started from is fetched below `into`.

    Raises:
        InvalidInput: there is no such run, or it recorded none.
    """
    from mlflow.exceptions import MlflowException

    from training.recipe import Known, Recipe

    remedy = f"name a training run of {told_uri()}, of this version of thinkworth or a newer one"
    try:
        inputs = api.get_run(run_id).inputs.dataset_inputs
        text = Path(api.download_artifacts(run_id, RECIPE, str(into))).read_text(encoding="utf-8")
        recipe = Recipe.model_validate_json(text)
        start = Path(api.download_artifacts(run_id, START, str(into))) if recipe.started_from else None
    except (MlflowException, OSError, ValueError) as error:
        raise InvalidInput(f"run {run_id} has no {RECIPE} that can be read; {remedy}", field="from-run") from error
    places = {one.dataset.name: _place(json.loads(one.dataset.source)) for one in inputs}
    return Known(recipe, places, start)


def _place(source: dict[str, Any]) -> Path:
    return Path(unquote(urlparse(str(source.get("uri", ""))).path))
