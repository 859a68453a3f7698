"""The record as frames: decisions, and their attempts with the last value told of each field; read in blocks, of one moment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from numpy.typing import NDArray

from contract.profiles import Profile
from contract.progress import progress
from contract.store import tables
from contract.store.opening import take_your_time
from contract.store.told import ATTEMPT, attempts
from contract.yaml_file import validated

BLOCK = 20_000
"""Rows fetched at once."""

WORDS = ("revision", "profile", "model", "task", "language", "verdict", "not_explored")
"""Columns of few values."""

FLAGS = ("model_known", "enforced", "truncated")

NUMBERS = (
    "p_reasoning", "thinking_budget", "reasoning_budget", "familiarity", "p_use", "p_maybe", "p_avoid", "expected_score_direct",
    "expected_gain", "expected_gain_lower", "expected_gain_upper", "expected_extra_tokens", "expected_net_benefit", "expected_cost_usd",
    "expected_latency_s", "cache_charge", "prompt_characters",
)  # fmt: skip

VALUES = (
    "overridden", "score", "defect", "output_tokens", "thinking_tokens", "cost_usd", "gpu_seconds", "latency_s",
)  # fmt: skip
"""Numbers of an attempt."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Record:
    """What the store holds of a period.

    Attributes:
        decisions: one row each, in the order of time: decision_id, time, day, `prompt` (a number, equal for equal prompts), WORDS as
            categories, FLAGS, NUMBERS, and `reasoning` and `policy_reasoning` for arm and policy_arm.
        attempts: one row per decision, arm and attempt: `row` of the decision, `reasoning`, attempt, VALUES and finish_reason.
        profiles: of each revision, by name.
        unfamiliar_below: of each revision: familiarity under which its verdict is maybe.
        small_budget: of each revision: thinking tokens that it grants a maybe.
        counts: outcomes told, waiting, contradictory and late, and records lost.
        reviews: the newest mark of each reviewer: row of the decision and mark.
        shadows: what challengers said beside it: row of the decision, `challenger` (its revision), verdict, and `reasoning` for its arm.
    """

    decisions: pd.DataFrame
    attempts: pd.DataFrame
    profiles: Mapping[str, Mapping[str, Profile]]
    unfamiliar_below: Mapping[str, float]
    small_budget: Mapping[str, int]
    counts: Mapping[str, int]
    reviews: pd.DataFrame
    shadows: pd.DataFrame


def read(connection: sa.Connection, *, since: datetime | None = None, until: datetime | None = None) -> Record:
    """Return the record of the decisions from `since` up to, not including, `until`; both aware, None: all."""
    take_your_time(connection)
    within = [tables.decisions.c.time >= since] if since else []
    within += [tables.decisions.c.time < until] if until else []
    decided = _decisions(connection, within)
    index = pd.Index(decided.decision_id)
    bundles = connection.execute(sa.select(tables.bundles)).mappings().all()
    return Record(
        decisions=decided,
        attempts=_attempts(connection, within, index),
        profiles={
            b["revision"]: {
                name: validated(Profile, raw, Path("the store"), name) for name, raw in b["profiles"].items()
            }
            for b in bundles
        },
        unfamiliar_below={b["revision"]: b["unfamiliar_below"] for b in bundles},
        small_budget={b["revision"]: b["small_budget"] for b in bundles},
        counts=_counts(connection, within),
        reviews=_reviews(connection, within, index),
        shadows=_shadows(connection, within, index),
    )


