"""What became of the records of an import: counts for a reader or a machine, and the bad ones one by one."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import IO, Any

from training.importers.call import Place
from training.importers.rows import UNDECIDABLE
from training.importers.scores import NO_CATEGORY, OUTSIDE, SEVERAL
from training.log_values import Fault

REQUEST_FAILED = "request failed"
_SILENT = "declare what a model does by itself with --default-arm MODEL=direct or MODEL=reasoning"
_REMEDIES = {
    SEVERAL: "name the one that counts with --score",
    OUTSIDE: "declare the scale with --scale",
    NO_CATEGORY: "declare it with --scale",
}
_OTHER_MODELS = "other models"
_MODEL = re.compile(r"[\w.:@+/-]{1,100}", re.ASCII)
_COUNTED, _NAMED = 1000, 5
"""How many models are counted, and how many of them the report names: a log may hold any number."""


class Quarantine:
    """Bad records, written as they are found, one JSON object each, and counted by rule."""

    def __init__(self, handle: IO[str]) -> None:
        self._handle = handle
        self._silent: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()

    def add(self, place: Place, fault: Fault) -> None:
        """Write a record's place with the rule that it broke and why."""
        self.rules[fault.rule] += 1
        entry = {"file": place.file, "line": place.line, "rule": fault.rule, "reason": fault.reason}
        self._handle.write(f"{json.dumps(entry)}\n")

    def count_silent(self, model: Any) -> None:
        """Count a call that was added because it says nothing of thinking, by its model."""
        known = isinstance(model, str) and (model in self._silent or len(self._silent) < _COUNTED)
        self._silent[model if known and _MODEL.fullmatch(model) else _OTHER_MODELS] += 1

    def undecided(self) -> dict[str, int]:
        """Return how many calls that say nothing of thinking the most frequent models have, and all others."""
        named = Counter({model: count for model, count in self._silent.items() if model != _OTHER_MODELS})
        first = dict(named.most_common(_NAMED))
        others = self._silent.total() - sum(first.values())
        return first | ({_OTHER_MODELS: others} if others else {})


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What became of the records of a log: read = imported + quarantined + other + retries.

    Attributes:
        read: records read, bad ones included, and bad lines of a scores file.
        imported: rows written.
        quarantined: bad records by the rule that they broke.
        without_text: those of them whose prompt was not stored.
        undecided: those of them whose parameters say nothing of thinking, by model: the most frequent, and all others.
        other: records that are no attempt, by kind.
        failed: calls that ended in an error; added to the attempt that answered, or quarantined.
        retries: those that were added.
        unscored: imported rows without a score.
        pairs: (source, prompt_id, model) with both arms.
        single_armed: the same with one arm.
        scores_without_row: ids of the scores file that no good row has; None without such a file.
        scores_of_several: ids of it that several rows have, and whose score none of them took; None without such a file.
        no_text_remedy: how the format's prompts come to be stored.
    """

    read: int
    imported: int
    quarantined: Mapping[str, int]
    without_text: int
    undecided: Mapping[str, int]
    other: Mapping[str, int]
    failed: int
    retries: int
    unscored: int
    pairs: int
    single_armed: int
    scores_without_row: int | None
    scores_of_several: int | None
    no_text_remedy: str

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return asdict(self)

    def text(self) -> str:
        """Return the report for a reader at a terminal."""
        lines = [f"records read      {self.read:>12,}", f"imported          {self.imported:>12,}"]
        lines.append(f"quarantined       {sum(self.quarantined.values()):>12,}")
        lines += [f"  {count:>10,}  {said}" for said, count in self._rules().items()]
        if self.without_text:
            lines.append(f"without text      {self.without_text:>12,}  {self.no_text_remedy}")
        lines.append(f"other records     {sum(self.other.values()):>12,}")
        lines += [f"  {count:>10,}  {kind}" for kind, count in self.other.items()]
        lines.append(f"failed calls      {self.failed:>12,}  {self.retries:,} of them added to the retry that answered")
        lines.append(f"unscored          {self.unscored:>12,}")
        lines.append(f"pairs             {self.pairs:>12,}  both arms logged")
        lines.append(f"single-armed      {self.single_armed:>12,}  one arm logged")
        if self.scores_without_row is not None:
            lines.append(f"scores of no row  {self.scores_without_row:>12,}")
        if self.scores_of_several:
            count = f"{self.scores_of_several:>12,}"
            lines.append(
                f"scores of several {count}  answers of one request_id: none took it; score each by its request_id in the table"
            )
        return "\n".join(lines)

    def why_none(self) -> str:
        """Return why nothing was imported, in one line."""
        counts = {**self._rules(), **{f"other record: {kind}": count for kind, count in self.other.items()}}
        first = "; ".join(f"{count:,} x {said}" for said, count in list(counts.items())[:3])
        remedy = f" ({self.no_text_remedy})" if self.without_text else ""
        return f"none of {self.read:,} records can be imported: {first or 'the log is empty'}{remedy}"

    def _rules(self) -> dict[str, int]:
        """Return how often each rule was broken, with its remedy."""
        remedies = _REMEDIES | ({UNDECIDABLE: f"{_SILENT}: {self._models()}"} if self.undecided else {})
        return {
            rule + (f": {remedies[rule]}" if rule in remedies else ""): count
            for rule, count in self.quarantined.items()
        }

    def _models(self) -> str:
        """Return the models whose calls say nothing of thinking."""
        counts = [f"{model} ({count:,})" for model, count in self.undecided.items()]
        return ", ".join(counts)
