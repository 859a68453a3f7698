"""Scores in [0, 1] on a declared scale: of the log's own marks, or of a file joined by request id."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, NamedTuple

from contract.errors import InvalidInput
from training.importers.call import Mark
from training.log_values import Fault, shown

OUTSIDE = "score is outside the scale"
NO_CATEGORY = "score is no category of the scale"
SEVERAL = "several scores"
_CANNOT_TELL = "unknown"
"""What a judge of MLflow's says instead of yes and no; MLflow's own averages leave it out too."""
_TRUTHS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How a logged value becomes a score.

    Attributes:
        text: the scale as it was declared.
        worst: the value that scores 0; the larger end where low values are good.
        best: the value that scores 1.
        words: the score of each category, in lower case; a numeric scale has none.
    """

    text: str = "0..1"
    worst: float = 0.0
    best: float = 1.0
    words: Mapping[str, float] = field(default_factory=dict)

    def says(self, value: Any) -> bool:
        """Return whether a value tells anything: none at all does not, nor `unknown` unless it is a declared category."""
        return value is not None and (_word(value) != _CANNOT_TELL or _CANNOT_TELL in self.words)

    def score(self, value: Any) -> float | Fault:
        """Return the score of a value; true and yes are 1, false and no are 0, unless they are declared categories."""
        if self.words:
            word = _word(value)
            if word in self.words:
                return self.words[word]
            return Fault(NO_CATEGORY, f"score {shown(value)} is no category of the scale {self.text}")
        if (truth := _TRUTHS.get(_word(value))) is not None:
            return truth
        share = (_number(value) - self.worst) / (self.best - self.worst)
        if not 0 <= share <= 1:
            return Fault(OUTSIDE, f"score {shown(value)} is outside the scale {self.text}")
        return share


def parse_scale(text: str) -> Scale:
    """Return the scale that a text declares: `1..5`, `5..1` where 1 is best, or `poor=0,fair=0.5,good=1`.

    Raises:
        InvalidInput: it is neither, or a category's score is not in [0, 1].
    """
    wrong = InvalidInput(
        f"--scale {text!r} is no scale; give WORST..BEST (1..5) or the score of each category (poor=0,fair=0.5,good=1)",
        field="scale",
    )
    if "=" not in text:
        worst, dots, best = text.partition("..")
        ends = _number(worst), _number(best)
        if not dots or not all(map(math.isfinite, ends)) or ends[0] == ends[1]:
            raise wrong
        return Scale(text=text, worst=ends[0], best=ends[1])
    words: dict[str, float] = {}
    for part in text.split(","):
        word, _, number = part.rpartition("=")
        key, score = _word(word), _number(number)
        if not key or key in words or not 0 <= score <= 1:
            raise wrong
        words[key] = score
    return Scale(text=text, words=words)


def _word(value: Any) -> str:
    """Return a value as the word of a category."""
    return f"{value:g}" if isinstance(value, float) else str(value).strip().lower()


def _number(value: Any) -> float:
    """Return a value as a number, NaN where it is none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


class Scored(NamedTuple):
    """The score of an attempt and its name; None is unscored."""

    score: float | None
    kind: str | None


def of_marks(marks: Sequence[Mark], scale: Scale, name: str | None) -> Scored | Fault:
    """Return the score that a call's own marks give: their mean.

    Args:
        marks: the log's scores of one call.
        scale: what their values mean.
        name: the name of the score that counts; None where the log has one name only.
    """
    given = [mark for mark in marks if name in (None, mark.name) and scale.says(mark.value)]
    if not given:
        return Scored(None, None)
    names = sorted({mark.name for mark in given})
    if len(names) > 1:
        return Fault(SEVERAL, f"several scores: {', '.join(map(shown, names))}; name the one that counts with --score")
    scores = [scale.score(mark.value) for mark in given]
    for score in scores:
        if isinstance(score, Fault):
            return score
    return Scored(fmean(score for score in scores if not isinstance(score, Fault)), names[0])
