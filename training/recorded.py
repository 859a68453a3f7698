"""What the decision store says, as a log to train on: outcomes of recorded decisions, and what reviewers say of them.

Where the arm was drawn at random, its probability is logged and the outcome teaches the gain without bias; where it was not, the policy chose
the arm by the prompt, and the row teaches thinking tokens alone: its score is left out. Decisions with a scored outcome in both arms
(shadow runs) make pairs. A decision that was stored without text and without embedding teaches nothing; it is counted.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from contract.records import COLUMNS, Arm, arrow_schema
from contract.store import tables
from contract.store.explored import followed, was_drawn
from contract.store.opening import reading, take_your_time
from contract.store.outcomes import VALUES, match_waiting
from contract.store.reviews import settled
from contract.store.told import ATTEMPT, attempts
from contract.store.writing import TRAINING_FILE
from training.evidence import RECORDED, REVIEWS
from training.files import table_written_in_blocks
from training.kept_inputs import MARK, as_text

NOT_DRAWN = "recorded, arm not drawn"
"""Source of rows whose tokens count and whose score does not."""

UNNAMED = "unnamed"
"""Model of a decision whose request named none."""

BLOCK = 500
"""Decisions looked up at once."""

DECIDED = (
    "decision_id", "request_id", "conversation_id", "time", "revision", "profile", "model", "task", "language", "verdict", "arm", "policy_arm", "p_reasoning",
    "not_explored", "thinking_budget", "enforced", "shadow",
)  # fmt: skip


DRAWN = (
    "decision_id", "time", "digest", "profile", "model", "revision", "arm", "policy_arm", "p_reasoning", "score", "output_tokens", "shadow",
    "prompt", "messages",
)  # fmt: skip
"""Columns of `Recorded.drawn`."""


@dataclass(frozen=True)
class Recorded:
    """Recorded decisions as a log.

    Attributes:
        log: rows of the log table; the model's answers, with their decision_id.
        drawn: decisions whose arm was drawn and used, and whose outcome is scored, one row each, means over its attempts: decision_id, time, digest (of the prompt,
            under the operator's key; else the decision's id), profile, model, revision, arm, policy_arm, p_reasoning, score, output_tokens,
            shadow, and prompt and messages as in the log (null where neither text nor embedding is kept).
        counts: decisions with outcomes by what became of them, and reviews.
    """

    log: pd.DataFrame
    drawn: pd.DataFrame
    counts: Mapping[str, int]


def read_recorded(engine: sa.Engine, encoder: str, *, before: Collection[tuple[str, str]] = ()) -> Recorded:
    """Return what the store says of decisions that have outcomes or reviews.

    Args:
        engine: of the store; outcomes that waited for their decision are joined first.
        encoder: digest of the encoder in use: kept embeddings of another one are no inputs.
        before: what an earlier training has read: `read_before`.
    """
    match_waiting(engine)
    with reading(engine) as connection:
        take_your_time(connection)
        told = _outcomes(connection)
        marks = {one.decision_id: one.mark for one in settled(connection) if one.mark is not None}
        decided = _decisions(connection, sorted({*told.decision_id, *marks}), encoder)
    rows = told.merge(decided, on="decision_id", how="inner", suffixes=("", "_decided"))
    seen = {
        source: {decision for own, decision in before if own == source} for source in (RECORDED, NOT_DRAWN, REVIEWS)
    }
    rows = rows[~rows.decision_id.isin(seen[RECORDED])].reset_index(drop=True)
    scored, kept = rows.score.notna(), rows.text.notna()
    overridden = rows.overridden.eq(True)
    drawn = was_drawn(rows.p_reasoning, rows.enforced.astype(bool), rows.not_explored.notna())
    drawn &= followed(rows.arm, rows.arm_decided, overridden)
    own = ~overridden  # a gateway that thinks where direct failed makes no pair: it saw the score first
    arms = rows[scored & own].groupby("decision_id").arm.nunique()
    paired = rows.decision_id.isin(arms[arms > 1].index) & own
    counts = drawn & scored & ~paired
    kept &= counts | paired | ~rows.decision_id.isin(seen[NOT_DRAWN])
    log = _log(rows[kept], (drawn | paired)[kept], paired[kept])
    reviewed = _reviewed(decided[decided.text.notna() & ~decided.decision_id.isin(seen[REVIEWS])], marks)
    draws = _one_each(rows[drawn & scored])
    draws = draws.assign(**_prompt(draws.text))
    return Recorded(
        log=pd.concat([part for part in (log, reviewed) if len(part)] or [log], ignore_index=True),
        drawn=draws[list(DRAWN)].reset_index(drop=True),
        counts={
            "decisions": len(decided), "read by an earlier training": len(seen[RECORDED]),
            **{name: int(rows.decision_id[which].nunique()) for name, which in {
                "drawn and scored": counts & kept, "both arms scored": paired & kept, "tokens alone": kept & ~counts & ~paired,
                "without text or embedding, in the gate and the audit alone": ~kept,
            }.items()},
            "reviewed": len(reviewed) // 2,
        },
    )  # fmt: skip


def write_recorded(recorded: Recorded, folder: Path) -> Path:
    """Write the rows as a log file and return its path; its name has the day of its first decision, so that a purge finds it, and a digest."""
    import pyarrow as pa

    table = pa.Table.from_pandas(
        recorded.log.astype({"timestamp": object}), schema=arrow_schema(), preserve_index=False
    )
    digest = hashlib.sha256(recorded.log.to_csv(index=False).encode()).hexdigest()[:12]
    path = folder / f"{TRAINING_FILE}{recorded.log.timestamp.min():%Y-%m-%d}-{digest}.parquet"
    with table_written_in_blocks(path, arrow_schema()) as write:
        write(table)
    return path


def read_before(files: Iterable[Path]) -> set[tuple[str, str]]:
    """Return source and decision_id of what is in files that `write_recorded` wrote."""
    found: set[tuple[str, str]] = set()
    for path in files:
        if path.name.startswith(TRAINING_FILE):
            rows = pd.read_parquet(path, columns=["source", "decision_id"])
            found |= set(zip(rows.source, rows.decision_id, strict=True))
    return found


def _outcomes(connection: sa.Connection) -> pd.DataFrame:
    """Return the last value told of each field, one row per decision, arm and attempt, in the order of these."""
    told = pd.DataFrame(connection.execute(attempts()).all(), columns=[*ATTEMPT, *VALUES]).astype({"score": float})
    return told.sort_values(list(ATTEMPT), ignore_index=True)


def _decisions(connection: sa.Connection, ids: list[str], encoder: str) -> pd.DataFrame:
    """Return decisions with `text`, what stands for the prompt in a log: its messages as JSON, or its inputs; null where neither is kept."""
    decided, prompts = tables.decisions, tables.prompts
    columns = [
        *(decided.c[name] for name in DECIDED),
        decided.c.prompt_digest,
        prompts.c.turns,
        prompts.c.inputs,
        prompts.c.encoder,
    ]
    asked = sa.select(*columns).join(prompts, prompts.c.decision_id == decided.c.decision_id, isouter=True)
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), BLOCK):
        some = asked.where(decided.c.decision_id.in_(ids[start : start + BLOCK]))
        for row in connection.execute(some).mappings():
            text = _text(row["turns"], row["inputs"], row["encoder"], encoder)
            found.append(
                {
                    **{name: row[name] for name in DECIDED},
                    "digest": row["prompt_digest"] or row["decision_id"],
                    "text": text,
                }
            )
    return pd.DataFrame(found, columns=[*DECIDED, "digest", "text"]).astype({"text": object, "p_reasoning": float})


def _text(turns: str | None, inputs: bytes | None, made_by: str | None, encoder: str) -> str | None:
    if turns is not None:
        told = [{"role": role, "content": text.replace(MARK, MARK[1:])} for role, text in json.loads(turns)]
        return json.dumps(told, ensure_ascii=False)
    return as_text(inputs, encoder) if inputs is not None and encoder.startswith(made_by or "-") else None


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a decision: the mean score and tokens of the attempts in its arm, for the chance is the decision's."""
    means = rows.groupby("decision_id")[["score", "output_tokens"]].transform("mean")
    return (
        rows.assign(score=means.score, output_tokens=means.output_tokens)
        .drop_duplicates("decision_id")
        .reset_index(drop=True)
    )


