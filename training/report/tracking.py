"""Logs an evaluation report to MLflow, as a run of its own beside those of training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contract.bundle import sha256
from training.register import key, named
from training.report.figures import figures
from training.report.sources import telling
from training.runs import begun

KIND = "evaluation"
"""Value of the tag `kind` of such a run."""


def log_report(report: Mapping[str, Any], page: str, logs: Sequence[Path]) -> str:
    """Log a report, its page and its figures as a run in the experiment of training; return the run's id.

    Args:
        report: of `training.evaluate`.
        page: the report as HTML.
        logs: the files that the bundle was evaluated on; their SHA-256 become tags.
    """
    import mlflow

    tags = {f"dataset.{key(name)}": sha256(path) for name, path in named(logs).items()}
    with begun(f"{KIND} of {report['revision']}") as run:
        mlflow.set_tags({"kind": KIND, "revision": report["revision"], "profile": report["profile"], **tags})
        mlflow.log_metrics(figures_of_merit(report))
        mlflow.log_dict(dict(report), "report.json")
        mlflow.log_text(page, "report.html")
        for name, (figure, _) in figures(report).items():
            mlflow.log_figure(figure, f"plots/{name}.png")
        return str(run.info.run_id)


def figures_of_merit(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the defined figures of a report as metrics: those over sources, and q, AUC, ECE and pairs of each telling source."""
    found: dict[str, float | None] = {
        "n": float(report["n"]),
        "macro_q": report["macro_q"],
        "pooled_q": report["pooled_q"],
    }
    if report["sources"]:
        found["ece_p_use"] = report["reliability"]["p_use"]["ece"]["value"]
        found["wrong_side"] = float(len(report["reliability"]["net_benefit"]["wrong_side"]))
        found["risk_area"] = report["risk_coverage"]["area"]["value"]
        ours = report["pooled"]["efficiency"]["ours"]
        found |= {name: ours[name]["value"] for name in ("apgr", "cpt_50", "cpt_80", "aiq", "tokens_saved")}
        for name, over in report["macro"]["over_baseline"].items():
            found[f"q_over_{key(name)}"] = over["value"]
    budget = report.get("budget")
    if budget and budget["all"]["coverage"]:
        found["budget_coverage"] = budget["all"]["coverage"]["value"]
    return {name: value for name, value in found.items() if value is not None} | by_source(report)


def by_source(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the defined q, AUC, ECE and pairs of each telling source as metrics, `SOURCE/NAME`."""
    found: dict[str, float] = {}
    for source, part in telling(report["sources"]).items():
        own = {
            "q": part["q"]["value"],
            "auc": part["auc"]["value"],
            "ece_p_use": part["ece_p_use"]["value"],
            "n": float(part["n"]),
        }
        found |= {f"{key(source)}/{name}": value for name, value in own.items() if value is not None}
    return found
