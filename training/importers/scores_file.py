"""A file of scores, joined to attempts by request id; of an id its key is kept, not its text."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contract.errors import InvalidInput
from contract.progress import opened
from training.importers import jsonl
from training.importers.call import Broken, Place
from training.importers.keys import Keys, places_of, text_keys
from training.importers.scores import Scale
from training.log_files import readable
from training.log_values import Fault, ask, shown

_TYPES: dict[str, Any] = {
    "line": "int64",
    "score": "Float64",
    "score_kind": pd.StringDtype("pyarrow"),
    "defect": "boolean",
}
KNOWN = ("request_id", "score", "score_kind", "defect")
_BLOCK = 50_000


class ScoresFile:
    """Scores by request id.

    Attributes:
        keys: the keys of the ids, sorted.
        table: score, score_kind and defect of each.
        of_file: whether there is a file at all.
    """

    def __init__(self, keys: Keys, table: pa.Table, *, of_file: bool = True) -> None:
        self.keys = keys
        self.of_file = of_file
        self.table = table

    def places(self, *requests: Keys) -> npt.NDArray[np.int64]:
        """Return the place of each row's score by the first of its ids' keys that the file has, -1 where it has none."""
        places = places_of(requests[0], self.keys)
        for others in requests[1:]:
            places = np.where(places < 0, places_of(others, self.keys), places)
        return places

    def scored(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return at which of `places` a score stands."""
        scored: npt.NDArray[np.bool_] = self._at(places)["score"].is_valid().to_numpy()
        return scored

    def of_one(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the places, -1 in the stead of one that several rows have: nothing says which of them was scored."""
        alone = np.append(self._rows(places) == 1, False)
        return np.where(alone[places], places, -1)

    def rest(
        self, places: npt.NDArray[np.int64], of_several: npt.NDArray[np.int64]
    ) -> tuple[int, int] | tuple[None, None]:
        """Return of how many scores no row has the place, and of how many several; None where there is no file.

        Args:
            places: of the rows' scores.
            of_several: places of scores that name several rows and that none of them has.
        """
        rows = self._rows(places)
        rows[of_several[of_several >= 0]] = 2
        return (int((rows == 0).sum()), int((rows > 1).sum())) if self.of_file else (None, None)

    def _rows(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.bincount(places[places >= 0], minlength=len(self.keys))

    def put(self, places: npt.NDArray[np.int64], attempts: pa.Table) -> pa.Table:
        """Return the attempts with the scores of `places`; what the file leaves open stays."""
        found = self._at(places)
        scored, judged = found["score"].is_valid(), found["defect"].is_valid()
        for name, given in (("score", scored), ("score_kind", scored), ("defect", judged)):
            at = attempts.schema.get_field_index(name)
            column = pc.if_else(given, found[name], attempts[name]).cast(attempts.schema.field(at).type)
            attempts = attempts.set_column(at, attempts.schema.field(at), column)
        return attempts

    def _at(self, places: npt.NDArray[np.int64]) -> pa.Table:
        return self.table.take(pa.array(places, mask=places < 0))


def no_scores() -> ScoresFile:
    """Return the scores of no file."""
    return _joined(None, _block([]))


def read_scores(path: Path, scale: Scale, refuse: Callable[[Place, Fault], None]) -> ScoresFile:
    """Return the scores of a file (.parquet, or what the importers read); a bad line is refused and left out.

    Raises:
        InvalidInput: the file cannot be read, has unknown columns, or gives an id two scores.
    """
    blocks: list[pd.DataFrame] = []
    rows: list[tuple[str, int, float | None, str | None, bool | None]] = []
    for item in _records(path):
        if isinstance(item, Broken):
            refuse(item.place, Fault(item.rule, item.reason))
            continue
        place, record = item
        _check_names(path, record)
        values = _values(record, scale)
        if isinstance(values, Fault):
            refuse(place, values)
        else:
            rows.append((values[0], place.line, *values[1:]))
        if len(rows) >= _BLOCK:
            blocks.append(_block(rows))
            rows = []
    return _joined(path, pd.concat([*blocks, _block(rows)], ignore_index=True))


def _records(path: Path) -> Iterator[jsonl.Item]:
    if path.suffix.lower() != ".parquet":
        yield from jsonl.records(str(path))
        return
    with readable(path), opened(path) as handle, pq.ParquetFile(handle) as file:
        read = 0
        for batch in file.iter_batches(batch_size=_BLOCK):
            yield from ((Place(str(path), line), row) for line, row in enumerate(batch.to_pylist(), read + 1))
            read += batch.num_rows


def _check_names(path: Path, record: dict[str, Any]) -> None:
    for name in record.keys() - set(KNOWN):
        raise InvalidInput(f"{path}: unknown column {shown(name)}; known columns: {', '.join(KNOWN)}", limit=KNOWN)
    if "request_id" not in record or not {"score", "defect"} & record.keys():
        raise InvalidInput(f"{path}: a scores file needs the columns request_id and score", field="scores")


def _values(record: dict[str, Any], scale: Scale) -> tuple[str, float | None, str | None, bool | None] | Fault:
    """Return id, score, kind and defect of a record, or what is wrong with it."""
    request_id, value = record["request_id"], record.get("score")
    if isinstance(request_id, int) and not isinstance(request_id, bool):
        request_id = str(request_id)
    if not isinstance(request_id, str) or not request_id:
        return Fault("score without a request_id", f"request_id {shown(request_id)} is no id")
    score = None if value is None else scale.score(value)
    kind, defect = ask("score_kind", record.get("score_kind")), ask("defect", record.get("defect"))
    for answer in (score, kind, defect):
        if isinstance(answer, Fault):
            return answer
    return request_id, score, kind, defect  # type: ignore[return-value] # no fault is left


def _block(rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["request_id", "line", "score", "score_kind", "defect"]).astype(_TYPES)
    frame.insert(0, "key", text_keys(frame.pop("request_id").tolist()))
    return frame


def _joined(path: Path | None, table: pd.DataFrame) -> ScoresFile:
    """Return the scores sorted by key, each id once."""
    table = table.drop_duplicates(["key", "score", "score_kind", "defect"]).sort_values("key", kind="stable")
    twice = np.flatnonzero(table["key"].duplicated())
    if len(twice):
        first, second = table["line"].iloc[[twice[0] - 1, twice[0]]]
        raise InvalidInput(
            f"{path}: lines {first:,} and {second:,} give one request_id two scores; keep one of them", field="scores"
        )
    scores = pa.Table.from_pandas(table[["score", "score_kind", "defect"]], preserve_index=False)
    return ScoresFile(table["key"].to_numpy(np.uint64), scores, of_file=path is not None)
