"""What a shadow run asks: each prompt in both arms and at each budget, some times over; and what makes two runs one."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from contract.errors import InvalidInput
from contract.records import Arm, PairKind
from training.collect.prompts import Item
from training.importers.arms import Undecidable, arm_of

BUDGET = "$budget"
"""What stands for the number of thinking tokens in the parameters of the ladder."""

OURS = (
    "api_base", "api_key", "base_url", "extra_headers", "headers", "max_retries", "messages", "model", "n",
    "num_retries", "stream", "stream_options", "timeout",
)  # fmt: skip
"""Parameters that a run sets itself, or that would put a key on the command line."""

LIMITS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run asks and how it grades: with the prompts, what decides whether a journal is this run's.

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
        grader: what the command named.
        grader_digest: sha256 of the file that the grader reads, if any.
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
    grader: str
    grader_digest: str | None = None
    prices: tuple[float, float] | None = None

    @property
    def limit(self) -> int | None:
        """The cap on a call's output tokens, wherever it is given."""
        given = [value for name in LIMITS if isinstance(value := self.params.get(name), int)]
        return self.max_output_tokens or (min(given) if given else None)

    def digest_of(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return the settings as a journal holds them; of the prompts only a digest."""
        prompts = [[i.prompt_id, i.digest, i.task, i.language, i.reference] for i in items]
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


def modes(settings: Settings) -> list[Mode]:
    """Return the two arms and the rungs of the ladder."""
    arms = [(Arm.DIRECT, settings.direct), (Arm.REASONING, settings.reasoning)]
    return [
        *(_mode(arm, own, settings, _named_budget(own, arm), "toggle") for arm, own in arms),
        *(_mode(Arm.REASONING, _filled(settings.budget, n), settings, n, "budget") for n in settings.budgets),
    ]


def check(settings: Settings) -> None:
    """Refuse settings that cannot give what they promise.

    Raises:
        InvalidInput: a parameter is ours to set, an arm's parameters say the other arm, the ladder has no place for its
            number, or a budget leaves no room for an answer.
    """
    for option, given in (
        ("direct", settings.direct), ("reasoning", settings.reasoning), ("budget", settings.budget),
        ("params", settings.params),
    ):  # fmt: skip
        if name := named(given, OURS if option == "params" else (*OURS, *LIMITS)):
            raise InvalidInput(f"--{option} sets {name}, which is not taken there; leave it out", field=option)
    if settings.max_output_tokens and set(LIMITS) & set(settings.params):
        raise InvalidInput("--params sets the cap on output tokens, and --max-output-tokens does; give one of them")
    if settings.budgets and BUDGET not in json.dumps(settings.budget):
        raise InvalidInput(f'--budget has no "{BUDGET}" for the number of tokens', field="budget")
    for budget in settings.budgets:
        if settings.limit is not None and budget >= settings.limit:
            what = f"budget {budget:,} leaves no room for an answer under the cap of {settings.limit:,} output tokens"
            raise InvalidInput(f"{what}; lower it or raise --max-output-tokens", field="budgets", limit=settings.limit)
    ways = modes(settings)
    for mode in ways:
        with suppress(Undecidable):
            if arm_of(mode.parameters, thinking_tokens=None, default=mode.arm).arm is not mode.arm:
                what = f"the parameters of the {mode.arm.value} arm say the other one: {mode.thinking_setting}"
                raise InvalidInput(f"{what}; see --direct and --reasoning", field=mode.arm.value)
    twice = [word for word, count in Counter(mode.thinking_setting for mode in ways).items() if count > 1]
    if twice:
        raise InvalidInput(f"two arms or budgets ask for the same: {twice[0]}; leave one out", field="budgets")


def named(parameters: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first of the names that parameters set, or None; the limits are never taken from `extra_body`."""
    inner = parameters.get("extra_body")
    hidden = inner if isinstance(inner, Mapping) else {}
    found = (*(name for name in parameters if name in names), *(name for name in hidden if name in (*names, *LIMITS)))
    return next(iter(found), None)


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
