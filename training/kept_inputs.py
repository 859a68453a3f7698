"""A prompt that is known by its inputs alone: where a decision was stored with its embedding and without its text.

A log has a text for each prompt; that of such a one is MARK, the beginning of the encoder's digest, and the inputs in base 64. What embeds
prompts reads the inputs out of it, so a log file is whole by itself, and its digest covers them.
"""

import base64

import numpy as np
from numpy.typing import NDArray

from contract.features import WIDTH
from contract.prompt import Prompt

MARK = "\x02thinkworth inputs "
"""Begins such a text; no keyboard writes the first character."""

ENCODER_CHARACTERS = 40
"""Of the encoder's digest, as the decision store keeps them."""

NOT_OF_LENGTH_1, LARGEST_FEATURE = 0.01, 1e3
"""What no encoder and no prompt gives: texts that somebody wrote to look like inputs."""

Floats = NDArray[np.float32]


def as_text(inputs: bytes, encoder: str) -> str:
    """Return the text of a prompt of which only float32 embeddings of ask and whole, features and words are known."""
    return f"{MARK}{encoder[:ENCODER_CHARACTERS]} {base64.b64encode(inputs).decode()}"


def inputs_of(prompt: Prompt, dimension: int, encoder: str) -> tuple[Floats, Floats] | None:
    """Return embeddings [2 d] and features and words [f + w] of a prompt that is known by these, None of any other.

    A text that begins with the mark and holds other inputs, another encoder's or another version's, is a text like any other.
    """
    text = prompt.turns[0].text
    if not text.startswith(MARK):
        return None
    made_by, _, rest = text.removeprefix(MARK).partition(" ")
    try:
        values = np.frombuffer(base64.b64decode(rest, validate=True), "<f4").astype(np.float32)
    except ValueError:
        return None
    if made_by != encoder[:ENCODER_CHARACTERS] or len(values) != 2 * dimension + WIDTH or not np.isfinite(values).all():
        return None
    embeddings, vector = values[: 2 * dimension], values[2 * dimension :]
    lengths = np.linalg.norm(embeddings.reshape(2, dimension), axis=1)  # of what an encoder made
    return (
        (embeddings, vector)
        if (abs(lengths - 1) < NOT_OF_LENGTH_1).all() and abs(vector).max() <= LARGEST_FEATURE
        else None
    )
