"""A training once more, from what its run recorded."""

import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from contract.bundle import HEADS, Bundle
from contract.locate import ROOT
from training import pipeline, registry, tracking_server
from training.logs import Logs
from training.recipe import Options, Recipe
from training.retrain import training_set


def repeat(
    run_id: str, out: Path, folders: Sequence[Path], *, registering: bool, read: Callable[[Sequence[Path], Options, Path], Logs],
    say: Callable[[str], None],
) -> tuple[pipeline.Trained, str]:  # fmt: skip
    """Train as a run of MLflow did, with as many threads; return what was trained, and whether the revision came out the same.

    Args:
        run_id: of the run.
        out: the bundle's folder.
        folders: where to look for files that are not where they lay.
        registering: register the bundle.
        read: reads files and says what became of their rows.
        say: told what happens.

    Raises:
        InvalidInput: there is no such run, or a file of it is nowhere.
    """
    api = tracking_server.client()
    with tempfile.TemporaryDirectory() as place:
        known = registry.recipe_of(api, run_id, Path(place))
        recipe, files = known.recipe, training_set(known, folders)
        with threadpool_limits(recipe.threads):
            trained = pipeline.run(
                read(files, recipe.options, out), out, files=files, profiles=recipe.profiles, taxonomy=recipe.taxonomy,
                config=recipe.config, cache_folder=ROOT / "data" / "cache", start=Bundle(known.start) if known.start else None,
                options=recipe.options, registering=registering, say=say,
            )  # fmt: skip
    return trained, compared(Bundle(out), recipe, api.get_run(run_id).data.params)


def compared(bundle: Bundle, recipe: Recipe, params: dict[str, Any]) -> str:
    """Return whether the revision is that of the run, and what is known to differ where it is not."""
    manifest, before = bundle.manifest, params.get("revision")
    if manifest.revision == before:
        return f"the revision is the same: {before}; {HEADS} is the same to the last byte"
    told = []
    if (now := version("thinkworth")) != recipe.thinkworth_version:
        told.append(f"thinkworth was {recipe.thinkworth_version} and is {now}")
    encoder = params.get("encoder_sha256")
    if encoder and encoder != manifest.encoder.sha256:
        told.append(f"the encoder was {encoder[:12]}.. and is {manifest.encoder.sha256[:12]}..")
    why = "; ".join(told) or "thinkworth and the encoder are the same, so its code, a library or the processor differs"
    return f"the revision differs: it was {before} and is {manifest.revision} ({why})"
