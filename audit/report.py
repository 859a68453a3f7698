"""Assembles an audit: what is in the record, what kinds of evidence it has, and all that they say. No figure without its evidence and n.

The report is a plain object that JSON holds, described in docs/guide-analyst.md: `notes`, and sections of title, text, figures and tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from audit import calibration, challengers, drift, readings, trend, what_if
from audit.config import AuditConfig
from audit.estimates import Contrast, around, explored, mean_of, paired, weighted_difference
from audit.evidence import Evidence, join, own_arm
from audit.figures import EXPLORED, MODELLED, OBSERVED, RECORDED, figure, plain, section, table
from audit.intervals import wilson
from audit.misroutes import misroutes
from audit.modelled import Modelled, modelled
from audit.reading import Record
from audit.slices import slices
from audit.suspects import Suspicion, suspects, suspicion
from audit.totals import could_think, without_evidence

FORMAT = 1
"""Of the report; bumped when a reader of the older one would misread it."""

FEW_DRAWN = 0.05
"""p-value under which scores are said to be missing more often in one arm."""


@dataclass(frozen=True)
class Audit:
    """An audit: its report as JSON holds it, its slices and its suspected decisions as the store's tables have them."""

    report: dict[str, Any]
    slices: pd.DataFrame
    suspects: pd.DataFrame


def audit(record: Record, config: AuditConfig, *, time: datetime) -> Audit:
    """Return the audit of a record; `time` is when it is made."""
    evidence = join(record, config)
    contrasts = [paired(evidence), explored(evidence, config)]
    expected = modelled(evidence)
    found = slices(evidence, contrasts, expected, config)
    posterior = suspicion(evidence, contrasts, expected, config)
    listed, suspected = suspects(evidence, posterior, expected, config)
    rates = misroutes(found, evidence, contrasts, expected)
    missing = _missing_scores(evidence)
    report = {
        "format": FORMAT, "time": time, "decisions": len(evidence.table), "config": config.model_dump(),
        "since": evidence.table.time.min() if len(evidence.table) else None,
        "until": evidence.table.time.max() if len(evidence.table) else None,
        "notes": _notes(record, evidence, contrasts, missing),
        "record": _recorded(record, evidence),
        "evidence": _evidence(evidence, contrasts, expected, missing),
        "readings": {
            "finance": readings.finance(record, evidence, contrasts, expected), "infrastructure": readings.infrastructure(record),
            "product": readings.product(evidence, rates), "risk": readings.risk(record),
        },
        "trend": trend.trend(evidence, contrasts),
        "suspects": _suspected(suspected, listed, posterior, evidence),
        "calibration": calibration.calibration(record, evidence, contrasts, config),
        "drift": drift.drift(evidence, config),
        "what_if": what_if.what_if(record, evidence, contrasts, expected),
        "challengers": challengers.challengers(record, evidence, contrasts, expected),
        "reviews": _reviews(record, posterior, evidence),
    }  # fmt: skip
    return Audit(plain(report), found, listed)


def _recorded(record: Record, evidence: Evidence) -> dict[str, Any]:
    decided = evidence.table
    counted = decided.attempts.to_numpy(int)
    scored = (decided.scored_direct + decided.scored_reasoning).to_numpy(int)
    numbers = {
        "decisions": len(decided), "decisions_without_outcome": int((counted == 0).sum()),
        "decisions_unscored": int(((counted > 0) & (scored == 0)).sum()), "attempts": len(record.attempts), **record.counts,
        "profile_not_recorded": int(decided.tokens_per_point.isna().sum()),
    }  # fmt: skip
    text = (
        "What is in the store: outcomes are events, attempts are what they tell in the end. Waiting outcomes name a request that no decision "
        "has; lost records found neither store nor journal."
    )
    units = {"decisions": "decisions", "profile": "decisions", "attempts": "attempts", "lost": "records"}
    figures = {
        name: figure(float(n), n=len(decided), evidence=RECORDED, unit=units.get(name.split("_")[0], "outcomes"))
        for name, n in numbers.items()
    }
    return section("The record", text, figures=figures)


def _evidence(
    evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled, missing: dict[str, Any]
) -> dict[str, Any]:
    decided = evidence.table
    figures = dict(missing)
    for contrast in contrasts:
        for name, unit, values in (
            ("net_benefit", "points", contrast.net_benefit),
            ("gain", "points", contrast.gain),
            ("extra_tokens", "tokens", contrast.extra_tokens),
        ):
            value, interval, n = mean_of(values, decided, contrast.arm_counts)
            figures[f"{name}_{contrast.evidence}"] = figure(value, interval, n=n, evidence=contrast.evidence, unit=unit)
    part = decided[contrasts[1].rows]
    if len(part):
        value, error = weighted_difference(
            own_arm(part, "score"),
            part.reasoning.to_numpy(bool),
            part.p_reasoning.to_numpy(float),
            part.prompt.to_numpy(),
        )
        interval = around(value, error, part.reasoning.to_numpy(bool))
        figures["gain_explored_weighted"] = figure(value, interval, n=len(part), evidence=EXPLORED, unit="points")
    value, _, n = mean_of(expected.net_benefit, decided)
    figures["net_benefit_modelled"] = figure(value, n=n, evidence=MODELLED, unit="points")
    excluded = [{"reason": reason, "decisions": n} for reason, n in evidence.excluded.items()]
    text = (
        "What thinking would be worth on all the traffic with that evidence, whatever the policy did. Observed pairs: both arms ran. Explored: "
        "the arm was drawn with a recorded chance, the draw was followed and its outcome scored; doubly robust, and unbiased where scores are "
        "missing alike in both arms. Modelled: the rest is what the bundle expected, corrected by what was seen of the arm taken."
    )
    return section(
        "Evidence",
        text,
        figures=figures,
        tables={"not_explored": table("Decisions left out of the explored ones", excluded)},
    )


