"""The answers of two bundles to the same rows, which neither was fitted on, for the gate."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import Bundle, Manifest
from contract.encoder import Encoder
from contract.errors import BundleMismatch
from contract.locate import find
from contract.profiles import default_name
from contract.progress import progress
from contract.prompt import Prompt
from contract.records import PAIR_KEY
from contract.scorer import Scorer
from training.background import splits_of
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import judged_rows, told
from training.evidence import Rows, fraction, prompts_of, thinking_rows
from training.gate import GateConfig, Side, judge
from training.labels import label
from training.logs import Logs
from training.production import recent_outcomes
from training.report.answers import budgeted

TIMED_PROMPTS, ROUNDS = 40, 3
"""Held-out prompts whose answers are timed, and how often each."""


def held_out(groups: "pd.Series[Any]", manifests: Sequence[Manifest]) -> NDArray[np.bool_]:
    """Return which prompts [n], by digest, every training held out: those of the bundles, and those that these started from.

    A holdout is a hash of the prompt, so it says of any prompt whether a training can have fitted on it, whatever file it came from and
    whether that file is still there. Equal seeds and shares hold out the same prompts; another seed leaves the share of the share.

    Raises:
        BundleMismatch: a bundle started from one and does not say what that held out.
    """
    splits: set[tuple[int, float]] = set()
    for manifest in manifests:
        if (known := splits_of(manifest)) is None:
            what = f"{manifest.revision} does not say which prompts it, or the bundle that it started from, held out"
            raise BundleMismatch(f"{what}; train it again with `thinkworth train`", field="started_from")
        splits.update(known)
    kept: NDArray[np.bool_] = np.logical_and.reduce([fraction(groups, seed) < share for seed, share in splits])
    return kept


def compare(
    champion: Path, challenger: Path, logs: Logs, *, cache_folder: Path, config: GateConfig, drawn: pd.DataFrame | None = None
) -> dict[str, Any]:  # fmt: skip
    """Return the gate's report on a challenger, in the profile that it serves where none is named.

    Args:
        champion: folder of the bundle in use.
        challenger: folder of the new one.
        logs: what the challenger was trained on; its held-out prompts are judged, those with one arm by their pseudo-outcomes.
        cache_folder: where embeddings are kept.
        config: the limits.
        drawn: recorded decisions whose arm was drawn, `training.recorded.Recorded.drawn`; None: none are recorded.

    Raises:
        BundleMismatch: a bundle cannot be used, or does not say what its start held out.
    """
    encoder = Encoder(find("models/encoder"))
    scorers = [Scorer(Bundle(folder), encoder=encoder) for folder in (champion, challenger)]
    manifests, cache = [scorer.manifest for scorer in scorers], EmbeddingCache(cache_folder, encoder)
    profiles = manifests[1].profiles
    profile = profiles[default_name(profiles)]
    labelled = label(logs.table, profiles)
    digests = pd.Series([prompt.digest for prompt in prompts_of(labelled)], dtype=object)
    kept = labelled[held_out(digests, manifests)].reset_index(drop=True)
    rows = judged_rows(kept, cache, logs.table)
    needs = thinking_rows(logs.for_budgets(), cache, TrainConfig(**manifests[1].training["config"]))
    needs = needs.take(held_out(needs.table.group, manifests))
    times = _times(scorers, prompts_of(kept.head(TIMED_PROMPTS)), kept.model.head(TIMED_PROMPTS).tolist())
    before, after = (
        Side(
            scorer.manifest.revision,
            _told(scorer, rows, kept),
            _budgeted(scorer, needs),
            time,
            ROUNDS * min(len(kept), TIMED_PROMPTS),
        )
        for scorer, time in zip(scorers, times, strict=True)
    )
    outcomes = None
    if drawn is not None and len(drawn):
        outcomes = recent_outcomes(drawn, scorers, cache, lambda digests: held_out(digests, manifests))
    return judge(before, after, profile, config, outcomes)


def _told(scorer: Scorer, rows: Rows, labelled: pd.DataFrame) -> pd.DataFrame:
    if rows.table.empty:
        return rows.table
    beside = labelled[[*PAIR_KEY, "language", "extra_latency_s"]]
    return told(scorer, rows).merge(beside, on=list(PAIR_KEY), how="left", validate="m:1")


def _budgeted(scorer: Scorer, needs: Rows) -> pd.DataFrame:
    return needs.table.assign(budget=0.0) if needs.table.empty else budgeted(scorer, needs)


def _times(scorers: Sequence[Scorer], prompts: Sequence[Prompt], models: Sequence[str]) -> list[float | None]:
    """Return the median milliseconds of an answer of each, heads and encoder: in turn, so that what else the machine does slows both."""
    taken: list[list[float]] = [[] for _ in scorers]
    for _ in progress(range(ROUNDS), "timing answers"):
        for prompt, model in zip(prompts, models, strict=True):
            for own, scorer in zip(taken, scorers, strict=True):
                began = perf_counter()
                scorer.score(prompt, model)
                own.append(1000 * (perf_counter() - began))
    return [median(own) if own else None for own in taken]
