"""The rules of a log that need more than one column or more than one row."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.errors import InvalidRequest
from contract.prompt import Prompt
from contract.records import COLUMNS, DUPLICATE_KEY
from training.content import prompt_id_of
from training.log_values import CONTENT, Fault

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
EVENT = ("request_id", "decision_id", "timestamp")
"""Columns of which any one tells that two equal rows are one event logged twice."""


class Faults:
    """The first fault of each row, by row number."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._first: dict[int, Fault] = {}

    @classmethod
    def joined(cls, parts: Iterable["Faults"]) -> "Faults":
        """Return the faults of consecutive parts as those of the whole."""
        whole = cls(0)
        for part in parts:
            whole._first |= {at + whole.rows: fault for at, fault in part.items()}
            whole.rows += part.rows
        return whole

    def add(self, faults: Mapping[int, Fault]) -> None:
        """Add faults; a row that has one keeps it."""
        self._first = {**faults, **self._first}

    def add_all(self, mask: Mask, fault: Fault) -> None:
        """Add the same fault to every row of the mask."""
        self.add(dict.fromkeys(np.flatnonzero(mask).tolist(), fault))

    def items(self) -> Iterator[tuple[int, Fault]]:
        """Yield (row, fault)."""
        yield from self._first.items()

    def good(self) -> Mask:
        """Return which rows have no fault."""
        good = np.ones(self.rows, dtype=bool)
        good[list(self._first)] = False
        return good


def group_codes(frame: pd.DataFrame, columns: Sequence[str]) -> Integers:
    """Return a number for each row, from 0 in order of appearance; equal where all columns are equal, null to null."""
    codes = np.zeros(len(frame), dtype=np.int64)
    for name in columns:
        code, kinds = pd.factorize(frame[name])
        codes = pd.factorize(codes * (len(kinds) + 1) + code + 1)[0].astype(np.int64)
    return codes


def check_rows(table: pd.DataFrame, faults: Faults, files: Integers, lines: Integers, names: Sequence[str]) -> None:
    """Add the faults of rows among themselves, and fill in `prompt_id` and `attempt` of the good ones."""
    ids, texts = check_each_row(table, faults)
    table["prompt_id"] = table["prompt_id"].fillna(ids)

    def place(at: int) -> str:
        return f"line {lines[at]}" + (f" of {names[files[at]]}" if len(names) > 1 else "")

    rows = np.flatnonzero(faults.good())
    prompt = group_codes(table.iloc[rows], ("source", "prompt_id"))
    first = rows[_first_of(prompt)]
    content = pd.factorize(texts)[0]
    for at, begun in _unequal(rows, first, content):
        reason = f"prompt_id stands for another content in {place(begun)} of the same source"
        faults.add({at: Fault("prompt_id of two contents", reason)})
    _check_duplicates(table, faults, place)


def check_each_row(table: pd.DataFrame, faults: Faults) -> "tuple[pd.Series[Any], pd.Series[Any]]":
    """Add the faults that a row has by itself; return the prompt_id and the digest of each row's content, null where it is bad."""
    given = [table[name].notna().to_numpy(bool) for name in CONTENT]
    faults.add_all(given[0] & given[1], Fault("prompt and messages both given", "prompt and messages both given"))
    faults.add_all(~given[0] & ~given[1], Fault("neither prompt nor messages", "neither prompt nor messages"))
    _check_tokens(table, faults)
    return _check_content(table, faults)


def _check_tokens(table: pd.DataFrame, faults: Faults) -> None:
    for part, whole in (("thinking_tokens", "output_tokens"), ("cached_tokens", "input_tokens")):
        over = (table[part] > table[whole]).fillna(False).to_numpy(bool)
        for at in np.flatnonzero(over).tolist():
            reason = f"{part} {table[part].iat[at]} is over {whole} {table[whole].iat[at]}"
            faults.add({at: Fault(f"{part} is over {whole}", reason)})


