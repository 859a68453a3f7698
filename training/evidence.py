"""The evidence that heads are fitted on: labelled pairs, thinking-token counts and the taxonomy's pseudo-observations."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract import features
from contract.prompt import Prompt
from contract.records import PAIR_KEY, Arm
from training.budget_targets import budget_attempts, is_prompted
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.kept_inputs import inputs_of
from training.taxonomy import Family

OUTCOMES = ("gain", "score_direct", "score_reasoning", "extra_tokens")
"""What a row says of its prompt; `target_X` is what heads are fitted on."""

HYPOTHETICAL = ("gain_if_low", "gain_if_high", "p_high")
"""What is known of the label of a row with one arm; see `training.pseudo_outcomes.Pseudo`."""

PRIOR = "taxonomy"
"""Source of pseudo-observations."""

RECORDED, REVIEWS = "recorded", "reviews"
"""Sources of outcomes of recorded decisions, and of what reviewers say of them; see `training.recorded`."""

LEAST_SPENT, MOST_SPENT = 0.02, 20.0
"""Shares of the mean extra tokens that one row may have spent."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Inputs of the heads, one row each: embeddings [n, 2 d] (ask, whole), features and words [n, f + w], and a table beside them."""

    embeddings: Floats
    features: Floats
    table: pd.DataFrame

    def take(self, keep: NDArray[np.bool_]) -> "Rows":
        """Return the rows where `keep` is true."""
        return Rows(self.embeddings[keep], self.features[keep], self.table[keep].reset_index(drop=True))

    def logged(self) -> "Rows":
        """Return the rows that logs hold."""
        return self.take(~self.table.prior.to_numpy(bool))

    def paired(self) -> "Rows":
        """Return the rows whose both arms are logged."""
        return self.take(~(self.table.prior | self.table.modelled).to_numpy(bool))

    def pseudo(self) -> "Rows":
        """Return the pseudo-observations of the taxonomy."""
        return self.take(self.table.prior.to_numpy(bool))


def prompts_of(table: pd.DataFrame) -> list[Prompt]:
    """Return the prompts of a table with columns prompt and messages."""
    return [
        Prompt.from_messages(json.loads(messages)) if pd.isna(text) else Prompt.from_text(text)
        for text, messages in zip(table.prompt, table.messages, strict=True)
    ]


def embed(prompts: Sequence[Prompt], cache: EmbeddingCache) -> tuple[Floats, Floats]:
    """Return embeddings [n, 2 d] and features and words [n, f + w]; equal prompts are computed once."""
    unique = {prompt.digest: prompt for prompt in prompts}
    order = {digest: i for i, digest in enumerate(unique)}
    known = {
        i: inputs for i, p in enumerate(unique.values()) if (inputs := inputs_of(p, cache.dimension, cache.encoder))
    }
    texts = [prompt for i, prompt in enumerate(unique.values()) if i not in known]
    embeddings = np.empty((len(unique), 2 * cache.dimension), dtype=np.float32)
    vectors = np.empty((len(unique), features.WIDTH), dtype=np.float32)
    read = np.array([i not in known for i in range(len(unique))], dtype=bool)
    embeddings[read] = np.hstack([cache.embed([getattr(p, view) for p in texts])[0] for view in ("ask", "whole")])
    vectors[read] = np.array([features.vector(prompt) for prompt in texts], dtype=np.float32).reshape(
        -1, features.WIDTH
    )
    for i, (embedded, vector) in known.items():
        embeddings[i], vectors[i] = embedded, vector
    index = np.array([order[prompt.digest] for prompt in prompts], dtype=int)
    return embeddings[index], vectors[index]


def unit_rows(labelled: pd.DataFrame, cache: EmbeddingCache) -> Rows:
    """Return the labelled (source, prompt_id, model) that have a score in an arm or both."""
    scored = labelled[[f"score_{arm}" for arm in Arm]].notna().any(axis=1)
    units = labelled[scored].reset_index(drop=True)
    prompts = prompts_of(units)
    return Rows(*embed(prompts, cache), units.assign(group=[prompt.digest for prompt in prompts]))


def outcome_rows(units: Rows, pseudo: pd.DataFrame, config: TrainConfig) -> Rows:
    """Return the units that say what thinking gains, a weight each: pairs, and those with a pseudo-outcome (`modelled`).

    `gain`, the scores and extra_tokens are the outcomes with their noise; `target_*` is what heads are fitted on. A pair weighs
    1, a review config.review_weight and a pseudo-outcome its precision before sources are tempered, and as much on average after.

    Args:
        units: labelled units with a score, [n].
        pseudo: `training.pseudo_outcomes.Pseudo.table` of them.
        config: the run's settings.
    """
    known = Rows(units.embeddings, units.features, units.table.join(pseudo))
    rows = known.take((known.table.gain.notna() | known.table.gain_dr.notna()).to_numpy(bool))
    modelled = rows.table.gain_dr.notna()
    out = rows.table[["source", "prompt_id", "model", "task", "group", *HYPOTHETICAL]]
    out = out.assign(prior=False, modelled=modelled)
    for name in OUTCOMES:
        for column, said in ((name, f"{name}_dr"), (f"target_{name}", f"target_{name}")):
            out[column] = rows.table[name].astype(float).where(~modelled, rows.table[said])
    precision = rows.table.precision.where(modelled, 1.0)
    precision = precision.where(rows.table.source != REVIEWS, config.review_weight)
    tempered = out.source.replace(REVIEWS, RECORDED)  # a handful of reviews is no source that counts as much as a log
    weight = precision * precision.groupby(tempered).transform("sum") ** -config.source_power
    scale = precision.sum() / weight.sum() if len(out) else 1.0
    return Rows(rows.embeddings, rows.features, out.assign(weight=weight * scale))


