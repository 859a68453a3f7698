"""What is asked: the prompt of a request, its place in a batch, and the terms under which it is decided."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from contract.cache_charge import NO_CHARGE, CacheCharge, cache_charge, lost
from contract.caps import Caps
from contract.controls import Accepts
from contract.errors import InvalidRequest
from contract.model_families import ModelFamily
from contract.profiles import Profile
from contract.prompt import Prompt
from contract.records import Arm
from serving.schemas import PredictRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A request, and all that its decision depends on beside the reading of its prompt.

    Attributes:
        request: as it was asked.
        prompt: of the request.
        name: of its profile.
        profile: what it says.
        family: of the target model; None: not named, or unknown.
        accepts: what steers the target model at the provider; None: unknown.
        last_arm: of the conversation, before this turn; None: not known.
    """

    request: PredictRequest
    prompt: Prompt
    name: str
    profile: Profile
    family: ModelFamily | None
    accepts: Accepts | None
    last_arm: Arm | None

    @property
    def caps(self) -> Caps:
        """The caps of the request, with the speed that turns seconds into tokens."""
        request, family = self.request, self.family
        return Caps(
            max_thinking_tokens=request.max_thinking_tokens,
            max_output_tokens=request.max_output_tokens,
            max_latency_s=None if request.max_latency_ms is None else request.max_latency_ms / 1000,
            tokens_per_second=family.output_tokens_per_second if family else None,
        )

    @property
    def charge(self) -> CacheCharge:
        """What a change of arm loses of the cache that the request says its provider has."""
        if self.accepts is not None and not self.accepts.tells_arms_apart:
            return NO_CHARGE  # what is sent is the same in both arms
        cached = self.request.cached_tokens
        return cache_charge(
            self.family, self.profile, cached_tokens=cached, last_arm=self.last_arm,
            lost_tokens=lost(self.family, cached, self.prompt, self.request.tools),
        )  # fmt: skip


@contextmanager
def place(index: int) -> Iterator[None]:
    """Put the place of a request of a batch before the field of its error, such as requests.2.prompt."""
    try:
        yield
    except InvalidRequest as error:
        error.field = ".".join(filter(None, ("requests", str(index), error.field)))
        raise


def prompt_of(request: PredictRequest) -> Prompt:
    """Return the prompt of a request.

    Raises:
        InvalidRequest: both or neither of prompt and messages, or one that holds no prompt.
    """
    if (request.prompt is None) == (request.messages is None):
        given = "neither" if request.prompt is None else "both"
        raise InvalidRequest(
            f"{given} of prompt and messages given; send one of them", type="prompt_or_messages", field="prompt"
        )
    tools = len(request.tools or ())
    if request.prompt is not None:
        return Prompt.from_text(request.prompt, tools=tools)
    return Prompt.from_messages(request.messages or (), tools=tools)
