"""The arm of a call and its budget, from the parameters that the request was sent with: never from a guess.

Providers say it in a dozen ways and gateways wrap them in half a dozen more. Each parameter that says something is a
`_Word`; words that disagree, one that nobody knows, or none at all leave the arm undecidable.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from contract.records import Arm
from training.importers.jsonl import json_text
from training.log_values import LARGEST, shown

Says = Literal["off", "switched off", "on", "cap", "little", "beside", "nothing"]
"""What a parameter says of thinking. `cap` is on, unless a switch beside it is off; `little` asks for next to nothing;
`beside` only goes with another one."""


@dataclass(frozen=True)
class Setting:
    """The arm of a call, what was asked for in the source's words, and the cap on thinking tokens."""

    arm: Arm
    thinking_setting: str | None
    thinking_budget: int | None


class Undecidable(ValueError):
    """The parameters do not say whether thinking was on; the text is the reason, fit for a report."""


@dataclass(frozen=True)
class _Word:
    """One parameter, as a reader is shown it, what it says, and the budget that it names."""

    text: str
    says: Says
    budget: int | None = None


_SWITCH: Mapping[str, Says] = {"false": "switched off", "true": "on"}
_EFFORTS: Mapping[str, Says] = {
    **_SWITCH,
    **dict.fromkeys(("none", "disable", "disabled"), "off"),
    "minimal": "little",
    **dict.fromkeys(("low", "medium", "high", "xhigh", "max", "ultra"), "on"),
    **dict.fromkeys(("default", "auto", "thinking_level_unspecified"), "nothing"),
}
_TYPES: Mapping[str, Says] = {
    **_SWITCH,
    "disabled": "off",
    **dict.fromkeys(("enabled", "adaptive"), "on"),
    "auto": "nothing",
}
_BESIDE: Mapping[str, Says] = dict.fromkeys(_EFFORTS, "beside")
_WRAPPERS = (
    *("extrabody", "optionalparams", "modelparameters", "litellmparams", "additionalmodelrequestfields"),
    *("generationconfig", "config", "google", "thinkingconfig", "chattemplatekwargs", "outputconfig"),
)
_DEEPEST = 8
UNSAID = "no thinking parameter"
"""Why a call is undecidable that says nothing of thinking: the one reason that a declared default mends."""
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def arm_of(parameters: Mapping[str, Any], *, thinking_tokens: int | None, default: Arm | None = None) -> Setting:
    """Return the arm, the setting and the budget of a call.

    Args:
        parameters: of the request, in the provider's or the gateway's words, wrapped as they were.
        thinking_tokens: hidden tokens that the call recorded; None where it recorded none.
        default: the arm that the operator declares for calls of this model that say nothing.

    Raises:
        Undecidable: no parameter says it, two disagree, one is unknown, or hidden tokens were billed though it is off.
    """
    words = _words(parameters)
    setting = " ".join(word.text for word in words) or None
    on, off = _first(words, "on", "cap"), _first(words, "off", "switched off")
    if on and off:
        raise Undecidable(f"{off.text} and {on.text} disagree")
    if on:
        return Setting(Arm.REASONING, setting, _budget_of(words))
    if off:
        return _direct(setting, thinking_tokens)
    if little := _first(words, "little"):
        if thinking_tokens is None:
            raise Undecidable(f"{little.text} asks for next to nothing, and no hidden tokens were recorded to tell by")
        return Setting(Arm.REASONING if thinking_tokens > 0 else Arm.DIRECT, setting, None)
    if default is None:
        raise Undecidable(UNSAID)
    setting = "declared default"
    return _direct(setting, thinking_tokens) if default is Arm.DIRECT else Setting(default, setting, None)


def _direct(setting: str | None, thinking_tokens: int | None) -> Setting:
    if thinking_tokens is not None and thinking_tokens > 0:
        count = shown(thinking_tokens)
        raise Undecidable(
            f"asked for no thinking ({setting}), but {count} hidden tokens were billed: the model cannot switch it off"
        )
    return Setting(Arm.DIRECT, setting, None)


def _first(words: Sequence[_Word], *says: Says) -> _Word | None:
    return next((word for word in words if word.says in says), None)


def _budget_of(words: Sequence[_Word]) -> int | None:
    named = {word.budget: word.text for word in reversed(words) if word.budget is not None}
    if len(named) > 1:
        raise Undecidable(f"{' and '.join(reversed(named.values()))} name different budgets")
    return next(iter(named), None)