def prior_rows(taxonomy: Sequence[Family], cache: EmbeddingCache, config: TrainConfig) -> Rows:
    """Return one row per prompt of the taxonomy: its family's prior, weighing `strength` observations."""
    if not config.prior_weight:
        taxonomy = ()
    families = [family for family in taxonomy for _ in family.prompts]
    prompts = [Prompt.from_text(text) for family in taxonomy for text in family.prompts]
    digests = [prompt.digest for prompt in prompts]
    table = pd.DataFrame(
        {
            "source": PRIOR, "prompt_id": digests, "model": None, "task": [f.name for f in families],
            "gain": [f.prior.gain for f in families], "score_direct": [f.prior.score_direct for f in families],
            "score_reasoning": [f.prior.score_reasoning for f in families],
            "extra_tokens": [f.prior.thinking_tokens for f in families], "group": digests,
            "weight": [f.prior.strength * config.prior_weight for f in families], "prior": True, "modelled": False,
            **_hypothetical(np.array([f.prior.gain for f in families])),
        }
    ).astype({"prior": bool, "modelled": bool})  # fmt: skip
    table = table.assign(**{f"target_{name}": table[name] for name in OUTCOMES})
    return Rows(*embed(prompts, cache), table)


def _hypothetical(gain: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return what is known of the single prompts of families that gain so much in the mean: some gain or lose a point, the rest nothing."""
    return {
        "gain_if_low": np.where(gain < 0, -1.0, 0.0),
        "gain_if_high": np.where(gain < 0, 0.0, 1.0),
        "p_high": np.where(gain < 0, 1 + gain, gain),
    }


def spent(table: pd.DataFrame) -> NDArray[np.float64]:
    """Return the extra tokens of rows of evidence over the mean of their source and model, [n]; 1 where nothing is known.

    Within LEAST_SPENT and MOST_SPENT: thinking that costs nothing, or less than nothing, is no better a buy than that.
    """
    tokens = table.target_extra_tokens.astype(float)
    key = [table.source, table.model.astype("string").fillna("")]
    weight = table.weight.where(tokens.notna(), 0.0)
    mean = (tokens * weight).groupby(key).transform("sum") / weight.groupby(key).transform("sum")
    return (tokens / mean.where(mean > 0)).fillna(1.0).clip(LEAST_SPENT, MOST_SPENT).to_numpy(float)


def thinking_rows(log: pd.DataFrame, cache: EmbeddingCache, config: TrainConfig) -> Rows:
    """Return how many thinking tokens prompts needed, by the attempts of real thinking modes (`training.budget_targets`).

    `censored` ones needed at least as many. Those at a prompt of one model weigh 1 in all, and sources are tempered as those of pairs are.
    """
    thought = budget_attempts(log, config)
    prompts = prompts_of(thought)
    size = thought.weight.groupby(thought.source).transform("sum")
    weight = thought.weight * size**-config.source_power
    table = thought[["source", "prompt_id", "model", "task", "censored", "target_is"]].assign(
        thinking_tokens=thought.needed_tokens.astype(float), group=[prompt.digest for prompt in prompts],
        weight=weight * thought.weight.sum() / weight.sum(), prior=False,
    )  # fmt: skip
    return Rows(*embed(prompts, cache), table)


def is_thinking_mode(log: pd.DataFrame, pairs: pd.DataFrame, config: TrainConfig) -> NDArray[np.bool_]:
    """Return for each row whether its reasoning arm is a thinking mode, not chain-of-thought prompting.

    Where a row has one arm, most reasoning prompts of its source and model say it.
    """
    key = list(PAIR_KEY)
    thought = log[log.arm == Arm.REASONING]
    thought = thought.assign(mode=~is_prompted(thought, config) & (thought.thinking_tokens.astype(float) > 0))
    known = thought.groupby(key)["mode"].any()
    usual = known.groupby(["source", "model"]).mean() > 0.5
    own = pairs.set_index(key).index.map(known.to_dict()).fillna(False).to_numpy(bool)
    theirs = pairs.set_index(["source", "model"]).index.map(usual.to_dict()).fillna(False).to_numpy(bool)
    return np.where(pairs.modelled.to_numpy(bool), theirs, own)


def stack(*parts: Rows) -> Rows:
    """Return the rows of all parts."""
    parts = tuple(part for part in parts if len(part.table)) or parts[:1]
    return Rows(
        np.vstack([part.embeddings for part in parts]),
        np.vstack([part.features for part in parts]),
        pd.concat([part.table for part in parts], ignore_index=True),
    )


def fraction(groups: pd.Series, seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each group digest, equal for equal groups: splits never part a prompt.

    Another seed deals the groups out anew.
    """
    return np.array(
        [int.from_bytes(blake2b(f"{seed} {group}".encode(), digest_size=6).digest()) / 2**48 for group in groups]
    )