class _Words:
    """Numbers for the values of a column, in the order in which they were met; -1 for none."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def codes(self, values: "pd.Series[Any]") -> Array:
        for value in values.dropna().unique():
            self._known.setdefault(value, len(self._known))
        return values.map(self._known).fillna(-1).to_numpy(np.int32)

    def column(self, codes: Array) -> pd.Categorical:
        ordered = pd.Categorical.from_codes(codes, categories=pd.Index(list(self._known), dtype=object))
        return ordered.reorder_categories(sorted(self._known))


def _decisions(connection: sa.Connection, within: list[Any]) -> pd.DataFrame:
    names = ["decision_id", "time", "arm", "policy_arm", "prompt_digest", *WORDS, *FLAGS, *NUMBERS]
    table = tables.decisions
    asked = sa.select(*(table.c[name] for name in names)).where(*within).order_by(table.c.time, table.c.decision_id)
    total = connection.execute(sa.select(sa.func.count()).select_from(table).where(*within)).scalar_one()
    words = {name: _Words() for name in WORDS}
    parts = []
    for block in progress(_blocks(connection, asked, names), "decisions", length=-(-total // BLOCK)):
        part = block[["decision_id", "time"]].assign(
            reasoning=block.arm == "reasoning",
            policy_reasoning=block.policy_arm == "reasoning",
            prompt=_prompts(block.prompt_digest, block.decision_id),
            **{name: words[name].codes(block[name]) for name in WORDS},
            **{name: block[name].astype(bool) for name in FLAGS},
            **{name: block[name].astype(float) for name in NUMBERS},
        )
        parts.append(part)
    if not parts:
        parts = [_empty(names)]
    out = pd.concat(parts, ignore_index=True)
    out = out.assign(**{name: words[name].column(out[name].to_numpy(np.int32)) for name in WORDS})
    time = pd.to_datetime(out.time, utc=True)
    return out.assign(time=time, day=pd.Categorical(time.dt.strftime("%Y-%m-%d")))


def _empty(names: list[str]) -> pd.DataFrame:
    kinds: dict[str, Any] = dict.fromkeys(names, float) | dict.fromkeys(WORDS, np.int32) | dict.fromkeys(FLAGS, bool)
    kinds |= {
        "decision_id": str,
        "time": "datetime64[us, UTC]",
        "reasoning": bool,
        "policy_reasoning": bool,
        "prompt": np.uint64,
    }
    gone = ("arm", "policy_arm", "prompt_digest")
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items() if name not in gone})


def _prompts(digest: "pd.Series[Any]", decision_id: "pd.Series[Any]") -> Array:
    """Return a number for each prompt; a decision whose digest was purged is a prompt of its own."""
    return pd.util.hash_array(digest.fillna(decision_id).to_numpy(object), categorize=False)


def _attempts(connection: sa.Connection, within: list[Any], decision_id: "pd.Index[Any]") -> pd.DataFrame:
    told, decided = tables.outcomes.c, tables.decisions.c
    names = [*VALUES, "finish_reason"]
    known = [sa.exists().where(decided.decision_id == told.decision_id, *within)] if within else []
    total = connection.execute(sa.select(sa.func.count()).select_from(attempts((), *known).subquery())).scalar_one()
    blocks = _blocks(connection, attempts(names, *known), [*ATTEMPT, *names])
    finish = _Words()
    parts = []
    for block in progress(blocks, "outcomes", length=-(-total // BLOCK)):
        row = decision_id.get_indexer(pd.Index(block.decision_id))
        codes = finish.codes(block.finish_reason).astype(float)
        part = pd.DataFrame(
            {"row": row, "reasoning": block.arm == "reasoning", "attempt": block.attempt.astype(int)}
            | {name: block[name].astype(float) for name in VALUES}
            | {"finish_reason": np.where(codes < 0, np.nan, codes)}
        )
        parts.append(part[row >= 0])
    if not parts:
        columns = dict.fromkeys((*VALUES, "finish_reason"), pd.Series(dtype=float))
        keys = {"row": pd.Series(dtype=int), "reasoning": pd.Series(dtype=bool), "attempt": pd.Series(dtype=int)}
        parts = [pd.DataFrame(keys | columns)]
    last = pd.concat(parts).sort_values(["row", "reasoning", "attempt"], ignore_index=True)
    return last.assign(finish_reason=finish.column(last.finish_reason.fillna(-1).to_numpy(np.int32)))


def _counts(connection: sa.Connection, within: list[Any]) -> dict[str, int]:
    table, decided = tables.outcomes, tables.decisions

    def flagged(flag: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((flag, 1), else_=0)), 0)

    asked = sa.select(sa.func.count(), flagged(table.c.contradicts), flagged(table.c.late)).select_from(table)
    asked = asked.where(table.c.decision_id.is_not(None))
    if within:
        asked = asked.join(decided, decided.c.decision_id == table.c.decision_id).where(*within)
    told, contradictory, late = connection.execute(asked).one()
    waiting = sa.select(sa.func.count()).select_from(table).where(table.c.decision_id.is_(None))
    lost = sa.select(sa.func.coalesce(sa.func.sum(tables.gaps.c.records), 0))
    return {
        "outcomes": int(told), "contradictory": int(contradictory), "late": int(late),
        "waiting": int(connection.execute(waiting).scalar_one()), "lost": int(connection.execute(lost).scalar_one()),
    }  # fmt: skip


def _reviews(connection: sa.Connection, within: list[Any], decision_id: "pd.Index[Any]") -> pd.DataFrame:
    table = tables.reviews
    asked = sa.select(table.c.decision_id, table.c.reviewer, table.c.mark).order_by(table.c.review_id)
    rows = pd.DataFrame(connection.execute(asked).all(), columns=["decision_id", "reviewer", "mark"])
    rows = rows.drop_duplicates(["decision_id", "reviewer"], keep="last")
    row = decision_id.get_indexer(pd.Index(rows.decision_id)) if len(rows) else np.empty(0, int)
    return pd.DataFrame({"row": row, "mark": rows.mark.to_numpy(object)})[row >= 0].reset_index(drop=True)


def _shadows(connection: sa.Connection, within: list[Any], decision_id: "pd.Index[Any]") -> pd.DataFrame:
    decided = tables.decisions.c
    asked = sa.select(decided.decision_id, decided.shadow).where(decided.shadow.is_not(sa.null()), *within)
    parts = [_said([])]
    for block in _blocks(connection, asked, ["decision_id", "shadow"]):
        row = decision_id.get_indexer(pd.Index(block.decision_id))
        parts.append(
            _said([
                (at, challenger, said["verdict"], said["arm"] == "reasoning")
                for at, of in zip(row, block.shadow, strict=True) if at >= 0
                for challenger, said in of.items() if isinstance(said, dict) and said.keys() >= {"verdict", "arm"}
            ])
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _said(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    kinds = {"row": int, "challenger": object, "verdict": object, "reasoning": bool}
    return pd.DataFrame(rows, columns=list(kinds)).astype(kinds)


def _blocks(connection: sa.Connection, asked: Any, names: list[str]) -> Iterator[pd.DataFrame]:
    """Yield the rows of a question in blocks; PostgreSQL keeps the rest meanwhile."""
    with connection.execution_options(stream_results=True, max_row_buffer=BLOCK).execute(asked) as rows:
        for block in rows.partitions(BLOCK):
            yield pd.DataFrame.from_records(block, columns=names)
