"""64-bit keys of what rows have in common: all that is remembered of a row whose text went to disk; 0 is nothing known."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.records import COLUMNS, DUPLICATE_KEY, PAIR_KEY
from training.log_rows import EVENT
from training.log_values import CONTENT
from training.logs import is_paired

Keys = npt.NDArray[np.uint64]


def text_keys(texts: Sequence[str | None]) -> Keys:
    """Return the key of each text."""
    safe = [None if text is None else text.encode(errors="backslashreplace").decode() for text in texts]
    column = pd.DataFrame({"text": pd.array(safe, dtype=pd.StringDtype("pyarrow"))})
    return np.where(column["text"].notna().to_numpy(bool), _hashed(column), np.uint64(0))


def answer_keys(ids: Sequence[str | None]) -> Keys:
    """Return the key of each answer's id: a digest that stays the same, for `answer_name` shows it to the operator."""
    digests = (
        b"" if id_ is None else hashlib.blake2b(id_.encode(errors="backslashreplace"), digest_size=8).digest()
        for id_ in ids
    )
    return np.array([int.from_bytes(digest) for digest in digests], dtype=np.uint64)


def answer_name(request_id: str, answer: np.uint64) -> str:
    """Return the request_id of one answer, by its key, to a request that has several."""
    return f"{request_id}#{int(answer):016x}"[:-8]


def event_keys(table: pd.DataFrame, answer: Keys | None) -> Keys:
    """Return the key of the event that each row logs: equal for an event that was exported twice.

    The request_id of a call names it, with the answer's id where there is one. For other rows, and for calls without
    an id, the log table's own rules hold: a numbered attempt by its key, another row by all its columns if one of them
    tells events apart.

    Args:
        table: the rows.
        answer: the keys of the answers' ids (`Call.answer_id`); None where the rows come from no calls.
    """
    numbered = table["attempt"].notna()
    known = table[list(EVENT)].notna().any(axis=1)
    named = table["request_id"].notna() & (answer is not None)
    table = table.assign(answer=0 if answer is None else answer)
    rest = [name for name in COLUMNS if name not in CONTENT]
    keys = np.zeros(len(table), dtype=np.uint64)
    for which, columns in (
        (named, ["request_id", "answer"]),
        (numbered & ~named, list(DUPLICATE_KEY)),
        (known & ~numbered & ~named, rest),
    ):
        keys[which.to_numpy(bool)] = _hashed(table.loc[which, columns])
    return keys


def pair_keys(table: pd.DataFrame) -> Keys:
    """Return the key of the pair that each row belongs to, 0 where its arms are not to be compared."""
    return np.where(is_paired(table), _hashed(table[list(PAIR_KEY)]), np.uint64(0))


def places_of(keys: Keys, among: Keys) -> npt.NDArray[np.int64]:
    """Return where each key stands among sorted ones, -1 where it does not."""
    at = np.searchsorted(among, keys)
    found = at < len(among)
    found[found] = among[at[found]] == keys[found]
    return np.where(found, at, -1)


def _hashed(columns: pd.DataFrame) -> Keys:
    hashes = pd.util.hash_pandas_object(columns, index=False).to_numpy(np.uint64)
    return np.maximum(hashes, np.uint64(1))
