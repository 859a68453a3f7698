"""Writes an audit: into the store, so that a half-written one is never seen, and into a folder, whole or not at all."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
import uuid_utils

from audit.figures import plain
from audit.report import Audit
from contract.store.audit_tables import audits, slices, suspects
from serving.page.download import cell
from training.files import write_table, write_text

BLOCK = 1000
"""Rows a transaction: SQLite has one writer, and the service must not wait for an audit."""

ABANDONED_AFTER = timedelta(days=1)
"""How old rows of an audit that never ended are when the next audit removes them."""

INDEX, REPORT = "index.json", "report.json"
"""What lists the files of a report's folder and marks it as one, and the report itself."""


def write_store(engine: sa.Engine, audit: Audit) -> str:
    """Write an audit and return its id; its row of `audits`, by which readers find it, comes last."""
    audit_id, time = str(uuid_utils.uuid7()), datetime.fromisoformat(audit.report["time"])
    _remove_abandoned(engine, time)
    numbered = audit.slices.assign(slice_id=range(1, len(audit.slices) + 1))
    for table, frame in ((slices, numbered), (suspects, audit.suspects)):
        names = [name for name in table.columns.keys() if name != "audit_id"]  # noqa: SIM118 - columns are no mapping
        for start in range(0, len(frame), BLOCK):
            rows = plain(frame[names].iloc[start : start + BLOCK].to_dict("records"))
            with engine.begin() as connection:
                connection.execute(sa.insert(table), [{**row, "audit_id": audit_id} for row in rows])
    since, until = (datetime.fromisoformat(at) if (at := audit.report[name]) else time for name in ("since", "until"))
    with engine.begin() as connection:
        row = {
            "audit_id": audit_id,
            "time": time,
            "since": since,
            "until": until,
            "decisions": audit.report["decisions"],
        }
        connection.execute(sa.insert(audits), [{**row, "report": audit.report}])
    return audit_id


def write_folder(folder: Path, audit: Audit, audit_id: str) -> None:
    """Write report.json and a CSV of every table, Parquet beside it where pyarrow is installed, and an index of them."""
    write_text(
        folder / REPORT,
        json.dumps({"audit_id": audit_id, **audit.report}, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )
    listed = []
    for name, (title, frame) in tables(audit).items():
        write_table(_no_formula(frame), folder / f"{name}.csv")
        listed.append({"file": f"{name}.csv", "title": title, "rows": len(frame)})
        if find_spec("pyarrow") is not None:
            write_table(frame, folder / f"{name}.parquet")
    write_text(folder / INDEX, json.dumps({"audit_id": audit_id, "report": REPORT, "tables": listed}, indent=1) + "\n")


def tables(audit: Audit) -> dict[str, tuple[str, pd.DataFrame]]:
    """Return all tables of an audit by the name of their file: title and rows."""
    listed = audit.suspects.assign(why=[" | ".join(why) for why in audit.suspects.why])
    out = {"slices": ("Slices", audit.slices), "suspects": ("Suspected decisions", listed)}
    for section, part in sections(audit.report).items():
        for name, found in part["tables"].items():
            out[f"{section}_{name}"] = (found["title"], pd.DataFrame(found["rows"], columns=found["columns"]))
    figures = [
        {"section": section, "name": name, **found}
        for section, part in sections(audit.report).items()
        for name, found in part["figures"].items()
    ]
    return {**out, "figures": ("All figures", pd.DataFrame(figures))}


def _no_formula(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts a spreadsheet takes for texts, as the page's downloads have them; numbers stay numbers."""
    out = frame.copy()
    for name in frame.select_dtypes(exclude=["number", "bool", "datetimetz"]).columns:
        out[name] = [cell(value) if isinstance(value, str) else value for value in frame[name]]
    return out


def sections(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a report by name, the four readings among them."""
    found = {name: part for name, part in report.items() if isinstance(part, dict) and "figures" in part}
    return {**report["readings"], **found}


def _remove_abandoned(engine: sa.Engine, now: datetime) -> None:
    """Remove rows of audits that were interrupted long enough ago that none of them still runs; ids begin with their time."""
    digits = f"{int((now.astimezone(UTC) - ABANDONED_AFTER).timestamp() * 1000):012x}"
    before = f"{digits[:8]}-{digits[8:]}"
    for table in (slices, suspects):
        ended = sa.select(audits.c.audit_id)
        with engine.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.audit_id < before, table.c.audit_id.not_in(ended)))
