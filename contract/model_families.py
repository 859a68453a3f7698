"""What is known of the target model by its family: prices, speed, and whether its thinking can be switched off."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.policy import Decision, effort_of
from contract.records import Arm
from contract.wording import shown
from contract.yaml_file import only_entry, read_mapping, validated

VARIABLE = "THINKWORTH_MODELS"
"""Environment variable that names the operator's own file."""

SHIPPED = "data/models.yaml"

REMEMBERED = 4096
"""Model names whose short form, and whose family, are remembered; the least recently asked for is forgotten."""

_VENDORS = "anthropic|amazon|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|zai"
_VENDOR = re.compile(
    rf"^(?:[a-z]+(?:-[a-z0-9]+)*\.)?(?:{_VENDORS})\."
)  # us.anthropic.claude-...: a region and a vendor
_REVISION = re.compile(r"-v\d+:\d+$")  # ...-v1:0
_SUFFIX = re.compile(r":.*|@(?:default|latest)$")  # :free, :thinking
_DATE = re.compile(r"[-@]20\d{2}(?:\d{4}|-\d{2}-\d{2})(?=-|$)")

Dollars = Annotated[float, Field(ge=0, le=1e6)]
Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9._*-]*[a-z0-9][a-z0-9._*-]*$", max_length=100)]


class ModelFamily(BaseModel):
    """Models with one price, one speed and one way to think; None is unknown.

    Attributes:
        matches: patterns on a normalised name, where `*` stands for any characters, or none.
        as_of: when the prices were read.
        source: where the prices, and what thinking can do, were read.
        input_usd_per_mtok: dollars for a million input tokens, at the lowest tier.
        output_usd_per_mtok: dollars for a million output tokens, hidden ones included, with thinking on.
        cached_input_usd_per_mtok: dollars for a million input tokens that a prompt cache holds.
        output_tokens_per_second: median speed while the model writes.
        speed_source: where the speed was read.
        thinking: whether a request can switch it on and off (`optional`), or it is `always` on, or `never`.
        thinking_on_by_default: what happens where a request says nothing, for `optional`.
        cache_voided_by_thinking: what of the provider's prompt cache a change of arm voids: `all` of it, its `messages` but neither system
            prompt nor tools, or `none`.
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
    thinking: Literal["optional", "always", "never"] | None = None
    thinking_on_by_default: bool | None = None
    cache_voided_by_thinking: Literal["all", "messages", "none"] | None = None
    cache_source: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _agrees(self) -> "ModelFamily":
        if self.thinking_on_by_default is not None and self.thinking in ("always", "never"):
            raise ValueError(f"thinking_on_by_default says nothing of thinking: {self.thinking}; leave it out")
        return self

    def cost_usd(self, tokens: float) -> float | None:
        """Return the dollars that `tokens` output tokens cost."""
        return None if self.output_usd_per_mtok is None else tokens * self.output_usd_per_mtok / 1e6

    def latency_s(self, tokens: float) -> float | None:
        """Return the seconds that `tokens` output tokens take."""
        return None if self.output_tokens_per_second is None else tokens / self.output_tokens_per_second


class ModelFamilies:
    """The families by name; safe to ask from several threads."""

    def __init__(self, shipped: Mapping[str, ModelFamily], own: Mapping[str, ModelFamily] | None = None) -> None:
        """Take the shipped families and the operator's, whose rows win by name."""
        own = own or {}
        self.by_name: dict[str, ModelFamily] = {**shipped, **own}
        ranked = sorted(
            (_literals(pattern), name in own, -pattern.count("*"), pattern, name)
            for name, family in self.by_name.items()
            for pattern in family.matches
        )
        self._patterns = [(_compiled(pattern), self.by_name[name]) for *_, pattern, name in reversed(ranked)]
        self._remembered: Callable[[str], ModelFamily | None] = lru_cache(REMEMBERED)(self._find)

    def of(self, model: str) -> ModelFamily | None:
        """Return the family of a model by its name, as a request gives it; None: unknown.

        The pattern with most characters besides `*` wins; of two alike the operator's, then the one with fewer `*`.
        """
        return self._remembered(model)

    def _find(self, model: str) -> ModelFamily | None:
        name = normalised(model)
        return next((family for pattern, family in self._patterns if pattern.fullmatch(name)), None)


@lru_cache(REMEMBERED)
def normalised(model: str) -> str:
    """Return a model's name in lower case, without provider, date, revision or what follows a colon."""
    name = model.strip().lower().rpartition("/")[2]
    name = _VENDOR.sub("", _SUFFIX.sub("", _REVISION.sub("", name)))
    return _DATE.sub("", name)


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
    shipped = shipped or shipped_families()
    return ModelFamilies(_read(shipped) if shipped else {}, _read(own) if own else None)


def shipped_families() -> Path | None:
    """Return the shipped file, of the working directory or of the checkout; None where there is neither."""
    return next((folder / SHIPPED for folder in (Path.cwd(), ROOT) if (folder / SHIPPED).is_file()), None)


def expressed(decision: Decision, family: ModelFamily | None) -> tuple[Decision, bool]:
    """Return a decision as the model can carry it out, and whether it can be enforced.

    A model that never thinks answers directly, whatever the verdict; one that always thinks cannot be told not to.
    """
    if family is None:
        return decision, True
    if family.thinking == "always" and decision.arm is Arm.DIRECT:
        reason = "thinking is always on for this model: no thinking can only mean the least it allows"
        return replace(decision, reasons=(*decision.reasons, reason)), False
    if family.thinking == "never" and decision.arm is Arm.REASONING:
        reason = "this model never thinks: the arm is direct whatever the verdict"
        reasons = (*decision.reasons, reason)
        return replace(decision, arm=Arm.DIRECT, thinking_budget=0, effort=effort_of(0), reasons=reasons), False
    return decision, True


def _read(path: Path) -> dict[str, ModelFamily]:
    remedy = f"give a file with {VARIABLE}"
    raw = only_entry(path, read_mapping(path, field="families", remedy=remedy), "families", dict)
    for name in raw:
        if not isinstance(name, str) or not name.strip():
            what = "is empty; give it one" if isinstance(name, str) else f"is {shown(name)}; write it in quotes"
            raise InvalidInput(f"{path}: the name of a family {what}", field="families")
    families = {name: validated(ModelFamily, value, path, name) for name, value in raw.items()}
    claimed: dict[str, str] = {}
    for name, pattern in _claims(families):
        if claimed.setdefault(pattern, name) != name:
            what = f"{path}: {claimed[pattern]} and {name} both match {pattern}; leave it to one of them"
            raise InvalidInput(what, field=f"{name}.matches")
    return families


def _claims(families: Mapping[str, ModelFamily]) -> Iterable[tuple[str, str]]:
    return ((name, pattern) for name, family in families.items() for pattern in family.matches)


def _literals(pattern: str) -> int:
    return len(pattern) - pattern.count("*")


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
