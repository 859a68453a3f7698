"""Profiles: named points of the cost-quality-latency triangle, read from data/profiles.yaml and copied into a bundle."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import InvalidInput

DEFAULT_PROFILE = "balanced"


class Profile(BaseModel):
    """What a rubric point is worth, and how far a budget may go.

    Attributes:
        tokens_per_point: extra tokens one whole rubric point is worth.
        seconds_per_point: extra seconds one rubric point is worth; None: latency is not charged.
        max_thinking_tokens: the cap on any recommended budget.
        max_latency_s: the cap on expected latency, seconds; None: no cap.
        margin: half width of the `maybe` band of labels, in rubric points.
        maybe_arm: what `maybe` resolves to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens_per_point: float = Field(gt=0)
    seconds_per_point: float | None = Field(None, gt=0)
    max_thinking_tokens: int = Field(gt=0)
    max_latency_s: float | None = Field(None, gt=0)
    margin: float = Field(0.02, ge=0, lt=1)
    maybe_arm: Literal["small_budget", "direct", "reasoning"] = "small_budget"


def load_profiles(path: Path) -> dict[str, Profile]:
    """Return the profiles of a YAML file, by name, in the file's order.

    Raises:
        InvalidInput: the file is missing, is not YAML, or a profile has an unknown key or a value out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"{path}: {error.strerror}; give a profiles file with --profiles", field="profiles"
        ) from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not valid YAML: {error}", field="profiles") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("profiles"), dict) or not raw["profiles"]:
        raise InvalidInput(f"{path} has no mapping `profiles` of at least one profile", field="profiles")
    try:
        return {str(name): Profile.model_validate(value) for name, value in raw["profiles"].items()}
    except ValidationError as error:
        first = error.errors()[0]
        known = ", ".join(Profile.model_fields)
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{path}: {where}: {first['msg']} (known keys: {known})", field=where) from error