def _check_content(table: pd.DataFrame, faults: Faults) -> "tuple[pd.Series[Any], pd.Series[Any]]":
    """Return the prompt_id of each row's content and the digest of its texts; each distinct content is looked at once."""
    found = np.full((len(table), 2), None, dtype=object)
    good = faults.good()
    for name in CONTENT:
        codes, contents = pd.factorize(table[name])
        answers: list[tuple[str, str] | Fault] = [identity_of(name, text) for text in contents]
        bad = np.array([isinstance(answer, Fault) for answer in answers] + [False])
        for at in np.flatnonzero(bad[codes] & good).tolist():
            answer = answers[codes[at]]
            faults.add({at: answer} if isinstance(answer, Fault) else {})
        nothing = (None, None)
        values = np.array([*(nothing if isinstance(one, Fault) else one for one in answers), nothing], dtype=object)
        found = np.where((codes >= 0)[:, None], values[codes], found)
    ids, texts = (pd.Series(column, index=table.index, dtype=pd.StringDtype("pyarrow")) for column in found.T)
    return ids, texts


def identity_of(name: str, text: str) -> tuple[str, str] | Fault:
    """Return the prompt_id of a content and the digest of its texts, or what keeps it from being a prompt."""
    try:
        if name == "prompt":
            digest = Prompt.from_text(text).digest
            return digest, digest
        messages = _conversation(text)
        prompt = Prompt.from_messages(messages)
        return prompt_id_of(prompt, messages), prompt.digest
    except InvalidRequest as error:
        return Fault(error.message, error.message)
    except (ValueError, RecursionError):
        return Fault("messages is not a JSON list of {role, content}", "messages is not a JSON list of {role, content}")


def _conversation(text: str) -> list[dict[str, Any]]:
    messages = json.loads(text)
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise ValueError("not a list of objects")
    return messages


def _first_of(codes: Integers) -> Integers:
    """Return, for each place, the first place of the same code."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], dtype=np.int64)


def _unequal(rows: Integers, first: Integers, content: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """Return (row, first row of its prompt_id) where their contents differ."""
    differ = content[rows] != content[first]
    return list(zip(rows[differ].tolist(), first[differ].tolist(), strict=True))


def _check_duplicates(table: pd.DataFrame, faults: Faults, place: Callable[[int], str]) -> None:
    """Keep the first of equal attempts and number those that came without a number.

    A numbered attempt repeats another if the duplicate key is equal. Attempts without a number are told apart by
    nothing else, so equal keys mean nothing: such a row repeats another only if every column is equal and one of them
    names the event (request_id, decision_id or timestamp). Two answers that merely scored the same are two attempts.
    """
    numbered = table["attempt"].notna().to_numpy(bool)
    event = table[list(EVENT)].notna().any(axis=1).to_numpy(bool)
    same = [name for name in COLUMNS if name not in CONTENT]
    for mask, columns in ((numbered, list(DUPLICATE_KEY)), (~numbered & event, same)):
        rows = np.flatnonzero(mask & faults.good())
        first = rows[_first_of(group_codes(table.iloc[rows], columns))]
        repeats = zip(rows[first != rows].tolist(), first[first != rows].tolist(), strict=True)
        faults.add({at: Fault("duplicate", f"duplicate of {place(begun)}") for at, begun in repeats})
    _number(table, np.flatnonzero(~numbered & faults.good()), np.flatnonzero(numbered & faults.good()))


def _number(table: pd.DataFrame, rows: Integers, numbered: Integers) -> None:
    """Number the rows without an attempt number in their order, after the largest that their key has."""
    if not len(rows):
        return
    both = np.concatenate([numbered, rows])
    arm = group_codes(table.iloc[both], [name for name in DUPLICATE_KEY if name != "attempt"])
    largest = np.zeros(arm.max() + 1, dtype=np.int64)
    np.maximum.at(largest, arm[: len(numbered)], table["attempt"].iloc[numbered].to_numpy(np.int64))
    mine = arm[len(numbered) :]
    order = pd.Series(mine).groupby(mine).cumcount().to_numpy() + 1
    attempts = table["attempt"].copy()
    attempts.iloc[rows] = largest[mine] + order
    table["attempt"] = attempts
