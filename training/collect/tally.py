"""A journal's records, added up: what is answered, graded and spent, and what failed."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.collect.spending import Cost

Scores = dict[str, tuple[float | None, str | None]]
"""The score of each answer by its key, or None and the reason."""


@dataclass
class Tally:
    """The state of a run; the same whether its records were just written or read again.

    Attributes:
        grader: whose grades count, by the name that records give it.
        answers: records of answers by key.
        failures: reasons by key, of asks (and judgements of this grader) that were not answered since.
        scores: this grader's scores by key; again: those of the second time that a judge gave.
        other_grades: keys of answers that another grader graded.
        charged: what counts against the ceilings: what was reported, else the worst case of a call.
        tokens: output tokens that were reported; usd: dollars of them, None where no price is known.
        judge: the part of `charged` that was the judge's.
        asked: asks and judgements that were tried; tries: calls made for them; failed_tries: those that gave no answer, by reason.
    """

    grader: str
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    scores: Scores = field(default_factory=dict)
    again: Scores = field(default_factory=dict)
    other_grades: set[str] = field(default_factory=set)
    charged: Cost = field(default_factory=Cost)
    tokens: int = 0
    usd: float | None = None
    judge: Cost = field(default_factory=Cost)
    asked: int = 0
    tries: int = 0
    failed_tries: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]], grader: str) -> "Tally":
        """Return the tally of a journal's records, as far as grades go those of one grader."""
        tally = cls(grader)
        for record in records:
            tally.add(record)
        return tally

    def add(self, record: Mapping[str, Any]) -> None:
        """Take a record in."""
        if record["spent"] is not None:
            self._spend(record["spent"])
        if record["kind"] == "answer":
            self.answers[record["key"]] = dict(record)
            self.failures.pop(record["key"], None)
        elif record["kind"] == "failure":
            if record["grader"] in (None, self.grader):
                self.failures[record["key"]] = record["reason"]
        elif record["grader"] != self.grader:
            self.other_grades.update(record["scores"])
        else:
            scores = self.again if record["again"] else self.scores
            scores.update({key: (score, reason) for key, (score, reason) in record["scores"].items()})
            self.failures.pop(judge_key(record["prompt_id"]), None)

    def score(self, key: str) -> tuple[float | None, str | None]:
        """Return an answer's score, or None and the reason."""
        return self.scores.get(key, (None, "not graded yet"))

    def _spend(self, spent: Mapping[str, Any]) -> None:
        charged = Cost(spent["charged_tokens"], spent["charged_usd"])
        self.charged += charged
        if spent["judge"]:
            self.judge += charged
        self.tokens += spent["output_tokens"]
        if spent["cost_usd"] is not None:
            self.usd = (self.usd or 0.0) + spent["cost_usd"]
        self.asked += 1
        self.tries += spent["tries"]
        self.failed_tries.update(spent["failed_tries"])


def judge_key(prompt_id: str) -> str:
    """What names a prompt's judgement among the failures."""
    return f"judge {prompt_id}"
