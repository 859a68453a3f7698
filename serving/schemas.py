"""The wire: what `/predict` takes and answers. Unknown keys are refused; a field that nothing fills yet is null."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from contract.controls import Provider
from contract.records import check_hidden
from contract.store.outcomes import VALUES

MAX_BATCH = 256
"""Requests in one `/predict_batch`."""

MAX_OUTCOMES = 1000
"""Outcomes in one `/outcomes`."""

_EXAMPLE: dict[str, JsonValue] = {"prompt": "What is 1 + 9900?", "profile": "balanced", "request_id": "req-1"}


def _told(*names: str) -> list[JsonValue]:
    """Return what JSON Schema says of objects that hold one of some keys, and no null there."""
    return [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]


class PredictRequest(BaseModel):
    """One prompt, or one conversation, about to be sent to a model."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
        json_schema_extra={"example": _EXAMPLE, "oneOf": _told("prompt", "messages")},
    )  # fmt: skip

    prompt: str | None = Field(None, description="the prompt; or messages")
    messages: list[dict[str, Any]] | None = Field(
        None, fail_fast=True, description="OpenAI- or Anthropic-style messages; or prompt"
    )
    tools: list[dict[str, Any]] | None = Field(None, fail_fast=True, description="tools that the model may call")
    model: str | None = Field(None, min_length=1, max_length=200, description="the model that the request is for")
    profile: str | None = Field(None, description="a profile of the bundle; balanced where absent")
    provider: Provider | None = Field(
        None, description="fills params with what this provider's API takes for the model"
    )
    max_thinking_tokens: int | None = Field(None, ge=0, le=1_000_000, description="cap on thinking tokens")
    max_latency_ms: int | None = Field(
        None,
        ge=1,
        le=86_400_000,
        description="cap on the time of thinking and answer, as tokens at the model's median speed; where that is unknown, "
        "reasons say that it is not applied",
    )
    max_output_tokens: int | None = Field(None, ge=1, le=1_000_000, description="cap on all output tokens")
    conversation_id: str | None = Field(None, max_length=200)
    cached_tokens: int | None = Field(None, ge=0, le=100_000_000)
    request_id: str | None = Field(None, max_length=200, description="echoed")
    explain: bool = Field(False, description="fills neighbours")


class Expected(BaseModel):
    """What thinking is expected to bring, under the caps of the request."""

    gain: float = Field(description="points of rubric score")
    extra_tokens: float
    net_benefit: float = Field(description="points, after the price of the tokens")
    cost_usd: float | None = Field(None, description="dollars of extra_tokens; null where the model's price is unknown")
    latency_s: float | None = Field(
        None, description="seconds of extra_tokens; null where the model's speed is unknown"
    )


class Probabilities(BaseModel):
    """P(label) of a single outcome in the profile; the verdict follows from the expected net_benefit, not from these."""

    use: float
    maybe: float
    avoid: float


class Answer(BaseModel):
    """Whether thinking is worth its tokens, and how much of it to allow."""

    decision_id: str
    request_id: str | None
    verdict: Literal["use", "maybe", "avoid"]
    thinking_budget: int = Field(description="cap on thinking tokens; 0 for avoid")
    effort: Literal["none", "low", "medium", "high"]
    probabilities: Probabilities
    expected: Expected
    task: str
    familiarity: float
    model_known: bool
    truncated: bool
    profile: str
    reasons: list[str]
    arm: Literal["direct", "reasoning"]
    p_reasoning: float = Field(
        description="P(arm = reasoning | request) before the draw; 0 or 1 where nothing is drawn"
    )
    params: dict[str, Any] | None = Field(
        None,
        description="to merge into the provider's request; {}: nothing to send; null: no provider named, or reasons say why",
    )
    enforced: bool = Field(True, description="false where the model cannot do what was decided; reasons say why")
    neighbours: list[dict[str, Any]] | None = Field(
        None, description="the nearest neighbourhoods of logged prompts: task, n, mean gain and extra_tokens, cosine"
    )
    revision: str


