"""Logs into the one table of `contract.records`: bad rows are quarantined with their reason, never lost, never fatal.

The rules of a row are tried in this order and the first one broken is its reason: each column by itself, in the
table's order; one of prompt and messages; thinking_tokens within output_tokens; content that is a prompt at all; a
prompt_id that stands for one content; not logged before. Flagged rows are then left out, and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from contract.errors import InvalidInput, NoUsableRows
from contract.records import COLUMNS, PAIR_KEY, column_kind
from training.files import remove, table_format, table_stem, write_jsonl
from training.log_columns import ARROW_TYPES, check_column
from training.log_files import Block, read_blocks
from training.log_rows import Faults, check_rows, group_codes
from training.log_values import REQUIRED, Fault

PAIRED_KINDS = ("toggle",)
"""Values of pair_kind whose arms are compared; a row without pair_kind is too."""

_TYPES: dict[Any, Any] = {
    pa.large_string(): pd.StringDtype("pyarrow"),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


@dataclass(frozen=True)
class LogReport:
    """What became of the rows of some logs.

    Attributes:
        rows: rows read, bad ones included.
        kept: rows of the table.
        quarantined: bad rows, duplicates included, by the rule that they broke.
        duplicates: rows that repeat an earlier one.
        flagged: rows left out because of their flag, by flag.
        unscored: kept rows without a score.
        pairs: (source, prompt_id, model) with both arms logged.
        single_armed: the same with one arm logged.
    """

    rows: int
    kept: int
    quarantined: Mapping[str, int]
    duplicates: int
    flagged: Mapping[str, int]
    unscored: int
    pairs: int
    single_armed: int

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return asdict(self)

    def text(self) -> str:
        """Return the report for a reader at a terminal."""
        lines = [f"rows read      {self.rows:>12,}", f"kept           {self.kept:>12,}"]
        for title, counts in (("quarantined", self.quarantined), ("flagged", self.flagged)):
            lines.append(f"{title:<14} {sum(counts.values()):>12,}")
            lines += [f"  {count:>10,}  {reason}" for reason, count in counts.items()]
        lines.append(f"unscored       {self.unscored:>12,}")
        lines.append(f"pairs          {self.pairs:>12,}  both arms logged")
        lines.append(f"single-armed   {self.single_armed:>12,}  one arm logged")
        return "\n".join(lines)


@dataclass(frozen=True)
class Logs:
    """The table of some logs, what was quarantined (file, line, rule, reason), and the count of both."""

    table: pd.DataFrame
    quarantined: pd.DataFrame
    report: LogReport


class AllRowsBad(NoUsableRows):
    """No row could be used; `logs` says why, row by row."""

    def __init__(self, message: str, logs: Logs) -> None:
        super().__init__(message)
        self.logs = logs


@dataclass
class _Gathered:
    """What the files gave so far, column by column, with the place of each row."""

    tables: list[pa.Table] = field(default_factory=list)
    faults: list[Faults] = field(default_factory=list)
    files: list[npt.NDArray[np.int64]] = field(default_factory=list)
    lines: list[npt.NDArray[np.int64]] = field(default_factory=list)
    broken: list[tuple[int, int, Fault]] = field(default_factory=list)


def read_logs(paths: Sequence[Path], *, accept_flags: Sequence[str] = ()) -> Logs:
    """Return the attempts of the log files (Parquet, JSONL, CSV; the last two gzipped too) as one table.

    `source` is the file's stem where absent, `prompt_id` the digest of the content, `attempt` a number in the rows'
    order; an empty text is absent. A row with a flag is left out unless `accept_flags` names the flag, wholly or up
    to its first colon (`truncation` names `truncation: hit 4096 cap`).

    Raises:
        InvalidInput: a file is missing, empty, unreadable, of an unknown format, or has an unknown column.
        NoUsableRows: no row is left.
    """
    gathered = _Gathered()
    _check_paths(paths)
    for number, path in enumerate(paths):
        for block in read_blocks(path):
            _gather(gathered, block, number, table_stem(path))
    table = as_frame(pa.concat_tables(gathered.tables))
    faults = Faults.joined(gathered.faults)
    files, lines = np.concatenate(gathered.files), np.concatenate(gathered.lines)
    names = [str(path) for path in paths]
    check_rows(table, faults, files, lines, names)
    quarantined = _quarantine(faults, files, lines, gathered.broken, names)
    good = faults.good()
    left_out = _flagged(table["flag"], accept_flags)
    kept = table[good & ~left_out].reset_index(drop=True)
    report = _report(kept, quarantined, table.loc[good & left_out, "flag"], len(table) + len(gathered.broken))
    logs = Logs(kept, quarantined, report)
    if not len(kept):
        raise AllRowsBad(_why_none(report), logs)
    return logs


def write_quarantine(logs: Logs, out: Path) -> Path | None:
    """Write the quarantined rows to `<out>.quarantine.jsonl`, or remove a stale one; return the path if it exists."""
    path = out.with_name(f"{out.name}.quarantine.jsonl")
    if logs.quarantined.empty:
        remove(path)
        return None
    write_jsonl(path, logs.quarantined.to_dict("records"))  # type: ignore[arg-type]
    return path


def _check_paths(paths: Sequence[Path]) -> None:
    if not paths:
        raise InvalidInput("no log file given; name at least one")
    for path in paths:
        table_format(path)
    twice = [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]
    if twice:
        raise InvalidInput(f"{twice[0]} is given twice")


def _gather(gathered: _Gathered, block: Block, file: int, source: str) -> None:
    """Check a block's columns, one by one, and add it."""
    table, faults = checked_columns(block.columns, len(block.lines), source)
    gathered.tables.append(table)
    gathered.faults.append(faults)
    gathered.files.append(np.full(len(block.lines), file, dtype=np.int64))
    gathered.lines.append(block.lines)
    gathered.broken += [(file, line, fault) for line, fault in block.broken.items()]


