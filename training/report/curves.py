"""Cost against quality when prompts are switched to thinking one after another, and what is read off that curve.

Thinking calls are what RouteLLM calls strong calls, direct ones weak calls; cost is extra tokens over `never`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.metrics import defined, held, resampled

LOSS = 0.01
"""Share of the score of `always` that may be lost for tokens to count as saved."""

POINTS = 41
"""Points of a curve in a report."""

Array = NDArray[Any]


class Curve(NamedTuple):
    """After each switch, from none to all, [n + 1]: share of prompts that think, extra tokens a prompt, mean score."""

    share: Array
    tokens: Array
    score: Array


def curve(order: Array, score_direct: Array, gain: Array, extra_tokens: Array) -> Curve:
    """Return the curve of an order [n], highest first; tied prompts are switched together."""
    n = len(order)
    by = np.argsort(-order, kind="stable")
    tokens = np.r_[0.0, np.cumsum(extra_tokens[by])] / n
    score = score_direct.mean() + np.r_[0.0, np.cumsum(gain[by])] / n
    ends = np.r_[True, np.diff(order[by]) != 0, True]
    return Curve(np.arange(n + 1)[ends] / n, tokens[ends], score[ends])


def oracle(gain: Array, extra_tokens: Array) -> Array:
    """Return the order of one who knows the realised gains: by gain per extra token."""
    return np.asarray(gain / np.maximum(extra_tokens, 1.0))


def random(score_direct: Array, gain: Array, extra_tokens: Array) -> Curve:
    """Return the expected curve of a random order: the straight line from never to always."""
    return Curve(
        np.array([0.0, 1.0]),
        np.array([0.0, extra_tokens.mean()]),
        np.array([score_direct.mean(), (score_direct + gain).mean()]),
    )


def recovered(points: Curve) -> Array:
    """Return the performance gap recovered at each point; nan where `always` does not score more than `never`.

    PGR = (score - score of never) / (score of always - score of never): RouteLLM (Ong et al. 2024, arXiv 2406.18665), sec. 2.
    """
    gap = points.score[-1] - points.score[0]
    return (points.score - points.score[0]) / gap if gap > 1e-9 else np.full(len(points.score), np.nan)


def apgr(points: Curve) -> float:
    """Return the average performance gap recovered, PGR integrated over the share of thinking calls from 0 to 1.

    RouteLLM (arXiv 2406.18665), which sums ten shares; here the trapezoid of every switch. 0.5 is what a random order has.
    """
    return float(np.trapezoid(recovered(points), points.share))


def cpt(points: Curve, target: float) -> float:
    """Return the call-performance threshold: the least share of thinking calls that recovers `target` of the gap.

    RouteLLM (arXiv 2406.18665): CPT(50 %) is cpt(points, 0.5). Between two points linear; nan where there is no gap.
    """
    return _first(points.share, recovered(points), target)


def aiq(points: Curve) -> float:
    """Return the mean score along the non-decreasing convex hull of the curve, over extra tokens from none to all.

    AIQ of RouterBench (Hu et al. 2024, arXiv 2403.12031), "average improvement in quality": the integral of the hull over cost
    divided by the range of cost. The hull is what mixing two points at random reaches, without ever paying for less score.
    """
    x, y = hull(points.tokens, points.score)
    return float(np.trapezoid(y, x) / (x[-1] - x[0])) if x[-1] > x[0] else float("nan")


def tokens_saved(points: Curve, loss: float = LOSS) -> float:
    """Return the greatest share of the extra tokens of `always` that is saved at a score >= (1 - loss) x that of `always`.

    It is chosen in hindsight, on the same prompts: an upper bound of what a threshold set beforehand saves.
    """
    if points.tokens[-1] <= 0:
        return float("nan")
    spent = _first(points.tokens, points.score, (1 - loss) * points.score[-1])
    return float(1 - spent / points.tokens[-1])


FIGURES: Mapping[str, Callable[[Curve], float]] = {
    "apgr": apgr, "cpt_50": lambda points: cpt(points, 0.5), "cpt_80": lambda points: cpt(points, 0.8),
    "aiq": aiq, "tokens_saved": tokens_saved,
}  # fmt: skip


def efficiency(
    orders: Mapping[str, Array], score_direct: Array, gain: Array, extra_tokens: Array, groups: Array, *, of: str
) -> dict[str, Any]:
    """Return the `FIGURES` and the curve of each order, of random and of the oracle; intervals are those of the order `of`."""
    made = {name: curve(order, score_direct, gain, extra_tokens) for name, order in orders.items()}
    made |= {
        "random": random(score_direct, gain, extra_tokens),
        "oracle": curve(oracle(gain, extra_tokens), score_direct, gain, extra_tokens),
    }
    own = orders[of]

    def again(rows: Array) -> list[float]:
        points = curve(own[rows], score_direct[rows], gain[rows], extra_tokens[rows])
        return [figure(points) for figure in FIGURES.values()]

    values = resampled(again, groups)
    out: dict[str, Any] = {}
    for name, points in made.items():
        figures: dict[str, Any] = {}
        for i, (key, figure) in enumerate(FIGURES.items()):
            value = figure(points)
            known = held(value, values[:, i]) if len(values) else {"value": defined(value), "interval": None}
            figures[key] = known if name == of else {"value": defined(value), "interval": None}
        out[name] = figures | {"curve": thinned(points)}
    return out


def thinned(points: Curve, most: int = POINTS) -> dict[str, list[float]]:
    """Return a curve at `most` even shares of thinking calls, as a report holds it."""
    share = np.linspace(0, 1, most)
    columns = {"share": share} | {
        name: np.interp(share, points.share, getattr(points, name)) for name in ("tokens", "score")
    }
    return {name: [round(float(value), 5) for value in values] for name, values in columns.items()}


def _first(x: Array, y: Array, level: float) -> float:
    """Return the least x at which the piecewise-linear y(x) reaches a level; nan where it never does."""
    reached = np.flatnonzero(y >= level - 1e-12)
    if not len(reached):
        return float("nan")
    i = int(reached[0])
    if i == 0:
        return float(x[0])
    part = (level - y[i - 1]) / (y[i] - y[i - 1])
    return float(x[i - 1] + min(max(part, 0.0), 1.0) * (x[i] - x[i - 1]))


def hull(x: Array, y: Array) -> tuple[Array, Array]:
    """Return the upper concave hull of points of increasing x, made flat where it would fall."""
    rises = np.r_[True, y[1:] > np.maximum.accumulate(y)[:-1]]  # no other point is a corner
    rises[-1] = True
    kept: list[tuple[float, float]] = []
    for point in zip(x[rises].tolist(), y[rises].tolist(), strict=True):
        while len(kept) > 1 and _turns_up(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    hull = np.array(kept)
    return hull[:, 0], np.maximum.accumulate(hull[:, 1])


def _turns_up(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0])
