"""Calls and rows into checked blocks on disk, and the few numbers that are remembered of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from contract.records import Arm, arrow_schema
from training.files import table_stem
from training.importers.arms import UNSAID
from training.importers.call import Call, Place, Rows
from training.importers.keys import Keys, answer_keys, answer_name, event_keys, pair_keys, text_keys
from training.importers.report import Quarantine
from training.importers.rows import ADDED, CALL_COLUMNS, Failure, failure_of, row_of
from training.importers.scores import Scale, Scored, of_marks
from training.importers.scores_file import ScoresFile
from training.importers.staging import Staging
from training.log_rows import check_each_row
from training.log_values import Fault
from training.logs import as_frame, checked_columns

Integers = npt.NDArray[np.int64]
BLOCK_ROWS = 20_000
BLOCK_SIZE = 32 * 2**20
"""Characters of prompts after which a block ends, however few its rows."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the operator says of a log.

    Attributes:
        source: of its rows that name none; where None, rows of a table are named after their file, as `read_logs` does,
            and calls after the log.
        scale: of its scores, and of a scores file.
        score: the name of the score that counts; None where the log has one name only.
        default_arms: by model (or `*`), the arm of calls whose parameters do not say it.
    """

    source: str | None = None
    scale: Scale = field(default_factory=Scale)
    score: str | None = None
    default_arms: Mapping[str, Arm] = field(default_factory=dict)


class _Answered(NamedTuple):
    """A call that did not fail, as a raw row."""

    place: Place
    row: Mapping[str, Any]
    score: Scored | Fault
    attempt_of: str | None
    answer_id: str | None


class _Failed(NamedTuple):
    """A call that failed."""

    place: Place
    request_id: str | None
    attempt_of: str | None
    answer_id: str | None
    failure: Failure


class Blocks:
    """Takes calls and rows, quarantines the bad, puts the good away, and remembers what `merge.settle` asks."""

    def __init__(self, told: Told, log: str, staging: Staging, quarantine: Quarantine, scores: ScoresFile) -> None:
        """Make an empty one: of what the operator says of the log, by its name, with the scores of a file."""
        self._told = told
        self._log = log
        self.staging = staging
        self.quarantine = quarantine
        self.scores = scores
        self._files: list[str] = []
        self._numbers: dict[str, int] = {}
        self._answered: list[_Answered] = []
        self._failed: list[_Failed] = []
        self._quarantined: list[str | None] = []
        self._size = 0
        self._rows: list[dict[str, npt.NDArray[Any]]] = []
        self._failures: list[dict[str, npt.NDArray[Any]]] = []
        self._spoiled: list[Keys] = []

    def call(self, call: Call) -> None:
        """Take a call."""
        attempt_of = _text(call.attempt_of)
        if call.failed:
            failure = failure_of(call)
            if isinstance(failure, Fault):
                self.quarantine.add(call.place, failure)
            else:
                ids = _text(call.request_id), attempt_of, _text(call.answer_id)
                self._failed.append(_Failed(call.place, *ids, failure))
        else:
            row = row_of(call, self._told.default_arms)
            if isinstance(row, Fault):
                self.quarantine.add(call.place, row)
                if row.reason == UNSAID:
                    self.quarantine.count_silent(call.model)
                self._quarantined.append(attempt_of)
            else:
                score = of_marks(call.marks, self._told.scale, self._told.score)
                self._answered.append(_Answered(call.place, row, score, attempt_of, _text(call.answer_id)))
                self._size += len(row["prompt"] or row["messages"] or "")
        pending = len(self._answered) + len(self._failed) + len(self._quarantined)
        if pending >= BLOCK_ROWS or self._size >= BLOCK_SIZE:
            self.flush()

    def rows(self, rows: Rows) -> None:
        """Take a block of rows that are the log table already."""
        count = len(rows.block.lines)
        files = np.full(count, self._file(rows.file), dtype=np.int64)
        source = self._told.source or table_stem(Path(rows.file))
        self._check(rows.block.columns, source, files, rows.block.lines, None)

    def flush(self) -> None:
        """Check and put away what was taken."""
        answered, failed, quarantined = self._answered, self._failed, self._quarantined
        self._answered, self._failed, self._quarantined, self._size = [], [], [], 0
        self._spoiled.append(text_keys(quarantined))
        self._failures.append(self._of_failed(failed))
        columns: dict[str, list[Any]] = {name: [call.row[name] for call in answered] for name in CALL_COLUMNS}
        scored = [Scored(None, None) if isinstance(call.score, Fault) else call.score for call in answered]
        columns |= {"score": [score.score for score in scored], "score_kind": [score.kind for score in scored]}
        files, lines = self._places([call.place for call in answered])
        self._check(columns, self._told.source or self._log, files, lines, answered)

    def index(self) -> tuple[pd.DataFrame, pd.DataFrame, Keys]:
        """Return keys, arm and place of the good rows, the failed calls, and the attempts of quarantined calls."""
        self.flush()
        return _joined(self._rows), _joined(self._failures), np.concatenate(self._spoiled)

    def place(self, file: int, line: int) -> Place:
        """Return the place of a row or a failed call of the index."""
        return Place(self._files[file], int(line))

    def _check(
        self,
        columns: Mapping[str, Any],
        source: str,
        files: Integers,
        lines: Integers,
        calls: Sequence[_Answered] | None,
    ) -> None:
        """Check a block of raw columns and put the good rows away; `calls` are what they come from, if from calls."""
        table, faults = checked_columns(columns, len(lines), source)
        ids = table["request_id"].to_pylist()
        answer = answer_keys([None] * len(ids) if calls is None else [call.answer_id for call in calls])
        request = text_keys(ids)
        request_of_one = text_keys(_names(ids, answer)) if self.scores.of_file else np.zeros_like(request)
        scored = self.scores.scored(self.scores.places(request_of_one, request))
        marks = [call.score for call in calls or ()]
        faults.add({at: mark for at, mark in enumerate(marks) if isinstance(mark, Fault) and not scored[at]})
        frame = as_frame(table)
        ids_of_content, _ = check_each_row(frame, faults)
        for at, fault in sorted(faults.items()):
            self.quarantine.add(self.place(files[at], lines[at]), fault)
        good = faults.good()
        attempt = np.zeros(len(lines), np.uint64) if calls is None else text_keys([call.attempt_of for call in calls])
        self._spoiled.append(attempt[~good])
        kept = frame[good]
        keyed = kept.assign(prompt_id=kept["prompt_id"].fillna(ids_of_content[good]))
        index: dict[str, npt.NDArray[Any]] = {
            "event": event_keys(keyed, None if calls is None else answer[good]),
            "attempt": attempt[good],
            "pair": pair_keys(keyed),
            "request": request[good],
            "answer": answer[good],
            "request_of_one": request_of_one[good],
            "reasoning": (kept["arm"] == Arm.REASONING).to_numpy(bool),
            "file": files[good].astype(np.int32),
            "line": lines[good],
        }
        self._rows.append(index)
        self.staging.add(table.filter(pa.array(good)).cast(arrow_schema()))

    def _file(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._files)
            self._files.append(name)
        return self._numbers[name]

    def _places(self, places: Sequence[Place]) -> tuple[Integers, Integers]:
        """Return the numbers of files and lines."""
        files = np.array([self._file(place.file) for place in places], dtype=np.int64)
        return files, np.array([place.line for place in places], dtype=np.int64)

    def _of_failed(self, failed: Sequence[_Failed]) -> dict[str, npt.NDArray[Any]]:
        """Return failed calls as `merge.settle` takes them."""
        numbers = [[*call.failure.usage, call.failure.started, call.failure.ended] for call in failed]
        names = (*ADDED, "started", "ended")
        files, lines = self._places([call.place for call in failed])
        events = [  # the tries of a request may share its id: LiteLLM's proxy and batch files give them the same
            None if call.request_id is None else f"{call.request_id} {call.answer_id} {values}"
            for call, values in zip(failed, numbers, strict=True)
        ]
        return {
            "event": text_keys(events),
            "attempt": text_keys([call.attempt_of for call in failed]),
            "file": files,
            "line": lines,
            **dict(zip(names, np.array(numbers, dtype=np.float64).reshape(-1, len(names)).T, strict=True)),
        }


def _joined(blocks: list[dict[str, npt.NDArray[Any]]]) -> pd.DataFrame:
    """Return blocks of columns as one frame; they are emptied column by column, so that nothing is held twice."""
    names = list(blocks[0])
    return pd.DataFrame({name: np.concatenate([block.pop(name) for block in blocks]) for name in names}, copy=False)


def _names(ids: Sequence[str | None], answers: Keys) -> list[str | None]:
    """Return the request_ids that rows have where their request was answered several times."""
    return [None if id_ is None or not key else answer_name(id_, key) for id_, key in zip(ids, answers, strict=True)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
