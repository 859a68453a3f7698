"""Evaluates an exported bundle, never the model in memory, on logs it has not seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from contract.errors import InvalidInput
from contract.features import FEATURE_NAMES
from contract.profiles import Profile, default_name
from contract.records import PAIR_KEY
from contract.scorer import Scorer
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evidence import Rows, is_thinking_mode, outcome_rows, thinking_rows, unit_rows
from training.pseudo_outcomes import pseudo_outcomes
from training.report.answers import budgeted, budgets, predictions
from training.report.arm_costs import COSTS, arm_costs, known_pairs
from training.report.orders import OURS
from training.report.outcomes import priced_as_logged, realised_extra_tokens
from training.report.policies import policies
from training.report.reliability import reliability
from training.report.risk import risk_coverage
from training.report.slices import slices
from training.report.sources import LEAST_PAIRS, macro, one_arm, pooled, q_draws, source_report, telling
from training.report.text import headline

__all__ = [
    "LEAST_PAIRS", "evaluate", "evaluate_rows", "headline", "predictions", "realised_extra_tokens", "source_report", "telling",
]  # fmt: skip

BESIDE = ("language", "extra_latency_s")
"""Columns of the labelled table that the report needs and evidence does not carry."""


def evaluate(
    scorer: Scorer, labelled: pd.DataFrame, cache: EmbeddingCache, *, log: pd.DataFrame | None = None,
    budget_log: pd.DataFrame | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return the report of a bundle on labelled pairs, as JSON-ready values; see `report_of` for what is in it.

    Prompts with one arm are judged by their doubly robust pseudo-outcomes, by means alone (`one_arm`): an order by realised
    gains, which q and AUC compare with, is not to be had from them.

    Args:
        scorer: the exported bundle.
        labelled: the table of `training.labels.label`.
        cache: embeds what is new.
        log: the log that was labelled; from it come dollars, GPU seconds and latency, which arms are thinking modes and how
            many thinking tokens fitted the budget. Without it those are absent.
        budget_log: the attempts that budgets are judged by, where they are more than the log (`training.logs.Logs.for_budgets`).

    Raises:
        InvalidInput: nothing says what thinking gained.
    """
    rows = judged_rows(labelled, cache, log)
    if rows.table.empty:
        raise InvalidInput(
            "no pair has a score in both arms, and no source and model has enough scored prompts of either: nothing to evaluate; "
            "collect both arms of some prompts", field="logs",
        )  # fmt: skip
    beside = labelled[[*PAIR_KEY, *BESIDE]]
    if log is not None:
        beside = beside.merge(arm_costs(log), on=list(PAIR_KEY), how="left")
    report = evaluate_rows(scorer, rows, beside=beside)
    attempts = log if budget_log is None else budget_log
    if attempts is None:
        return report | {"budget": None}
    told_budgets = budgeted(scorer, thinking_rows(attempts, cache, TrainConfig()))
    return report | {"budget": budgets(told_budgets, scorer.manifest, attempts)}


def judged_rows(labelled: pd.DataFrame, cache: EmbeddingCache, log: pd.DataFrame | None = None) -> Rows:
    """Return what a labelled table says that thinking gained, one row a pair or a prompt with one arm; see `evaluate`."""
    config, units = TrainConfig(), unit_rows(labelled, cache)
    pseudo = pseudo_outcomes(units, np.ones(len(units.table), dtype=bool), config)
    rows = outcome_rows(units, pseudo.table, config)
    if log is not None:
        rows.table["thinking_mode"] = is_thinking_mode(log, rows.table, config)
    return rows


def evaluate_rows(scorer: Scorer, rows: Rows, *, beside: pd.DataFrame | None = None) -> dict[str, Any]:
    """Return the report of a bundle on embedded pairs; see `report_of`. `beside`: more columns, by (source, prompt_id, model)."""
    if rows.table.empty:
        return report_of(rows.table, scorer.manifest.profiles, scorer.manifest.revision)
    table = told(scorer, rows)
    if beside is not None:
        table = table.merge(beside, on=list(PAIR_KEY), how="left", validate="m:1")
    return report_of(table, scorer.manifest.profiles, scorer.manifest.revision)


def told(scorer: Scorer, rows: Rows) -> pd.DataFrame:
    """Return rows of evidence beside what the bundle answers to them, one row each: a table for `report_of`."""
    table = pd.concat([rows.table.reset_index(drop=True), predictions(scorer, rows)], axis=1)
    return table.assign(characters=np.expm1(rows.features[:, FEATURE_NAMES.index("whole_characters")]))


def report_of(table: pd.DataFrame, profiles: Mapping[str, Profile], revision: str) -> dict[str, Any]:
    """Return the report of predictions beside outcomes; of no pair it has no source. An undefined figure is None.

    Per source (`source_report`): q of our orders and of the baselines, AUC of expected gain for gain > 0, reliability, what is
    behind the verdicts, the policy table, cost against quality. Over sources: the macro-mean of q over those that tell
    something (`telling`) and what it has over each baseline; all pairs pooled, which mostly measures who recognises the
    source, beside the source means; reliability, risk-coverage, slices and the policy table of all pairs.

    Args:
        table: a row for each pair or prompt with one arm (`modelled`): `training.evidence.outcome_rows` and `predictions`.
        profiles: those of the bundle.
        revision: of the bundle.
    """
    name = default_name(profiles)
    others, profile = [other for other in profiles if other != name], profiles[name]
    figures: dict[str, Any] = dict.fromkeys(("macro_q", "pooled_q", "pooled_q_of_source_means"))
    report: dict[str, Any] = {"revision": revision, "profile": name, "n": 0, "sources": {}, "one_arm": {}}
    if table.empty:
        return report | figures
    single = {str(source): one_arm(part) for source, part in table[table.modelled].groupby("source")}
    table = table[~table.modelled].reset_index(drop=True)
    report |= {"n": len(table), "one_arm": single, **figures}
    if table.empty:
        return report
    parts = {str(source): part.reset_index(drop=True) for source, part in table.groupby("source")}
    draws = {source: q_draws(part) for source, part in parts.items()}
    sources = {source: source_report(part, profile, name, others, draws[source]) for source, part in parts.items()}
    within, over = macro({source: draws[source] for source in telling(sources)}), pooled(table)
    return report | {
        "sources": sources, "macro": within, "pooled": over,
        "macro_q": within["q"]["q"]["value"] if within["q"] else None,
        "pooled_q": over["q"][OURS]["value"], "pooled_q_of_source_means": over["q"]["source mean"]["value"],
        "priced_as_logged": int(priced_as_logged(table).sum()), "costs_known": known_pairs(table, COSTS),
        "policies": policies(table, name, [name, *others]), "reliability": reliability(table, profile),
        "risk_coverage": risk_coverage(table, profile), "slices": slices(table, profile),
    }  # fmt: skip
