"""Profiles: named points of the cost-quality-latency triangle, read from data/profiles.yaml and copied into a bundle."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.errors import InvalidInput
from contract.wording import shown
from contract.yaml_file import only_entry, read_mapping, validated

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

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    tokens_per_point: float = Field(gt=0)
    seconds_per_point: float | None = Field(None, gt=0)
    max_thinking_tokens: int = Field(gt=0)
    max_latency_s: float | None = Field(None, gt=0)
    margin: float = Field(0.02, ge=0, lt=1)
    maybe_arm: Literal["small_budget", "direct", "reasoning"] = "small_budget"


def default_name(profiles: Collection[str]) -> str:
    """Return the name of the profile that serves where none is named: the default one, else the first."""
    return DEFAULT_PROFILE if DEFAULT_PROFILE in profiles else next(iter(profiles))


def load_profiles(path: Path) -> dict[str, Profile]:
    """Return the profiles of a YAML file, by name, in the file's order.

    Raises:
        InvalidInput: the file is missing, is not YAML in UTF-8 or names no profile; a name is given twice or is no text;
            or a profile has an unknown key or a value out of range.
    """
    raw = read_mapping(path, field="profiles", remedy="give a profiles file with --profiles")
    profiles = only_entry(path, raw, "profiles", dict)
    for name in profiles:
        if not isinstance(name, str) or not name.strip():
            what = "is empty; give it one" if isinstance(name, str) else f"is {shown(name)}; write it in quotes"
            raise InvalidInput(f"{path}: the name of a profile {what}", field="profiles")
    return {name: validated(Profile, value, path, name) for name, value in profiles.items()}
