"""Who says what of which decision: outcomes joined to decisions, and what kind of evidence each decision has.

observed_pairs    a score in both arms: a shadow run
explored          the arm was drawn with a recorded chance of either, the draw was followed, and its outcome is scored
modelled          every decision: what its bundle expected, corrected by what came of the arm taken

A decision may have several kinds; figures of different kinds are never added up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.config import AuditConfig
from audit.figures import EXPLORED, MODELLED, PAIRS
from audit.reading import Record
from contract.bands import BAND_EDGES, BANDS
from contract.store.explored import followed, is_chance, was_drawn

Array = NDArray[Any]
Mask = NDArray[np.bool_]

MEANS = ("score", "output_tokens", "latency_s", "gpu_seconds", "cost_usd", "defect", "thinking_tokens")
"""Means over the attempts of an arm that tell them."""


@dataclass(frozen=True)
class Evidence:
    """Decisions with their outcomes.

    Attributes:
        table: the decisions, with their profile's prices, their band of familiarity, and for each arm and each of MEANS the mean over
            the attempts that tell it (`score_direct`), and how many are scored (`scored_direct`). An attempt that the caller overrode
            is no consequence of the decision and in none of these; `attempts` counts it too.
        pairs: has a score in both arms, [n].
        explored: may be weighed by the recorded chance of its arm, [n].
        drawn: has an outcome that would be explored evidence were it scored, [n].
        excluded: decisions left out of the explored ones, by reason.
    """

    table: pd.DataFrame
    pairs: Mask
    explored: Mask
    drawn: Mask
    excluded: Mapping[str, int]

    def best(self) -> Array:
        """Return the best kind of evidence that each decision has, [n]."""
        return np.select([self.pairs, self.explored], [PAIRS, EXPLORED], MODELLED)


def join(record: Record, config: AuditConfig) -> Evidence:
    """Return the decisions of a record with their outcomes, and who is which evidence."""
    table = pd.concat([record.decisions, _prices(record), _by_arm(record)], axis=1)
    table["band"] = pd.Categorical.from_codes(_band(table, record), categories=pd.Index(BANDS))
    score = table[["score_direct", "score_reasoning"]].to_numpy(float)
    told, row = record.attempts, record.attempts.row.to_numpy(int)
    overridden = (told.overridden == 1).to_numpy(bool)
    own = followed(told.reasoning.to_numpy(bool), table.reasoning.to_numpy(bool)[row], overridden)
    n, p = len(table), table.p_reasoning.to_numpy(float)
    obeyed, scored = _has(row[own], n), _has(row[own & told.score.notna().to_numpy(bool)], n)
    enforced, left_out = table.enforced.to_numpy(bool), table.not_explored.notna().to_numpy(bool)
    rare = np.minimum(p, 1 - p) < config.least_chance
    drawn = was_drawn(p, enforced, left_out) & ~rare & obeyed
    why: dict[str, Mask] = {
        **{str(reason): (table.not_explored == reason).to_numpy(bool) for reason in table.not_explored.cat.categories},
        "arm not enforced": ~enforced,
        "nothing was drawn": ~is_chance(p),
        f"chance of an arm under {config.least_chance}": rare,
        "no outcome": (table.attempts == 0).to_numpy(bool),
        # a fallback after an own attempt is left out, and the own one stays
        "overridden by the caller": _has(row[overridden], n) & ~obeyed,
        "another arm was used than drawn": ~obeyed,
        "unscored": ~scored,
    }
    return Evidence(
        table=table, pairs=np.isfinite(score).all(axis=1), explored=drawn & scored, drawn=drawn, excluded=_first_of(why, n),
    )  # fmt: skip


def _has(rows: Array, n: int) -> Mask:
    """Return which of n decisions are among rows, [n]."""
    found = np.zeros(n, bool)
    found[rows] = True
    return found


def _first_of(why: Mapping[str, Mask], n: int) -> dict[str, int]:
    """Return how many decisions each reason is the first of."""
    left, counted = np.ones(n, bool), {}
    for reason, mask in why.items():
        counted[reason] = int((left & mask).sum())
        left &= ~mask
    return counted


def own_arm(table: pd.DataFrame, name: str, reasoning: "pd.Series[Any] | None" = None) -> Array:
    """Return one of MEANS in the arm that was answered, or in that of `reasoning`, [n]."""
    arm = (table.reasoning if reasoning is None else reasoning).to_numpy(bool)
    return np.asarray(np.where(arm, table[f"{name}_reasoning"], table[f"{name}_direct"]))


def price(table: pd.DataFrame, extra_tokens: Array, extra_latency_s: Array | None = None) -> Array:
    """Return what extra tokens, and the seconds where the profile charges them, cost in points, [n].

    Unknown seconds are the expected ones; nan where they are charged and nobody expected any. No outcome tells what a change of arm lost
    of a prompt cache: it costs what the decision was charged.
    """
    points: Array = extra_tokens / table.tokens_per_point.to_numpy(float) + table.cache_charge.fillna(0.0).to_numpy(
        float
    )
    charged = np.isfinite(table.seconds_per_point.to_numpy(float))
    expected = table.expected_latency_s.to_numpy(float)
    seconds = expected if extra_latency_s is None else np.where(np.isfinite(extra_latency_s), extra_latency_s, expected)
    return np.asarray(points + np.where(charged, seconds / np.where(charged, table.seconds_per_point, 1.0), 0.0))


def usd_per_token(table: pd.DataFrame) -> Array:
    """Return the dollars of an output token of each decision's model, as its bundle had them, [n]; nan where unknown."""
    tokens = table.expected_extra_tokens.to_numpy(float)
    return np.asarray(np.where(tokens > 0, table.expected_cost_usd / np.where(tokens > 0, tokens, 1.0), np.nan))


