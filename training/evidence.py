"""The evidence that heads are fitted on: labelled pairs, thinking-token counts and the taxonomy's pseudo-observations."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract import features
from contract.prompt import Prompt
from contract.records import PAIR_KEY, Arm
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.taxonomy import Family

PRIOR = "taxonomy"
"""Source of pseudo-observations."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Inputs of the heads, one row each: embeddings [n, 2 d] (ask, whole), features [n, f], and a table beside them."""

    embeddings: Floats
    features: Floats
    table: pd.DataFrame

    def take(self, keep: NDArray[np.bool_]) -> "Rows":
        """Return the rows where `keep` is true."""
        return Rows(self.embeddings[keep], self.features[keep], self.table[keep].reset_index(drop=True))

    def logged(self) -> "Rows":
        """Return the rows that logs hold."""
        return self.take(~self.table.prior.to_numpy(bool))

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
    """Return embeddings [n, 2 d] and features [n, f]; equal prompts are computed once."""
    unique = {prompt.digest: prompt for prompt in prompts}
    order = {digest: i for i, digest in enumerate(unique)}
    asks, _ = cache.embed([prompt.ask for prompt in unique.values()])
    wholes, _ = cache.embed([prompt.whole for prompt in unique.values()])
    named = np.array([features.compute(prompt) for prompt in unique.values()], dtype=np.float32)
    index = np.array([order[prompt.digest] for prompt in prompts], dtype=int)
    return np.hstack([asks, wholes])[index], named.reshape(-1, len(features.FEATURE_NAMES))[index]


def pair_rows(labelled: pd.DataFrame, cache: EmbeddingCache, config: TrainConfig) -> Rows:
    """Return the scored pairs with a weight each: sources are tempered, their mean weight is 1."""
    pairs = labelled[labelled.gain.notna()].reset_index(drop=True)
    prompts = prompts_of(pairs)
    size = pairs.groupby("source").gain.transform("size").astype(float)
    weight = size**-config.source_power
    table = pairs[
        ["source", "prompt_id", "model", "task", "gain", "score_direct", "score_reasoning", "extra_tokens"]
    ].assign(group=[prompt.digest for prompt in prompts], weight=weight / weight.mean(), prior=False)
    return Rows(*embed(prompts, cache), table)


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
            "weight": [f.prior.strength * config.prior_weight for f in families], "prior": True,
        }
    ).astype({"prior": bool})  # fmt: skip
    return Rows(*embed(prompts, cache), table)


def thinking_rows(log: pd.DataFrame, cache: EmbeddingCache, config: TrainConfig) -> Rows:
    """Return the attempts of real thinking modes with a known number of thinking tokens.

    The attempts of a model at a prompt weigh 1 in all, and sources are tempered as those of pairs are.
    """
    thought = log[(log.arm == Arm.REASONING) & (log.thinking_tokens.astype(float) > 0)]
    thought = thought[~_prompted(thought, config)].reset_index(drop=True)
    prompts = prompts_of(thought)
    once = 1 / thought.groupby(list(PAIR_KEY)).arm.transform("size").astype(float)  # however many attempts, one prompt
    size = once.groupby(thought.source).transform("sum")
    weight = once * size**-config.source_power
    weight = weight * once.sum() / weight.sum()
    table = thought[["source", "prompt_id", "model", "task", "thinking_tokens"]].assign(
        thinking_tokens=thought.thinking_tokens.astype(float),
        group=[prompt.digest for prompt in prompts], weight=weight, prior=False,
    )  # fmt: skip
    return Rows(*embed(prompts, cache), table)


def is_thinking_mode(log: pd.DataFrame, pairs: pd.DataFrame, config: TrainConfig) -> NDArray[np.bool_]:
    """Return for each pair whether its reasoning arm was a thinking mode, not chain-of-thought prompting."""
    key = list(PAIR_KEY)
    thought = log[log.arm == Arm.REASONING]
    known = (
        thought.assign(mode=~_prompted(thought, config) & (thought.thinking_tokens.astype(float) > 0))
        .groupby(key)["mode"]
        .any()
    )
    return pairs.set_index(key).index.map(known.to_dict()).fillna(False).to_numpy(bool)


def _prompted(attempts: pd.DataFrame, config: TrainConfig) -> "pd.Series[bool]":
    """Return whether attempts were prompted to think step by step, in no thinking mode."""
    setting = attempts.thinking_setting.astype("string")
    return setting.str.contains(config.chain_of_thought).fillna(False).astype(bool)


def stack(*parts: Rows) -> Rows:
    """Return the rows of all parts."""
    parts = tuple(part for part in parts if len(part.table)) or parts[:1]
    return Rows(
        np.vstack([part.embeddings for part in parts]),
        np.vstack([part.features for part in parts]),
        pd.concat([part.table for part in parts], ignore_index=True),
    )


def fraction(groups: pd.Series, seed: int) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each group digest, equal for equal groups: splits never part a prompt."""
    return np.array([((int(g[:13], 16) * 2654435761 + seed * 40503) % 2**32) / 2**32 for g in groups])
