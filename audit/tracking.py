"""Logs an audit to MLflow, as a run of its own beside those of training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.writing import REPORT, sections
from contract.errors import InvalidInput
from training.register import key
from training.runs import begun
from training.tracking_server import experiment

KIND = "audit"
"""Value of the tag `kind` of such a run."""


def log_folder(folder: Path) -> str:
    """Log the folder of an audit, its settings and its figures as a run in the experiment of training; return the run's id.

    Raises:
        InvalidInput: it is no such folder.
    """
    import mlflow

    audit_id, report = _told(folder)
    with begun(f"{KIND} of {report['decisions']:,} decisions") as run:
        period = {name: report[name] or "" for name in ("since", "until")}
        mlflow.set_tags({"kind": KIND, "audit_id": audit_id, **period})
        mlflow.log_params(report["config"])
        mlflow.log_metrics(metrics(report))
        mlflow.log_artifacts(str(folder), "report")
        return str(run.info.run_id)


def logged(folder: Path) -> str | None:
    """Return the id of the run that has the audit of a folder already, None where there is none or it was killed.

    Raises:
        InvalidInput: it is no such folder.
    """
    from mlflow.tracking import MlflowClient

    audit_id, _ = _told(folder)
    known = f"tags.kind = '{KIND}' and tags.audit_id = '{audit_id}' and attributes.status = 'FINISHED'"
    runs = MlflowClient().search_runs([experiment()], filter_string=known, max_results=1)
    return str(runs[0].info.run_id) if runs else None


def _told(folder: Path) -> tuple[str, dict[str, Any]]:
    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return report.pop("audit_id"), report
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(f"{folder} is no report of an audit; name one with --out", field="out") from error


def metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the defined figures of a report as metrics, `SECTION/NAME`."""
    return {
        key(f"{section}/{name}"): found["value"]
        for section, part in sections(report).items()
        for name, found in part["figures"].items()
        if found["value"] is not None
    }
