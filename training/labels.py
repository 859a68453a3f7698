"""Paired attempts to one labelled row per (source, prompt_id, model): was reasoning worth its tokens?

Means are over the attempts that say something: scores over scored attempts, tokens over attempts with tokens. An
unscored attempt is never a zero. A reasoning attempt that hit its cap is *censored*: what it would have scored is
unknown, so it is left out of the reasoning arm's means if the pair has another scored one; if not, the pair is
`unscored` and `censored`, however the truncated answer was graded, and its tokens are a lower bound.
Labels do not depend on the order of the rows.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.profiles import Profile
from contract.records import PAIR_KEY, Arm, Label
from training.label_confidence import (
    ArmScores,
    Floats,
    Posterior,
    group_sum,
    posterior,
    quotient,
    standard_error,
)
from training.log_rows import Integers, Mask, group_codes
from training.logs import is_paired

CARRIED = ("prompt", "messages", "task", "language", "pair_kind", "score_kind", "licence")
"""Columns of the log that a labelled row keeps, with their first value that is there."""

UNKNOWN_EXTRA_TOKENS = 500.0
"""Extra tokens of a pair in a source where no pair's are known (the reference's figure)."""


def label(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> pd.DataFrame:
    """Return one row per (source, prompt_id, model) of a log table, sorted by that key.

    Columns, beside the key and `CARRIED`:
        attempts_direct, attempts_reasoning: attempts logged; scored_direct, scored_reasoning: those in the mean score.
        attempts_censored: reasoning attempts that hit the cap; censored: they are why there is no reasoning score.
        score_direct, score_reasoning, output_tokens_direct, output_tokens_reasoning, thinking_tokens_reasoning: means.
        gain, extra_tokens, extra_latency_s: reasoning minus direct, null where an arm is unknown.
        p_reasoning: the chance, by the logged propensities, that the attempts of a prompt with one arm are all reasoning rather
            than all direct; null where one of them is not logged.
        tokens_imputed: extra_tokens is unknown, and net_benefit charges the median of the source's pairs instead.
        label_confidence: P(the sign of gain is right), see `training.label_confidence`; under a half where a noisy gain
            contradicts its task.
        net_benefit_P, label_P, label_confidence_P for each profile P: the confidence is P(net_benefit is beyond the margin on
        that side) of `use` and `avoid`, P(it is within the margin) of `maybe`, null for `unscored`. Latency is charged where
        the profile does and both arms' is known.

    Rows of another pair_kind than `toggle` (or none) are left aside: their arms cannot be compared.
    """
    rows, pair, keys = _in_order(table[is_paired(table)])
    out = keys
    for name in CARRIED:
        out[name] = _first_value(rows[name], pair, len(keys))
    direct, censored = (rows["arm"] == Arm.DIRECT.value).to_numpy(bool), is_censored(rows)
    scored = rows["score"].notna().to_numpy(bool)
    whole = ~direct & ~censored
    any_whole = _count(pair, len(keys), whole & scored) > 0
    used = {"direct": direct, "reasoning": ~direct & (~censored | ~any_whole[pair])}
    counted = {"direct": direct & scored, "reasoning": whole & scored}
    scores = {arm: _scores(pair, len(keys), rows["score"], mask) for arm, mask in counted.items()}
    _add_means(out, rows, pair, used, scores)
    out["attempts_direct"] = _count(pair, len(keys), direct).astype(np.int64)
    out["attempts_reasoning"] = _count(pair, len(keys), ~direct).astype(np.int64)
    out["attempts_censored"] = _count(pair, len(keys), censored).astype(np.int64)
    out["censored"] = (out["attempts_censored"] > 0) & ~any_whole
    out["p_reasoning"] = _propensity(pair, len(keys), rows["p_reasoning"])
    source, model, task = (
        group_codes(out, key) for key in (("source",), ("source", "model"), ("source", "model", "task"))
    )
    gain = out["gain"].to_numpy(np.float64)
    likely = posterior(gain, standard_error(scores["direct"], scores["reasoning"], source), task, model)
    charged = _charged_tokens(out, source)
    out["label_confidence"] = likely.of_sign(gain, np.zeros(len(gain)))
    for name, profile in profiles.items():
        _add_profile(out, name, profile, charged, likely)
    return out


def is_censored(rows: pd.DataFrame) -> Mask:
    """Return which rows are reasoning attempts that hit the cap.

    They finished for `length`, or spent thinking_budget, or their flag speaks of truncation. Where thinking_tokens are
    unknown the budget says nothing: output_tokens hold the visible answer too.
    """
    budget = rows["thinking_budget"]
    full = ((budget > 0) & (rows["thinking_tokens"] >= budget)).fillna(False).to_numpy(bool)
    cut = (rows["finish_reason"].str.lower() == "length").fillna(False).to_numpy(bool)
    told = rows["flag"].str.contains("truncat", case=False, regex=False).fillna(False).to_numpy(bool)
    return (full | cut | told) & (rows["arm"] == Arm.REASONING.value).to_numpy(bool)


def _in_order(rows: pd.DataFrame) -> tuple[pd.DataFrame, Integers, pd.DataFrame]:
    """Return the rows by pair and score, the number of each row's pair, and the keys of the pairs, sorted.

    Sums of floats depend on their order; with one order for any shuffle they do not.
    """
    codes = group_codes(rows, PAIR_KEY)
    firsts = np.unique(codes, return_index=True)[1]
    keys = rows.iloc[firsts][list(PAIR_KEY)].reset_index(drop=True).sort_values(list(PAIR_KEY))
    rank = np.empty(len(keys), dtype=np.int64)
    rank[keys.index.to_numpy()] = np.arange(len(keys))
    pair = rank[codes]
    order = np.lexsort((rows["latency_s"].to_numpy(np.float64), rows["score"].to_numpy(np.float64), pair))
    return rows.iloc[order], pair[order], keys.reset_index(drop=True)


def _first_value(column: "pd.Series[Any]", pair: Integers, pairs: int) -> npt.NDArray[Any] | Any:
    """Return each pair's first value that is there."""
    first = np.full(pairs, -1, dtype=np.int64)
    there = np.flatnonzero(column.notna().to_numpy(bool))[::-1]
    first[pair[there]] = there  # of equal places the last assignment stays: the first row
    return column.array.take(first, allow_fill=True)


