"""What is known of the target model by its family: prices and speed. What its thinking can do is in contract/controls.py."""

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.model_names import ByName, Pattern, named_rows, shipped_file
from contract.yaml_file import only_entry, read_mapping

VARIABLE = "THINKWORTH_MODELS"
"""Environment variable that names the operator's own file."""

SHIPPED = "data/models.yaml"

Dollars = Annotated[float, Field(ge=0, le=1e6)]


class ModelFamily(BaseModel):
    """Models with one price and one speed; None is unknown.

    Attributes:
        matches: patterns on a normalised name, where `*` stands for any characters, or none.
        as_of: when the prices were read.
        source: where the prices were read.
        input_usd_per_mtok: dollars for a million input tokens, at the lowest tier.
        output_usd_per_mtok: dollars for a million output tokens, hidden ones included, with thinking on.
        cached_input_usd_per_mtok: dollars for a million input tokens that a prompt cache holds.
        output_tokens_per_second: median speed while the model writes.
        speed_source: where the speed was read.
        cache_voided_by_thinking: what of the provider's prompt cache a change of arm voids: `all` of it, its `messages` but neither system
            prompt nor tools, or `none`; of a model that never thinks nothing is told.
        cache_source: where that was read, and when.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    matches: tuple[Pattern, ...] = Field(min_length=1)
    as_of: date
    source: str = Field(min_length=1)
    input_usd_per_mtok: Dollars | None = None
    output_usd_per_mtok: Dollars | None = None
    cached_input_usd_per_mtok: Dollars | None = None
    output_tokens_per_second: float | None = Field(None, gt=0, le=1e6)
    speed_source: str | None = Field(None, min_length=1)
    cache_voided_by_thinking: Literal["all", "messages", "none"] | None = None
    cache_source: str | None = Field(None, min_length=1)

    def cost_usd(self, tokens: float) -> float | None:
        """Return the dollars that `tokens` output tokens cost."""
        return None if self.output_usd_per_mtok is None else tokens * self.output_usd_per_mtok / 1e6

    def latency_s(self, tokens: float) -> float | None:
        """Return the seconds that `tokens` output tokens take."""
        return None if self.output_tokens_per_second is None else tokens / self.output_tokens_per_second


class ModelFamilies(ByName[ModelFamily]):
    """The families by name; safe to ask from several threads."""


def load_model_families(path: Path | None = None, *, shipped: Path | None = None) -> ModelFamilies:
    """Return the shipped families and those of the operator's file; without a checkout no families are shipped.

    Args:
        path: the operator's file; None: the one that THINKWORTH_MODELS names, if any.
        shipped: the shipped file; None: that of the working directory or of the checkout.

    Raises:
        InvalidInput: a file is missing, is not YAML in UTF-8 or names no family; a row has an unknown key or a value out
            of range; or two rows of a file claim one pattern.
    """
    named = os.environ.get(VARIABLE, "").strip()
    own = path or (Path(named) if named else None)
    shipped = shipped or shipped_file(SHIPPED)
    return ModelFamilies(_read(shipped) if shipped else {}, _read(own) if own else None)


def _read(path: Path) -> dict[str, ModelFamily]:
    remedy = f"give a file with {VARIABLE}"
    raw = only_entry(path, read_mapping(path, field="families", remedy=remedy), "families", dict)
    return named_rows(ModelFamily, raw, path, "family", "families")
