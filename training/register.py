"""Writes a training run to MLflow and registers its bundle as the challenger; what all that talks to MLflow shares."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.locate import ROOT

MODEL = "thinkworth"
"""Name of the registered model."""

CHALLENGER = "challenger"


def key(name: str) -> str:
    """Return a name as MLflow takes it in the key of a tag or a metric."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, else the checkout's mlruns/mlflow.db as an absolute SQLite address."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlruns' / 'mlflow.db'}"


def named(files: Sequence[Path]) -> dict[str, Path]:
    """Return the files by their names, the second of one name as `name 2`; no path of a machine leaves it."""
    by_name: dict[str, Path] = {}
    for path in files:
        again = sum(known.name == path.name for known in by_name.values())
        by_name[f"{path.name} {again + 1}" if again else path.name] = path
    return by_name


def experiment() -> str:
    """Point MLflow at the tracking server and return the id of our experiment, which is made where there is none."""
    import mlflow
    from mlflow.tracking import MlflowClient

    own = not os.environ.get("MLFLOW_TRACKING_URI")  # asked before MLflow sets it
    mlflow.set_tracking_uri(tracking_uri())
    found = MlflowClient().get_experiment_by_name(MODEL)
    if found is not None:
        return str(found.experiment_id)
    (ROOT / "mlruns").mkdir(exist_ok=True)
    location = (ROOT / "mlruns" / "artifacts").as_uri() if own else None
    return str(MlflowClient().create_experiment(MODEL, artifact_location=location))


def register(
    folder: Path,
    *,
    params: dict[str, Any],
    metrics: dict[str, float],
    files: Mapping[str, Path],
    digests: Mapping[str, str],
    plots: dict[str, Any],
) -> dict[str, str]:
    """Log a run with its parameters, metrics, datasets, plots and bundle; give its version the alias `challenger`.

    Args:
        folder: the bundle.
        params: the settings.
        metrics: the figures on held-out prompts.
        files: the log files by the name they have in the bundle.
        digests: their SHA-256 by the same name; the run's tags hold all of it, its datasets as much as MLflow stores.
        plots: figures by name.

    Returns:
        The run's id, the model's version and the tracking address.
    """
    import mlflow
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource
    from mlflow.tracking import MlflowClient
    from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

    uri = tracking_uri()
    with mlflow.start_run(experiment_id=experiment()) as run:
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)
        mlflow.set_tags({f"dataset.{key(name)}": digest for name, digest in digests.items()})
        for name, path in files.items():
            source = LocalArtifactDatasetSource(path.resolve().as_uri())
            dataset = MetaDataset(source, name=name, digest=digests[name][:MAX_DATASET_DIGEST_SIZE])
            mlflow.log_input(dataset, context="training")
        for name, figure in plots.items():
            mlflow.log_figure(figure, f"plots/{name}.png")
        mlflow.log_artifacts(str(folder), "bundle")
        run_id = run.info.run_id
        bundle = f"{run.info.artifact_uri}/bundle"
    client = MlflowClient()
    if not any(model.name == MODEL for model in client.search_registered_models(f"name='{MODEL}'")):
        client.create_registered_model(MODEL, description="Is thinking worth its tokens on this prompt?")
    version = client.create_model_version(MODEL, source=bundle, run_id=run_id)
    client.set_registered_model_alias(MODEL, CHALLENGER, version.version)
    return {"run_id": run_id, "version": str(version.version), "tracking_uri": uri}
