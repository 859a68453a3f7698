"""What logs say of each target model: the same prompt pays for one model and not for another.

A statistic is the mean over the model's rows of what was logged less what is expected of any model at these prompts, drawn to the
population's mean as by SHRINKAGE rows (a normal model with one variance between models: Efron and Morris 1975, "Data analysis
using Stein's estimator"). Differences to the expected, not levels: a model that was only asked hard questions is no worse for it.
Tokens are compared within a source, for a source's prompts may all need more than their families do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import TargetModel
from contract.model_families import normalised
from contract.scorer import target_rows

SHRINKAGE, TOKENS_SHRINKAGE = 20.0, 3.0
"""Rows of a model that count as much as the population; prompts, for tokens, which are less noisy than gains."""

UNKNOWN_SHARE = 0.3
"""Share of the rows that heads are fitted on which hide their model, so that they know what to say of an unknown one."""

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


def target_models(pairs: pd.DataFrame, thinking: pd.DataFrame) -> TargetModels:
    """Return the statistics of the models of logged rows.

    Args:
        pairs: rows that say what thinking gains (model, weight, target_score_direct, target_gain) and what is expected of any model
            (expected_score_direct, expected_gain).
        thinking: attempts of thinking modes (model, weight, thinking_tokens) and the expected_log_tokens of any model.
    """
    more = np.log(thinking.thinking_tokens.astype(float)) - thinking.expected_log_tokens
    weight = thinking.weight.astype(float)
    usual = (more * weight).groupby(thinking.source).transform("sum") / weight.groupby(thinking.source).transform("sum")
    tokens = _means(thinking, {"log_tokens": more - usual}, TOKENS_SHRINKAGE)
    points = {
        "direct": pairs.target_score_direct - pairs.expected_score_direct,
        "gain": pairs.target_gain - pairs.expected_gain,
    }
    means = _means(pairs, points, SHRINKAGE) | tokens
    names = sorted(set().union(*(found.index for found, _ in means.values())) - {""})
    known = {
        name: TargetModel(**{kind: float(found.get(name, usual)) for kind, (found, usual) in means.items()})
        for name in names
    }
    return TargetModels(known, TargetModel(**{kind: usual for kind, (_, usual) in means.items()}))


def hidden_models(n: int, seed: int) -> Array:
    """Return which of n rows hide their model from the heads that are fitted on them."""
    return np.random.default_rng(seed).random(n) < UNKNOWN_SHARE


def _means(
    table: pd.DataFrame, values: "dict[str, pd.Series[float]]", shrinkage: float
) -> "dict[str, tuple[pd.Series[float], float]]":
    """Return, for each of `values` [n], the weighted mean by model, shrunken, and the population's; 0 of no row."""
    name, weight = pd.Series(_names(table.model), index=table.index, dtype=object), table.weight.astype(float)
    rows = 1 / table.groupby(["source", "prompt_id", "model"]).weight.transform("size") if len(table) else weight
    out = {}
    for kind, value in values.items():
        usual = float(np.average(value, weights=weight)) if len(value) else 0.0
        total, count = (value * rows).groupby(name).sum(), rows.groupby(name).sum()
        out[kind] = ((total + shrinkage * usual) / (count + shrinkage), usual)
    return out


def _names(models: "pd.Series[str]") -> list[str]:
    """Return normalised names; the empty name of a row that is of no model."""
    return [normalised(model) if isinstance(model, str) else "" for model in models]
