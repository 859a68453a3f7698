"""Figures in words: units, signs and dashes; an unknown one is a dash, never a zero."""

import math
from datetime import UTC, datetime
from typing import Any

DASH = "–"

UNITS = {
    "tokens": "tokens", "usd": "dollars", "dollars": "dollars", "$": "dollars", "s": "seconds",
    "usd a decision": "dollars", "seconds": "seconds", "gpu_seconds": "seconds", "share": "share", "rate": "share", "probability": "chance",
    "count": "count",
    "decisions": "count", "n": "count", "p-value": "p",
}  # fmt: skip
"""How the units that a report may name are shown."""


NAMES = {
    "over_always": "worth over always thinking", "over_never": "worth over never thinking",
    "ece_direct": "calibration error, direct", "ece_reasoning": "calibration error, reasoning",
    "expected_calibration_error": "calibration error",
    "scored_alike_p": "p that scores are missing alike in both arms", "scored_more_in_reasoning": "more often scored in reasoning",
    "reproduced": "arms reproduced", "gain_explored_weighted": "gain, by weighting alone",
    "extra_tokens_over_expected": "extra tokens beyond the expected", "budget_coverage": "thinking within its budget",
    "cut_off": "cut off", "cut_off_direct": "cut off, direct", "cut_off_reasoning": "cut off, reasoning",
    "timeouts_direct": "time-outs, direct", "timeouts_reasoning": "time-outs, reasoning",
    "latency_p50_direct": "latency p50, direct", "latency_p95_direct": "latency p95, direct",
    "latency_p50_reasoning": "latency p50, reasoning", "latency_p95_reasoning": "latency p95, reasoning",
    "score_direct": "score, direct", "score_reasoning": "score, reasoning",
    "defect_rate_direct": "defect rate, direct", "defect_rate_reasoning": "defect rate, reasoning",
    "tokens_saved_against_always": "tokens saved against always thinking", "tokens_saved_against_never": "tokens saved against never thinking",
    "usd_saved_against_always": "dollars saved against always thinking", "usd_saved_against_never": "dollars saved against never thinking",
    "gpu_seconds_saved_against_always": "GPU seconds saved against always thinking",
    "gpu_seconds_saved_against_never": "GPU seconds saved against never thinking",
    "usd_spent": "dollars spent", "gpu_seconds_spent": "GPU seconds spent", "usd_change": "change of dollars",
    "score_change": "change of score", "output_tokens_change": "change of output tokens", "changed": "share with another arm",
    "share_reasoning_now": "share reasoning now", "prompt_variance_share": "variance between prompts, share",
    "drift_psi": "drift psi", "psi": "stability index", "p_adjusted": "p adjusted",
    "gained_explored": "worth of choices, explored", "gained_observed_pairs": "worth of choices, observed pairs",
    "regret_points_total": "regret in points", "regret_points": "regret a decision", "regret_tokens_total": "tokens saved by the other arm",
    "overthinking_rate": "rate of overthinking", "underthinking_rate": "rate of underthinking",
    "overthinking_regret": "regret of overthinking, points a decision", "underthinking_regret": "regret of underthinking, points a decision",
    "overthinking_regret_tokens": "tokens a decision that not thinking would have saved",
    "underthinking_regret_tokens": "tokens a decision that thinking would have saved",
    "overthinking_regret_usd": "dollars a decision that not thinking would have saved",
    "underthinking_regret_usd": "dollars a decision that thinking would have saved",
    "regret": "regret a decision, expected",
    "loss_points": "loss", "p_misroute": "P(misroute)",
    "mean_p_misroute_right": "mean P(misroute), marked right", "mean_p_misroute_wrong": "mean P(misroute), marked wrong",
    "mean_p_misroute_unsure": "mean P(misroute), marked unsure",
}  # fmt: skip
"""Names of figures and columns that do not read well with spaces alone."""


def number(value: Any, unit: str | None = None) -> str:
    """Return a figure in its unit, the unit's sign included where it is short."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    kind = UNITS.get((unit or "").lower())
    if kind == "share":
        return f"{100 * value:.1f} %"
    if kind == "dollars":
        return f"{'-' if value < 0 else ''}${abs(value):,.{2 if abs(value) >= 1 or not value else 5}f}"
    if kind == "seconds":
        return f"{value:,.2f} s"
    if kind == "tokens":
        return f"{value:,.0f}"
    if kind == "chance":
        return chance(value)
    if kind == "p":
        return p_value(value)
    return plain(value)


def plain(value: float) -> str:
    """Return a number with the digits that its size needs."""
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:,.{0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 3}f}"


def points(value: Any) -> str:
    """Return points of rubric score, with their sign."""
    return DASH if value is None else f"{value:+.3f}"


def share(value: Any) -> str:
    """Return a share in per cent."""
    return number(value, "share")


def tokens(value: Any) -> str:
    """Return tokens, whole."""
    return number(value, "tokens")


def count(value: Any) -> str:
    """Return how many."""
    return number(value)


def loss(value: Any) -> str:
    """Return points that are lost, which have no sign."""
    return DASH if value is None else f"{value:.3f}"


def decimal(value: Any) -> str:
    """Return a number of [0, 1] with two digits."""
    return DASH if value is None else f"{value:.2f}"


def chance(value: Any) -> str:
    """Return a probability with two digits; none that is estimated is certain, so one that they round to 0 or 1 is beyond the last of them."""
    if value is None or 0.005 <= value < 0.995:
        return decimal(value)
    return "< 0.01" if value < 0.5 else "> 0.99"


def moment(value: datetime | None) -> str:
    """Return a time of UTC to the second."""
    return DASH if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def of_total(part: int | None, whole: int) -> str:
    """Return a count and its share of a whole."""
    return f"{count(part)} ({share(part / whole)})" if part is not None and whole else count(part)


def p_value(value: Any) -> str:
    """Return a probability under the null hypothesis; one that is too small for three digits as less than the least."""
    return DASH if value is None else "< .001" if value < 0.001 else f"{value:.3f}"


def fixed(value: Any, digits: int) -> str:
    """Return a number with that many decimals, a thing that is no number as `number` does."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return f"{round(value, digits) + 0.0:,.{digits}f}" if known else number(value)  # + 0.0: no -0.000


def label(name: str) -> str:
    """Return the name of a column or key in words."""
    return NAMES.get(name) or name.replace("_", " ").strip()


FILTERS = {
    "number": number, "points": points, "share": share, "tokens": tokens, "count": count, "decimal": decimal, "chance": chance, "loss": loss, "moment": moment,
    "p_value": p_value, "fixed": fixed, "label": label, "of_total": of_total,
}  # fmt: skip
"""What templates call, by name."""