def _missing_scores(evidence: Evidence) -> dict[str, Any]:
    """Return by how much more often the reasoning arm is scored, among draws that were followed, and the p-value of no difference."""
    part = evidence.table[evidence.drawn]
    nothing = figure(None, n=len(part), evidence=EXPLORED, unit="share")
    if not len(part):
        return {"scored_more_in_reasoning": nothing, "scored_alike_p": nothing}
    scored = np.isfinite(own_arm(part, "score")).astype(float)
    value, error = weighted_difference(
        scored, part.reasoning.to_numpy(bool), part.p_reasoning.to_numpy(float), part.prompt.to_numpy()
    )
    if not np.isfinite(error):
        return {"scored_more_in_reasoning": nothing, "scored_alike_p": nothing}
    p = float(2 * norm.sf(abs(value) / error)) if error > 0 else 1.0
    return {
        "scored_more_in_reasoning": figure(value, around(value, error, part.reasoning.to_numpy(bool)), n=len(part), evidence=EXPLORED, unit="share"),
        "scored_alike_p": figure(p, n=len(part), evidence=EXPLORED, unit="p-value"),
    }  # fmt: skip


def _notes(record: Record, evidence: Evidence, contrasts: Sequence[Contrast], missing: dict[str, Any]) -> list[str]:
    """Return what a reader has to know before the figures, as sentences."""
    if not len(evidence.table):
        return [
            "no decision is recorded in this period: serve with durability sync or async, or ask for another period"
        ]
    notes = []
    if not len(record.attempts):
        notes.append(
            "no outcome is recorded: send what came of decisions to POST /outcomes, or import logs with their decision_id"
        )
    for contrast in contrasts:
        kind = contrast.evidence.replace("_", " ")
        if not np.isfinite(contrast.net_benefit).any():
            remedy = "run some prompts in both arms" if contrast.evidence != EXPLORED else "set a rate of exploration"
            notes.append(
                f"no evidence of the kind {kind}: {remedy}; what would have come of the other arm is modelled only"
            )
        elif lacking := without_evidence(contrast.rows, evidence.table, could_think(evidence.table)):
            named = "; ".join(f"{title} ({n:,} decisions)" for title, n in lacking)
            notes.append(
                f"no evidence of the kind {kind} on {named}: figures over all decisions are null where they need "
                f"these; explore these verdicts too, or run some of their prompts in both arms"
            )
    p = missing["scored_alike_p"]["value"]
    if p is not None and p < FEW_DRAWN:
        more = missing["scored_more_in_reasoning"]["value"]
        notes.append(
            f"scores are missing more often in the arm {'direct' if more > 0 else 'reasoning'} ({abs(more):.1%} of draws, p = {p:.2g}): if what is missing is "
            f"better or worse than the rest, the explored estimates are biased, and nothing here can take that out"
        )
    if record.counts["lost"]:
        notes.append(f"{record.counts['lost']:,} records were lost: figures are without them")
    if unknown := int(evidence.table.tokens_per_point.isna().sum()):
        notes.append(
            f"{unknown:,} decisions have a revision or profile that the store does not know: they have no price and no net_benefit"
        )
    return notes


def _suspected(suspected: int, listed: pd.DataFrame, posterior: Suspicion, evidence: Evidence) -> dict[str, Any]:
    n, spread = len(evidence.table), posterior.spread
    figures = {
        "suspected": figure(float(suspected) if n else None, n=n, evidence=MODELLED, unit="decisions"),
        "listed": figure(float(len(listed)), n=n, evidence=RECORDED, unit="decisions"),
        "prompt_variance_share": figure(
            spread.between if spread.between_estimated else None, n=n, evidence=OBSERVED, unit="share of m (1 - m)"
        ),
        "correlation_of_arms": figure(
            spread.correlation if spread.correlation_estimated else None, n=n, evidence=OBSERVED, unit=""
        ),
    }
    text = (
        "Decisions that more probably than not took the worse arm, ranked by P(misroute) times the regret if so. One outcome is noise: each is only "
        "suspected, and rates of misroutes come from slices. Variances that are unknown were not estimated but declared."
    )
    return section("Suspected decisions", text, figures=figures)


def _reviews(record: Record, posterior: Suspicion, evidence: Evidence) -> dict[str, Any]:
    """Return how far reviewers' marks, which are of the arm answered, agree with the chance over a half that it was the worse one."""
    decided = evidence.table
    p = np.where(decided.reasoning == decided.policy_reasoning, posterior.p_misroute, 1 - posterior.p_misroute)
    p = p[record.reviews.row.to_numpy(int)] if len(record.reviews) else np.empty(0)
    mark = record.reviews.mark.to_numpy(object)
    told = np.isin(mark.astype(str), ["right", "wrong"]) & np.isfinite(p)
    agree = (p[told] > 0.5) == (mark[told] == "wrong")
    figures = {
        "agreement": figure(
            *wilson(int(agree.sum()), int(told.sum())), n=int(told.sum()), evidence=RECORDED, unit="share"
        )
    }
    for word in ("right", "wrong", "unsure"):
        own = mark == word
        known = own & np.isfinite(p)
        figures[f"mean_p_misroute_{word}"] = figure(
            float(p[known].mean()) if known.any() else None, n=int(own.sum()), evidence=RECORDED, unit="probability"
        )
    return section(
        "Reviews",
        "The newest mark of each reviewer, which is of the arm answered, beside the chance that this arm was the worse one (P(misroute), or the "
        "rest to 1 where the other arm than the policy's was drawn): agreed where wrong goes with more than a half, and right with less.",
        figures=figures,
    )
