"""What an operator may set of the hook."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class HookSettings:
    """Settings of the hook.

    Attributes:
        url: of the service, without a path.
        api_key: sent as `Authorization: Bearer`; None: none is sent.
        profile: that is asked for; None: the service's default.
        timeout_s: seconds that a request may wait for its answer, from first byte to last; then it goes on without one.
        say: what tells the model, where the answer brings no parameters of its own, as for a model that the service does not know:
            `effort` sets reasoning_effort, `budget` sets thinking with the budget in tokens, as Anthropic takes it; None: nothing.
        override_caller: replace thinking parameters that the caller sent, or that the deployment's own config has; else they stay, and the outcome says so.
        only: model names of the proxy's config that are asked about; None: all. Leave out what never thinks.
        models: names of models to ask about, by model name of the proxy's config; others are those of the deployments.
        conversation_header: request header with the id of the conversation; None: LiteLLM's session id.
        max_characters: text of a request that is sent; of a longer one the oldest turns are left out.
        breaker_failures: failures in a row after which nothing is asked for a while.
        breaker_cooldown_s: seconds of that while; then one request tries.
        tell: post outcomes.
        max_waiting: outcomes that wait to be posted; more are dropped, and counted.
        linger_s: seconds that an outcome waits for others, to be posted with them.
        tell_timeout_s: seconds that a post of outcomes may take; no request waits for it.
        response_headers: name decision, verdict and arm in headers of the answer.
    """

    url: str = "http://127.0.0.1:3000"
    api_key: str | None = field(default=None, repr=False)
    profile: str | None = None
    timeout_s: float = 0.05
    say: Literal["effort", "budget"] | None = None
    override_caller: bool = False
    only: Collection[str] | None = None
    models: Mapping[str, str] = field(default_factory=dict)
    conversation_header: str | None = None
    max_characters: int = 200_000
    breaker_failures: int = 5
    breaker_cooldown_s: float = 5.0
    tell: bool = True
    max_waiting: int = 10_000
    linger_s: float = 0.5
    tell_timeout_s: float = 5.0
    response_headers: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, when the proxy starts and not in a request."""
        if not str(self.url).startswith(("http://", "https://")):
            raise ValueError(f"url is {self.url!r}; give an address such as http://127.0.0.1:3000")
        if self.say not in ("effort", "budget", None):
            raise ValueError(f"say is {self.say!r}; it is effort, budget or None")
        if isinstance(self.only, str):
            raise ValueError(f"only is the text {self.only!r}; give a list of names")
        if not isinstance(self.models, Mapping):
            raise ValueError("models is no mapping; give {'name in the proxy': 'name to ask about'}")
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
                raise ValueError(f"{name} is {value!r}; give a number of at least {least}")


_LEAST: Mapping[str, float] = {
    "timeout_s": 0.001, "max_characters": 1, "breaker_failures": 1, "breaker_cooldown_s": 0, "max_waiting": 1, "linger_s": 0,
    "tell_timeout_s": 0.001,
}  # fmt: skip


def settings_of(given: Mapping[str, Any]) -> HookSettings:
    """Return settings by name.

    Raises:
        ValueError: a name is unknown (the known ones are listed), or a value cannot be meant.
    """
    known = [one.name for one in fields(HookSettings)]
    for name in given:
        if name not in known:
            raise ValueError(f"{name} is no setting of the hook; there are {', '.join(known)}")
    return HookSettings(**given)
