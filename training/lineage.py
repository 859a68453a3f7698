"""Where a bundle comes from, as its manifest says: its revision, the data, their licences, and the bundle that its training started from."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from contract.bundle import FORMAT_VERSION, Bundle, EncoderIdentity
from contract.encoder import Encoder
from contract.errors import InvalidInput
from contract.scorer import Scorer
from training.background import Base, seen_by
from training.config import TrainConfig
from training.evidence import REVIEWS, Rows
from training.log_report import LogReport
from training.prior import Prior
from training.report.material import material, needs_read
from training.taxonomy import Family

LEAST_PROMPTS = 60
"""Prompts with both arms that correct a bundle: of fewer there may be no cluster of twenty on either side of a split."""


def started_from(start: Bundle, encoder: Encoder, digests: Mapping[str, str], config: TrainConfig) -> Base:
    """Return the bundle that a training starts from.

    Raises:
        BundleMismatch: it reads another encoder or other features.
        InvalidInput: it, or what it started from, was trained on one of the files; or one of the two trainings leaves the taxonomy out,
            against which what a bundle says of models is read.
    """
    base = Base(Scorer(start, encoder=encoder).bundle)
    manifest = base.manifest
    seen = seen_by(manifest)
    if again := [name for name, digest in digests.items() if digest in seen]:
        what = f"{manifest.revision} was trained on {', '.join(again)}: what it says of these prompts, it has seen"
        raise InvalidInput(f"{what}; leave the file out, or start from an earlier bundle", field="warm-start")
    for name, weight in (
        ("the configuration", config.prior_weight),
        (manifest.revision, manifest.training.get("prior_weight", 1.0)),
    ):
        if not weight:
            what = f"{name} has prior_weight 0: without the taxonomy there is nothing to read a bundle's models against"
            raise InvalidInput(f"{what}; leave it above 0 in both, or train without --warm-start", field="warm-start")
    return base


def check_enough(pairs: Rows) -> None:
    """Raise InvalidInput where too few prompts are logged to correct a bundle by."""
    if (n := pairs.table.group.nunique()) < LEAST_PROMPTS:
        what = f"{n} prompts say what thinking gains; starting from a bundle needs {LEAST_PROMPTS}"
        raise InvalidInput(f"{what}; log both arms of more prompts, or go on with the bundle as it is", field="logs")


def lineage(
    report: LogReport, needs_log: pd.DataFrame, labelled: pd.DataFrame, taxonomy: Sequence[Family], digests: dict[str, str],
    encoder: Encoder, config: TrainConfig, decided: list[Any], base: Base | None,
) -> dict[str, Any]:  # fmt: skip
    """Return what the manifest says beside the heads; the revision names the data, the settings and all that decides.

    Args:
        report: what became of the rows of the logs.
        needs_log: the log with the rows that budgets alone may read.
        labelled: the labelled pairs and prompts with one arm.
        taxonomy: the families.
        digests: SHA-256 of the log files, by name.
        encoder: in use.
        config: the run's settings.
        decided: what else decides: the graph's digest, the calibration, the profiles.
        base: the bundle that the training started from.
    """
    parts = [
        sorted(digests.values()),
        _digest(taxonomy),
        config.model_dump(
            exclude=set() if (labelled.source == REVIEWS).any() else {"review_weight"}
        ),  # decides nothing
        encoder.sha256,
        version("thinkworth"),
        decided,
    ]
    identity = json.dumps(parts, sort_keys=True)
    pairs = labelled[labelled.gain.notna()]
    training = {
        "data_digest": hashlib.sha256("".join(sorted(digests.values())).encode()).hexdigest(),
        "files": digests, "config": config.model_dump(), "log": report.as_dict(),
        "pairs": {str(k): int(v) for k, v in pairs.groupby("source").size().items()},
        "taxonomy_prompts": sum(len(family.prompts) for family in taxonomy) if config.prior_weight else 0,
        "logged": material(needs_log), "budget": needs_read(needs_log, config),
        "taxonomy_digest": _digest(taxonomy), "prior_weight": config.prior_weight, "started_from": base.told() if base else None,
    }  # fmt: skip
    created = os.environ.get("SOURCE_DATE_EPOCH")
    when = datetime.fromtimestamp(int(created), UTC) if created else datetime.now(UTC)
    own = needs_log.dropna(subset=["licence"]).groupby("source").licence.agg(lambda s: "; ".join(sorted(set(s))))
    return {
        "format_version": FORMAT_VERSION, "revision": f"thinkworth/{hashlib.sha256(identity.encode()).hexdigest()[:12]}",
        "created": when.isoformat(timespec="seconds"), "thinkworth_version": version("thinkworth"),
        "encoder": EncoderIdentity(name=encoder.name, sha256=encoder.sha256, dimension=encoder.dimension, max_tokens=encoder.max_tokens),
        "training": training, "metrics": {},
        "licences": _joined(base.manifest.licences if base else {}, {str(k): str(v) for k, v in own.items()}),
    }  # fmt: skip


def families(prior: Prior, tasks: Sequence[str], taxonomy: Sequence[Family]) -> dict[str, dict[str, float]]:
    """Return the gain of each family, declared and as logs moved it, in points."""
    declared = {family.name: family.prior.gain for family in taxonomy}
    gains = dict(zip(tasks, prior.gain, strict=True))
    return {
        name: {"declared": round(declared[name], 4), "gain": round(float(gain), 4)}
        for name, gain in gains.items()
        if name in declared
    }


def _joined(before: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the licences of sources, both where they differ."""
    said = {name: list(dict.fromkeys(filter(None, (before.get(name), own.get(name))))) for name in {**before, **own}}
    return {name: "; ".join(texts) for name, texts in said.items()}


def _digest(taxonomy: Sequence[Family]) -> str:
    text = json.dumps([family.model_dump(mode="json") for family in taxonomy], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
