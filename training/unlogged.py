"""What MLflow is told of a training: kept beside the bundle before it is logged, so that what ends meanwhile can be logged later."""

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

    What is logged is kept first and goes once it is registered: whatever ends it in between, a signal too, it can be logged later.

    Args:
        folder: the bundle.
        plots: figures by name.
        start: the bundle that the training started from.
        say: told what happens.
        told: what else `register` takes.

    Raises:
        InvalidInput: there is no place beside the bundle.
        Refused: the server does not take it; it can be logged later.
    """
    _keep(folder, plots, start, told)
    later = f"thinkworth train --log-only --out {folder}"
    what = f"The bundle is in {folder}, and is not registered"
    try:
        return log_kept(folder, say, f"check that it runs. {what}; once the server is back: {later}")
    except (Refused, InvalidInput):
        raise
    except BaseException:  # Ctrl-C too
        say(f"{what}; to do so: {later}")
        raise


def log_kept(
    folder: Path, say: Callable[[str], None], remedy: str = "it is still kept; try again once the server is back"
) -> dict[str, str]:
    """Log and register a bundle of which what MLflow is told is kept, which then goes; return what `register` does.

    Args:
        folder: the bundle.
        say: told what happens.
        remedy: what to do where the server does not take it.

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
    start, plots = place / START, sorted((place / PLOTS).iterdir())
    with reached(remedy):
        known = register(folder, files=files, plots=plots, start=start if start.is_dir() else None, say=say, **told)
    (place / TOLD).unlink()  # first: half a folder is not logged again
    shutil.rmtree(place, ignore_errors=True)
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
