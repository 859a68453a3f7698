"""Why the heads say what they say of a prompt: true statements, computed from the served graph itself.

The effect of a group of features is the change of the expected gain when it is set to what is usual in the evidence
(`contract.ablation`); what it says of the model is exact, and the effects of two groups need not add up.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.ablation import ABSENT, COLUMNS
from contract.bundle import Manifest, Neighbourhood
from contract.policy import expected_gain
from contract.scorer import GainHeads

LEAST_EFFECT = 0.01
"""Points of gain under which an effect is not worth a sentence."""

EFFECTS = 2
"""Effects that are told, the largest first."""

NEIGHBOURS = 3


class Effect(NamedTuple):
    """A group of features, and by how many points the expected gain without caps is more than with what is usual."""

    group: str
    points: float

    def text(self) -> str:
        """Return the effect as a sentence."""
        return f"{self.group}: {self.points:+.2f} points of gain, before caps, against the mean of the evidence"


def effects(manifest: Manifest, vector: NDArray[np.float32], gains: Sequence[GainHeads]) -> list[Effect]:
    """Return the largest effects of a prompt's groups of features on its expected gain, EFFECTS at most, the largest first.

    Args:
        manifest: of the bundle.
        vector: the prompt's features and words, [f + w].
        gains: of the prompt, and of it without each group in turn: `Scored.gains`.
    """
    expected = [expected_gain(*one, manifest.calibration) for one in gains]
    found = [
        Effect(group if vector[columns].any() else ABSENT.get(group, group), expected[0] - without)
        for (group, columns), without in zip(COLUMNS.items(), expected[1:], strict=True)
    ]
    largest = sorted(found, key=lambda effect: -abs(effect.points))[:EFFECTS]
    return [effect for effect in largest if abs(effect.points) >= LEAST_EFFECT]


def neighbours(manifest: Manifest, cosines: NDArray[np.float32]) -> Iterator[tuple[Neighbourhood, float]]:
    """Yield the neighbourhoods nearest to a prompt, NEIGHBOURS at most, and the cosine of its ask to their centroids.

    Args:
        manifest: of the bundle.
        cosines: to the centroids of all neighbourhoods, [c].
    """
    known = manifest.neighbourhoods
    for i in np.argsort(-cosines[: len(known)], kind="stable")[:NEIGHBOURS]:
        yield known[i], float(cosines[i])
