"""The verb `outcomes`: what logs say of decisions, into the decision store."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contract.errors import InvalidInput, NoUsableRows
from training.commands import needs

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 1000
"""Outcomes written in one transaction: the service writes between two."""


def outcomes(
    logs: Annotated[list[Path], typer.Argument(help="Log files whose rows have a decision_id or a request_id.")],
    accept_flag: Annotated[
        list[str] | None, typer.Option(help="Keep rows with this flag (whole, or up to its first colon). Repeatable.")
    ] = None,
    json_report: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Record what logs say of decisions: arm, score, tokens, time and cost, by the decision's or the request's id.

    The same log may be recorded again: what was told is not told twice. `thinkworth import` makes such logs of a gateway's own.

    Example: thinkworth outcomes logs.parquet
    """
    with needs("train"):
        from contract.progress import progress
        from contract.settings import load_settings
        from contract.store.opening import migrate, open_store, reached
        from contract.store.outcomes import tell
        from training.logs import read_logs

        read = read_logs(logs, accept_flags=accept_flag or ())
    rows = read.table[read.table.decision_id.notna() | read.table.request_id.notna()]
    told = _told(rows)
    if rows.empty:
        raise NoUsableRows(
            f"none of {len(read.table)} rows has a decision_id or a request_id; log the one that /predict answers"
        )
    engine = open_store(load_settings().store_address)
    counts: Counter[str] = Counter(
        without_id=len(read.table) - len(rows), quarantined=len(read.quarantined), says_nothing=len(rows) - len(told)
    )
    with reached():
        migrate(engine)
        for start in progress(range(0, len(told), BLOCK), "recording", length=-(-len(told) // BLOCK)):
            with engine.begin() as connection:
                for one in tell(connection, told[start : start + BLOCK]):
                    counts[one.status] += 1
                    counts["late"] += bool(one.late)
    if json_report:
        typer.echo(json.dumps(counts))
    else:
        typer.echo("; ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items() if n))


def _told(rows: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows for `outcomes`; attempts are numbered anew, within a decision and arm: a log numbers those of a prompt.

    Raises:
        InvalidInput: an id is too long to be one.
    """
    from contract.store.outcomes import VALUES, new_id
    from contract.store.tables import LONGEST_ID, LONGEST_NAME

    names = [name for name in VALUES if name in rows.columns]
    rows = rows[rows[names].notna().any(axis=1)]
    for name, longest in (("decision_id", LONGEST_ID), ("request_id", LONGEST_NAME)):
        if (rows[name].str.len() > longest).any():
            what = f"a {name} has {rows[name].str.len().max()} characters; limit {longest}; it is no id of ours"
            raise InvalidInput(what, field=name, limit=longest)
    subject = rows.decision_id.fillna("request " + rows.request_id.astype("string"))
    attempts = rows.groupby([subject, rows.arm.astype(str)]).cumcount()
    columns = ["decision_id", "request_id", "arm", "attempt", "source", *names]
    return [{**row, "outcome_id": new_id()} for row in _plain(rows.assign(attempt=attempts), columns)]


def _plain(rows: "pd.DataFrame", names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield rows as Python's own values, absent ones left out."""
    table = rows[names].astype(object)
    for row in table.where(table.notna(), None).to_dict("records"):
        yield {
            str(name): getattr(value, "item", lambda value=value: value)()
            for name, value in row.items()
            if value is not None
        }
