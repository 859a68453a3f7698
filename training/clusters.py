"""Clusters of the evidence's asks: how near a prompt is to logs, and what they say in its neighbourhood."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from contract.bundle import LEAST_NEIGHBOURS, Neighbourhood
from training.config import TrainConfig
from training.evidence import Rows, fraction

CENTROIDS = 150
"""Clusters at most."""

LEAST_MEMBERS = LEAST_NEIGHBOURS
"""Prompts of a cluster that is kept: a centroid of fewer would be near to being one of them."""

SAMPLE = 6_000
"""Prompts that clusters are found among, at most."""

REACH, REACH_BESIDE_A_BUNDLE = 0.25, 0.05
"""Share of logged prompts that lie farther from the logs of others than logs speak: where a family speaks beyond, and where a bundle
does, whose correction falls back to it by itself. See docs/decisions/0011 and 0015."""

WIDTH = 1 / 6
"""Share of the quartiles' distance over which the share of logs rises from .5 to .73."""

NARROWEST = 0.01
"""Least width, for logs that are all alike."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Cover:
    """How far logs reach: unit centroids of their asks [c, d], and the cosine to the nearest of them from which on logs speak.

    Attributes:
        centres: unit centroids of clusters of LEAST_MEMBERS logged prompts or more; none where there are no such.
        middle: the quantile, REACH, of the cosines of logged prompts to the centroids of others.
        width: WIDTH of the distance of the quartiles of these.
    """

    centres: Array
    middle: float
    width: float

    @classmethod
    def nowhere(cls, dimension: int) -> "Cover":
        """Return the cover of too few logs, which speak of nothing."""
        return cls(np.zeros((1, dimension), np.float32), middle=1.0, width=NARROWEST)

    @classmethod
    def everywhere(cls, dimension: int) -> "Cover":
        """Return the cover of logs beside which there is no taxonomy to speak."""
        return cls(np.zeros((1, dimension), np.float32), middle=-1.0, width=NARROWEST)

    def near(self, asks: Array) -> Array:
        """Return the cosine of asks [n, d] to the nearest centroid, [n]."""
        return np.asarray((asks @ self.centres.T).max(axis=1))

    def share(self, asks: Array) -> Array:
        """Return how far logs may speak of asks, in (0, 1), [n]."""
        return np.asarray(0.5 + 0.5 * np.tanh((self.near(asks) - self.middle) / (2 * self.width)))  # exp would overflow


def cover(logged: Rows, config: TrainConfig, reach: float = REACH) -> Cover:
    """Return how far logged rows reach, each half of their prompts judged by the centroids of the other."""
    asks, half = _asks(logged), fraction(logged.table.group, config.seed + 3) < 0.5
    centres = centroids(asks, config)
    others = [centroids(asks[~own], config) for own in (half, ~half)]
    if not all(map(len, others)):
        return Cover.nowhere(asks.shape[1])
    near = [(asks[own] @ centres.T).max(axis=1) for own, centres in zip((half, ~half), others, strict=True)]
    middle, low, high = np.quantile(np.concatenate(near), [reach, 0.25, 0.75])
    return Cover(centres, float(middle), max(float(high - low) * WIDTH, NARROWEST))


def neighbourhoods(
    cover: Cover, logged: Rows, p_family: Array, tasks: Sequence[str]
) -> tuple[Cover, tuple[Neighbourhood, ...]]:
    """Return what logged rows say around each centroid, and the cover without centroids that too few prompts are nearest to.

    Args:
        cover: how far the logs reach.
        logged: the rows (group, gain, extra_tokens), [n].
        p_family: P(family) of each, [n, t].
        tasks: names of the families, [t].
    """
    nearest = (_asks(logged) @ cover.centres.T).argmax(axis=1) if len(logged.table) else np.zeros(0, int)
    kept, found = [], []
    for i in np.flatnonzero(cover.centres.any(axis=1)):  # that of no cluster is zero
        own = nearest == i
        rows = logged.table[own]
        if (n := rows.group.nunique()) < LEAST_MEMBERS:
            continue
        tokens = rows.extra_tokens.astype(float).mean()
        task = tasks[int(p_family[own].mean(axis=0).argmax())]
        extra = None if np.isnan(tokens) else float(tokens)
        found.append(Neighbourhood(task=task, n=n, gain=float(rows.gain.astype(float).mean()), extra_tokens=extra))
        kept.append(i)
    return replace(cover, centres=cover.centres[kept] if kept else np.zeros_like(cover.centres[:1])), tuple(found)


def centroids(asks: Array, config: TrainConfig) -> Array:
    """Return unit centroids [c, d] of clusters of LEAST_MEMBERS asks or more, none of too few asks."""
    some = asks[np.random.default_rng(config.seed).permutation(len(asks))[:SAMPLE]]
    unique = len(np.unique(some, axis=0))
    wanted = min(CENTROIDS, max(unique // (2 * LEAST_MEMBERS), 1))
    if unique < LEAST_MEMBERS:
        return np.zeros((0, asks.shape[1]), np.float32)
    found = KMeans(wanted, n_init=1, random_state=config.seed).fit(some)
    large = np.bincount(found.labels_, minlength=wanted) >= LEAST_MEMBERS
    centres = found.cluster_centers_[large]
    return np.asarray(centres / np.linalg.norm(centres, axis=1, keepdims=True), dtype=np.float32)


def _asks(rows: Rows) -> Array:
    return rows.embeddings[:, : rows.embeddings.shape[1] // 2]
