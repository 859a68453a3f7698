"""The language of a text, where it is recognised for sure."""

from functools import cache
from typing import Any

WINDOW = 400
"""Characters read."""

SURE = 0.9
"""Probability below which a language counts as unknown."""

NO_LANGUAGE = "zxx"
"""What the library calls code, numbers and the like."""


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, None where it is not recognised with probability SURE.

    By py3langid, a naive Bayes classifier of byte n-grams (Lui and Baldwin 2012, "langid.py: An off-the-shelf language identification
    tool"), among languages that have a code of two letters: a dialect would share the probability of its language.
    """
    shares = [
        (code, share) for code, share in _identifier().rank(text[:WINDOW]) if len(code) == 2 or code == NO_LANGUAGE
    ]
    code, share = shares[0]
    return str(code) if code != NO_LANGUAGE and share >= SURE * sum(share for _, share in shares) else None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    # not restricted by its `set_languages`, which keeps the whole table beside the smaller one
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
