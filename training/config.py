"""What a training run can be told; frozen, unknown keys refused."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from contract.yaml_file import configured


class TrainConfig(BaseModel):
    """Settings of a training run.

    Attributes:
        seed: of everything random.
        components: principal components kept of each view's embedding.
        source_power: a source of n pairs weighs n ** (1 - source_power) in all; 0 weighs pairs alike, 1 sources alike.
        prior_weight: factor on the taxonomy's strengths (pseudo-observations a prompt); 0 leaves the taxonomy out.
        chain_of_thought: pattern of thinking_settings that are prompting and no thinking mode; they teach gain, not tokens.
        holdout_share: share of prompts kept for the report.
        iterations: boosting iterations of each head.
        review_weight: what a reviewer's mark of a recorded decision weighs, in recorded pairs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    seed: int = Field(7, ge=0, lt=2**32)
    components: int = Field(64, ge=2, le=384)
    source_power: float = Field(0.5, ge=0, le=1)
    prior_weight: float = Field(1.0, ge=0, le=4)
    chain_of_thought: str = r"(?i)\bcot\b|chain.of.thought|step by step|kojima|zhou"
    holdout_share: float = Field(0.1, ge=0.02, lt=0.5)
    iterations: int = Field(150, ge=10, le=2000)
    review_weight: float = Field(0.5, gt=0, le=4)

    @field_validator("chain_of_thought")
    @classmethod
    def _is_a_pattern(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error})") from error
        return text


def load_config(path: Path | None) -> TrainConfig:
    """Return the configuration of a YAML file, or the defaults.

    Raises:
        InvalidInput: the file cannot be read, is no YAML mapping in UTF-8 or is empty, a key is given twice or is unknown
            (the known ones are listed), or a value is out of range.
    """
    return configured(TrainConfig, path)
