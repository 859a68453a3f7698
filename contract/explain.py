"""Why the heads say what they say of a prompt: true statements, computed from the served graph itself.

Effects are feature ablation (occlusion; Zeiler and Fergus 2014, arXiv 1311.2901; Captum's `FeatureAblation` with a feature mask): a group
of features is set to what is usual in the evidence, the heads run again, and the change of the expected gain is the group's effect. All
groups go through the graph as one batch of a dozen rows, the embedding as it is; what an effect says of the model is exact, and the
effects of two groups need not add up.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.bundle import Neighbourhood
from contract.features import FEATURE_NAMES
from contract.policy import expected_gain
from contract.scorer import Scorer

LEAST_EFFECT = 0.01
"""Points of gain under which an effect is not worth a sentence."""

EFFECTS = 2
"""Effects that are told, the largest first."""

NEIGHBOURS = 3

GROUPS: dict[str, tuple[str, ...]] = {
    "its length": (
        "whole_characters", "ask_characters", "ask_share", "whole_words", "ask_words", "sentences", "lines", "paragraphs",
    ),
    "its numbers and operators": (
        "numbers", "ask_numbers", "longest_number_digits", "digit_share", "operators", "ask_operators", "latex", "quantities",
    ),
    "its code and symbols": ("code_marks", "symbol_share", "ask_debug"),
    "its lists, tables and choices": ("list_items", "choices", "table_cells"),
    "its conditions and constraints": ("conditionals", "constraints", "connectives", "negations"),
    "how it asks": (
        "question_marks", "ask_ends_with_question", "exclamations", "ask_how_many", "ask_why_how", "ask_fact", "ask_calculate",
        "ask_prove", "ask_plan", "ask_write", "ask_explain", "ask_step", "ask_brief", "ask_rewrite",
        "ask_design", "ask_extract", "ask_classify", "ask_summarise", "ask_translate", "greeting", "quotes",
    ),
    "its vocabulary": (
        "mean_word_length", "type_token_ratio", "common_word_share", "capital_share", "ascii_share", "cjk_share", "space_share",
        "long_tokens", "compression_ratio",
    ),
    "the conversation around it": ("turns", "user_turns", "system_characters", "tools", "attachments"),
}  # fmt: skip
"""Names of the groups, and the features of each; every feature is in one."""

ABSENT = {
    "its numbers and operators": "having no number or operator",
    "its code and symbols": "having no code or symbol",
    "its lists, tables and choices": "having no list, table or choices",
    "its conditions and constraints": "setting no condition or constraint",
}
"""What a group is called of a prompt in which all its features are 0, which is not what is usual."""


class Effect(NamedTuple):
    """A group of features, and by how many points the expected gain without caps is more than with what is usual."""

    group: str
    points: float

    def text(self) -> str:
        """Return the effect as a sentence."""
        return f"{self.group}: {self.points:+.2f} points of gain, before caps, against the mean of the evidence"


def effects(
    scorer: Scorer, embedding: NDArray[np.float32], vector: NDArray[np.float32], target: NDArray[np.float32]
) -> list[Effect]:
    """Return the largest effects of a prompt's groups of features on its expected gain, EFFECTS at most, the largest first.

    Args:
        scorer: the bundle.
        embedding: of its ask and its whole, [2 d].
        vector: its features and words, [f + w].
        target: statistics of the target model, [3].
    """
    usual = np.array(scorer.manifest.usual_features, dtype=np.float32)
    vectors = np.repeat(vector[None], len(GROUPS) + 1, axis=0)
    for row, columns in enumerate(_COLUMNS, start=1):
        vectors[row, columns] = usual[columns]
    n, calibration = len(vectors), scorer.manifest.calibration
    out = scorer.run(np.repeat(embedding[None], n, axis=0), vectors, np.repeat(target[None], n, axis=0))
    heads = (out[name].tolist() for name in ("from_logs", "gain_logs", "gain_prior"))
    gains = [
        expected_gain(logs, of_logs, of_prior, calibration) for logs, of_logs, of_prior in zip(*heads, strict=True)
    ]
    found = [
        Effect(group if vector[columns].any() else ABSENT.get(group, group), gains[0] - without)
        for group, columns, without in zip(GROUPS, _COLUMNS, gains[1:], strict=True)
    ]
    largest = sorted(found, key=lambda effect: -abs(effect.points))[:EFFECTS]
    return [effect for effect in largest if abs(effect.points) >= LEAST_EFFECT]


def neighbours(scorer: Scorer, cosines: NDArray[np.float32]) -> Iterator[tuple[Neighbourhood, float]]:
    """Yield the neighbourhoods nearest to a prompt, NEIGHBOURS at most, and the cosine of its ask to their centroids.

    Args:
        scorer: the bundle.
        cosines: to the centroids of all neighbourhoods, [c].
    """
    known = scorer.manifest.neighbourhoods
    for i in np.argsort(-cosines[: len(known)], kind="stable")[:NEIGHBOURS]:
        yield known[i], float(cosines[i])


_COLUMNS = [[FEATURE_NAMES.index(name) for name in names] for names in GROUPS.values()]
