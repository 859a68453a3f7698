"""The verb `audit`. Nothing heavy is imported before it runs."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contract.errors import InvalidInput
from contract.settings import load_settings
from training.commands import needs

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from audit.config import AuditConfig
    from audit.report import Audit


def audit(
    out: Annotated[Path, typer.Option(help="Folder of the report; replaced whole.")] = Path("report"),
    since: Annotated[
        str | None,
        typer.Option(help="First moment, such as 2026-11-01 or 2026-11-01T12:00+01:00; UTC if it has no zone."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="Moment before which decisions are read.")] = None,
    store: Annotated[
        str | None, typer.Option(help="Address of the decision store; the configured one if not given.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of audit settings.")] = None,
    register: Annotated[bool, typer.Option(help="Log the report to MLflow as a run of its own.")] = True,
    log_only: Annotated[
        bool, typer.Option(help="Audit nothing: log the report at --out, which MLflow was away for.")
    ] = False,
    json_report: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find where recorded decisions took the wrong arm, and what that cost: index.html, report.json and a CSV of every table, also in the store.

    Evidence is of three kinds, never mixed: both arms observed, arms drawn at random, and modelled. Only the first two call a slice misrouted.

    Example: thinkworth audit --out report/ --since 2026-11-01
    """
    with needs("train"):
        from audit.config import load_config
        from audit.tracking import log_folder, logged
        from audit.writing import INDEX, write_folder
        from training import tracking_server
        from training.files import check_replaceable, folder_written_atomically
        from training.lock import alone
    from contract.store.opening import migrate, open_store, reached
    from serving.page.report import write_report

    if log_only:
        if any((since, until, store, config, json_report)) or not register:
            raise InvalidInput("--log-only takes all from the report; give it with --out alone", field="log-only")
        tracking_server.client()
        with alone(out, "audit"), tracking_server.reached():
            before = logged(out)
            run = f"is logged already: MLflow run {before}" if before else f"MLflow run {log_folder(out)}"
            typer.echo(f"report in {out}, {run}")
        return
    check_replaceable(out, of="report of an audit", marker=INDEX)  # what is wrong here need not wait for the store
    settings, first, last = load_config(config), _moment(since, "since"), _moment(until, "until")
    if first and last and first >= last:
        raise InvalidInput(f"--since {since} is not before --until {until}; swap them", field="since")
    engine = open_store(store or load_settings().store_address)
    with reached():
        migrate(engine)
    if register:
        tracking_server.client("or audit without it: --no-register")
    with alone(out, "audit"):
        try:
            made, audit_id = _made(engine, first, last, settings)
            with folder_written_atomically(out) as folder:
                write_folder(folder, made, audit_id)
                write_report(engine, audit_id, folder / "index.html")
        finally:
            engine.dispose()
        told = {"audit_id": audit_id, "out": str(out), "mlflow_run": None, **_headline(made)}
        later = f"audit {audit_id} is in the store and in {out}; once the server is back: thinkworth audit --log-only --out {out}"
        try:
            if register:
                with tracking_server.reached(later):
                    told["mlflow_run"] = log_folder(out)
        finally:
            typer.echo(json.dumps(told, ensure_ascii=False) if json_report else _text(made, told))


def _made(
    engine: "Engine", since: datetime | None, until: datetime | None, settings: "AuditConfig"
) -> tuple["Audit", str]:
    """Return the audit of a store, which has it now too, and its id."""
    from audit.reading import read
    from audit.report import audit as run
    from audit.writing import write_store
    from contract.store.opening import reached, reading
    from contract.store.outcomes import match_waiting

    with reached():
        match_waiting(engine)
        with reading(engine) as connection:
            record = read(connection, since=since, until=until)
        made = run(record, settings, time=datetime.now(UTC))
        return made, write_store(engine, made)


def _moment(text: str | None, name: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        what = f"--{name} {text} is no date of ISO 8601; give 2026-11-01 or 2026-11-01T12:00+01:00"
        raise InvalidInput(what, field=name) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _headline(made: "Audit") -> dict[str, object]:
    report = made.report
    return {
        "decisions": report["decisions"], "since": report["since"], "until": report["until"],
        "misrouted_slices": int(made.slices.misrouted.sum()), "slices": len(made.slices),
        "suspected": report["suspects"]["figures"]["suspected"]["value"], "notes": report["notes"],
    }  # fmt: skip


def _text(made: "Audit", told: dict[str, object]) -> str:
    """Return what a person reads at the end: what to know first, the worst slices, and where the rest lies."""
    lines = [f"note: {note}" for note in made.report["notes"]]
    lines.append(
        f"{told['decisions']:,} decisions; {told['misrouted_slices']} of {told['slices']} slices are misrouted, {len(made.suspects):,} decisions suspected"
    )
    for row in made.slices[made.slices.misrouted].head(10).to_dict("records"):
        lines.append(
            f"  {row['title']} ({row['evidence']}): net_benefit {row['net_benefit']:+.3f} [{row['net_benefit_lower']:+.3f}, "
            f"{row['net_benefit_upper']:+.3f}], {row['decisions']:,} decisions, {row['regret_points_total']:,.0f} points lost "
            f"[{row['regret_points_total_lower']:,.0f}, {row['regret_points_total_upper']:,.0f}]"
        )
    lines.append(
        f"audit {told['audit_id']} in the store, report in {told['out']}"
        + (f", MLflow run {told['mlflow_run']}" if told["mlflow_run"] else "")
    )
    return "\n".join(lines)
