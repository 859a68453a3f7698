"""The verb that turns gateways' logs into the log table. Nothing heavy is imported before it runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from contract.errors import InvalidInput
from contract.records import Arm
from training.commands import needs


def import_(
    format_: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="canonical (the log table itself), openai-jsonl, anthropic-jsonl, gemini-jsonl, litellm-spend, "
            "litellm-payload, otel, langfuse or mlflow.",
        ),
    ],
    places: Annotated[
        list[str],
        typer.Argument(metavar="PLACES...", help="Files; for mlflow a tracking server, for litellm-spend a database."),
    ],
    out: Annotated[Path, typer.Option(help="Log table to write: .parquet, .jsonl or .csv.")] = Path("logs.parquet"),
    source: Annotated[
        str | None,
        typer.Option(
            help="Source of the rows; arms are paired within one. If not given, the name of the log's first file (of a "
            "server or folder, the format's; of canonical, each file's own): give it where a log comes in several imports."
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(help="Scores by request: .csv, .jsonl, .parquet with request_id, score, score_kind, defect."),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(help="Scale of the scores: WORST..BEST (1..5; 5..1 where 1 is best) or poor=0,fair=0.5,good=1."),
    ] = "0..1",
    score: Annotated[
        str | None,
        typer.Option(help="Name of the log's own score that counts, if it has several: otel, langfuse, mlflow."),
    ] = None,
    default_arm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL=ARM",
            help="Arm (direct or reasoning) of a model's calls that do not say it; MODEL * is any. Repeatable.",
        ),
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="Experiment of mlflow to read; all if not given.")] = None,
    table: Annotated[
        str | None, typer.Option(help="Table of litellm-spend's database; LiteLLM_SpendLogs if not given.")
    ] = None,
    json_report: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Turn a gateway's log into the log table, and report what was quarantined and why.

    The arm comes from the parameters each request was sent with, the score from the log or from --scores. Bad records
    go to OUT.quarantine.jsonl with file, line and reason, and are counted.

    Example: thinkworth import litellm-spend postgresql://reader@db/litellm --scores graded.csv --scale 1..5

    Example: thinkworth import mlflow http://localhost:5000 --experiment chat --score correctness --out logs.parquet
    """
    with needs("train"):
        from training.importers import importer
        from training.importers.blocks import Told
        from training.importers.call import Options
        from training.importers.run import import_log
        from training.importers.scores import parse_scale

        chosen = importer(format_)
        told = Told(
            source=source,
            scale=parse_scale(scale),
            score=score,
            default_arms=_default_arms(default_arm or ()),
        )
        options = Options(experiment=experiment, table=table)
        report = import_log(chosen, places, out, told, options=options, scores=scores)
    quarantine = f"{out}.quarantine.jsonl" if report.quarantined else None
    if json_report:
        typer.echo(json.dumps({"out": str(out), "quarantine": quarantine, **report.as_dict()}, ensure_ascii=False))
        return
    typer.echo(report.text())
    typer.echo(f"{report.imported:,} rows in {out}" + (f", bad records in {quarantine}" if quarantine else ""))


def _default_arms(texts: Sequence[str]) -> dict[str, Arm]:
    arms: dict[str, Arm] = {}
    for text in texts:
        model, _, arm = text.rpartition("=")
        if not model or arm not in tuple(Arm):
            raise InvalidInput(
                f"--default-arm {text!r} is not MODEL=direct or MODEL=reasoning (MODEL * is any)", field="default_arm"
            )
        if arms.setdefault(model, Arm(arm)) != arm:
            raise InvalidInput(f"--default-arm gives {model} both arms; keep one", field="default_arm")
    return arms
