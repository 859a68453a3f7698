"""An import, from a gateway's log to the log table.

Records are read one by one. A call becomes a row, is checked by the rules of the log table and put away on disk, block
by block; only keys are kept of it. When all are read, events exported twice are dropped, the cost of failed calls is
added to the retry that answered, and the rows are written, block by block again. Nothing is held whole.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.errors import InvalidInput, NoUsableRows
from contract.records import arrow_schema
from training.files import remove, table_format, table_written_in_blocks, written_atomically
from training.importers import FORMATS
from training.importers import importer as importer_of
from training.importers.blocks import Blocks, Told
from training.importers.call import Broken, Importer, Options, Other, Record, Rows
from training.importers.merge import Settled, settle
from training.importers.report import REQUEST_FAILED, ImportReport, Quarantine
from training.importers.rows import NO_TEXT
from training.importers.scores import Scale
from training.importers.scores_file import no_scores, read_scores
from training.importers.staging import Staging
from training.log_values import Fault


class NothingImported(NoUsableRows):
    """No record could be imported; `report` says why."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__(report.why_none())
        self.report = report


def import_log(
    importer: Importer,
    places: Sequence[str],
    out: Path,
    told: Told,
    *,
    options: Options | None = None,
    scores: Path | None = None,
) -> ImportReport:
    """Write the rows of a log to `out`, bad records to `<out>.quarantine.jsonl`, and return what became of all.

    Args:
        importer: of the log's format.
        places: files or addresses.
        out: the log table to write: .parquet, .jsonl, .csv, the last two also .gz; whole or not at all.
        told: what the operator says of the log.
        options: what the importer is told.
        scores: a file of scores by request id.

    Raises:
        InvalidInput: a place or the scores file cannot be read, `out` cannot be written or is one of them, or an option
            would do nothing.
        NothingImported: no record could be imported; the quarantine is written.
    """
    quarantine_file = out.with_name(f"{out.name}.quarantine.jsonl")
    options = options or Options()
    _check_options(importer, told, options, scores)
    _check_out((out, quarantine_file), [*places, *([str(scores)] if scores else [])])
    with (
        written_atomically(quarantine_file) as temporary,
        temporary.open("w", encoding="utf-8") as handle,
        Staging(out.parent) as staging,
    ):
        quarantine = Quarantine(handle)
        known = read_scores(scores, told.scale, quarantine.add) if scores else no_scores()
        blocks = Blocks(told, _name(places, importer.NAME), staging, quarantine, known)
        report = _imported(_records(importer, places, options), blocks, out, importer.NO_TEXT)
    if not report.quarantined:
        remove(quarantine_file)
    if not report.imported:
        raise NothingImported(report)
    return report


def _check_options(importer: Importer, told: Told, options: Options, scores: Path | None) -> None:
    """Refuse what the operator says of a log that cannot say it, before he takes it for done."""
    given = {
        "experiment": options.experiment is not None,
        "table": options.table is not None,
        "score": told.score is not None,
        "default_arm": bool(told.default_arms),
    }
    for name in (name for name, is_given in given.items() if is_given and name not in importer.TAKES):
        takers = [format_ for format_ in FORMATS if name in importer_of(format_).TAKES]
        do = "does" if len(takers) == 1 else "do"
        option = name.replace("_", "-")
        raise InvalidInput(f"{importer.NAME} takes no --{option}; {', '.join(takers)} {do}", field=name)
    if told.scale != Scale() and scores is None and "score" not in importer.TAKES:
        raise InvalidInput(
            f"--scale has no scores to read: {importer.NAME} has none of that kind, give --scores", field="scale"
        )


def _name(places: Sequence[str], format_: str) -> str:
    """Return what a log is named after: its first file without suffixes, or its format where that is no file."""
    first = Path(places[0])
    try:
        named = first.is_file()
    except OSError:  # no place that could be one, as reading it will say
        named = False
    return Path(first.name.removesuffix(".gz")).stem if named else format_


def _check_out(outputs: Sequence[Path], inputs: Sequence[str]) -> None:
    table_format(outputs[0])
    for out in outputs:
        if any(out.resolve().is_relative_to(Path(place).resolve()) for place in inputs):
            raise InvalidInput(f"{out} is one of the inputs, or in a folder of them; name another --out", field="out")


def _records(importer: Importer, places: Sequence[str], options: Options) -> Iterator[Record]:
    """Yield the records; an error of the system is said of the log, not of the files that are being written."""
    try:
        yield from importer.read(places, options)
    except OSError as error:
        raise InvalidInput(f"the log cannot be read: {error.strerror or error}") from error


