"""Writes records: a batch in one transaction, each row once however often it is written."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from contract.store import tables
from contract.store.inserting import insert
from contract.store.opening import take_your_time
from contract.store.outcomes import Told, tell
from contract.store.records import SHADOW, Record


def write(connection: sa.Connection, records: Iterable[Record]) -> list[Told]:
    """Write records within the connection's transaction; return what became of each outcome among them, in order.

    A row whose key is there is left as it is, so that a batch may be written again after an end that nobody saw. What challengers said is
    put into the row of its decision, after the decisions of the batch; where that is not there, nowhere.
    """
    rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        rows[record.table].append(record.row)
    outcomes, shadows = rows.pop(tables.outcomes.name, []), rows.pop(SHADOW, [])
    for name, some in rows.items():
        insert(connection, tables.metadata.tables[name], some)
    if shadows:
        decisions = tables.decisions
        said = sa.update(decisions).where(decisions.c.decision_id == sa.bindparam("of"))
        said = said.values(shadow=sa.bindparam("said", type_=decisions.c.shadow.type))
        connection.execute(said, [{"of": row["decision_id"], "said": row["shadow"]} for row in shadows])
    return tell(connection, outcomes) if outcomes else []


TRAINING_FILE = "recorded-"
"""Begins the name of a log file made of recorded decisions; the day of the first of them follows."""


def forget_files(folder: Path, before: datetime) -> list[str]:
    """Remove the log files made of recorded decisions that hold one from before a time; return their names."""
    gone = []
    for path in sorted(folder.glob(f"{TRAINING_FILE}*.parquet")):
        if path.name.removeprefix(TRAINING_FILE)[:10] <= f"{before:%Y-%m-%d}":  # of that day in part, maybe
            path.unlink(missing_ok=True)
            gone.append(path.name)
    return gone


def forget(connection: sa.Connection, before: datetime) -> dict[str, int]:
    """Forget texts, embeddings and digests of the prompts of decisions before a time; their figures stay. Return how many of each.

    Args:
        connection: its transaction is written in.
        before: an aware time.
    """
    take_your_time(connection)
    decisions, prompts = tables.decisions, tables.prompts
    gone = connection.execute(sa.delete(prompts).where(prompts.c.time < before))
    blank = connection.execute(
        sa.update(decisions)
        .where(decisions.c.time < before, decisions.c.prompt_digest.is_not(None))
        .values(prompt_digest=None)
    )
    return {"prompts": gone.rowcount, "digests": blank.rowcount}
