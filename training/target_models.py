"""What logs say of each target model: the same prompt pays for one model and not for another.

A statistic is the mean over the model's rows of what was logged less what is expected of any model at these prompts, drawn to the
population's mean as by SHRINKAGE rows (a normal model with one variance between models: Efron and Morris 1975, "Data analysis
using Stein's estimator"). Differences to the expected, not levels: a model that was only asked hard questions is no worse for it.
Tokens are compared within a source, for a source's prompts may all need more than their families do, less what was known before of
the models that it asks: logs of one model say nothing of how it compares.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import TargetModel
from contract.model_names import normalised
from contract.scorer import target_rows

SHRINKAGE, TOKENS_SHRINKAGE = 20.0, 3.0
"""Rows of a model that count as much as the population; prompts, for tokens, which are less noisy than gains."""

UNKNOWN_SHARE = 0.3
"""Share of the rows that heads are fitted on which hide their model, so that they know what to say of an unknown one."""

NOTHING = TargetModel(direct=0.0, gain=0.0, log_tokens=0.0)
"""Of a model that does as expected."""

Array = NDArray[Any]


@dataclass(frozen=True)
class TargetModels:
    """Statistics by normalised name, and those of the population for any other model."""

    known: dict[str, TargetModel]
    population: TargetModel

    def of(self, models: "pd.Series[str]", hidden: Array | None = None) -> Array:
        """Return the statistics of models, float32 [n, 3]; the population's where `hidden` or unknown."""
        names = models.where(~hidden, None) if hidden is not None else models
        return target_rows(names.tolist(), self.known, self.population)


def target_models(pairs: pd.DataFrame, thinking: pd.DataFrame, start: TargetModels | None = None) -> TargetModels:
    """Return the statistics of the models of logged rows, and those of `start` for the others.

    Args:
        pairs: rows that say what thinking gains (model, weight, target_score_direct, target_gain) and what is expected of any model
            (expected_score_direct, expected_gain).
        thinking: attempts of thinking modes (model, weight, thinking_tokens) and the expected_log_tokens of any model.
        start: what earlier logs said; a model is drawn to that, and the population stays that.
    """
    told = TargetModels({}, NOTHING) if start is None else start
    known_tokens = told.of(thinking.model)[:, 2].astype(float)
    more = np.log(thinking.thinking_tokens.astype(float)) - thinking.expected_log_tokens - known_tokens
    weight = thinking.weight.astype(float)
    usual = (more * weight).groupby(thinking.source).transform("sum") / weight.groupby(thinking.source).transform("sum")
    points = {
        "direct": pairs.target_score_direct - pairs.expected_score_direct,
        "gain": pairs.target_gain - pairs.expected_gain,
    }
    sums = {
        **_sums(pairs, points, SHRINKAGE),
        **_sums(thinking, {"log_tokens": known_tokens + more - usual}, TOKENS_SHRINKAGE),
    }
    known = dict(start.known) if start else {}
    population = start.population if start else TargetModel(**{kind: of.usual for kind, of in sums.items()})
    for name in sorted(set().union(*(of.total.index for of in sums.values())) - {""}):
        before = known.get(name, population).model_dump()
        known[name] = TargetModel(**{kind: of.drawn_to(before[kind], name) for kind, of in sums.items()})
    return TargetModels(known, population)


def hidden_models(n: int, seed: int) -> Array:
    """Return which of n rows hide their model from the heads that are fitted on them."""
    return np.random.default_rng(seed).random(n) < UNKNOWN_SHARE


@dataclass(frozen=True)
class _Sums:
    """Of a statistic: its total and its rows by model, its mean over all, and the rows that what is expected counts for."""

    total: "pd.Series[float]"
    rows: "pd.Series[float]"
    usual: float
    shrinkage: float

    def drawn_to(self, expected: float, model: str) -> float:
        """Return the mean of a model, drawn to what is expected of it."""
        total, rows = float(self.total.get(model, 0.0)), float(self.rows.get(model, 0.0))
        return expected + (total - rows * expected) / (rows + self.shrinkage)


def _sums(table: pd.DataFrame, values: "dict[str, pd.Series[float]]", shrinkage: float) -> dict[str, _Sums]:
    """Return the sums by model of each of `values` [n], where the attempts at a prompt count as one row; a mean of no row is 0."""
    name, weight = pd.Series(_names(table.model), index=table.index, dtype=object), table.weight.astype(float)
    rows = 1 / table.groupby(["source", "prompt_id", "model"]).weight.transform("size") if len(table) else weight
    out = {}
    for kind, value in values.items():
        usual = float(np.average(value, weights=weight)) if len(value) else 0.0
        out[kind] = _Sums((value * rows).groupby(name).sum(), rows.groupby(name).sum(), usual, shrinkage)
    return out


def _names(models: "pd.Series[str]") -> list[str]:
    """Return normalised names; the empty name of a row that is of no model."""
    return [normalised(model) if isinstance(model, str) else "" for model in models]
