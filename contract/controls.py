"""What a model accepts to steer its thinking, by its name and its provider; and a decision as such a model can carry it out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.errors import InvalidInput
from contract.ladders import ORDER, OWN, SHIPPED_LADDERS, Effort, Ladder
from contract.model_names import ByName, Pattern, named_rows, shipped_file
from contract.policy import Decision, effort_of
from contract.records import Arm
from contract.settings import load_settings
from contract.wording import unknown_key
from contract.yaml_file import read_mapping, validated

SHIPPED = "data/dialects.yaml"

Provider = Literal[
    "openai", "openai_responses", "anthropic", "gemini", "qwen", "dashscope", "vllm", "sglang", "deepseek", "openrouter",
    "bedrock", "litellm",
]  # fmt: skip
PROVIDERS: tuple[Provider, ...] = get_args(Provider)

By = Literal[
    "effort", "nested_effort", "adaptive", "level", "anthropic_budget", "gemini_budget", "qwen_budget", "switch", "nova"
]

Calls = Literal["last_call", "all_calls"]


class Accepts(BaseModel):
    """What steers the thinking of a model at one provider.

    Attributes:
        thinking: whether a request can switch it on and off (`optional`), or it is `always` on, or `never`.
        on_by_default: what happens where a request says nothing, for `optional`; None: unknown.
        by: what tells how much; None: nothing that is known.
            `effort`: a word, reasoning_effort where the API is OpenAI's. `nested_effort`: the same within `reasoning`.
            `adaptive`: Anthropic's thinking.type adaptive and output_config.effort. `level`: Gemini's thinkingLevel.
            `anthropic_budget`, `gemini_budget`, `qwen_budget`: tokens, as budget_tokens, thinkingBudget or thinking_budget.
            `switch`: on and off only, and a word beside it where there are efforts. `nova`: Amazon's reasoningConfig.
        efforts: words that are accepted, weakest first; `none` is no such word, `optional` says it.
        least_tokens: smallest budget, where one is taken.
        most_tokens: largest budget, where one is taken; None: only the cap on all output.
        off_type: thinking.type that switches Anthropic's thinking off, or turns it as low as it goes; None: nothing is sent, as it is off
            by default and one of its hosts refuses to be told so.
        thinks_with_tools: whether thinking is accepted in a request with function tools.
        least_with_hosted_tools: the least effort that is accepted in a request with tools of the provider's own, such as web search; None:
            any is.
        earlier_thinking: whose thinking must be in the messages for thinking to be accepted: its blocks in the turn whose tools' results the
            model is to go on from, or that of all calls; None: nobody's.
        thinks_with_prefill: whether thinking is accepted where the last message is an assistant's, which the model is to go on with.
        stops_mid_turn: whether a request may switch thinking off whose last turn, not yet ended, holds blocks of thinking.
        template: the chat template's variable that switches thinking, where a server of open weights renders it; None: none is known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    thinking: Literal["optional", "always", "never"]
    on_by_default: bool | None = None
    by: By | None = None
    efforts: tuple[Effort, ...] = ()
    least_tokens: int | None = Field(None, ge=1, le=1_000_000)
    most_tokens: int | None = Field(None, ge=1, le=1_000_000)
    off_type: Literal["disabled", "between_tools"] | None = "disabled"
    thinks_with_tools: bool = True
    least_with_hosted_tools: Effort | None = None
    earlier_thinking: Calls | None = None
    thinks_with_prefill: bool = True
    stops_mid_turn: bool = True
    template: Literal["enable_thinking", "thinking"] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> "Accepts":
        if self.on_by_default is not None and self.thinking != "optional":
            raise ValueError(f"on_by_default says nothing of thinking: {self.thinking}; leave it out")
        if self.thinking == "never" and (self.by or self.template):
            raise ValueError("nothing steers thinking: never; leave out by and template")
        if self.by in ("effort", "nested_effort", "adaptive", "level", "nova") and not self.efforts:
            raise ValueError(f"by: {self.by} needs efforts; list the words that are accepted, weakest first")
        if self.takes_tokens != (self.least_tokens is not None):
            raise ValueError("least_tokens belongs to a budget as by; give both, or neither")
        if self.off_type is None and self.on_by_default is not False:
            raise ValueError("off_type: null sends nothing for off, which is off where on_by_default is false; say so")
        if self.least_with_hosted_tools not in (None, *self.efforts):
            raise ValueError("least_with_hosted_tools is none of efforts; name one of them, or leave it out")
        if not self.stops_mid_turn and not (self.thinking == "optional" and self.takes_tokens):
            raise ValueError("stops_mid_turn: false is of thinking: optional with a budget as by; leave it out")
        order = [ORDER.index(word) for word in self.efforts]
        if order != sorted(set(order)):
            raise ValueError("efforts are each named once, weakest first; put them in order")
        if self.most_tokens is not None and not (self.least_tokens or 0) <= self.most_tokens:
            raise ValueError("most_tokens is below least_tokens; correct one of them")
        return self

    @property
    def takes_tokens(self) -> bool:
        """Whether a budget is a number of tokens."""
        return self.by is not None and self.by.endswith("budget")

    @property
    def tells_arms_apart(self) -> bool:
        """Whether a request can be told one arm in other words than the other: gpt-5-pro, which takes effort high alone, cannot."""
        return self.thinking == "optional" or (
            self.thinking == "always" and (self.takes_tokens or len(self.efforts) > 1)
        )


