"""What MLflow would have been told of a training when its server had gone away meanwhile: kept beside the bundle, and logged later."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from contract.bundle import MANIFEST, sha256
from contract.errors import InvalidInput, Refused
from training.files import folder_written_atomically, write_text
from training.register import register
from training.tracking_server import reached

TOLD, PLOTS, START = "told.json", "plots", "start"
"""What lies in the folder: arguments of `training.register.register`, figures, and the bundle that the training started from."""


def log_or_keep(
    folder: Path, *, plots: Mapping[str, Any], start: Path | None, say: Callable[[str], None], **told: Any
) -> dict[str, str]:
    """Log and register a bundle; return what `register` does.

    Args:
        folder: the bundle.
        plots: figures by name.
        start: the bundle that the training started from.
        say: told what happens.
        told: what else `register` takes.

    Raises:
        Refused: the server does not take it; it can be logged later.
    """
    try:
        with reached("check that it runs"):
            return register(folder, plots=plots, start=start, say=say, **told)
    except Refused as error:
        _keep(folder, plots, start, told)
        what = f"{error.message}. The bundle is in {folder}, and is not registered"
        raise Refused(
            f"{what}; once the server is back: thinkworth train --log-only --out {folder}", type="mlflow"
        ) from error


def log_kept(folder: Path, say: Callable[[str], None]) -> dict[str, str]:
    """Log and register a bundle that could not be logged when it was trained; return what `register` does.

    Raises:
        InvalidInput: nothing is kept of it, or another bundle has taken its place.
        Refused: the server does not take it; it is still kept.
    """
    place = _place(folder)
    if not (place / TOLD).is_file():
        raise InvalidInput(f"nothing of {folder} waits to be logged: there is no {place}; name its folder", field="out")
    told = json.loads((place / TOLD).read_text(encoding="utf-8"))
    manifest = folder / MANIFEST
    if not manifest.is_file() or sha256(manifest) != told.pop("manifest_sha256"):
        what = f"{folder} is not the bundle that {place} tells of: another has taken its place"
        raise InvalidInput(f"{what}; train that one again, and remove {place}", field="out")
    files = {name: Path(path) for name, path in told.pop("files").items()}
    start, plots = place / START, {path.stem: path for path in sorted((place / PLOTS).iterdir())}
    with reached("it is still kept; try again once the server is back"):
        known = register(folder, files=files, plots=plots, start=start if start.is_dir() else None, say=say, **told)
    shutil.rmtree(place)
    return known


def _place(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.unlogged")


def _keep(folder: Path, plots: Mapping[str, Any], start: Path | None, told: Mapping[str, Any]) -> None:
    with folder_written_atomically(_place(folder)) as kept:
        (kept / PLOTS).mkdir()
        for name, figure in plots.items():
            figure.savefig(kept / PLOTS / f"{name}.png")
        if start:
            shutil.copytree(start, kept / START)
        files = {name: str(path.resolve()) for name, path in told["files"].items()}
        known = {**told, "files": files, "manifest_sha256": sha256(folder / MANIFEST)}
        write_text(kept / TOLD, json.dumps(known, allow_nan=False) + "\n")