def _count(pair: Integers, pairs: int, mask: Mask) -> Floats:
    return np.bincount(pair[mask], minlength=pairs).astype(np.float64)


def _mean(pair: Integers, pairs: int, column: "pd.Series[Any]", mask: Mask) -> Floats:
    """Return each pair's mean over the rows of the mask that have a value; NaN where none has."""
    values = column.to_numpy(np.float64, na_value=np.nan)
    mask = mask & ~np.isnan(values)
    return quotient(group_sum(pair[mask], values[mask], pairs), _count(pair, pairs, mask))


def _propensity(pair: Integers, pairs: int, logged: "pd.Series[Any]") -> Floats:
    """Return P(all attempts reason | all are of one arm): their odds multiply."""
    p = logged.to_numpy(np.float64, na_value=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # of a chance of 0 or 1; both at one prompt give nan
        odds = group_sum(pair, np.log(p) - np.log1p(-p), pairs)
    return np.asarray(np.where(np.isnan(odds), np.nan, 1 / (1 + np.exp(-np.clip(odds, -700, 700)))))


def _scores(pair: Integers, pairs: int, score: "pd.Series[Any]", mask: Mask) -> ArmScores:
    mean = _mean(pair, pairs, score, mask)
    around = (score.to_numpy(np.float64)[mask] - mean[pair[mask]]) ** 2
    squares = group_sum(pair[mask], around, pairs)
    return ArmScores(count=_count(pair, pairs, mask), mean=mean, squares=squares)


def _add_means(
    out: pd.DataFrame, rows: pd.DataFrame, pair: Integers, used: Mapping[str, Mask], scores: Mapping[str, ArmScores]
) -> None:
    """Add the arms' means and their differences."""
    latency = {arm: _mean(pair, len(out), rows["latency_s"], mask) for arm, mask in used.items()}
    for arm, mask in used.items():
        out[f"attempts_{arm}"] = 0  # holds the place; counted over all attempts, censored ones too
        out[f"scored_{arm}"] = scores[arm].count.astype(np.int64)
        out[f"score_{arm}"] = scores[arm].mean
        out[f"output_tokens_{arm}"] = _mean(pair, len(out), rows["output_tokens"], mask)
    out["thinking_tokens_reasoning"] = _mean(pair, len(out), rows["thinking_tokens"], used["reasoning"])
    out["gain"] = out["score_reasoning"] - out["score_direct"]
    out["extra_tokens"] = out["output_tokens_reasoning"] - out["output_tokens_direct"]
    out["extra_latency_s"] = latency["reasoning"] - latency["direct"]


def _charged_tokens(out: pd.DataFrame, source: Integers) -> Floats:
    """Return the extra tokens that net_benefit charges, and mark those that had to be filled in."""
    extra, paired = out["extra_tokens"], out["gain"].notna()
    known = extra.where(paired)
    typical = known.groupby(source).transform("median").fillna(UNKNOWN_EXTRA_TOKENS)
    out["tokens_imputed"] = extra.isna() & paired
    return extra.fillna(typical).to_numpy(np.float64)


def _add_profile(out: pd.DataFrame, name: str, profile: Profile, tokens: Floats, likely: Posterior) -> None:
    """Add a profile's net_benefit, label and confidence."""
    price = tokens / profile.tokens_per_point
    if profile.seconds_per_point is not None:
        price = price + np.nan_to_num(out["extra_latency_s"].to_numpy(np.float64)) / profile.seconds_per_point
    net = np.round(out["gain"].to_numpy(np.float64) - price, 9)  # .52 - .50 is not above a margin of .02
    use, avoid = net > profile.margin, net < -profile.margin
    kinds = [Label.UNSCORED.value, Label.USE.value, Label.AVOID.value]
    labels = np.select([np.isnan(net), use, avoid], kinds, Label.MAYBE.value)
    out[f"net_benefit_{name}"] = net
    out[f"label_{name}"] = pd.array(labels.tolist(), dtype=pd.StringDtype("pyarrow"))
    sure = likely.of_sign(net, price + np.sign(net) * profile.margin), likely.of_band(price, profile.margin)
    out[f"label_confidence_{name}"] = np.where(use | avoid, *sure)
