"""Whether expectations came true in production: scores, tokens, and budgets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import erf

from audit.config import AuditConfig
from audit.estimates import Contrast, fraction, mean_of, means
from audit.evidence import Evidence, own_arm
from audit.figures import OBSERVED, figure, section, table
from audit.intervals import wilson
from audit.reading import Record
from training.metrics import equal_mass, expected_calibration_error, resampled

Array = NDArray[Any]

BINS = 10
SAMPLE = 20_000
"""Decisions that a bootstrap interval is made of, at most."""

CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""Words of providers for an answer that was cut off."""


SCORED = ("arm", "expected_score", "score", "lower", "upper", "n")
COVERED = ("task", "coverage", "lower", "upper", "n", "cut_off")
"""Columns of the section's tables."""


def calibration(
    record: Record, evidence: Evidence, contrasts: Sequence[Contrast], config: AuditConfig
) -> dict[str, Any]:
    """Return the section on calibration: the score of the arm taken, the extra tokens, and the coverage of budgets."""
    decided = evidence.table
    bins, figures = [], {}
    for arm in ("direct", "reasoning"):
        rows, told = _scores(decided, arm)
        bins += told
        figures[f"ece_{arm}"] = _ece(decided.iloc[rows], arm, config)
    for contrast in contrasts:
        known = np.isfinite(contrast.extra_tokens)
        off = contrast.extra_tokens - decided.expected_extra_tokens.to_numpy(float)
        value, interval, n = mean_of(np.where(known, off, np.nan), decided, contrast.arm_counts)
        name = f"extra_tokens_over_expected_{contrast.evidence}"
        figures[name] = figure(value, interval, n=n, evidence=contrast.evidence, unit="tokens")
    budgets = _budgets(record, decided)
    figures["budget_coverage"] = (
        budgets[0]["covered"] if budgets else figure(None, n=0, evidence=OBSERVED, unit="share")
    )
    text = (
        "Of the arm that was taken: the expected score beside the observed one, in bins of equal size, and the share of reasoning attempts "
        "whose thinking stayed within the budget and was not cut off. The arm was chosen, so this says nothing of the other one; the extra "
        "tokens are compared where both arms had a chance, or were run."
    )
    flat = [{"task": row["task"], **_flat(row["covered"]), "cut_off": row["cut_off"]} for row in budgets]
    return section(
        "Calibration in production", text, figures=figures,
        tables={
            "scores": table("Expected and observed score", bins, SCORED), "budgets": table("Thinking within its budget", flat, COVERED),
        },
    )  # fmt: skip


def _scores(decided: pd.DataFrame, arm: str) -> tuple[Array, list[dict[str, Any]]]:
    taken = decided.reasoning.to_numpy(bool) == (arm == "reasoning")
    score = own_arm(decided, "score")
    rows = np.flatnonzero(taken & np.isfinite(score))
    expected = _expected(decided, arm)
    out = []
    for part in equal_mass(expected[rows], BINS) if len(rows) else []:
        own = rows[part]
        value, interval, n = mean_of(score[own], decided.iloc[own])
        lower, upper = interval or (None, None)
        out.append(
            {
                "arm": arm,
                "expected_score": float(expected[own].mean()),
                "score": value,
                "lower": lower,
                "upper": upper,
                "n": n,
            }
        )
    return rows, out


def _expected(decided: pd.DataFrame, arm: str) -> Array:
    direct = decided.expected_score_direct.to_numpy(float)
    return direct if arm == "direct" else np.clip(direct + decided.expected_gain.to_numpy(float), 0, 1)


def _ece(part: pd.DataFrame, arm: str, config: AuditConfig) -> dict[str, Any]:
    """Return the calibration error without what noise adds to it, from SAMPLE decisions at most; its interval is that of the bootstrap.

    Of calibrated scores too the bins' means are off. So the gaps are scaled until they and their noise give the error that was seen, on
    average; a resample has its own noise beside, of the same variance.
    """
    if len(part) > SAMPLE:
        part = part.iloc[np.argsort(fraction(part, config.seed + 2), kind="stable")[:SAMPLE]]
    n = len(part)
    if n < config.least_decisions:
        return figure(None, n=n, evidence=OBSERVED, unit="points")
    expected, score = _expected(part, arm), own_arm(part, "score")
    gap, wide, share = _gaps(expected, score, part.prompt.to_numpy())

    def error(rows: Array) -> float:
        return expected_calibration_error(expected[rows], score[rows], BINS)

    value = _without_noise(error(np.arange(n)), gap, wide, share)
    values = resampled(error, part.prompt.to_numpy(), seed=config.seed, resamples=config.resamples).ravel()
    if not len(values):
        return figure(value, n=n, evidence=OBSERVED, unit="points")
    bounds = np.quantile(values, [0.025, 0.975])
    lower, upper = (_without_noise(float(bound), gap, np.sqrt(2) * wide, share) for bound in bounds)
    return figure(value, (min(lower, value), max(upper, value)), n=n, evidence=OBSERVED, unit="points")


def _gaps(expected: Array, score: Array, prompt: Array) -> tuple[Array, Array, Array]:
    """Return the gap of each bin between observed and expected score, its standard error over prompts and the bin's share, [bins]."""
    group, bins = np.empty(len(score), int), equal_mass(expected, BINS)
    for number, part in enumerate(bins):
        group[part] = number
    found = means(score - expected, group, prompt, len(bins))
    return found.mean, np.nan_to_num(found.error), found.n / len(score)


def _without_noise(seen: float, gap: Array, error: Array, share: Array) -> float:
    """Return the mean size of the gaps, scaled so that with normal errors about them it is on average the one that was seen; 0 at least."""
    size = float((share * np.abs(gap)).sum())
    if not error.any() or size == 0:
        return seen
    wide = np.where(error > 0, error, 1e-12)

    def over(scale: float) -> float:  # the mean of a folded normal, bin by bin, over what was seen
        z = scale * np.abs(gap) / wide
        return float((share * wide * (np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) + z * erf(z / np.sqrt(2)))).sum()) - seen

    most = seen / size * (1 + 1e-9)
    return size * float(brentq(over, 0.0, most)) if over(0.0) < 0 < over(most) else 0.0


def _budgets(record: Record, decided: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the coverage of budgets over all attempts that were to think under one, and by task."""
    attempts = record.attempts
    budget = decided.reasoning_budget.to_numpy(float)[attempts.row]
    cut = attempts.finish_reason.isin(CUT_OFF).to_numpy(bool)
    told = attempts.reasoning.to_numpy(bool) & (budget > 0) & (attempts.overridden != 1).to_numpy(bool)
    told &= np.isfinite(attempts.thinking_tokens.to_numpy(float))
    if not told.any():
        return []
    within = (attempts.thinking_tokens.to_numpy(float) <= budget) & ~cut
    task = decided.task.astype(object).to_numpy()[attempts.row]
    names: list[tuple[str | None, Array]] = [(None, told)]
    names += [(str(name), told & (task == name)) for name in sorted(set(task[told]))]
    return [
        {
            "task": name,
            "covered": figure(*wilson(int(within[rows].sum()), int(rows.sum())), n=int(rows.sum()), evidence=OBSERVED, unit="share"),
            "cut_off": float(cut[rows].mean()),
        }
        for name, rows in names
    ]  # fmt: skip


def _flat(one: dict[str, Any]) -> dict[str, Any]:
    return {"coverage": one["value"], "lower": one["lower"], "upper": one["upper"], "n": one["n"]}
