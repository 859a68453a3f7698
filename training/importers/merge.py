"""What rows are among themselves: events exported twice, and the calls that failed before one answered.

Calls that share `attempt_of` are the retries of one attempt where exactly one of them answered: what the failed ones
are known to have cost is added to it, and its time runs from the first start. Where several answered they are no
retries but calls of one trace, or one request that was made again: each stays a row of its own, and the failed ones
among them belong to none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from training.importers.keys import Keys, answer_name
from training.importers.rows import ADDED

Integers = npt.NDArray[np.int64]
_MICROSECONDS = 1e6


@dataclass(frozen=True)
class Settled:
    """What became of good rows and failed calls, both by number.

    Attributes:
        kept: which rows log an event for the first time.
        repeats: the rows that do not, and the row that each repeats.
        failed_repeats: the same of the failed calls.
        unanswered: failed calls that belong to no attempt.
        sums: what failed calls add, by the row that it is added to: `rows.ADDED`, first start and last end.
        retries: number of failed calls that were added.
        answers: of rows that are one of several answers to calls of one request_id, the key of the answer.
    """

    kept: npt.NDArray[np.bool_]
    repeats: tuple[Integers, Integers]
    failed_repeats: tuple[Integers, Integers]
    unanswered: Integers
    sums: pd.DataFrame
    retries: int
    answers: "pd.Series[Any]"

    def finished(self, table: pa.Table, begin: int) -> pa.Table:
        """Return the rows from number `begin` on, retries added, without those that repeat one.

        Each of several answers to the request `a` is named `a#...`: a score says which of them it is of, and those that
        are alike in all columns would else be taken for one.
        """
        end = begin + table.num_rows
        sums = self.sums.loc[begin : end - 1]
        if len(sums):
            table = _added(table, sums, sums.index.to_numpy() - begin)
        answers = self.answers.loc[begin : end - 1]
        if len(answers):
            at = answers.index.to_numpy() - begin
            ids = table["request_id"].take(pa.array(at)).to_pylist()
            named = pa.array([answer_name(id_, key) for id_, key in zip(ids, answers, strict=True)])
            table = _replaced(table, "request_id", at, named)
        return table.filter(pa.array(self.kept[begin:end]))


def settle(rows: pd.DataFrame, failures: pd.DataFrame, spoiled: Keys) -> Settled:
    """Return what is to be done with rows and failed calls.

    Args:
        rows: the keys `event`, `attempt`, `request` and `answer` of each good row.
        failures: `event` and `attempt` of each failed call, its tokens and cost (`rows.ADDED`), `started` and `ended` in seconds.
        spoiled: attempt keys of calls that answered and were quarantined.
    """
    repeats, failed_repeats = _repeats(rows["event"].to_numpy()), _repeats(failures["event"].to_numpy())
    kept = np.ones(len(rows), dtype=bool)
    kept[repeats[0]] = False
    once = failures.drop(index=failed_repeats[0].tolist())
    attempt = rows["attempt"].to_numpy()
    answered = np.flatnonzero(kept & (attempt > 0) & np.isin(attempt, once["attempt"]))
    answers = pd.Series(answered, index=attempt[answered])
    answers = answers[~answers.index.duplicated(keep=False) & ~answers.index.isin(spoiled)]
    row = once["attempt"].map(answers)
    added = once[row.notna()]
    how = {**dict.fromkeys(ADDED, "sum"), "started": "min", "ended": "max"}
    sums = added.groupby(row[row.notna()].astype(np.int64)).agg(how)
    unanswered = once.index[row.isna()].to_numpy()
    several = rows[kept & (rows["answer"] > 0) & (rows["request"] > 0)]
    answers_of_one = several["answer"][several["request"].duplicated(keep=False)]
    return Settled(kept, repeats, failed_repeats, unanswered, sums, len(added), answers_of_one)


def _repeats(keys: Keys) -> tuple[Integers, Integers]:
    """Return the places whose key stood before, and the first place of each; a key of 0 is equal to nothing."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    same = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
    again, begins = np.flatnonzero(same) + 1, np.flatnonzero(np.append(True, ~same))
    first = begins[np.searchsorted(begins, again) - 1]
    in_order = np.argsort(order[again])
    return order[again][in_order], order[first][in_order]


def _added(table: pa.Table, sums: pd.DataFrame, at: Integers) -> pa.Table:
    """Return the table with what retries cost in the rows `at`; what the attempt itself does not know stays unknown."""
    rows = table.take(pa.array(at))
    new = {name: pc.add(rows[name], pa.array(sums[name]).cast(rows[name].type)) for name in ADDED}
    started = rows["timestamp"].cast(pa.int64())
    ended = pc.add(started, pc.round(pc.multiply(rows["latency_s"], _MICROSECONDS)).cast(pa.int64()))
    first = pc.min_element_wise(started, _microseconds(sums["started"]))
    last = pc.max_element_wise(ended, _microseconds(sums["ended"]))
    new["timestamp"] = first.cast(table["timestamp"].type)
    seconds = pc.divide(pc.subtract(last, first).cast(pa.float64()), _MICROSECONDS)
    new["latency_s"] = pc.if_else(ended.is_valid(), seconds, None)
    for name, values in new.items():
        table = _replaced(table, name, at, values.combine_chunks())
    return table


def _replaced(table: pa.Table, name: str, at: Integers, values: pa.Array) -> pa.Table:
    """Return the table with other values of a column in the rows `at`, which ascend."""
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[at] = True
    column = table[name].combine_chunks()
    column = pc.replace_with_mask(column, pa.array(mask), values.cast(column.type))
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)


def _microseconds(seconds: "pd.Series[float]") -> pa.Array:
    return pc.round(pa.array(seconds * _MICROSECONDS, from_pandas=True)).cast(pa.int64())
