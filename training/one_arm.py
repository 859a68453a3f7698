"""Labels of prompts with one arm scored: their pseudo-outcomes beside the labels of pairs, and the mean gain of both."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contract.encoder import Encoder
from contract.locate import find
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evidence import unit_rows
from training.log_rows import group_codes
from training.metrics import mean_interval, ranged
from training.overlap import Stratum, open_strata, strata_of
from training.pseudo_outcomes import ARMS, pseudo_outcomes

COLUMNS = ("gain_dr", "extra_tokens_dr", "variance", "propensity")
"""Columns that labels get; see `training.pseudo_outcomes.Pseudo`."""


def with_pseudo_outcomes(labelled: pd.DataFrame, cache_folder: Path) -> tuple[pd.DataFrame, tuple[Stratum, ...]]:
    """Return labels with COLUMNS beside them, and the overlap that these rest on.

    Prompts are embedded only where a source and model has enough scored prompts of either arm for a comparison.
    """
    scored = labelled[[f"score_{arm}" for arm in ARMS]].notna().to_numpy(bool)
    single, stratum = scored.sum(axis=1) == 1, group_codes(labelled, ("source", "model"))
    thinks = single & scored[:, 1]
    if not open_strata(stratum, thinks, single).any():
        unknown = np.full(len(labelled), np.nan)
        strata = strata_of(labelled, stratum, thinks, single, np.zeros_like(single), unknown)
        return labelled.assign(**dict.fromkeys(COLUMNS, unknown)), tuple(strata)
    units = unit_rows(labelled, EmbeddingCache(cache_folder, Encoder(find("models/encoder"))))
    pseudo = pseudo_outcomes(units, np.ones(len(units.table), dtype=bool), TrainConfig())
    own = pseudo.table[list(COLUMNS)].set_index(labelled.index[np.flatnonzero(scored.any(axis=1))])
    return labelled.join(own), pseudo.strata


def mean_gains(table: pd.DataFrame) -> dict[str, Any]:
    """Return the mean gain of each source with its 95 % interval over prompts, in points.

    Of pairs, of prompts with one arm (doubly robust), and of all of them.
    """
    found = {}
    for source, part in table.groupby("source"):
        kinds = {"pairs": part.gain, "one_arm": part.gain_dr, "all": part.gain.fillna(part.gain_dr)}
        found[str(source)] = {kind: _mean(gain.dropna(), part.prompt_id) for kind, gain in kinds.items()}
    return found


def _mean(gain: "pd.Series[float]", prompt: "pd.Series[str]") -> dict[str, Any]:
    if gain.empty:
        return {"n": 0, "mean": None, "interval": None}
    interval = mean_interval(gain.to_numpy(float), prompt[gain.index].to_numpy(str))
    return {"n": len(gain), "mean": float(gain.mean()), "interval": interval}


def gain_lines(gains: Mapping[str, Any]) -> Iterator[str]:
    """Yield the mean gains as lines for a terminal."""
    for source, kinds in gains.items():
        said = [
            f"{kind.replace('_', ' ')} {ranged(g['mean'], g['interval'], '+.3f')} (n = {g['n']:,})"
            for kind, g in kinds.items()
            if g["n"]
        ]
        if said:
            yield f"mean gain, {source}: {'; '.join(said)}"
