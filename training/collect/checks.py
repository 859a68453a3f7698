"""Settings that cannot give what they promise, refused: arms that say the other one or the same, keys, limits set twice."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from contract.errors import InvalidInput
from contract.records import Arm
from training.collect.plan import BUDGET, LIMITS, Mode, Settings, modes
from training.importers.arms import Undecidable, arm_of

OURS = (
    "api_base", "base_url", "extra_headers", "headers", "max_retries", "messages", "model", "n", "num_retries", "stream",
    "stream_options", "timeout",
)  # fmt: skip
"""Parameters that a run sets itself, or that lead elsewhere."""

_SECRET = re.compile(
    "(access|account|admin|anthropic|api|auth|azure|encryption|functions?|google|license|master|openai|private|signing|ssh"
    "|storage|subscription|virtual)key|(access|auth)token|secret|passw|passphrase|pwd|credential|authori[sz]|authent|bearer|cookie"
)
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LINK = re.compile(r"\w+://(?P<user>[^/?#\s]*:[^/?#\s]+@)?\S*")
_QUERY = re.compile(r"[?&]([^=&#]+)=[^&#]")
_FIELDS = ("properties", "$defs", "definitions")
"""Where a JSON schema names what it describes, by mappings with some of the words below."""
_DESCRIBED = frozenset(("$ref", "allOf", "anyOf", "const", "description", "enum", "oneOf", "properties", "type"))
_OF_TEXTS = frozenset(
    ("begin", "bos", "cls", "end", "eos", "image", "mask", "pad", "sep", "special", "start", "stop", "think", "unk")
)
"""Words before `token` in the names of a tokeniser's tokens."""


def check(settings: Settings) -> None:
    """Refuse settings that cannot give what they promise.

    Raises:
        InvalidInput: a parameter is ours to set, looks like a credential or is set twice, an arm's parameters say the
            other arm, two ask for the same, the ladder has no place for its number, or a budget leaves no room.
    """
    options = (
        ("direct", settings.direct), ("reasoning", settings.reasoning), ("budget", settings.budget),
        ("params", settings.params),
    )  # fmt: skip
    for option, given in options:
        if name := credential(given):
            what = f"--{option} sets {name}, which looks like a credential, and the journal keeps parameters"
            raise InvalidInput(
                f"{what}; name its environment variable with --api-key-env, or set the one that LiteLLM reads",
                field=option,
            )
        if name := named(given, OURS if option == "params" else (*OURS, *LIMITS)):
            raise InvalidInput(f"--{option} sets {name}, which is not taken there; leave it out", field=option)
    for option, given in options[: 3 if settings.budgets else 2]:
        if twice := sorted(given.keys() & settings.params.keys()):
            what = f"--params and --{option} both set {twice[0]}"
            raise InvalidInput(f"{what}; set it in one of them (--params is for what all calls share)", field="params")
    _check_limits(settings)
    _check_arms(modes(settings))


def credential(value: Any, at: str = "") -> str | None:
    """Return the name of the first parameter that looks like a credential or a link with one, at any depth, or None."""
    if isinstance(value, str):
        return at if _opens(value) else None
    if isinstance(value, list):
        return next((found for inner in value if (found := credential(inner, at))), None)
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        path = f"{at}.{name}" if at else str(name)
        described = at.rpartition(".")[2] in _FIELDS and isinstance(inner, Mapping) and inner.keys() & _DESCRIBED
        if not described and _is_secret(str(name)) and _has_text(inner):
            return path
        if found := credential(inner, path):
            return found
    return None


def named(parameters: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first of the names that parameters set, or None; the limits are never taken from `extra_body`."""
    inner = parameters.get("extra_body")
    hidden = inner if isinstance(inner, Mapping) else {}
    found = (*(name for name in parameters if name in names), *(name for name in hidden if name in (*names, *LIMITS)))
    return next(iter(found), None)


def _is_secret(name: str) -> bool:
    """Whether a name looks like that of a credential; counts of tokens, tokenisers' tokens and mere keys do not."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if _SECRET.search("".join(words)) or {"auth", "jwt"} & set(words):
        return True
    return words[-1:] == ["token"] and not _OF_TEXTS & set(words)


def _has_text(value: Any) -> bool:
    """Whether there is a text in a value, at any depth, that is not the place of a budget's number."""
    if isinstance(value, Mapping | list):
        return any(_has_text(inner) for inner in (value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, str) and value != BUDGET


def _opens(text: str) -> bool:
    """Whether a text is a link that holds a password, or a credential in its query."""
    link = _LINK.fullmatch(text)
    names = _QUERY.findall(text) if link else ()
    return bool(link and link["user"]) or any(_is_secret(name) or name in ("key", "sig") for name in names)


def _check_limits(settings: Settings) -> None:
    if settings.max_output_tokens and set(LIMITS) & set(settings.params):
        raise InvalidInput("--params sets the cap on output tokens, and --max-output-tokens does; give one of them")
    if settings.budgets and BUDGET not in json.dumps(settings.budget):
        raise InvalidInput(f'--budget has no "{BUDGET}" for the number of tokens', field="budget")
    for budget in settings.budgets:
        if settings.limit is not None and budget >= settings.limit:
            what = f"budget {budget:,} leaves no room for an answer under the cap of {settings.limit:,} output tokens"
            raise InvalidInput(f"{what}; lower it or raise --max-output-tokens", field="budgets", limit=settings.limit)


def _check_arms(ways: Sequence[Mode]) -> None:
    for mode in ways:
        if _says_other(mode):
            what = f"the parameters of the {mode.arm.value} arm say the other one: {mode.thinking_setting}"
            raise InvalidInput(f"{what}; see --direct, --reasoning and --params", field=mode.arm.value)
    for one, other in combinations(ways, 2):
        if one.thinking_setting == other.thinking_setting or one.parameters == other.parameters:
            what = f"two arms or budgets ask for the same: {other.thinking_setting}"
            raise InvalidInput(f"{what}; leave one out, or have them differ", field="budgets")


def _says_other(mode: Mode) -> bool:
    """Whether the parameters of an arm say the other one, or where together they say nothing, one of them does."""
    try:
        return arm_of(mode.parameters, thinking_tokens=None, default=mode.arm).arm is not mode.arm
    except Undecidable:
        return any(_arm({name: value}) not in (None, mode.arm) for name, value in mode.parameters.items())


def _arm(parameters: Mapping[str, Any]) -> Arm | None:
    try:
        return arm_of(parameters, thinking_tokens=None).arm
    except Undecidable:
        return None
