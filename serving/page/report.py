"""The page as one file: the last audit, or a named one, in a self-contained HTML that loads nothing."""

from pathlib import Path

import sqlalchemy as sa

from contract.errors import InvalidInput
from contract.files import written_whole
from contract.store.opening import reading
from serving.page import listing, live, parts, trends, views
from serving.page.asked import Sliced, Suspected, Trended
from serving.page.assets import load_assets
from serving.page.rendering import Renderer

MOST_SLICES, MOST_SUSPECTS = 50, 20
"""Rows of the long tables in the file; the CSV beside it has them all."""


def write_report(engine: sa.Engine, audit_id: str | None, out: Path) -> None:
    """Write an audit as one HTML file, whole or not at all.

    Args:
        engine: on the decision store.
        audit_id: of the audit; None: the last one, or none where none was made.
        out: the file; its folder is there. Long tables name `slices.csv` and `suspects.csv` beside it.

    Raises:
        InvalidInput: there is no audit of that id.
    """
    with reading(engine) as connection:
        html = report_html(connection, audit_id)
    with written_whole(out) as file:
        file.write_text(html, encoding="utf-8")


def report_html(connection: sa.Connection, audit_id: str | None) -> str:
    """Return the file's text.

    Raises:
        InvalidInput: there is no audit of that id.
    """
    audit = live.last_audit(connection, audit_id)
    if audit is None and audit_id is not None:
        raise InvalidInput(f"no audit {audit_id} is in the store; make one with `thinkworth audit`", field="audit_id")
    known, report = live.id_of(audit), views.report_of(audit)
    period = live.period_of(audit)
    days = trends.in_days(connection, Trended())
    slices = connection.execute(views.slices_of(Sliced(), known).limit(MOST_SLICES)).mappings().all()
    return Renderer(load_assets()).file(
        "report.html",
        title="Audit",
        audit=audit,
        live=live.counts(connection, period),
        readings=parts.readings(report),
        sections=parts.others(report),
        notes=parts.notes(report),
        charts=views.drawn(trends.by_day(connection, days, period), parts.bands_by_day(report), by="decided"),
        slice_rows=[views.shown_slice(row) for row in slices],
        slice_total=views.slices_count(connection, Sliced(), known),
        suspect_rows=listing.page(connection, Suspected(), known, MOST_SUSPECTS).rows,
        suspect_total=listing.count(connection, Suspected(), known),
        section=parts.what_if(report),
    )
