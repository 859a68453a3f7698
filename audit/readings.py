"""The four readings of an audit: finance, infrastructure, product, risk. Each figure says its evidence and n; an unknown one is null."""

from collections.abc import Sequence
from itertools import product as product_of
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.calibration import CUT_OFF
from audit.estimates import Contrast, mean_of
from audit.evidence import Evidence, own_arm, usd_per_token
from audit.figures import OBSERVED, figure, section, table
from audit.intervals import quantile, wilson
from audit.modelled import Modelled
from audit.reading import Record
from audit.totals import could_think, mean_over_all

Array = NDArray[Any]

TIMED_OUT = frozenset({"timeout", "timed_out", "deadline_exceeded"})
"""Words of providers and gateways for an answer that took too long."""

ARMS = ("direct", "reasoning")


def finance(record: Record, evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled) -> dict[str, Any]:
    """Return what the policy saved against always thinking, and what it spent more than never thinking would have, over all decisions.

    Explored ones and pairs are taken for a fair sample of the rest of their verdict and arm; null where one of these has none.
    """
    decided, n = evidence.table, len(evidence.table)
    thinks = decided.policy_reasoning.to_numpy(bool)
    rates = {"tokens": 1.0, "usd": usd_per_token(decided), "gpu_seconds": _gpu_seconds_per_token(record)}
    sides = {"saved_against_always": (1.0, thinks | ~could_think(decided)), "saved_against_never": (-1.0, ~thinks)}
    figures = {}
    kinds: list[Contrast | Modelled] = [*contrasts, expected]
    for kind in kinds:
        arms = kind.arm_counts if isinstance(kind, Contrast) else None
        for (name, (sign, zero)), (unit, rate) in product_of(sides.items(), rates.items()):
            value, bounds, known = mean_over_all(sign * kind.extra_tokens * rate, decided, zero=zero, arm_counts=arms)
            figures[f"{unit}_{name}_{kind.evidence}"] = figure(
                None if value is None else value * n, bounds and (bounds[0] * n, bounds[1] * n), n=known, evidence=kind.evidence, unit=unit
            )  # fmt: skip
    for unit, name in (("tokens", "output_tokens"), ("usd", "cost_usd"), ("gpu_seconds", "gpu_seconds")):
        values = record.attempts[name].to_numpy(float)
        known = np.isfinite(values)
        spent = float(values[known].sum()) if known.any() else None
        figures[f"{unit}_spent"] = figure(spent, n=int(known.sum()), evidence=OBSERVED, unit=unit)
    return section(
        "Finance", "Output tokens, dollars and GPU seconds that the policy (without its exploration) saved against always thinking, and against "
        "never thinking: there a negative figure is what thinking cost. Each verdict is estimated from its own evidence, and the figure is "
        "unknown where one has none. Dollars are tokens at the bundle's price of the model, GPU seconds "
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
        "prompts. The rates of misroutes are the share of decisions in the slices that a search found and a test called misrouted, given these "
        "slices: what is too small to be told is not counted. The regret there is of the same decisions that the slices were told by, and so "
        "a little high; tokens and dollars are what the other arm would have saved, negative where it would have cost more. "
        "Worth over always and over never thinking: net_benefit of the policy over either constant, a decision.",
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


def _of_arm(record: Record, arm: str) -> pd.DataFrame:
    return record.attempts[(record.attempts.reasoning == (arm == "reasoning")).to_numpy(bool)]


def _gpu_seconds_per_token(record: Record) -> float:
    """Return the GPU seconds that a token took, over the attempts that tell both; nan where none does."""
    told = record.attempts[["gpu_seconds", "output_tokens"]].dropna()
    return float(told.gpu_seconds.sum() / told.output_tokens.sum()) if told.output_tokens.sum() > 0 else float("nan")