def _prices(record: Record) -> pd.DataFrame:
    """Return tokens_per_point and seconds_per_point of each decision; nan where its revision or profile is not recorded."""
    decided = record.decisions
    known = {
        (revision, name): (profile.tokens_per_point, profile.seconds_per_point or np.nan)
        for revision, profiles in record.profiles.items()
        for name, profile in profiles.items()
    }
    keys, code = _combined(decided, ("revision", "profile"))
    found = np.array([known.get(key, (np.nan, np.nan)) for key in keys]).reshape(-1, 2)[code]
    return pd.DataFrame(found, columns=["tokens_per_point", "seconds_per_point"], index=decided.index)


def _combined(decided: pd.DataFrame, names: tuple[str, str]) -> tuple[list[tuple[Any, Any]], Array]:
    """Return the pairs of values of two categories that occur, and the number of each row's."""
    first, second = (decided[name].cat for name in names)
    both = first.codes.to_numpy(int) * max(len(second.categories), 1) + second.codes.to_numpy(int)
    values, code = np.unique(both, return_inverse=True)
    width = max(len(second.categories), 1)
    return [(first.categories[v // width], second.categories[v % width]) for v in values], code


def _band(table: pd.DataFrame, record: Record) -> Array:
    below = table.revision.astype(object).map(dict(record.unfamiliar_below)).to_numpy(float)
    known = 1 + np.searchsorted(BAND_EDGES, table.familiarity.to_numpy(float), side="right")
    return np.where(table.familiarity < below, 0, known).astype(int)


def _by_arm(record: Record) -> pd.DataFrame:
    n, attempts = len(record.decisions), record.attempts
    out = {"attempts": _placed(attempts.groupby("row").size(), n, 0)}
    own = (attempts.overridden != 1).to_numpy(bool)
    for arm, reasons in (("direct", False), ("reasoning", True)):
        grouped = attempts[own & (attempts.reasoning == reasons).to_numpy(bool)].groupby("row")
        for name in MEANS:
            mean = grouped[name].mean()
            out[f"{name}_{arm}"] = _placed(mean, n, np.nan)
        out[f"scored_{arm}"] = _placed(grouped["score"].count(), n, 0)
        out[f"attempts_{arm}"] = _placed(grouped.size(), n, 0)
    return pd.DataFrame(out, index=record.decisions.index)


def _placed(values: "pd.Series[Any]", n: int, absent: float) -> Array:
    out = np.full(n, absent)
    out[values.index.to_numpy(int)] = values.to_numpy(float)
    return out
