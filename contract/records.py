"""The log table: one row per attempt, and the words that all of thinkworth uses for it.

`Attempt` is the definition; `arrow_schema` derives the columnar one from it, so that they cannot disagree.
"""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import pyarrow


class Arm(StrEnum):
    """How an attempt was made: thinking off or thinking on."""

    DIRECT = "direct"
    REASONING = "reasoning"


class Verdict(StrEnum):
    """What the service answers. `avoid` means no uplift, never merely easy."""

    USE = "use"
    MAYBE = "maybe"
    AVOID = "avoid"


class Label(StrEnum):
    """What a logged pair says; `unscored` where an arm has no score (absence is not zero)."""

    USE = "use"
    MAYBE = "maybe"
    AVOID = "avoid"
    UNSCORED = "unscored"


PairKind = Literal["toggle", "family", "budget", "weak", "unpaired"]
TokensAre = Literal["recorded", "estimated"]


def check_hidden(thinking_tokens: int | None, output_tokens: int | None) -> None:
    """Raise ValueError where the hidden part of an output is more than all of it."""
    if thinking_tokens is not None and output_tokens is not None and thinking_tokens > output_tokens:
        raise ValueError(f"thinking_tokens {thinking_tokens} is over output_tokens {output_tokens}")


class Attempt(BaseModel):
    """One answer of one model to one prompt in one arm.

    Everything but `prompt | messages`, `model` and `arm` may be absent; absent is None, never zero.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    prompt: str | None = Field(None, description="the prompt as the model saw it; or messages")
    messages: str | None = Field(None, description="the conversation as JSON: a list of {role, content}; or prompt")
    model: str = Field(min_length=1, description="name of the model that answered")
    arm: Arm = Field(description="direct (thinking off) or reasoning (thinking on)")
    source: str | None = Field(None, description="where the row comes from; the file's name where absent")
    prompt_id: str | None = Field(
        None, description="unique within the source; digest of the content, images and files included, where absent"
    )
    request_id: str | None = Field(None, description="the gateway's id of the request")
    decision_id: str | None = Field(None, description="the id of thinkworth's decision on the request")
    attempt: int | None = Field(None, ge=0, description="number of the attempt within its arm")
    thinking_setting: str | None = Field(None, description="what was asked for, in the source's words")
    thinking_budget: int | None = Field(None, ge=0, description="cap on thinking tokens that was asked for")
    score: float | None = Field(None, ge=0, le=1, description="rubric score in [0, 1]; None is unscored, never 0")
    score_kind: str | None = Field(None, description="how it was scored")
    defect: bool | None = Field(None, description="the answer hallucinated or failed a factuality check")
    output_tokens: int | None = Field(None, ge=0, description="tokens billed: visible + hidden + retries")
    thinking_tokens: int | None = Field(None, ge=0, description="the hidden part of output_tokens")
    input_tokens: int | None = Field(None, ge=0, description="tokens of the request")
    cached_tokens: int | None = Field(None, ge=0, description="the part of input_tokens read from a prompt cache")
    tokens_are: TokensAre | None = Field(None, description="recorded by the provider or estimated from the text")
    cost_usd: float | None = Field(None, ge=0, description="dollars billed for the attempt")
    gpu_seconds: float | None = Field(None, ge=0, description="GPU seconds spent on the attempt")
    latency_s: float | None = Field(None, ge=0, description="seconds from request to last token")
    finish_reason: str | None = Field(None, description="stop, length, ... as the provider gives it")
    task: str | None = Field(None, description="the source's own category")
    language: str | None = Field(None, description="ISO 639-1 code of the prompt")
    timestamp: datetime | None = Field(None, description="when the request was made (UTC)")
    conversation_id: str | None = Field(None, description="id of the conversation it belongs to")
    p_reasoning: float | None = Field(None, ge=0, le=1, description="logged P(arm = reasoning | request)")
    pair_kind: PairKind | None = Field(None, description="how the arms relate; only toggle pairs are trained on")
    flag: str | None = Field(None, description="why to distrust the row; flagged rows are left out unless accepted")
    licence: str | None = Field(None, description="licence of the row's content")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give prompt or messages, one of them")
        check_hidden(self.thinking_tokens, self.output_tokens)
        return self


COLUMNS: tuple[str, ...] = tuple(Attempt.model_fields)
"""Columns of the log table, in order."""

PAIR_KEY: tuple[str, ...] = ("source", "prompt_id", "model")
"""The key of a pair, everywhere."""

DUPLICATE_KEY: tuple[str, ...] = (*PAIR_KEY, "arm", "thinking_setting", "thinking_budget", "attempt")
"""Two rows equal in all of these are one attempt logged twice."""


def column_kind(name: str) -> type:
    """Return the Python type of a column's values: str, int, float, bool or datetime."""
    text = str(Attempt.model_fields[name].annotation)
    for kind, marks in ((datetime, "datetime"), (bool, "bool"), (float, "float")):
        if marks in text:
            return kind
    return int if "int" in text and "Literal" not in text else str


def arrow_schema() -> "pyarrow.Schema":
    """Return the Parquet schema of the log table (needs the extra `train`)."""
    import pyarrow as pa

    kinds: dict[type, Any] = {
        str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(), datetime: pa.timestamp("us", tz="UTC"),
    }  # fmt: skip
    return pa.schema(
        [pa.field(name, kinds[column_kind(name)], nullable=name not in ("model", "arm")) for name in COLUMNS]
    )