def _imported(records: Iterator[Record], blocks: Blocks, out: Path, no_text_remedy: str) -> ImportReport:
    """Read the records to their end, write the rows, and return what became of all."""
    quarantine = blocks.quarantine
    refused = quarantine.rules.total()  # of the scores file
    read, other = _read(records, blocks)
    written = _settle_and_write(blocks, out)
    return ImportReport(
        read=read + refused,
        quarantined=dict(quarantine.rules.most_common()),
        without_text=quarantine.rules[NO_TEXT],
        undecided=quarantine.undecided(),
        other=dict(other.most_common()),
        failed=written.retries + quarantine.rules[REQUEST_FAILED],
        no_text_remedy=no_text_remedy,
        **written._asdict(),
    )


def _read(records: Iterator[Record], blocks: Blocks) -> tuple[int, Counter[str]]:
    """Hand each record to where it belongs; return how many there were, and those that are no attempt by kind."""
    read, other = 0, Counter[str]()
    for record in records:
        read += len(record.block.lines) if isinstance(record, Rows) else 1
        if isinstance(record, Rows):
            blocks.rows(record)
        elif isinstance(record, Broken):
            blocks.quarantine.add(record.place, Fault(record.rule, record.reason))
        elif isinstance(record, Other):
            other[record.kind] += 1
        else:
            blocks.call(record)
    return read, other


class _Written(NamedTuple):
    """What `_settle_and_write` counts for the report."""

    imported: int
    retries: int
    unscored: int
    pairs: int
    single_armed: int
    scores_without_row: int | None
    scores_of_several: int | None


def _settle_and_write(blocks: Blocks, out: Path) -> _Written:
    """Decide what only all records together can tell, and write the rows that are left, if any."""
    rows, failures, spoiled = blocks.index()
    settled = settle(rows, failures, spoiled)
    _quarantine_rest(settled, rows, failures, blocks)
    several = settled.answers.index.to_numpy()
    request = rows["request"].to_numpy().copy()
    of_several = blocks.scores.places(request[several])
    request[several] = 0
    at_score = np.where(settled.kept, blocks.scores.places(rows["request_of_one"].to_numpy(), request), -1)
    unscored = _write(blocks, settled, at_score, out) if settled.kept.any() else 0
    counts = int(settled.kept.sum()), settled.retries, unscored
    return _Written(*counts, *_pairs(rows[settled.kept]), *blocks.scores.rest(at_score, of_several))


def _quarantine_rest(settled: Settled, rows: pd.DataFrame, failures: pd.DataFrame, blocks: Blocks) -> None:
    """Quarantine repeated events, and failed calls without an answer."""
    for table, repeats in ((rows, settled.repeats), (failures, settled.failed_repeats)):
        files, lines = table["file"].to_numpy(), table["line"].to_numpy()
        for at, first in zip(*repeats, strict=True):
            begun = blocks.place(files[first], lines[first])
            reason = f"duplicate of line {begun.line} of {begun.file}"
            blocks.quarantine.add(blocks.place(files[at], lines[at]), Fault("duplicate", reason))
    unanswered = failures.iloc[settled.unanswered]
    for file, line in zip(unanswered["file"].to_numpy(), unanswered["line"].to_numpy(), strict=True):
        reason = "the call failed, and no single call of the same request to the same model that answered was imported"
        blocks.quarantine.add(blocks.place(file, line), Fault(REQUEST_FAILED, reason))


def _write(blocks: Blocks, settled: Settled, at_score: npt.NDArray[np.int64], out: Path) -> int:
    """Write the rows that are kept, with the file's scores; return how many have no score."""
    begin = unscored = 0
    own = blocks.scores.of_one(at_score)
    with table_written_in_blocks(out, arrow_schema()) as write:
        for table in blocks.staging.tables():
            these = slice(begin, begin + table.num_rows)
            kept = settled.finished(table, begin)
            begin += table.num_rows
            if kept.num_rows:
                kept = blocks.scores.put(own[these][settled.kept[these]], kept)
                unscored += kept["score"].null_count
                write(kept)
    return unscored


def _pairs(rows: pd.DataFrame) -> tuple[int, int]:
    """Return the number of prompts (of a source, for a model) with both arms, and with one."""
    pair, reasoning = rows["pair"].to_numpy(np.uint64), rows["reasoning"].to_numpy(bool)
    direct, thinking = (np.unique(pair[(pair != 0) & (reasoning == thinks)]) for thinks in (False, True))
    both = len(np.intersect1d(direct, thinking, assume_unique=True))
    return both, len(direct) + len(thinking) - 2 * both
