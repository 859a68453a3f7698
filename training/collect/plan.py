"""What a shadow run asks: each prompt in both arms and at each budget, some times over; and what makes two runs one."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from contract.records import Arm, PairKind
from training.collect.prompts import Item
from training.importers.arms import Undecidable, arm_of

BUDGET = "$budget"
"""What stands for the number of thinking tokens in the parameters of the ladder."""

LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run asks: with the prompts, what decides whether a journal is this run's. Who grades may change.

    Attributes:
        model: name of the model, as LiteLLM (or the server at base_url) knows it.
        base_url: an OpenAI-compatible server; None asks the provider that the model's name says.
        direct: request parameters of the direct arm.
        reasoning: request parameters of the reasoning arm.
        budget: request parameters of a rung of the ladder; "$budget" stands for its tokens.
        budgets: the ladder, in thinking tokens.
        params: request parameters of all.
        max_output_tokens: cap on the output of a call, hidden tokens included.
        attempts: how often each is asked.
        source: the rows' source.
        prices: dollars per million input and output tokens, where they are given.
    """

    model: str
    base_url: str | None = None
    direct: Mapping[str, Any]
    reasoning: Mapping[str, Any]
    budget: Mapping[str, Any]
    budgets: tuple[int, ...] = ()
    params: Mapping[str, Any]
    max_output_tokens: int | None = None
    attempts: int = 1
    source: str
    prices: tuple[float, float] | None = None

    @property
    def limit(self) -> int | None:
        """The cap on a call's output tokens, wherever it is given."""
        given = [value for name in LIMITS if isinstance(value := self.params.get(name), int)]
        return self.max_output_tokens or (min(given) if given else None)

    def digest_of(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return the settings as a journal holds them; of the prompts only a digest, without the right answers."""
        prompts = [[i.prompt_id, i.digest, i.task, i.language] for i in items]
        digest = hashlib.sha256(json.dumps(prompts).encode()).hexdigest()
        settings: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"prompts": digest, **settings}


@dataclass(frozen=True)
class Mode:
    """How a prompt is asked: an arm, or a rung of the ladder, with its request parameters.

    Attributes:
        thinking_setting: the parameters in words.
        thinking_budget: the cap on thinking tokens that they name.
        pair_kind: a rung of the ladder is not the reasoning arm as it is served: it teaches tokens, and makes no pair.
        parameters: of the request, with those of all modes.
    """

    arm: Arm
    thinking_setting: str
    thinking_budget: int | None
    pair_kind: PairKind
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Ask:
    """One row to be: a prompt, how it is asked, and the number of the attempt from 1."""

    item: Item
    mode: Mode
    attempt: int

    @property
    def key(self) -> str:
        """What names the ask in a journal."""
        mode = self.mode
        return json.dumps([self.item.prompt_id, mode.arm.value, mode.thinking_setting, self.attempt])


def asks(items: Sequence[Item], settings: Settings) -> list[Ask]:
    """Return all asks, those of one prompt together, so that a run cut short leaves whole pairs."""
    ways = modes(settings)
    return [Ask(item, mode, attempt) for item in items for mode in ways for attempt in range(1, settings.attempts + 1)]


def by_prompt(plan: Iterable[Ask]) -> dict[str, list[Ask]]:
    """Return the asks of each prompt, by its prompt_id."""
    found: dict[str, list[Ask]] = {}
    for ask in plan:
        found.setdefault(ask.item.prompt_id, []).append(ask)
    return found


def modes(settings: Settings) -> list[Mode]:
    """Return the two arms and the rungs of the ladder."""
    arms = [(Arm.DIRECT, settings.direct), (Arm.REASONING, settings.reasoning)]
    return [
        *(_mode(arm, own, settings, _named_budget(own, arm), "toggle") for arm, own in arms),
        *(_mode(Arm.REASONING, _filled(settings.budget, n), settings, n, "budget") for n in settings.budgets),
    ]


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Return which settings of two runs differ, in words; texts longer than a name only by theirs."""
    return [
        f"{name} was {_short(theirs.get(name))}, now {_short(ours.get(name))}"
        for name in {**ours, **theirs}
        if ours.get(name) != theirs.get(name)
    ]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _mode(arm: Arm, own: Mapping[str, Any], settings: Settings, budget: int | None, kind: PairKind) -> Mode:
    return Mode(arm, _words(own), budget, kind, {**settings.params, **own})


def _filled(template: Any, budget: int) -> Any:
    """Return parameters with the number of tokens in its places."""
    if isinstance(template, Mapping):
        return {name: _filled(value, budget) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, budget) for value in template]
    return budget if template == BUDGET else template


def _words(parameters: Mapping[str, Any], parent: str = "") -> str:
    """Return parameters in the words of the log table: `reasoning_effort=high`, `thinking=enabled budget_tokens=2048`."""
    words = []
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            words.append(_words(value, name))
        else:
            shown = value if isinstance(value, str) else json.dumps(value)
            words.append(f"{parent if name == 'type' and parent else name}={shown}")
    return " ".join(word for word in words if word) or "no parameter"


def _named_budget(parameters: Mapping[str, Any], arm: Arm) -> int | None:
    """Return the cap on thinking tokens that an arm's parameters name."""
    with suppress(Undecidable):
        return arm_of(parameters, thinking_tokens=None, default=arm).thinking_budget
    return None
