"""Logs an audit to MLflow, as a run of its own beside those of training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.writing import sections
from training.register import key
from training.runs import begun

KIND = "audit"
"""Value of the tag `kind` of such a run."""


def log_audit(report: Mapping[str, Any], audit_id: str, folder: Path) -> str:
    """Log an audit's settings, its figures and its folder as a run in the experiment of training; return the run's id."""
    import mlflow

    with begun(f"{KIND} of {report['decisions']:,} decisions") as run:
        period = {name: report[name] or "" for name in ("since", "until")}
        mlflow.set_tags({"kind": KIND, "audit_id": audit_id, **period})
        mlflow.log_params(report["config"])
        mlflow.log_metrics(metrics(report))
        mlflow.log_artifacts(str(folder), "report")
        return str(run.info.run_id)


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the defined figures of a report as metrics, `SECTION/NAME`."""
    return {
        key(f"{section}/{name}"): found["value"]
        for section, part in sections(report).items()
        for name, found in part["figures"].items()
        if found["value"] is not None
    }
