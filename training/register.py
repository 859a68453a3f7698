"""Writes a training run to MLflow and registers its bundle as the challenger."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.bundle import MANIFEST, Bundle, sha256
from contract.locate import ROOT
from training.runs import begun
from training.tracking_server import MODEL, tracking_uri

CHALLENGER = "challenger"

RECIPE, START = "recipe.json", "start"
"""Artifacts of a run: what it was told (`training.recipe.Recipe`), and the bundle that it started from."""

GATE, GATE_REPORT = "gate", "gate_report"
"""Tags of a version: the gate's outcome, and its whole report as JSON; absent where it was compared with nothing."""


def key(name: str) -> str:
    """Return a name as MLflow takes it in the key of a tag or a metric."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)


def named(files: Sequence[Path]) -> dict[str, Path]:
    """Return the files by their names, the second of one name as `name 2`; no path of a machine leaves it."""
    by_name: dict[str, Path] = {}
    for path in files:
        again = sum(known.name == path.name for known in by_name.values())
        by_name[f"{path.name} {again + 1}" if again else path.name] = path
    return by_name


def register(
    folder: Path, *, params: Mapping[str, Any], metrics: Mapping[str, float], files: Mapping[str, Path],
    digests: Mapping[str, str], rows: Mapping[str, int], plots: Sequence[Path], page: str, recipe: Mapping[str, Any],
    start: Path | None = None, gate: Mapping[str, Any] | None = None, commit: str | None = None, say: Callable[[str], None] = lambda _: None,
) -> dict[str, str]:  # fmt: skip
    """Log a run with all that made a bundle, register the bundle as a version, and give it the alias `challenger`, in this order.

    A version is made once its files are stored, with all its tags, and the alias is moved last: killed anywhere, no version lacks its
    files, and no alias names one that does. A run that was killed stays RUNNING until the next one begins. A version that the gate refused gets no alias.

    Args:
        folder: the bundle.
        params: the settings.
        metrics: the figures on held-out prompts.
        files: the log files by the name they have in the bundle.
        digests: their SHA-256 by the same name; the run's tags hold all of it, its datasets as much as MLflow stores.
        rows: their rows by the same name, bad ones included.
        plots: PNG files of figures.
        page: the report on held-out prompts as HTML.
        recipe: `training.recipe.Recipe` as JSON takes it.
        start: the bundle that the training started from.
        gate: the report of `training.gate`, where the bundle was compared with the champion.
        commit: `code_commit` of the training, where it is known.
        say: told what happens.

    Returns:
        The run's id, the model's version, the alias (empty where it got none) and the tracking address.
    """
    import mlflow
    from mlflow.tracking import MlflowClient

    from training.mlflow_model import LogFile, log_bundle

    tags = version_tags(folder, gate, commit)
    say("logging the run")
    with begun() as run:
        mlflow.log_params(dict(params))
        mlflow.log_metrics(dict(metrics))
        mlflow.set_tags({f"dataset.{key(name)}": digest for name, digest in digests.items()})
        for name, path in files.items():
            mlflow.log_input(LogFile(name, path, digests[name], rows.get(name)), context="training")
        for figure in plots:
            mlflow.log_artifact(str(figure), "plots")
        mlflow.log_dict(dict(recipe), RECIPE)
        mlflow.log_text(page, "report.html")
        for part in ("report.json", "card.md"):
            mlflow.log_artifact(str(folder / part))
        if start:
            mlflow.log_artifacts(str(start), START)
        if gate:
            mlflow.log_dict(dict(gate), "gate.json")
        say("storing the model")
        model = log_bundle(folder, {name: value for name, value in tags.items() if name != GATE_REPORT})
        run_id = run.info.run_id
    say("registering the version")
    client = MlflowClient()
    if not any(known.name == MODEL for known in client.search_registered_models(f"name='{MODEL}'")):
        client.create_registered_model(MODEL, description="Is thinking worth its tokens on this prompt?")
    version = client.create_model_version(MODEL, model.model_uri, run_id, tags=tags, model_id=model.model_id)
    alias = "" if tags.get(GATE) == "refused" else CHALLENGER
    if alias:
        say(f"moving the alias {alias}")
        client.set_registered_model_alias(MODEL, alias, version.version)
    return {"run_id": run_id, "version": str(version.version), "alias": alias, "tracking_uri": tracking_uri()}


def version_tags(folder: Path, gate: Mapping[str, Any] | None, commit: str | None) -> dict[str, str]:
    """Return the tags of a version: what it was made of, by which code, and the gate's report; what is not known has no tag."""
    manifest = Bundle(folder).manifest
    tags = {
        "revision": manifest.revision, "format_version": str(manifest.format_version),
        "data_digest": str(manifest.training["data_digest"]), "encoder_sha256": manifest.encoder.sha256,
        "manifest_sha256": sha256(folder / MANIFEST), "thinkworth_version": manifest.thinkworth_version,
    }  # fmt: skip
    if commit:
        tags["code_commit"] = commit
    if gate:
        tags |= {GATE: str(gate["outcome"]), GATE_REPORT: json.dumps(dict(gate), allow_nan=False)}
    return tags


def code_commit() -> str | None:
    """Return the commit of the checkout, with `+` where files differ from it; None of an installed wheel."""
    try:
        told = [
            subprocess.run(["git", "-C", str(ROOT), *asked], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S607
            for asked in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    return told[0] + ("+" if told[1] else "")
