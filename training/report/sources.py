"""The figures of one source, and those over sources: macro-means within sources, and pooled ones beside what sources alone are worth."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import Profile
from contract.records import Verdict
from training.metrics import auc, held, measured, qs, resampled
from training.report.curves import efficiency
from training.report.orders import BASELINES, OURS, baselines, our_orders, source_means
from training.report.outcomes import realised_extra_tokens, realised_net_benefit
from training.report.policies import policies
from training.report.reliability import reliability
from training.report.slices import behind_verdicts

Array = NDArray[Any]

LEAST_PAIRS = 100
"""Pairs under which a source's q and AUC hang on a handful of prompts, and so does their interval."""


def telling(sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reports of the sources of LEAST_PAIRS or more; of all where none has as many."""
    large = {name: report for name, report in sources.items() if report["n"] >= LEAST_PAIRS}
    return large or dict(sources)


def source_report(
    table: pd.DataFrame,
    profile: Profile,
    name: str = "balanced",
    others: Sequence[str] = (),
    draws: "Draws | None" = None,
) -> dict[str, Any]:
    """Return the figures of one source, whose verdicts are those of `profile`; an undefined figure is None.

    Args:
        table: predictions beside outcomes, see `training.evaluate.predictions`.
        profile: the profile of column `verdict`.
        name: its name.
        others: further profiles, of columns `verdict_P`.
        draws: `q_draws` of the table, where they are known.
    """
    gain, groups = table.gain.to_numpy(float), table.group.to_numpy(str)
    extra, direct = realised_extra_tokens(table), table.score_direct.to_numpy(float)
    ours, theirs = our_orders(table), baselines(table)
    report: dict[str, Any] = {"n": len(table), "prompts": len(set(groups)), "mean_gain": float(gain.mean())}
    figures = (draws or q_draws(table)).held()
    report |= {key: figures[key] for key in ours}
    report["q_baselines"] = {key: figures[key] for key in theirs}
    expected = table.expected_gain.to_numpy(float)
    report["auc"] = measured(lambda rows: auc(expected[rows], gain[rows]), groups)
    calibrated = reliability(table, profile)
    report["ece_p_use"], report["reliability"] = calibrated["p_use"]["ece"], calibrated
    realised = realised_net_benefit(table, profile)
    report["verdicts"] = behind_verdicts(table.verdict.to_numpy(str), gain, realised, groups)
    report["familiarity"] = {
        "mean": float(table.familiarity.mean()),
        "below_half": float((table.familiarity < 0.5).mean()),
    }
    report["policies"] = policies(table, name, [name, *others])
    shown = {OURS: ours["q"], **{key: theirs[key] for key in ("task mean", "prompt length")}}
    report["efficiency"] = efficiency(shown, direct, gain, extra, groups, of=OURS)
    return report


class Draws(NamedTuple):
    """q of each order of a source, ours and the baselines': its value [orders] and that of each resample [resamples, orders]."""

    names: tuple[str, ...]
    value: Array
    again: Array

    def held(self) -> dict[str, dict[str, Any]]:
        """Return each q with its interval as a report holds it."""
        columns = self.again.T if len(self.again) else np.empty((len(self.names), 0))
        return {name: held(v, column) for name, v, column in zip(self.names, self.value, columns, strict=True)}

    def over(self) -> dict[str, dict[str, Any]]:
        """Return what the first order has over each other, paired."""
        less = Draws(self.names[1:], self.value[:1] - self.value[1:], self.again[:, :1] - self.again[:, 1:])
        return less.held()


def q_draws(table: pd.DataFrame, orders: Mapping[str, Array] | None = None) -> Draws:
    """Return q of our orders and the baselines (or of `orders`, [n] by name) on a table, and on resamples of its prompts."""
    orders = {**our_orders(table), **baselines(table)} if orders is None else orders
    gain, extra, keys = table.gain.to_numpy(float), realised_extra_tokens(table), list(orders.values())
    value = qs(keys, gain, extra)
    if not np.isfinite(value).all():
        return Draws(tuple(orders), value, np.empty((0, 0)))
    groups = table.group.to_numpy(str)
    again = resampled(lambda rows: qs([key[rows] for key in keys], gain[rows], extra[rows]), groups)
    return Draws(tuple(orders), value, again)


def mean_of(parts: Sequence[Draws]) -> Draws:
    """Return the mean of sources, of which there must be one, each with the same orders; without resamples where one has none."""
    names, mean = parts[0].names, np.mean([part.value for part in parts], axis=0)
    if not all(len(part.again) for part in parts):
        return Draws(names, mean, np.full((1, len(names)), np.nan))
    # Sources were drawn by equal seeds: resamples of each in an order of its own, so that they are independent.
    mixed = [np.random.default_rng(i).permutation(part.again) for i, part in enumerate(parts)]
    return Draws(names, mean, np.mean(mixed, axis=0))


def macro(draws: Mapping[str, Draws]) -> dict[str, Any]:
    """Return the mean of q within sources, of our orders and the baselines', and what ours has over each baseline.

    Intervals: 95 % bootstrap over prompts, drawn within each source; those of differences are paired. A source in which q is
    undefined has no part.

    Args:
        draws: of each source that tells something.
    """
    parts = [part for part in draws.values() if np.isfinite(part.value).all()]
    if not parts:
        return {"sources": 0, "q": {}, "over_baseline": {}}
    told = mean_of(parts)
    over = told.over()
    return {"sources": len(parts), "q": told.held(), "over_baseline": {name: over[name] for name in BASELINES}}


def pooled(table: pd.DataFrame) -> dict[str, Any]:
    """Return q over all pairs of ours, of the source's mean gain and of the baselines, with intervals, what ours has over each other, and our AUC.

    Pooled q rewards recognising the source: read it beside that of the source means alone.
    """
    gain, groups, extra = table.gain.to_numpy(float), table.group.to_numpy(str), realised_extra_tokens(table)
    theirs = baselines(table)
    orders = {
        OURS: table.worth.to_numpy(float), "source mean": source_means(table),
        **{name: theirs[name] for name in BASELINES},
    }  # fmt: skip
    expected = table.expected_gain.to_numpy(float)
    area = measured(lambda rows: auc(expected[rows], gain[rows]), groups)
    direct = table.score_direct.to_numpy(float)
    shown = {OURS: orders[OURS], **{name: theirs[name] for name in ("task mean", "prompt length")}}
    draws = q_draws(table, orders)
    return {
        "q": draws.held(), "over_baseline": draws.over(), "auc": area,
        "efficiency": efficiency(shown, direct, gain, extra, groups, of=OURS),
    }  # fmt: skip


def one_arm(table: pd.DataFrame) -> dict[str, Any]:
    """Return the doubly robust mean gain of a source's prompts with one arm, in all and behind each verdict."""
    gain, groups, verdict = table.gain.to_numpy(float), table.group.to_numpy(str), table.verdict.to_numpy(str)
    every = np.ones(len(table), dtype=bool)
    return {
        **_mean_gain(gain, every, groups),
        "verdicts": {str(v): _mean_gain(gain, verdict == v, groups) for v in Verdict},
    }


def _mean_gain(gain: Array, mask: Array, groups: Array) -> dict[str, Any]:
    if not mask.any():
        return {"n": 0, "mean_gain": None, "interval": None}
    part = measured(lambda rows: float(gain[mask][rows].mean()), groups[mask])
    return {"n": int(mask.sum()), "mean_gain": part["value"], "interval": part["interval"]}
