"""Does familiarity predict trustworthiness: accuracy of verdicts and q as fewer, more familiar prompts are covered."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.profiles import Profile
from contract.records import Verdict
from training.metrics import defined, held, mean_measured, q, resampled
from training.report.outcomes import realised_extra_tokens, realised_net_benefit

COVERAGES = tuple(i / 10 for i in range(1, 11))
LEAST_COVERED = 50
"""Covered pairs of a source under which it has no part in q at that coverage."""

Array = NDArray[Any]


def risk_coverage(table: pd.DataFrame, profile: Profile) -> dict[str, Any]:
    """Return how good verdicts are on the most familiar prompts alone (El-Yaniv and Wiener 2010, risk-coverage curve).

    points: for each coverage, the pairs of that share of highest familiarity (ties in a fixed random order): n, how many have
        a verdict `use` or `avoid`, the accuracy of those (`right`), how many of them `differ` (a gain or a loss beyond the
        profile's margin) and the accuracy among these, and q, the mean within sources of `LEAST_COVERED` covered pairs or more.
    area: mean over all coverages of the risk, 1 - accuracy among those that differ; beside it `area_random`, the risk of all, which
        is what a familiarity that tells nothing has. `gained` is the difference, above 0 where familiarity tells something.

    A verdict is of a mean, and most single pairs of two graded answers end alike, which makes each `use` of them wrong and each
    `avoid` right: accuracy over all pairs mostly counts ties, and falls wherever `use` is more frequent.
    """
    familiarity, correct = table.familiarity.to_numpy(float), right(table, profile)
    differ = np.where(np.abs(table.gain.to_numpy(float)) > profile.margin, correct, np.nan)
    groups, by = table.group.to_numpy(str), _most_familiar(table.familiarity.to_numpy(float))
    gain, extra, worth = table.gain.to_numpy(float), realised_extra_tokens(table), table.worth.to_numpy(float)
    source = table.source.to_numpy(str)
    points = []
    for coverage in COVERAGES:
        rows = by[: round(coverage * len(by))]
        told, apart = (rows[~np.isnan(values[rows])] for values in (correct, differ))
        within = [
            q(worth[own], gain[own], extra[own])
            for own in (rows[source[rows] == name] for name in np.unique(source[rows]))
            if len(own) >= LEAST_COVERED
        ]
        known = [value for value in within if np.isfinite(value)]
        points.append(
            {
                "coverage": coverage, "n": len(rows), "familiarity": float(familiarity[rows].min()) if len(rows) else None,
                "decided": len(told), "accuracy": float(correct[told].mean()) if len(told) else None,
                "differ": len(apart), "accuracy_differ": float(differ[apart].mean()) if len(apart) else None,
                "q": float(np.mean(known)) if known else None, "sources": len(known),
            }
        )  # fmt: skip

    def areas(rows: Array) -> tuple[float, float, float]:
        area, flat = risk_area(familiarity[rows], differ[rows])
        return area, flat, flat - area

    every, values = areas(np.arange(len(table))), resampled(areas, groups)
    names = ("area", "area_random", "gained")
    figures = {
        name: held(every[i], values[:, i]) if len(values) else {"value": defined(every[i]), "interval": None}
        for i, name in enumerate(names)
    }
    return {"points": points, **figures, "confident": confident(table, profile)}


def confident(table: pd.DataFrame, profile: Profile) -> dict[str, Any]:
    """Return what `use` and `avoid` are worth where they fall: realised net_benefit a prompt, in points, over always and never thinking.

    Over all pairs with such a verdict, and in each source: n, `over_always` (what `avoid` saves) and `over_never` (what `use` gains), each
    with its interval. Both above 0: following does less harm than either constant.
    """
    decided = table[(table.verdict != Verdict.MAYBE).to_numpy(bool)].reset_index(drop=True)
    net = realised_net_benefit(decided, profile)
    use, groups, source = (decided[name].to_numpy(str) for name in ("verdict", "group", "source"))

    def worth(rows: Array) -> dict[str, Any]:
        sides = {
            "over_always": np.where(use == Verdict.AVOID, -net, 0.0),
            "over_never": np.where(use == Verdict.USE, net, 0.0),
        }
        return {"n": len(rows), **{name: mean_measured(values[rows], groups[rows]) for name, values in sides.items()}}

    every = np.arange(len(decided))
    return {**worth(every), "sources": {str(name): worth(every[source == name]) for name in np.unique(source)}}


def right(table: pd.DataFrame, profile: Profile) -> Array:
    """Return whether each verdict agrees with the sign of the realised net_benefit, [n]: 1, 0, .5 of none, nan of `maybe`."""
    realised, verdict = realised_net_benefit(table, profile), table.verdict.to_numpy(str)
    side = np.select([verdict == Verdict.USE, verdict == Verdict.AVOID], [1.0, -1.0], np.nan)
    return np.asarray((np.sign(realised) * side + 1) / 2)


def risk_area(familiarity: Array, correct: Array) -> tuple[float, float]:
    """Return the mean risk over the coverages of the decided rows, and the risk of all of them; nan where none is decided."""
    told = ~np.isnan(correct)
    if not told.any():
        return float("nan"), float("nan")
    wrong = 1 - correct[told][_most_familiar(familiarity[told])]
    return float((np.cumsum(wrong) / np.arange(1, len(wrong) + 1)).mean()), float(wrong.mean())


def _most_familiar(familiarity: Array) -> Array:
    shuffle = np.random.default_rng(0).permutation(len(familiarity))
    return np.asarray(shuffle[np.argsort(-familiarity[shuffle], kind="stable")])
