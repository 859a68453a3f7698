"""Logs an audit to MLflow, as a run of its own beside those of training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from audit.writing import REPORT, sections
from contract.errors import InvalidInput
from training.register import key
from training.runs import begun

KIND = "audit"
"""Value of the tag `kind` of such a run."""


def log_folder(folder: Path) -> str:
    """Log the folder of an audit, its settings and its figures as a run in the experiment of training; return the run's id.

    Raises:
        InvalidInput: it is no such folder.
    """
    import mlflow

    try:
        report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        audit_id = report.pop("audit_id")
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(f"{folder} is no report of an audit; name one with --out", field="out") from error
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
