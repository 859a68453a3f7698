"""Logs into the one table of `contract.records`: bad rows are quarantined with their reason, never lost, never fatal.

The rules of a row are tried in this order and the first one broken is its reason: each column by itself, in the
table's order; one of prompt and messages; thinking_tokens within output_tokens; content that is a prompt at all; a
prompt_id that stands for one content; not logged before. Flagged rows are then left out, and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from training.log_report import LogReport
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
class Logs:
    """Some logs: their table, what was quarantined (file, line, rule, reason), and the count of both.

    `budget_only` has the rows, with the columns of `table`, whose flag is accepted for thinking budgets and for nothing else. They are
    no part of `table`: who does not ask for them by name cannot take them for pairs, labels or prices. `rows_of_files` has the rows read
    from each file, bad ones included, in the order of the files.
    """

    table: pd.DataFrame
    quarantined: pd.DataFrame
    report: LogReport
    budget_only: pd.DataFrame
    rows_of_files: tuple[int, ...] = ()

    def for_budgets(self) -> pd.DataFrame:
        """Return the attempts that say how much thinking was needed: the rows of `table`, then those of `budget_only`."""
        return pd.concat([self.table, self.budget_only], ignore_index=True)

    def take(self, keep: npt.NDArray[np.bool_]) -> "Logs":
        """Return the logs with the rows of `for_budgets` where `keep` [n] is true; the report is that of all."""
        table, budget_only = np.split(keep, [len(self.table)])
        return replace(
            self, table=self.table[table].reset_index(drop=True),
            budget_only=self.budget_only[budget_only].reset_index(drop=True),
        )  # fmt: skip


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


def read_logs(
    paths: Sequence[Path], *, accept_flags: Sequence[str] = (), accept_budget_flags: Sequence[str] = ()
) -> Logs:
    """Return the attempts of the log files (Parquet, JSONL, CSV; the last two gzipped too) as one table.

    `source` is the file's stem where absent, `prompt_id` the digest of the content, `attempt` a number in the rows'
    order; an empty text is absent. A row with a flag is left out unless `accept_flags` names the flag, wholly or up
    to its first colon (`truncation` names `truncation: hit 4096 cap`); one that `accept_budget_flags` alone names so is
    kept apart, for thinking budgets (`Logs.budget_only`).

    Raises:
        InvalidInput: a file is missing, empty, unreadable, of an unknown format, or has an unknown column; or no row has a
            flag of `accept_budget_flags`.
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
    _check_flags(table["flag"], accept_budget_flags)
    flagged = good & _flagged(table["flag"], accept_flags)
    left_out = flagged & _flagged(table["flag"], accept_budget_flags)
    kept, budget_only = (table[rows].reset_index(drop=True) for rows in (good & ~flagged, flagged & ~left_out))
    flags = table.loc[left_out, "flag"], budget_only["flag"]
    report = _report(kept, quarantined, flags, len(table) + len(gathered.broken))
    places = np.concatenate([files, [file for file, _, _ in gathered.broken]]).astype(np.int64)
    counts = tuple(np.bincount(places, minlength=len(paths)).tolist())
    logs = Logs(kept, quarantined, report, budget_only, counts)
    if not len(kept):
        raise AllRowsBad(report.why_none(), logs)
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
    accepted_names, (flags, kinds) = set(accepted), pd.factorize(flag)
    refused = [accepted_names.isdisjoint(_names(kind)) for kind in kinds]
    return np.append(np.array(refused, dtype=bool), False)[flags]


def _check_flags(flag: "pd.Series[Any]", accepted: Sequence[str]) -> None:
    """Refuse a flag, accepted for budgets, that no row has: misspelt, it would leave the ladders out without a word."""
    kinds = [str(kind) for kind in flag.dropna().unique()]
    known = {name for kind in kinds for name in _names(kind)}
    if unknown := [name for name in accepted if name not in known]:
        there = ", ".join(map(repr, sorted(kinds)[:10])) or "none"
        raise InvalidInput(
            f"no row has flag {', '.join(map(repr, unknown))}; flags of the rows: {there}; check --accept-budget-flag",
            field="accept-budget-flag",
        )


def _names(flag: str) -> tuple[str, str]:
    """Return what names a flag: all of it, and what stands before its first colon."""
    return flag, flag.split(":", 1)[0]


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


def _report(
    kept: pd.DataFrame, quarantined: pd.DataFrame, flags: "tuple[pd.Series[Any], pd.Series[Any]]", rows: int
) -> LogReport:
    """Count; `flags`: of the rows that are left out, and of those for budgets alone."""
    flagged, budget_only = (dict(Counter(of.tolist()).most_common()) for of in flags)
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
        flagged=flagged,
        budget_only=budget_only,
        unscored=int(kept["score"].isna().sum()),
        pairs=pairs,
        single_armed=len(both[1]) - pairs,
    )


def is_paired(table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return which rows belong to pairs whose arms may be compared: pair_kind `toggle`, or none given."""
    kind = table["pair_kind"]
    return (kind.isna() | kind.isin(PAIRED_KINDS)).to_numpy(bool)