class Control(Accepts):
    """A row of the file: models that are steered alike.

    Attributes:
        matches: patterns on a normalised name, where `*` stands for any characters, or none.
        as_of: when the row was read.
        source: where it was read.
        at: what differs at a provider, by its name.
    """

    matches: tuple[Pattern, ...] = Field(min_length=1)
    as_of: date
    source: str = Field(min_length=1)
    at: dict[Provider, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _differs_rightly(self) -> "Control":
        for provider, difference in self.at.items():
            for key in difference:
                if key not in Accepts.model_fields:
                    raise ValueError(f"at.{provider}: {unknown_key(key, list(Accepts.model_fields))}")
            Accepts.model_validate(self._base | difference)
        return self

    @cached_property
    def _base(self) -> dict[str, Any]:
        return self.model_dump(include=set(Accepts.model_fields))

    @cached_property
    def _of_providers(self) -> dict[str | None, Accepts]:
        base = Accepts.model_validate(self._base)
        differing = {name: Accepts.model_validate(self._base | row) for name, row in self.at.items()}
        return {None: base} | {name: differing.get(name, base) for name in PROVIDERS}

    def accepts(self, provider: str | None) -> Accepts:
        """Return what steers these models at a provider; None: what holds at most of them."""
        return self._of_providers[provider]


class Controls:
    """What models accept, how a budget becomes an effort, and what the operator's servers take; safe to ask from several threads."""

    def __init__(
        self,
        shipped: Mapping[str, Control],
        own: Mapping[str, Control] | None = None,
        *,
        ladder: Ladder = OWN,
        vllm_takes_budgets: bool = False,
    ) -> None:
        """Take the shipped rows and the operator's, which win by name."""
        self.rows: ByName[Control] = ByName(shipped, own)
        self.ladder, self.vllm_takes_budgets = ladder, vllm_takes_budgets

    def of(self, model: str | None, provider: str | None = None) -> Accepts | None:
        """Return what a model accepts at a provider; None: the model is unknown, or none is named."""
        row = self.rows.of(model) if model else None
        return row.accepts(provider) if row else None


class _OwnFile(BaseModel):
    """The operator's file; each key may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    controls: dict[Any, Any] = {}
    ladders: dict[str, Ladder] = {}
    ladder: str = "thinkworth"
    vllm_takes_budgets: bool = False


def load_controls(path: Path | None = None, *, shipped: Path | None = None) -> Controls:
    """Return the shipped controls and those of the operator's file; without a checkout none are shipped.

    Args:
        path: the operator's file; None: the one that the setting `dialects` names, if any.
        shipped: the shipped file; None: that of the working directory or of the checkout.

    Raises:
        InvalidInput: a file is missing or is not YAML in UTF-8; a row has an unknown key or a value out of range; two rows of a
            file claim one pattern; or the ladder that is named is not known.
    """
    path = path or load_settings().dialects
    shipped = shipped or shipped_file(SHIPPED)
    rows = _rows(_read(shipped), shipped) if shipped else {}
    if path is None:
        return Controls(rows)
    own = _read(path)
    ladders = {"thinkworth": OWN, **SHIPPED_LADDERS, **own.ladders}
    if own.ladder not in ladders:
        known = list(ladders)
        raise InvalidInput(f"{path}: ladder is not one of {', '.join(known)}; name one", field="ladder", limit=known)
    return Controls(rows, _rows(own, path), ladder=ladders[own.ladder], vllm_takes_budgets=own.vllm_takes_budgets)


def _read(path: Path) -> _OwnFile:
    raw = read_mapping(path, field="dialects", remedy="name another with THINKWORTH_DIALECTS")
    return validated(_OwnFile, raw, path)


def _rows(file: _OwnFile, path: Path) -> dict[str, Control]:
    return named_rows(Control, file.controls, path, "control", "controls")


def expressed(decision: Decision, accepts: Accepts | None) -> tuple[Decision, bool]:
    """Return a decision as the model can carry it out, and whether it can be enforced.

    A model that never thinks answers directly, whatever the verdict; one that always thinks cannot be told not to.
    """
    if accepts is None:
        return decision, True
    if accepts.thinking == "always" and decision.arm is Arm.DIRECT:
        reason = "thinking is always on for this model: no thinking can only mean the least it allows"
        return replace(decision, reasons=(*decision.reasons, reason)), False
    if accepts.thinking == "never" and decision.arm is Arm.REASONING:
        reason = "this model never thinks: the arm is direct whatever the verdict"
        reasons = (*decision.reasons, reason)
        return replace(decision, arm=Arm.DIRECT, thinking_budget=0, effort=effort_of(0), reasons=reasons), False
    return decision, True
