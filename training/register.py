"""Writes a training run to MLflow and registers its bundle as the challenger; the one module that talks to MLflow."""

import os
from pathlib import Path
from typing import Any

from contract.locate import ROOT

MODEL = "thinkworth"
"""Name of the registered model."""

CHALLENGER = "challenger"


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, else the checkout's mlruns/mlflow.db as an absolute SQLite address."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{ROOT / 'mlruns' / 'mlflow.db'}"


def register(
    folder: Path, *, params: dict[str, Any], metrics: dict[str, float], datasets: dict[str, str], plots: dict[str, Any]
) -> dict[str, str]:
    """Log a run with its parameters, metrics, dataset digests, plots and bundle; give its version the alias `challenger`.

    Returns:
        The run's id, the model's version and the tracking address.
    """
    import mlflow
    from mlflow.tracking import MlflowClient

    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(MODEL)
    if experiment is None:
        (ROOT / "mlruns").mkdir(exist_ok=True)
        own = "MLFLOW_TRACKING_URI" not in os.environ
        location = (ROOT / "mlruns" / "artifacts").as_uri() if own else None
        experiment_id = client.create_experiment(MODEL, artifact_location=location)
    else:
        experiment_id = experiment.experiment_id
    with mlflow.start_run(experiment_id=experiment_id) as run:
        mlflow.log_params(params)
        mlflow.log_metrics(metrics)
        mlflow.set_tags({f"dataset.{name}": digest for name, digest in datasets.items()})
        for name, figure in plots.items():
            mlflow.log_figure(figure, f"plots/{name}.png")
        mlflow.log_artifacts(str(folder), "bundle")
        run_id = run.info.run_id
        source = f"{run.info.artifact_uri}/bundle"
    if not any(model.name == MODEL for model in client.search_registered_models(f"name='{MODEL}'")):
        client.create_registered_model(MODEL, description="Is thinking worth its tokens on this prompt?")
    version = client.create_model_version(MODEL, source=source, run_id=run_id)
    client.set_registered_model_alias(MODEL, CHALLENGER, version.version)
    return {"run_id": run_id, "version": str(version.version), "tracking_uri": uri}