def _log(rows: pd.DataFrame, scores_count: pd.Series, paired: pd.Series) -> pd.DataFrame:
    thought = rows.arm == Arm.REASONING
    log = rows.assign(
        **_prompt(rows.text), model=rows.model.fillna(UNNAMED), source=scores_count.map({True: RECORDED, False: NOT_DRAWN}),
        score=rows.score.where(scores_count), p_reasoning=rows.p_reasoning.where(scores_count & ~paired), attempt=None,
        thinking_setting=thought.map({True: "thinkworth", False: "off"}),
        thinking_budget=rows.thinking_budget.where(thought & (rows.arm == rows.arm_decided)), timestamp=rows.time,
    )  # fmt: skip
    return log.reindex(columns=list(COLUMNS))


def _reviewed(decided: pd.DataFrame, marks: Mapping[str, str | None]) -> pd.DataFrame:
    """Return a pair for each decision that reviewers agree on: thinking gains a point, or nothing.

    A mark says whether the arm that was answered was the better one, and so on which side of 0 net_benefit lies, as one checked pair does.
    """
    sided = decided[decided.decision_id.isin(marks)]
    pays = (sided.arm == Arm.REASONING) == (sided.decision_id.map(marks) == "right")
    parts = []
    for arm in Arm:
        score = 1.0 if arm is Arm.REASONING else pays.map({True: 0.0, False: 1.0})
        parts.append(sided.assign(
            **_prompt(sided.text), model=sided.model.fillna(UNNAMED), source=REVIEWS, arm=arm.value, score=score, score_kind="review",
            thinking_setting={Arm.DIRECT: "off"}.get(arm, "thinkworth"), timestamp=sided.time, p_reasoning=None, thinking_budget=None,
        ).reindex(columns=list(COLUMNS)))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _prompt(text: "pd.Series[Any]") -> dict[str, Any]:
    """Return the columns prompt and messages: JSON begins with a bracket, inputs with their mark."""
    is_json = text.str.startswith("[").eq(True)
    return {"prompt": text.mask(is_json, None), "messages": text.where(is_json, None)}
