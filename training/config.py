"""What a training run can be told; frozen, unknown keys refused."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import InvalidInput


class TrainConfig(BaseModel):
    """Settings of a training run.

    Attributes:
        seed: of everything random.
        components: principal components kept of each view's embedding.
        source_power: a source of n pairs weighs n ** (1 - source_power) in all; 0 weighs pairs alike, 1 sources alike.
        prior_weight: factor on the taxonomy's strengths (pseudo-observations a prompt); 0 leaves the taxonomy out.
        chain_of_thought: pattern of thinking_settings that are prompting and no thinking mode; they teach gain, not tokens.
        calibration_share: share of prompts kept for calibration.
        holdout_share: share of prompts kept for the report.
        iterations: boosting iterations of each head.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 7
    components: int = Field(64, ge=2, le=384)
    source_power: float = Field(0.5, ge=0, le=1)
    prior_weight: float = Field(1.0, ge=0, le=4)
    chain_of_thought: str = r"(?i)\bcot\b|chain.of.thought|step by step|kojima|zhou"
    calibration_share: float = Field(0.25, gt=0.02, lt=0.5)
    holdout_share: float = Field(0.05, gt=0.02, lt=0.5)
    iterations: int = Field(150, ge=10, le=2000)


def load_config(path: Path | None) -> TrainConfig:
    """Return the configuration of a YAML file, or the defaults.

    Raises:
        InvalidInput: the file cannot be read, a key is unknown (the known ones are listed) or a value is out of range.
    """
    if path is None:
        return TrainConfig()
    try:
        return TrainConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}", field="config") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not YAML: {error}", field="config") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(
            f"{path}: {where}: {first['msg']} (known keys: {', '.join(TrainConfig.model_fields)})", field=where
        ) from error
