"""The whole training, top to bottom: logs -> labels -> split -> fit -> calibrate -> export -> evaluate -> register."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from contract.bundle import HEADS, Bundle, sha256
from contract.encoder import Encoder
from contract.errors import InvalidInput
from contract.locate import find
from contract.profiles import Profile
from contract.prompt import Prompt
from contract.scorer import Scorer
from training import evidence, export, plots
from training.background import Base
from training.calibrate import calibrate, cross_fitted
from training.card import card
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import evaluate_rows
from training.files import check_replaceable, folder_written_atomically
from training.fitting import fit
from training.heads import Heads
from training.html import page
from training.labels import label
from training.lineage import check_enough, families, lineage, started_from
from training.logs import Logs
from training.overlap import Stratum
from training.pseudo_outcomes import pseudo_outcomes
from training.recipe import Options, Recipe, digests_of
from training.register import code_commit, named
from training.report.answers import budgeted, budgets
from training.report.tracking import by_source
from training.taxonomy import Family
from training.unfamiliar import unfamiliar_texts
from training.unlogged import log_or_keep

SMALLEST = 50
"""Pairs or pseudo-observations under which there is nothing to fit."""

UNFAMILIAR_TEXTS = 2000

Judge = Callable[[Path], dict[str, Any]]
"""From the folder of a bundle to a report of `training.gate`."""


@dataclass(frozen=True)
class Trained:
    """Where the bundle lies, its report on the held-out prompts, its registration and what judged it (None where there is none)."""

    folder: Path
    holdout: dict[str, Any]
    registered: dict[str, str] | None
    gate: dict[str, Any] | None


@dataclass(frozen=True)
class _Part:
    """Rows of one split."""

    pairs: evidence.Rows
    thinking: evidence.Rows
    unfamiliar: evidence.Rows


def run(
    logs: Logs, out: Path, *, files: Sequence[Path], profiles: dict[str, Profile], taxonomy: Sequence[Family],
    config: TrainConfig, cache_folder: Path, start: Bundle | None = None, options: Options | None = None, registering: bool = True,
    judge: Judge | None = None, say: Callable[[str], None] = print,
) -> Trained:  # fmt: skip
    """Train a bundle and put it at `out`, whole or not at all; with `start`, from what that bundle knows.

    Args:
        logs: what to learn from.
        out: the bundle's folder.
        files: the files that the logs were read from.
        profiles: what a point is worth.
        taxonomy: the families.
        config: the settings.
        cache_folder: where embeddings are kept.
        start: the bundle to start from.
        options: how the files were read; it is recorded.
        registering: log the run and register the bundle.
        judge: compares the bundle with another before it is registered; what it returns is recorded.
        say: told what happens.

    Raises:
        InvalidInput: there are too few pairs, no thinking tokens at all, something at `out` that is no bundle, or a file that the
            bundle to start from was trained on.
        BundleMismatch: the bundle to start from reads another encoder or other features.
        ParityFailed: the exported graph differs from the fitted heads.
        Refused: the tracking server has gone away; the bundle is at `out`, and is logged by `training.unlogged`.
    """
    check_replaceable(out, of="bundle")
    commit = code_commit()  # of what is loaded: a training takes long enough for another checkout
    encoder = Encoder(find("models/encoder"))
    by_name = named(files)
    digests = digests_of(by_name)
    base = started_from(start, encoder, digests, config) if start else None
    cache = EmbeddingCache(cache_folder, encoder)
    labelled, needs_log = label(logs.table, profiles), logs.for_budgets()
    if base:
        say(f"starting from {base.manifest.revision}")
    say(f"labelled {labelled.gain.notna().sum():,} pairs of {len(labelled):,} prompts and models; embedding")
    pairs, strata = _outcomes(labelled, cache, config, say)
    if base:
        check_enough(pairs)
    parts = _split(*_evidence(logs, needs_log, pairs, taxonomy, cache, config, base), config)
    part = parts["fit"]
    say(f"fitting on {len(part.pairs.table):,} rows")
    heads = fit(part.pairs, part.thinking, part.unfamiliar, profiles, config, base)
    if lost := sorted({family.name for family in taxonomy} - set(heads.tasks)) if part.pairs.table.prior.any() else []:
        say(f"families without a prompt outside the holdout, left out: {', '.join(lost)}")
    say("cross-fitting for calibration")
    unseen = cross_fitted(part.pairs, part.thinking, part.unfamiliar, profiles, config, base)
    calibration = calibrate(heads, unseen, part.pairs, part.thinking, profiles)
    with folder_written_atomically(out) as temporary:
        say("exporting; checking parity")
        export.write_graph(heads, temporary / HEADS)
        decided = [
            sha256(temporary / HEADS),  # the bundle that it started from is part of the graph
            calibration.model_dump(),
            {k: v.model_dump() for k, v in profiles.items()},
        ]
        known = lineage(logs.report, needs_log, labelled, taxonomy, digests, encoder, config, decided, base)
        known["training"] |= {
            "thinking_attempts": sum(len(one.thinking.logged().table) for one in parts.values()),
            "rows": {name: len(one.pairs.table) for name, one in parts.items()},
            "families": families(heads.prior, heads.tasks, taxonomy), "one_arm": [asdict(s) for s in strata],
        }  # fmt: skip
        report = _write(temporary, heads, calibration, profiles, known, parts["holdout"], encoder, needs_log)
    gate, registered = judge(out) if judge else None, None
    if registering:
        recipe = Recipe(
            files=digests, config=config, options=options or Options(), profiles=profiles, taxonomy=tuple(taxonomy),
            started_from=base.manifest.revision if base else None,
        )  # fmt: skip
        registered = log_or_keep(
            out, params={**config.model_dump(), "revision": known["revision"], "encoder_sha256": encoder.sha256}, metrics=_metrics(report), files=by_name, digests=digests,
            rows=dict(zip(by_name, logs.rows_of_files, strict=False)), page=page(report), recipe=recipe.model_dump(mode="json"),
            plots=plots.of_holdout(Scorer(Bundle(out), encoder=encoder), parts["holdout"].pairs.paired(), calibration),
            start=start.folder if start else None, gate=gate, commit=commit, say=say,
        )  # fmt: skip
    return Trained(out, report, registered, gate)


def _outcomes(
    labelled: pd.DataFrame, cache: EmbeddingCache, config: TrainConfig, say: Callable[[str], None]
) -> tuple[evidence.Rows, tuple[Stratum, ...]]:
    """Return pairs and prompts with one arm as rows of evidence, and the overlap that the latter rest on."""
    units = evidence.unit_rows(labelled, cache)
    learn = evidence.fraction(units.table.group, config.seed) >= config.holdout_share
    pseudo = pseudo_outcomes(units, learn, config)
    for stratum in pseudo.strata:
        say(f"one arm: {stratum.text()}")
    return evidence.outcome_rows(units, pseudo.table, config), pseudo.strata


def _evidence(
    logs: Logs, needs_log: pd.DataFrame, pairs: evidence.Rows, taxonomy: Sequence[Family], cache: EmbeddingCache,
    config: TrainConfig, base: Base | None,
) -> tuple[evidence.Rows, evidence.Rows, evidence.Rows]:  # fmt: skip
    pairs.table["thinking_mode"] = evidence.is_thinking_mode(logs.table, pairs.table, config)
    prior = evidence.prior_rows(taxonomy, cache, config)
    prior.table["thinking_mode"] = True
    if len(pairs.table) + len(prior.table) < SMALLEST:
        raise InvalidInput(
            f"{len(pairs.table)} scored pairs and no taxonomy; training needs {SMALLEST}; log both arms of more prompts",
            field="logs",
        )
    thinking = evidence.thinking_rows(needs_log, cache, config)
    told = prior.table.assign(thinking_tokens=prior.table.extra_tokens, censored=False, target_is=None)
    thinking = evidence.stack(thinking, evidence.Rows(prior.embeddings, prior.features, told))
    seed = config.seed if base is None else base.seed  # texts that the bundle has not been taught to know
    prompts = [Prompt.from_text(text) for text in unfamiliar_texts(UNFAMILIAR_TEXTS, seed)]
    made_up = evidence.Rows(
        *evidence.embed(prompts, cache), pd.DataFrame({"group": [p.digest for p in prompts], "model": None})
    )
    return evidence.stack(pairs, prior), thinking, made_up


def _split(
    pairs: evidence.Rows, thinking: evidence.Rows, unfamiliar: evidence.Rows, config: TrainConfig
) -> dict[str, _Part]:
    """Part the evidence by prompt: fit and holdout; no prompt is in two."""
    edges = {"holdout": (0.0, config.holdout_share), "fit": (config.holdout_share, 1.0)}
    parts = {}
    for name, (low, high) in edges.items():
        taken = []
        for rows in (pairs, thinking, unfamiliar):
            place = evidence.fraction(rows.table.group, config.seed)
            taken.append(rows.take((place >= low) & (place < high)))
        parts[name] = _Part(*taken)
        if not len(parts[name].pairs.table):
            what = f"no prompt of {pairs.table.group.nunique()} falls into the {name} part, holdout_share {config.holdout_share:g}"
            raise InvalidInput(f"{what}; log more prompts, or raise holdout_share", field="logs")
    return parts


def _write(
    folder: Path,
    heads: Heads,
    calibration: Any,
    profiles: dict[str, Profile],
    known: dict[str, Any],
    holdout: _Part,
    encoder: Encoder,
    needs_log: pd.DataFrame,
) -> dict[str, Any]:
    """Write report and card beside the graph, return the report with its parity; a first manifest makes the bundle readable, so that the report is of the export."""
    settings = {"heads": heads, "calibration": calibration, "profiles": profiles}
    export.write_manifest(folder, **settings, **known)
    scorer = Scorer(Bundle(folder), encoder=encoder)
    parity = export.check_parity(scorer, heads, holdout.pairs)
    report = evaluate_rows(scorer, holdout.pairs.logged())
    needs = budgeted(scorer, holdout.thinking.logged())
    report["budget"] = budgets(needs, scorer.manifest, needs_log)
    (folder / "report.json").write_text(
        json.dumps({"holdout": report, "parity": parity}, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    known = {**known, "metrics": _metrics(report)}
    text = card(
        revision=known["revision"],
        training=known["training"],
        licences=known["licences"],
        holdout=report,
        calibration=calibration,
    )
    (folder / "card.md").write_text(text, encoding="utf-8")
    export.write_manifest(folder, **settings, **known)
    return {**report, "parity": parity}


def _metrics(report: dict[str, Any]) -> dict[str, float]:
    metrics = {"holdout_n": float(report["n"])}
    if report["macro_q"] is not None:
        metrics["holdout_macro_q"] = report["macro_q"]
    return metrics | {f"holdout/{name}": value for name, value in by_source(report).items()}