def _words(parameters: Mapping[str, Any]) -> list[_Word]:
    """Return what the parameters say, each thing once, in an order that does not depend on theirs."""
    found = list(_found(parameters))
    words = [
        word for name, read in _READERS.items() for at, key, value in found if at == name for word in read(key, value)
    ]
    words = [word for word in dict.fromkeys(words) if word.says != "nothing"]
    if _first(words, "switched off"):
        words = [word for word in words if word.says != "cap"]
    return words


def layers(parameters: Mapping[str, Any], depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield the parameters, and those that gateways and SDKs wrap into others; values that are JSON texts are read."""
    layer = {key: json_text(raw) for key, raw in parameters.items()}
    yield layer
    for key, value in layer.items():
        if isinstance(value, Mapping) and depth < _DEEPEST:
            plain = _plain(key)
            for inner in value.values() if plain == "provideroptions" else (value,) if plain in _WRAPPERS else ():
                if isinstance(inner, Mapping):
                    yield from layers(inner, depth + 1)


def _found(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield (plain name, name as written, value) of each parameter about thinking, wherever it stands."""
    for layer in layers(parameters):
        for key, value in layer.items():
            plain = _plain(key)
            if plain in _READERS and value is not None and value != "":
                yield plain, key, value


@lru_cache(4096)
def _plain(key: Any) -> str:
    return re.sub(r"[\W_]", "", str(key)).lower()


def _word(text: str, value: Any, known: Mapping[str, Says]) -> _Word:
    """Return the parameter whose value is one of the words known.

    Raises:
        Undecidable: it is none of them.
    """
    word = str(value).strip() if isinstance(value, str | bool) else ""
    if isinstance(value, bool):
        word = word.lower()
    if word.lower() not in known:
        raise Undecidable(f"{text} {shown(value)} does not say whether thinking is on")
    return _Word(f"{text}={word}", known[word.lower()])


def _budget(text: str, value: Any, says: Says) -> _Word:
    """Return a cap on thinking tokens: 0 is off, -1 leaves it to the model.

    Raises:
        Undecidable: it is no such number.
    """
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not -1 <= number <= LARGEST:
        raise Undecidable(f"{text} {shown(value)} is no number of tokens")
    if number <= 0:
        return _Word(f"{text}={number}", "off" if number == 0 else says)
    return _Word(f"{text}={number}", says, number)


def _read_reasoning(key: str, value: Any) -> Iterator[_Word]:
    """Read OpenAI's `reasoning` and OpenRouter's, or an effort by itself."""
    if not isinstance(value, Mapping):
        yield _word(key, value, _EFFORTS)
        return
    for name, read in (("effort", _EFFORTS), ("max_tokens", None), ("enabled", _SWITCH)):
        if value.get(name) is not None:
            text = f"{key}.{name}"
            yield _budget(text, value[name], "on") if read is None else _word(text, value[name], read)


def _read_thinking(key: str, value: Any) -> Iterator[_Word]:
    """Read Anthropic's `thinking` and those like it, Bedrock's `reasoningConfig`, or a switch of that name."""
    if not isinstance(value, Mapping):
        yield _word(key, value, _TYPES)
        return
    if value.get("type") is not None:
        yield _word(key, value["type"], _TYPES)
    for name in ("budget_tokens", "budgetTokens", "token_budget"):
        if value.get(name) is not None:
            yield _budget(name, value[name], "on")
    for name in ("maxReasoningEffort", "max_reasoning_effort"):
        if value.get(name) is not None:
            yield _word(name, value[name], _BESIDE)


_READERS: Mapping[str, Callable[[str, Any], Iterator[_Word]]] = {
    "reasoningeffort": _read_reasoning,
    "reasoning": _read_reasoning,
    "think": _read_reasoning,
    "thinking": _read_thinking,
    "reasoningconfig": _read_thinking,
    "enablethinking": lambda key, value: iter((_word(key, value, _SWITCH),)),
    "thinkinglevel": lambda key, value: iter((_word(key, value, _EFFORTS),)),
    "thinkingbudget": lambda key, value: iter((_budget(key, value, "cap"),)),
    "thinkingtokenbudget": lambda key, value: iter((_budget(key, value, "cap"),)),
    "effort": lambda key, value: iter((_word(key, value, _BESIDE),)),
}
