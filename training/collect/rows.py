"""Rows of the log table: made of an answer, and gathered from a run's state into the table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa

from contract.records import Arm, arrow_schema
from training.collect.asking import Spent
from training.collect.plan import Ask, Settings
from training.collect.providers import Reply
from training.collect.spending import added, known
from training.collect.tally import Tally
from training.importers.call import Usage
from training.importers.rows import ADDED, USAGE

TOLD = (*USAGE, "request_id", "finish_reason")
"""The columns that hold what a server said."""
NOT_OFF = "thinking was not off"
"""How the flag of a direct answer begins that thought all the same."""


def row_of(ask: Ask, reply: Reply, spent: Spent, settings: Settings) -> dict[str, Any]:
    """Return the row of an answer, as a journal holds it, without a score."""
    usage = _billed(reply.usage, spent.failed)
    item, mode = ask.item, ask.mode
    return {
        "prompt": item.prompt, "messages": item.messages, "model": settings.model, "arm": mode.arm.value,
        "source": settings.source, "prompt_id": item.prompt_id, "request_id": reply.request_id,
        "attempt": ask.attempt, "thinking_setting": mode.thinking_setting, "thinking_budget": mode.thinking_budget,
        "output_tokens": usage.output_tokens, "thinking_tokens": usage.thinking_tokens,
        "input_tokens": usage.input_tokens, "cached_tokens": usage.cached_tokens,
        "tokens_are": None if usage.output_tokens is None else "recorded", "cost_usd": usage.cost_usd,
        "latency_s": round(reply.latency_s, 3), "finish_reason": reply.finish_reason, "task": item.task,
        "language": item.language, "timestamp": reply.started.isoformat(), "pair_kind": mode.pair_kind,
        "flag": _flag(mode.arm, reply),
    }  # fmt: skip


def table(asks: Sequence[Ask], tally: Tally, score_kind: str) -> pd.DataFrame:
    """Return the rows of all answers in the plan's order, with their scores."""
    rows = []
    for ask in asks:
        if ask.key in tally.answers:
            row, score = _writable(tally.answers[ask.key]["row"]), tally.score(ask.key)[0]
            scored = {"score": score, "score_kind": None if score is None else score_kind}
            rows.append({**row, **scored, "timestamp": pd.Timestamp(row["timestamp"])})
    frame: pd.DataFrame = pa.Table.from_pylist(rows, schema=arrow_schema()).to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _writable(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a journal without what its columns cannot hold: older journals have what a server said as it came."""
    told = {name: known(name, row[name]) for name in TOLD}
    return {**row, **told, "tokens_are": None if told["output_tokens"] is None else row["tokens_are"]}


def _billed(usage: Usage | None, failed: Usage | None) -> Usage:
    """Return what an attempt was billed: its answer's usage, and what failed tries reported; unknown if the first is."""
    if usage is None or failed is None:
        return usage or Usage()
    both = added(usage, failed)
    return replace(usage, **{name: getattr(both, name) for name in ADDED if getattr(usage, name) is not None})


def _flag(arm: Arm, reply: Reply) -> str | None:
    """Return why to distrust a direct answer: it thought."""
    if arm is not Arm.DIRECT:
        return None
    if hidden := reply.usage and reply.usage.thinking_tokens:
        return f"{NOT_OFF}: {hidden} hidden tokens"
    return f"{NOT_OFF}: it showed its thinking" if reply.thought else None
