"""The four readings of an audit: finance, infrastructure, product, risk. Each figure says its evidence and n; an unknown one is null."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.calibration import CUT_OFF
from audit.estimates import Contrast, mean_of
from audit.evidence import Evidence, own_arm, usd_per_token
from audit.figures import MODELLED, OBSERVED, RECORDED, figure, section, table
from audit.intervals import quantile, wilson
from audit.modelled import Modelled
from audit.reading import Record

Array = NDArray[Any]

TIMED_OUT = frozenset({"timeout", "timed_out", "deadline_exceeded"})
"""Words of providers and gateways for an answer that took too long."""

ARMS = ("direct", "reasoning")


def finance(record: Record, evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled) -> dict[str, Any]:
    """Return what the policy saved against always thinking, and what it spent more than never thinking would have, over all decisions.

    A mean over the decisions with the evidence, times the number of all decisions: of explored ones and pairs this takes them for a
    fair sample of the rest.
    """
    decided, n = evidence.table, len(evidence.table)
    thinks = decided.policy_reasoning.to_numpy(bool)
    usd = usd_per_token(decided)
    gpu = _gpu_seconds_per_token(record)
    figures = {}
    kinds: list[Contrast | Modelled] = [*contrasts, expected]
    for kind in kinds:
        extra = kind.extra_tokens
        sides = {
            "saved_against_always": np.where(thinks, 0.0, extra),
            "saved_against_never": np.where(thinks, -extra, 0.0),
        }
        for name, saved in sides.items():
            saved = np.where(np.isfinite(extra), saved, np.nan)
            for unit, values in (("tokens", saved), ("usd", saved * usd), ("gpu_seconds", saved * gpu)):
                figures[f"{unit}_{name}_{kind.evidence}"] = _total(values, decided, n, kind.evidence, unit)
    for unit, name in (("tokens", "output_tokens"), ("usd", "cost_usd"), ("gpu_seconds", "gpu_seconds")):
        values = record.attempts[name].to_numpy(float)
        known = np.isfinite(values)
        spent = float(values[known].sum()) if known.any() else None
        figures[f"{unit}_spent"] = figure(spent, n=int(known.sum()), evidence=OBSERVED, unit=unit)
    return section(
        "Finance", "Output tokens, dollars and GPU seconds that the policy (without its exploration) saved against always thinking, and against "
        "never thinking: there a negative figure is what thinking cost. Dollars are tokens at the bundle's price of the model, GPU seconds "
        "tokens at the logged seconds a token. Spent is what outcomes told.", figures=figures,
    )  # fmt: skip


def infrastructure(record: Record) -> dict[str, Any]:
    """Return latency and time-outs of each arm, attempt by attempt."""
    figures = {}
    for arm in ARMS:
        part = _of_arm(record, arm)
        seconds = part.latency_s.to_numpy(float)
        known = int(np.isfinite(seconds).sum())
        for name, level in (("p50", 0.5), ("p95", 0.95)):
            figures[f"latency_{name}_{arm}"] = figure(*quantile(seconds, level), n=known, evidence=OBSERVED, unit="s")
        reason = part.finish_reason
        told = int(reason.notna().sum())
        for name, words in (("timeouts", TIMED_OUT), ("cut_off", CUT_OFF)):
            count = int(reason.isin(words).sum())
            figures[f"{name}_{arm}"] = figure(*wilson(count, told), n=told, evidence=OBSERVED, unit="share")
    return section(
        "Infrastructure", "Latency from request to last token, and how answers ended, by the arm that was really used. Arms were chosen, so the "
        "difference is of their traffic too.", figures=figures,
    )  # fmt: skip


def product(evidence: Evidence, rates: dict[str, Any]) -> dict[str, Any]:
    """Return scores by arm and by verdict, and the rates of misroutes."""
    decided = evidence.table
    score = own_arm(decided, "score")
    figures, rows = {}, []
    for arm in ARMS:
        taken = decided.reasoning.to_numpy(bool) == (arm == "reasoning")
        value, interval, n = mean_of(np.where(taken, score, np.nan), decided)
        figures[f"score_{arm}"] = figure(value, interval, n=n, evidence=OBSERVED, unit="points")
        for verdict in ("use", "maybe", "avoid"):
            own = taken & (decided.verdict == verdict).to_numpy(bool)
            value, interval, n = mean_of(np.where(own, score, np.nan), decided)
            lower, upper = interval or (None, None)
            rows.append(
                {
                    "verdict": verdict,
                    "arm": arm,
                    "decisions": int(own.sum()),
                    "score": value,
                    "lower": lower,
                    "upper": upper,
                    "n": n,
                }
            )
    return section(
        "Product", "Observed scores by arm and verdict, of decisions whose answered arm was used; they do not compare the arms, which had other "
        "prompts. The rates of misroutes are the share of decisions that lie in slices called misrouted: what is too small to be told does not "
        "count, so they are lower bounds; the regret there is of the same decisions that the slices were told by, and so a little high. "
        "over_always and over_never: net_benefit of the policy over either constant, a decision.",
        figures=figures | rates, tables={"scores": table("Score by verdict and arm", rows)},
    )  # fmt: skip


def risk(record: Record) -> dict[str, Any]:
    """Return the defect rate of each arm, attempt by attempt."""
    figures = {}
    for arm in ARMS:
        defect = _of_arm(record, arm).defect.dropna()
        figures[f"defect_rate_{arm}"] = figure(
            *wilson(int(defect.sum()), len(defect)), n=len(defect), evidence=OBSERVED, unit="share"
        )
    return section(
        "Risk",
        "Share of checked answers that hallucinated or failed a factuality check, by the arm really used.",
        figures=figures,
    )


def misroutes(
    slices: pd.DataFrame,
    evidence: Evidence,
    contrasts: Sequence[Contrast],
    covered: dict[tuple[str, str], Any],
    expected: Modelled,
) -> dict[str, Any]:
    """Return the rates of misroutes and the regret by kind of evidence, as figures.

    The rate is the share of decisions in at least one slice that is called misrouted with that evidence. The regret beside it is
    net_benefit lost there: the mean over these decisions of what the other arm would have had more, over all decisions.

    Args:
        slices: of `audit.slices`.
        evidence: of all decisions.
        contrasts: the kinds of evidence on both arms.
        covered: decisions [n] in a slice called misrouted, by evidence and kind.
        expected: the modelled estimates.
    """
    decided, figures = evidence.table, dict[str, Any]()
    for contrast in contrasts:
        judged = bool((slices.evidence == contrast.evidence).any())
        figures |= _rates(contrast, decided, covered, judged=judged)
        for name, value, interval, seen in _over_constants(contrast, decided):
            key = f"{name}_{contrast.evidence}"
            figures[key] = figure(value, interval, n=seen, evidence=contrast.evidence, unit="points a decision")
    wrong = np.where(decided.policy_reasoning, -1, 1) * expected.net_benefit
    known = int(np.isfinite(wrong).sum())
    value = float(np.nanmean(np.clip(wrong, 0, None))) if known else None
    figures["regret_modelled"] = figure(value, n=known, evidence=MODELLED, unit="points a decision")
    called = float(slices.misrouted.sum())
    figures["slices_called_misrouted"] = figure(called, n=len(slices), evidence=RECORDED, unit="slices")
    return figures


def _rates(
    contrast: Contrast, decided: pd.DataFrame, covered: dict[tuple[str, str], Any], *, judged: bool
) -> dict[str, Any]:
    """Return the rate and the regret of either kind of misroute; null where no slice could be judged."""
    out, n = {}, len(decided)
    seen = np.isfinite(contrast.net_benefit)
    for kind, side in (("overthinking", -1), ("underthinking", 1)):
        rows = covered.get((contrast.evidence, kind), np.zeros(n, bool))
        share = float(rows.mean()) if judged and n else None
        name, kind_of = f"{kind}_{{}}_{contrast.evidence}", contrast.evidence
        out[name.format("rate")] = figure(share, n=int(seen.sum()), evidence=kind_of, unit="share")
        lost = np.where(seen, np.where(rows, side * contrast.net_benefit, 0.0), np.nan)
        value, interval, known = mean_of(lost, decided) if judged else (None, None, int(seen.sum()))
        out[name.format("regret")] = figure(value, interval, n=known, evidence=kind_of, unit="points a decision")
    return out


def _over_constants(contrast: Contrast, decided: pd.DataFrame) -> list[tuple[str, Any, Any, int]]:
    """Return what the policy is worth over always and over never thinking, in points a decision."""
    thinks, net = decided.policy_reasoning.to_numpy(bool), contrast.net_benefit
    known = np.isfinite(net)
    sides = {"over_always": np.where(thinks, 0.0, -net), "over_never": np.where(thinks, net, 0.0)}
    return [(name, *mean_of(np.where(known, values, np.nan), decided)) for name, values in sides.items()]


def _total(values: Array, decided: pd.DataFrame, n: int, kind: str, unit: str) -> dict[str, Any]:
    value, interval, known = mean_of(values, decided)
    if value is None:
        return figure(None, n=0, evidence=kind, unit=unit)
    return figure(value * n, interval and (interval[0] * n, interval[1] * n), n=known, evidence=kind, unit=unit)


def _of_arm(record: Record, arm: str) -> pd.DataFrame:
    return record.attempts[(record.attempts.reasoning == (arm == "reasoning")).to_numpy(bool)]


def _gpu_seconds_per_token(record: Record) -> float:
    """Return the GPU seconds that a token took, over the attempts that tell both; nan where none does."""
    told = record.attempts[["gpu_seconds", "output_tokens"]].dropna()
    return float(told.gpu_seconds.sum() / told.output_tokens.sum()) if told.output_tokens.sum() > 0 else float("nan")
