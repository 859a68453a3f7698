"""How many thinking tokens a prompt needed: what the budget head is fitted on, calibrated on and judged by.

A budget is spent on one request, so the promise is one per *request*: of the attempts that reach what the model can reach
on their prompt, a share `coverage` think no longer than the budget. A promise for a *prompt* would need one number for
several attempts: their maximum grows with the attempts logged, a 90 % quantile of three attempts is that maximum, and a
median covers half of the requests of the prompts that it covers. So `budget_attempts` keeps them apart, 1 / k each where
there are k: prompts are exchangeable and the attempts at one prompt are not, which is the case of Lee, Barber and Willett
(2023, arXiv 2306.06342, hierarchical conformal prediction). `budget_targets` sums them up, one row a (source, prompt_id,
model), for those who count prompts.

What was needed, at (source, prompt_id, model), of the attempts of real thinking modes:

ladder: scored attempts at two or more thinking_budgets. The best score is the highest mean score of a budget (no budget is
    one more, the largest), and needed is the smallest budget that reached it, or what its attempts used at most, if less:
    a cap that none of them met changed nothing. One row. A met budget censors nothing here, an answer cut off does.
attempts: the thinking tokens of each finished attempt that reached the best score of the finished ones. An attempt that hit
    its cap is `censored`, whatever its score: it needed at least what it used.

The direct arm does not count as a budget of 0: whether to think is the verdict's to say, the budget says how long. A prompt
that no attempt solved has a best score of 0, which the smallest budget of a ladder reached, as did every attempt where
there is none; `best_score` tells. An unscored attempt is left out where others are scored, and where none is, all count,
`best_score` is null, and needed is what the model used.
"""

from typing import Any

import numpy as np
import pandas as pd

from contract.records import PAIR_KEY, Arm
from training.config import TrainConfig
from training.labels import is_censored

LADDER, ATTEMPTS = "ladder", "attempts"
"""What a target is read off, the column target_is."""

KEY = list(PAIR_KEY)
CARRIED = ("prompt", "messages", "task", "language")
"""Columns of the log that a row keeps."""


def budget_attempts(log: pd.DataFrame, config: TrainConfig) -> pd.DataFrame:
    """Return the observations of needed thinking tokens, in the log's order; those at one prompt of one model weigh 1 in all.

    Columns: source, prompt_id, model, `CARRIED`, needed_tokens (tokens, at least 1), target_is, censored (needed_tokens is a lower bound),
    best_score (null where unknown), weight (1 / k).

    Args:
        log: attempts, as `training.logs.Logs.for_budgets` returns them. Whoever wants truncated attempts as lower bounds, and ladders
            whose tokens were derived, has `read_logs` accept their flags for budgets: without, the long attempts are missing.
        config: says which thinking_settings are prompting and no thinking mode.
    """
    rows = log[(log.arm == Arm.REASONING) & ~is_prompted(log, config)]
    rows = rows[[*KEY, *CARRIED, "thinking_budget", "score"]].assign(
        tokens=rows.thinking_tokens.astype(float), cut=is_censored(rows.assign(thinking_budget=0)), capped=is_censored(rows),
    )  # fmt: skip
    rows["score"] = rows.score.astype(float)
    rung = rows.thinking_budget.astype(float)
    rows["rung"] = rung.where(rung > 0, np.inf)
    ladders = _ladders(rows[~rows.cut & rows.score.notna()])
    on_ladder = pd.MultiIndex.from_frame(rows[KEY]).isin(pd.MultiIndex.from_frame(ladders[KEY]))
    ladders = ladders[np.isfinite(ladders.needed_tokens)].assign(target_is=LADDER, censored=False)
    out = pd.concat([ladders, _used(rows[~on_ladder])]).sort_index()
    out["weight"] = 1 / out.groupby(KEY).needed_tokens.transform("size").astype(float)
    kept: pd.DataFrame = out[[*KEY, *CARRIED, "needed_tokens", "target_is", "censored", "best_score", "weight"]]
    return kept.reset_index(drop=True)


def budget_targets(log: pd.DataFrame, config: TrainConfig) -> pd.DataFrame:
    """Return one row per (source, prompt_id, model): the columns of `budget_attempts`, with `observations` for weight.

    needed_tokens is the lower median of the observations: half of them or more fit it. It is `censored`, a lower bound, where
    too few of those that fit it had finished to say so.
    """
    rows = budget_attempts(log, config).sort_values([*KEY, "needed_tokens", "censored"], kind="stable")
    unit = rows.groupby(KEY, sort=False)
    size, place = unit.needed_tokens.transform("size"), unit.cumcount()
    half = (size + 1) // 2
    finished = (~rows.censored).astype(int).groupby([rows[name] for name in KEY], sort=False).cumsum()
    out = rows.assign(observations=size, censored=finished < half)[place == half - 1]
    return out.drop(columns="weight").reset_index(drop=True)


def accepted_flags(log: pd.DataFrame) -> dict[str, int]:
    """Return the flags of the reasoning attempts of a log, most frequent first, and how many attempts have each.

    Of what `training.logs.Logs.for_budgets` returns: a flagged row that is there was accepted.
    """
    flags = log.flag[log.arm == Arm.REASONING].dropna()
    return {str(flag): int(count) for flag, count in flags.value_counts().items()}


def is_prompted(attempts: pd.DataFrame, config: TrainConfig) -> "pd.Series[bool]":
    """Return whether attempts were prompted to think step by step, in no thinking mode."""
    setting = attempts.thinking_setting.astype("string")
    return setting.str.contains(config.chain_of_thought).fillna(False).astype(bool)


def _ladders(scored: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each unit with two budgets or more: the first of the smallest budget that reached the best score.

    needed_tokens is infinite where that is no budget, and what its attempts used is not known.
    """
    rungs = scored.groupby([*KEY, "rung"], sort=False)
    tested = scored.assign(
        mean=rungs.score.transform("mean"), used=rungs.tokens.transform("max"), known=rungs.tokens.transform("count"),
        attempts=rungs.score.transform("size"),
    )  # fmt: skip
    budgets = tested.rung.where(np.isfinite(tested.rung)).groupby([tested[name] for name in KEY]).transform("nunique")
    tested = tested[budgets > 1]
    tested["best_score"] = tested.groupby(KEY)["mean"].transform("max")
    reached = tested[np.isclose(tested["mean"], tested.best_score)].sort_values("rung", kind="stable")
    first = reached.groupby(KEY, sort=False).head(1)
    used = first.used.where(first.known == first.attempts, first.rung)
    return first.assign(needed_tokens=used.clip(upper=first.rung).clip(lower=1.0))


def _used(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the attempts, of units without a ladder, that reached the best score, and the capped ones."""
    rows = rows[rows.tokens > 0]
    unit: list[Any] = [rows[name] for name in KEY]
    score = rows.score.where(~rows.capped)
    best = score.groupby(unit).transform("max")
    wanted = rows.capped | best.isna() | np.isclose(score.fillna(-1.0), best.fillna(0.0))
    return rows.assign(needed_tokens=rows.tokens, target_is=ATTEMPTS, censored=rows.capped, best_score=best)[wanted]