def checked_columns(
    columns: Mapping[str, Sequence[Any] | pa.Array], count: int, source: str
) -> tuple[pa.Table, Faults]:
    """Return raw columns of `count` rows as a table with all columns, `source` where a row names none, and its faults."""
    faults = Faults(count)
    values: list[Any] = []
    for name in COLUMNS:
        if name in columns or (name in REQUIRED and count):
            checked = check_column(name, columns.get(name, [None] * count))
            faults.add(checked.faults)
            values.append(checked.values)
        else:
            values.append(pa.nulls(count, ARROW_TYPES[column_kind(name)]))
    at = COLUMNS.index("source")
    values[at] = values[at].fill_null(source)
    return pa.table(values, names=list(COLUMNS)), faults


def as_frame(table: pa.Table) -> pd.DataFrame:
    """Return a table of the log's columns as a frame whose absent values are NA, numbers too."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_TYPES.get)
    return frame


def _flagged(flag: "pd.Series[Any]", accepted: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which rows to leave out: those with a flag that is not accepted."""
    flags, kinds = pd.factorize(flag)
    refused = [kind not in accepted and kind.split(":", 1)[0] not in accepted for kind in kinds]
    return np.append(np.array(refused, dtype=bool), False)[flags]


def _quarantine(
    faults: Faults,
    files: npt.NDArray[np.int64],
    lines: npt.NDArray[np.int64],
    broken: Sequence[tuple[int, int, Fault]],
    names: Sequence[str],
) -> pd.DataFrame:
    """Return the bad rows in the order of files and lines."""
    rows = [(int(files[at]), int(lines[at]), fault) for at, fault in faults.items()]
    rows = sorted([*rows, *broken], key=lambda row: row[:2])
    columns = {
        "file": [names[file] for file, _, _ in rows],
        "line": [line for _, line, _ in rows],
        "rule": [fault.rule for _, _, fault in rows],
        "reason": [fault.reason for _, _, fault in rows],
    }
    return pd.DataFrame(columns).astype({"file": "str", "line": "int64", "rule": "str", "reason": "str"})


def _report(kept: pd.DataFrame, quarantined: pd.DataFrame, flags: "pd.Series[Any]", rows: int) -> LogReport:
    rules = Counter(quarantined["rule"].tolist())
    paired = kept[is_paired(kept)]
    pair = group_codes(paired, PAIR_KEY)
    both = np.bincount(pair, weights=(paired["arm"] == "direct").to_numpy(bool)), np.bincount(pair)
    pairs = int(((both[0] > 0) & (both[0] < both[1])).sum())
    return LogReport(
        rows=rows,
        kept=len(kept),
        quarantined=dict(rules.most_common()),
        duplicates=rules["duplicate"],
        flagged=dict(Counter(flags.tolist()).most_common()),
        unscored=int(kept["score"].isna().sum()),
        pairs=pairs,
        single_armed=len(both[1]) - pairs,
    )


def is_paired(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which rows belong to pairs whose arms may be compared: pair_kind `toggle`, or none given."""
    kind = table["pair_kind"]
    return (kind.isna() | kind.isin(PAIRED_KINDS)).to_numpy(bool)


def _why_none(report: LogReport) -> str:
    counts = {**report.quarantined, **{f"flag {flag!r}": count for flag, count in report.flagged.items()}}
    first = "; ".join(f"{count:,} x {reason}" for reason, count in list(counts.items())[:3])
    remedy = " (take flagged rows with --accept-flag)" if report.flagged else ""
    return f"none of {report.rows:,} rows can be used: {first}{remedy}"
