"""The verbs `train` and `evaluate`. Nothing heavy is imported before a verb runs."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contract.errors import InvalidInput
from contract.locate import ROOT, find
from training.commands import needs

if TYPE_CHECKING:
    from training.logs import Logs
    from training.recipe import Options

LogFiles = Annotated[list[Path], typer.Argument(help="Log files: .parquet, .jsonl, .csv, the last two also .gz.")]
Flags = Annotated[list[str] | None, typer.Option("--accept-flag", help="Keep rows with this flag. Repeatable.")]
BudgetFlags = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-budget-flag",
        help="Keep rows with this flag (whole, or up to its first colon) for thinking budgets alone. Repeatable.",
    ),
]
LeaveOut = Annotated[
    list[str] | None, typer.Option("--leave-out-task", help="Leave out rows of this task. Repeatable.")
]
Data = Annotated[
    list[Path] | None, typer.Option(help="Folder to look in for files of an earlier training, by digest. Repeatable.")
]


def train(
    logs: Annotated[
        list[Path] | None, typer.Argument(help="Log files: .parquet, .jsonl, .csv, the last two also .gz.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the bundle; replaced whole.")] = Path("models/trained"),
    config: Annotated[Path | None, typer.Option(help="YAML of training settings.")] = None,
    profiles: Annotated[Path | None, typer.Option(help="Profiles; data/profiles.yaml if not given.")] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="Taxonomy; data/taxonomy.yaml if not given.")] = None,
    accept_flag: Flags = None,
    accept_budget_flag: BudgetFlags = None,
    leave_out_task: LeaveOut = None,
    warm_start: Annotated[
        Path | None,
        typer.Option(
            help="Bundle to start from, a folder or models:/thinkworth@champion: what it knows, corrected by the pairs of 60 prompts or more that it has not seen (a log that has grown since "
            "is seen: give what came after, or start from the same bundle as before)."
        ),
    ] = None,
    from_run: Annotated[
        str | None, typer.Option(help="Repeat this run of MLflow: its files, settings, profiles, taxonomy and options.")
    ] = None,
    data: Data = None,
    register: Annotated[bool, typer.Option(help="Log the run to MLflow and register the challenger.")] = True,
    log_only: Annotated[
        bool,
        typer.Option(help="Train nothing: log and register what train or retrain left at --out when MLflow went away."),
    ] = False,
) -> None:
    """Train a bundle from logs: label, embed, fit, calibrate, export, check, evaluate, register.

    Prints the bundle's path and its report on held-out prompts; with --from-run also whether the revision came out the same.

    Example: thinkworth train data/sample/attempts.jsonl --warm-start models/default --out models/tutorial
    """
    with needs("train"):
        from training import again, pipeline, tracking_server, unlogged
        from training.config import load_config
        from training.evaluate import headline
        from training.files import check_replaceable
        from training.lock import alone
        from training.recipe import Options
        from training.taxonomy import load_taxonomy
    from contract.bundle import Bundle, in_use
    from contract.profiles import load_profiles

    given = (logs, config, profiles, taxonomy, accept_flag, accept_budget_flag, leave_out_task, warm_start)
    if log_only:
        if any((*given, from_run, data)) or not register:
            raise InvalidInput("--log-only takes all from the training; give it with --out alone", field="log-only")
        tracking_server.client()
        with alone(out, "training"):
            typer.echo(registration(out, unlogged.log_kept(out, to_terminal)))
        return
    check_replaceable(out, of="bundle")  # what is wrong here need not wait for the logs
    if register:
        tracking_server.client("or train without it: --no-register")
    if from_run:
        if any(given):
            raise InvalidInput(
                "--from-run takes all from the run; give it with --out, --data and --no-register alone",
                field="from-run",
            )
        with alone(out, "training"):
            trained, same = again.repeat(
                from_run, out, data or (), registering=register, read=read_files, say=to_terminal
            )
        typer.echo(f"{headline(trained.holdout)}\n\n{same}\n{registration(out, trained.registered)}")
        return
    options = Options(
        accept_flags=accept_flag or (),
        accept_budget_flags=accept_budget_flag or (),
        leave_out_tasks=leave_out_task or (),
    )
    settings, families = load_config(config), load_taxonomy(taxonomy)
    known = load_profiles(profiles or find("data/profiles.yaml"))
    start = Bundle(in_use(warm_start)) if warm_start else None
    with alone(out, "training"):
        trained = pipeline.run(
            read_files(logs or [], options, out), out, files=logs or [], profiles=known, taxonomy=families, config=settings,
            cache_folder=ROOT / "data" / "cache", start=start, options=options, registering=register, say=to_terminal,
        )  # fmt: skip
    typer.echo(f"{headline(trained.holdout)}\n{registration(out, trained.registered)}")


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle, or models:/thinkworth@champion.")],
    logs: LogFiles,
    accept_flag: Flags = None,
    accept_budget_flag: BudgetFlags = None,
    leave_out_task: LeaveOut = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write the report as one HTML page.")] = None,
    include: Annotated[
        list[Path] | None,
        typer.Option(help="JSON table {title, columns, rows, note} to include, such as a learning curve. Repeatable."),
    ] = None,
    to_mlflow: Annotated[
        bool, typer.Option("--mlflow", help="Log report, page and figures to MLflow as a run of its own.")
    ] = False,
) -> None:
    """Evaluate an exported bundle on logs that it has not seen.

    Example: thinkworth evaluate models/default data/sample/attempts.jsonl --json report.json --html report.html
    """
    with needs("train"):
        from training import files, tracking_server
        from training.background import seen_by
        from training.embedding_cache import EmbeddingCache
        from training.evaluate import evaluate as run
        from training.evaluate import headline
        from training.html import page
        from training.labels import label
        from training.recipe import Options
        from training.report.included import load_included
        from training.report.tracking import log_report
    from contract.bundle import in_use, sha256
    from contract.scorer import Scorer

    if to_mlflow:
        tracking_server.client("or leave out --mlflow")
    included, scorer = load_included(include or ()), Scorer.load(in_use(bundle))
    options = Options(
        accept_flags=accept_flag or (),
        accept_budget_flags=accept_budget_flag or (),
        leave_out_tasks=leave_out_task or (),
    )
    read = read_files(logs, options, json_file or html_file)
    cache = EmbeddingCache(ROOT / "data" / "cache", scorer.encoder)
    labelled = label(read.table, scorer.manifest.profiles)
    report = run(scorer, labelled, cache, log=read.table, budget_log=read.for_budgets()) | {"included": included}
    known = seen_by(scorer.manifest)
    report["seen"] = [path.name for path in logs if sha256(path) in known]
    written = page(report) if html_file or to_mlflow else ""
    if json_file:
        files.write_text(json_file, json.dumps(report, indent=1, allow_nan=False) + "\n")
    if html_file:
        files.write_text(html_file, written)
    typer.echo(headline(report))
    if to_mlflow:
        with tracking_server.reached("evaluate again once it is back"):
            typer.echo(f"\nlogged as MLflow run {log_report(report, written, logs)}")


def read_files(logs: Sequence[Path], options: "Options", out: Path | None) -> "Logs":
    """Read logs, say what became of their rows, and drop the tasks that are left out; bad rows lie beside `out`."""
    from training.logs import AllRowsBad, read_logs, write_quarantine

    try:
        read = read_logs(logs, accept_flags=options.accept_flags, accept_budget_flags=options.accept_budget_flags)
    except AllRowsBad as error:
        if out is not None:
            write_quarantine(error.logs, out)
        raise
    if out is not None:
        write_quarantine(read, out)
    left = without_tasks(read, options.leave_out_tasks)
    to_terminal(left.report.text())
    return left


def to_terminal(text: str) -> None:
    """Say on standard error what happens."""
    typer.echo(text, err=True)


def registration(folder: Path, known: Mapping[str, str] | None) -> str:
    """Return the lines that say where a bundle lies and how it is registered."""
    lines = [f"bundle: {folder}"]
    if known:
        lines.insert(
            0, f"\nregistered as version {known['version']} ({known['alias'] or 'no alias'}), run {known['run_id']}"
        )
    return "\n".join(lines)


def without_tasks(read: "Logs", tasks: Collection[str]) -> "Logs":
    """Return logs without the rows of some tasks, which the report counts.

    Raises:
        InvalidInput: no row has one of them.
    """
    task = read.for_budgets().task
    if missing := set(tasks) - set(task.dropna()):
        raise InvalidInput(
            f"no row has task {', '.join(sorted(missing))}; check --leave-out-task", field="leave-out-task"
        )
    counts = {str(name): int(n) for name, n in task[task.isin(tasks)].value_counts().items()}
    report = replace(read.report, tasks_left_out={**read.report.tasks_left_out, **counts})
    return replace(read, report=report).take(~task.isin(tasks).fillna(False).to_numpy(bool))