class BatchRequest(BaseModel):
    """Several requests, answered in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    requests: list[PredictRequest] = Field(min_length=1, max_length=MAX_BATCH, fail_fast=True)


class BatchAnswer(BaseModel):
    """One answer to each request, in order."""

    answers: list[Answer]


_TOLD: dict[str, JsonValue] = {"request_id": "req-1", "arm": "reasoning", "score": 1.0, "output_tokens": 812}


class Outcome(BaseModel):
    """What came of a decision: of one attempt, in the arm that was really used. What is unknown is left out, never 0."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False,
        json_schema_extra={
            "example": _TOLD, "allOf": [{"anyOf": _told("decision_id", "request_id")}, {"anyOf": _told(*VALUES)}],
        },
    )  # fmt: skip

    decision_id: str | None = Field(None, min_length=1, max_length=36, description="of the answer; or request_id")
    request_id: str | None = Field(None, min_length=1, max_length=200, description="the gateway's id; or decision_id")
    arm: Literal["direct", "reasoning"] = Field(description="what was really done")
    attempt: int = Field(0, ge=0, le=1_000_000, description="number of the attempt within its arm")
    overridden: bool | None = Field(None, description="the caller had set thinking itself, whatever was answered")
    score: float | None = Field(None, ge=0, le=1, description="rubric score")
    score_kind: str | None = Field(None, min_length=1, max_length=200)
    defect: bool | None = Field(None, description="the answer hallucinated or failed a factuality check")
    output_tokens: int | None = Field(None, ge=0, le=1_000_000_000, description="billed: visible + hidden + retries")
    thinking_tokens: int | None = Field(None, ge=0, le=1_000_000_000, description="the hidden part of output_tokens")
    input_tokens: int | None = Field(None, ge=0, le=1_000_000_000)
    cost_usd: float | None = Field(None, ge=0, le=1_000_000)
    gpu_seconds: float | None = Field(None, ge=0, le=10_000_000)
    latency_s: float | None = Field(None, ge=0, le=10_000_000, description="from request to last token")
    finish_reason: str | None = Field(None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _tells_something_of_something(self) -> Self:
        for name in ("decision_id", "request_id", "score_kind", "finish_reason"):
            if "\x00" in (getattr(self, name) or ""):
                raise ValueError(f"{name} holds a NUL character, which a database cannot keep; remove it")
        if self.decision_id is None and self.request_id is None:
            raise ValueError("neither decision_id nor request_id is given; send one of them")
        if all(getattr(self, name) is None for name in VALUES):
            raise ValueError(f"nothing is told; give at least one of {', '.join(VALUES)}")
        check_hidden(self.thinking_tokens, self.output_tokens)
        return self


class OutcomesRequest(BaseModel):
    """Outcomes of several decisions; a body that is one outcome is taken too. One that cannot be taken refuses them all."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    outcomes: list[Outcome] = Field(min_length=1, max_length=MAX_OUTCOMES, fail_fast=True)


class OutcomeTold(BaseModel):
    """What became of an outcome."""

    decision_id: str | None = Field(description="the decision that it came of; null while only the request is known")
    status: Literal["new", "completed", "repeated", "contradictory", "unknown", "waiting"] = Field(
        description="completed: more values of an attempt told before; repeated: kept once; contradictory: another value was told before, "
        "the last one counts; unknown: no such decision yet; waiting: the store is away, it is kept and will be put there"
    )
    late: bool | None = Field(description="told over a day after the decision; null where that is unknown")
    candidates: int = Field(description="decisions that have the request id; the newest is taken")


class OutcomesAnswer(BaseModel):
    """What became of each outcome, in order, and how many there are of each status."""

    outcomes: list[OutcomeTold]
    counts: dict[str, int]


class ModelInfo(BaseModel):
    """The served bundle."""

    revision: str
    created: str
    format_version: int
    encoder: dict[str, Any]
    profiles: dict[str, Any]
    metrics: dict[str, Any]
    training_data_digest: str | None
    training: dict[str, Any]
    licences: dict[str, str]
    models: list[str]
    tasks: list[str]


class ErrorBody(BaseModel):
    """What is wrong, where, and against which limit."""

    type: str
    message: str
    field: str | None
    limit: Any


class Error(BaseModel):
    """The one shape of an error."""

    error: ErrorBody


class ReloadRequest(BaseModel):
    """Nothing: what is to be served is what the operator's setting names."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Reloaded(BaseModel):
    """What every worker serves."""

    revision: str
    generation: int = Field(description="counts the swaps of a service, from 1")
    workers: int
