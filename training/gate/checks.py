"""The checks of the gate: each a row of its table, from the answers of both sides to the same rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.bundle import QUANTILES
from contract.errors import InvalidInput
from contract.profiles import Profile
from contract.records import Arm
from contract.store.explored import is_chance
from training.gate.sides import IMPROVED, OUTCOMES, GateConfig, Side, bounds_of, floor, mean_bounds, row
from training.metrics import expected_calibration_error, resampled
from training.report.outcomes import realised_net_benefit
from training.report.reliability import BINS, clustered
from training.report.sources import LEAST_PAIRS, mean_of, q_draws

PROMISED = QUANTILES[-1]
"""Share of the needs that a budget is promised to fit."""

Array = NDArray[Any]
Table = list[dict[str, Any]]

SLICED_BY = ("source", "task", "language")
SLICE_PROMPTS = 20
"""Prompts of a slice under which it is not judged."""


def paired(champion: pd.DataFrame, challenger: pd.DataFrame, profile: Profile) -> pd.DataFrame:
    """Return the rows with what both sides answer: worth_, p_use_ and value_, the net_benefit of doing what it says.

    A verdict that grants a thinking budget is taken to think, and to gain and cost what thinking did. Where the log's tokens say nothing of
    the price of thinking, both are charged the mean of what they expect: a bundle is not better for expecting fewer tokens.
    """
    if champion.empty:
        return champion.assign(group=[], modelled=np.zeros(0, bool))
    expected = (champion.expected_extra_tokens + challenger.expected_extra_tokens) / 2
    both = champion.assign(expected_extra_tokens=expected, modelled=champion.modelled.astype(bool))
    both["realised"] = realised_net_benefit(both, profile)
    for name, side in (("champion", champion), ("challenger", challenger)):
        both[f"worth_{name}"], both[f"p_use_{name}"] = side.worth.to_numpy(float), side.p_use.to_numpy(float)
        both[f"value_{name}"] = np.where(side.thinking_budget.to_numpy(float) > 0, both.realised, 0.0)
    return both


Order = tuple[tuple[float, float], Array]
"""q of both sides, and resamples of its difference."""


def order(pairs: pd.DataFrame) -> Order:
    """Return the macro-mean of q within sources of both, and its resampled differences; nan where no order is better than another."""
    sizes = pairs.groupby("source").size()
    names = sizes.index[sizes >= LEAST_PAIRS] if (sizes >= LEAST_PAIRS).any() else sizes.index
    parts = []
    for name in names:
        part = pairs[pairs.source == name].reset_index(drop=True)
        drawn = q_draws(part, {side: part[f"worth_{side}"].to_numpy(float) for side in ("challenger", "champion")})
        if np.isfinite(drawn.value).all():
            parts.append(drawn)
    if not parts:
        return (float("nan"), float("nan")), np.empty(0)
    mean = mean_of(parts)
    return (float(mean.value[1]), float(mean.value[0])), mean.again[:, 0] - mean.again[:, 1]


def q(found: Order, config: GateConfig, n: int) -> dict[str, Any]:
    """Return the floor of the macro-mean of q within sources, of n pairs."""
    sides, again = found
    return floor("q, macro over sources", sides, bounds_of(again), n=n, limit=config.q_drop)


def calibration(pairs: pd.DataFrame, profile: Profile, config: GateConfig) -> dict[str, Any]:
    """Return the floor of the calibration error of P(use): which pairs are labelled `use` is the same for both."""
    happened = (pairs.realised.to_numpy(float) > profile.margin).astype(float)
    said = [pairs[f"p_use_{side}"].to_numpy(float) for side in ("champion", "challenger")]

    def errors(rows: Array) -> Array:
        return np.array([expected_calibration_error(one[rows], happened[rows], BINS) for one in said])

    ours, again = errors(np.arange(len(pairs))), resampled(errors, pairs.group.to_numpy(str))
    bounds = bounds_of(again[:, 1] - again[:, 0]) if len(again) else None
    return floor("ECE of P(use)", (ours[0], ours[1]), bounds, n=len(pairs), limit=config.ece_rise, sign=-1)


def coverage(champion: pd.DataFrame, challenger: pd.DataFrame, config: GateConfig) -> dict[str, Any]:
    """Return the floor of the share of needs, of attempts that were not cut off, that fit the budget.

    Budgets are promised to fit PROMISED of the needs: a challenger that is not shown to be under that has saved tokens, not lost coverage.
    """
    whole = ~champion.censored.to_numpy(bool)
    needed, groups = champion.thinking_tokens.to_numpy(float)[whole], champion.group.to_numpy(str)[whole]
    fits = [(needed <= side.budget.to_numpy(float)[whole]).astype(float) for side in (champion, challenger)]
    if not len(needed):
        return row("budget coverage", (None, None), n=0, limit=config.coverage_drop, passed=None)
    sides, bounds = (float(fits[0].mean()), float(fits[1].mean())), mean_bounds(fits[1] - fits[0], groups)
    found, own = (
        floor("budget coverage", sides, bounds, n=len(needed), limit=config.coverage_drop),
        mean_bounds(fits[1], groups),
    )
    return found | {"passed": True} if own and own[1] >= PROMISED else found


def slices(both: pd.DataFrame, config: GateConfig) -> Iterator[dict[str, Any]]:
    """Yield the floor of each slice of SLICE_PROMPTS or more; intervals are at 95 % for all of them together."""
    parts = [
        (f"{column} {value}", part)
        for column in SLICED_BY if column in both
        for value, part in both.groupby(both[column].astype("string"), dropna=True)
        if part.group.nunique() >= SLICE_PROMPTS
    ]  # fmt: skip
    for name, part in parts:
        sides = float(part.value_champion.mean()), float(part.value_challenger.mean())
        lost = (part.value_challenger - part.value_champion).to_numpy(float)
        bounds = clustered(lost, part.group.to_numpy(str), comparisons=len(parts))
        yield floor(name, sides, bounds, n=len(part), limit=config.slice_loss)


def worst(slices: Sequence[Mapping[str, Any]], config: GateConfig) -> dict[str, Any]:
    """Return the slice that lost most, those that fail first."""
    judged = [one for one in slices if one["passed"] is not None]
    if not judged:
        return row("net_benefit of the worst slice", (None, None), n=0, limit=config.slice_loss, passed=None)
    lowest = min(judged, key=lambda one: (one["passed"], one["difference"]))
    return {**lowest, "check": f"net_benefit of the worst slice: {lowest['check']}"}


def latency(champion: Side, challenger: Side, config: GateConfig) -> dict[str, Any]:
    """Return the floor of the time of an answer: a ratio, or so few milliseconds that no ratio counts."""
    before, after, n, limit = champion.latency_ms, challenger.latency_ms, challenger.timed, config.latency_ratio
    if before is None or after is None:
        return row("ms an answer", (before, after), n=n, limit=limit, passed=None)
    fits = after <= limit * before or after - before <= config.latency_ms
    return row("ms an answer", (before, after), n=n, limit=limit, passed=fits, difference=after - before)


def improvements(both: pd.DataFrame, found: Order) -> Table:
    """Return the rows of what may have improved: what the verdicts are worth, and the order of prompts."""
    (before, after), again = found
    worth = [both[f"value_{side}"].to_numpy(float) for side in ("champion", "challenger")]
    value = float(worth[0].mean()), float(worth[1].mean())
    rows = {
        "improved: net_benefit a prompt": (value, mean_bounds(worth[1] - worth[0], both.group.to_numpy(str), IMPROVED), len(both)),
        "improved: q, macro over sources": ((before, after), bounds_of(again, IMPROVED), int((~both.modelled).sum())),
    }  # fmt: skip
    return [
        row(name, sides, n=n, limit=0.0, passed=bounds[0] > 0, difference=sides[1] - sides[0], interval=bounds)
        if bounds and np.isfinite(sides).all()
        else row(name, (None, None), n=n, limit=0.0, passed=None)
        for name, (sides, bounds, n) in rows.items()
    ]


def recent(outcomes: pd.DataFrame | None, profile: Profile, config: GateConfig) -> dict[str, Any]:
    """Return the row of recent outcomes: inverse-propensity means (Horvitz and Thompson 1952) of what each bundle's arm brings.

    Only decisions count whose arm was drawn (0 < p_reasoning < 1), with a score and tokens, of which both bundles' arms are known: n of them.
    """
    name, limit = "net_benefit of recent outcomes", config.outcome_loss
    if outcomes is None:
        return row(name, (None, None), n=0, limit=limit, passed=None)
    if lacking := [column for column in OUTCOMES if column not in outcomes]:
        raise InvalidInput(
            f"recent outcomes lack {', '.join(lacking)}; they need {', '.join(OUTCOMES)}", field=lacking[0]
        )
    p = outcomes.p_reasoning.astype(float)
    known = outcomes[["score", "output_tokens", "arm_champion", "arm_challenger"]].notna().all(axis=1)
    drawn = outcomes[known & is_chance(p)]
    if drawn.prompt.nunique() < config.least_prompts:
        return row(name, (None, None), n=len(drawn), limit=limit, passed=None)
    reasoned = drawn.arm.to_numpy(str) == str(Arm.REASONING)
    chance = np.where(reasoned, drawn.p_reasoning.astype(float), 1 - drawn.p_reasoning.astype(float))
    brought = (drawn.score.astype(float) - drawn.output_tokens.astype(float) / profile.tokens_per_point).to_numpy(
        float
    ) / chance
    means = [
        np.where(drawn[f"arm_{side}"].to_numpy(str) == drawn.arm.to_numpy(str), brought, 0.0)
        for side in ("champion", "challenger")
    ]
    sides = float(means[0].mean()), float(means[1].mean())
    bounds = mean_bounds(means[1] - means[0], drawn.prompt.to_numpy(str))
    return floor(name, sides, bounds, n=len(drawn), limit=limit)
