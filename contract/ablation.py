"""A prompt's features with one group after another set to what is usual: feature ablation.

Zeiler and Fergus 2014 (arXiv 1311.2901), where it is called occlusion; Captum's `FeatureAblation` with a feature mask. The prompt as it is and
all its ablations go through the heads as one batch, the embedding as it is: on a CPU nine rows cost a third more than one, and a
second call as much as the first.
"""

import numpy as np
from numpy.typing import NDArray

from contract.features import FEATURE_NAMES

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

COLUMNS = {group: [FEATURE_NAMES.index(name) for name in names] for group, names in GROUPS.items()}
"""Of each group, where its features stand."""


def ablated(vector: NDArray[np.float32], usual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features and words as they are, and without each group of `GROUPS` in turn: [1 + g, f + w].

    Args:
        vector: features and words, [f + w].
        usual: features that are usual in the evidence, [f].
    """
    vectors = np.repeat(vector[None], len(COLUMNS) + 1, axis=0)
    for row, columns in enumerate(COLUMNS.values(), start=1):
        vectors[row, columns] = usual[columns]
    return vectors
