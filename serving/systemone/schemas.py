"""What System One sends and is answered: another's protocol, so keys that are not named here are passed over, not refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from serving.schemas import Answer

MAX_QUESTIONS, MAX_LABELS = 128, 255

_EXAMPLE: dict[str, JsonValue] = {
    "model": "thinkworth/balanced",
    "state": "\nClassify this message:\nWhat is 1 + 9900?",
    "questions": {"tier": {"type": "choice", "criteria": {"avoid": "no", "maybe": "unclear", "use": "thinking helps"}}},
}

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Question(BaseModel):
    """One question about the state; `serving.systemone.questions` says which are answered."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    type: str = Field(description="choice or noul; score and box are refused")
    instructions: JsonValue = Field(None, description="the question in words")
    criteria: JsonValue = Field(None, description="of a choice: its labels, each with a description or null")


class SystemOneRequest(BaseModel):
    """A state, and questions about it."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, json_schema_extra={"example": _EXAMPLE})

    model: str = Field(
        "", max_length=200, description="thinkworth/PROFILE or thinkworth/PROFILE/TARGET MODEL; any other name is taken"
    )
    state: str | dict[str, Any] | list[Any] = Field(  # JSON by now: checked as such, a megabyte of it takes a second
        description="the request that a model is about to get: a text, LiteLLM's envelope of one, or messages"
    )
    questions: dict[Annotated[str, Field(min_length=1)], Question] = Field(min_length=1, max_length=MAX_QUESTIONS)

    @field_validator("questions", mode="before")
    @classmethod
    def _are_few(cls, questions: object) -> object:
        """Refuse too many before each of them is looked at."""
        if isinstance(questions, dict) and len(questions) > MAX_QUESTIONS:
            raise ValueError(f"{len(questions)} questions; limit {MAX_QUESTIONS}; ask fewer at a time")
        return questions


class ChoiceAnswer(BaseModel):
    """The label of the verdict, and how probable each label is of a single outcome."""

    type: Literal["choice"] = "choice"
    choice: str
    probabilities: dict[str, Probability]
    confidence: Probability = Field(
        description="of the choice; another label may have more, as the verdict follows net_benefit"
    )


class NoulAnswer(BaseModel):
    """How probable yes is."""

    type: Literal["noul"] = "noul"
    noul: Probability


class Usage(BaseModel):
    """Tokens that the encoder read; nothing is generated."""

    input_tokens: int = Field(ge=0, strict=True)
    output_tokens: int = Field(0, ge=0, strict=True)


class SystemOneAnswer(BaseModel):
    """One answer a question, and the whole decision behind them, which the protocol does not know."""

    model: str = Field(description="as it was asked for")
    answers: dict[str, ChoiceAnswer | NoulAnswer]
    usage: Usage
    thinkworth: Answer


class SystemOneError(BaseModel):
    """What is wrong, and where."""

    message: str
    field: str | None


class SystemOneRefusal(BaseModel):
    """The protocol's shape of an error."""

    error: SystemOneError


class Model(BaseModel):
    """A name that `model` may have: one a profile of the bundle."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="when the bundle was made, in seconds since 1970")
    owned_by: Literal["thinkworth"] = "thinkworth"


class Models(BaseModel):
    """The list of GET /v1/models, in OpenAI's shape."""

    object: Literal["list"] = "list"
    data: list[Model]
