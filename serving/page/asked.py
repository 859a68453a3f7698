"""What a page was asked for: the whole state of filters, order and position, read from the query string and written back to it."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.errors import InvalidRequest
from contract.wording import broken_rule, cut

NONE = "(none)"
"""How a link says that a column is NULL: the request named no model, the language was not recognised."""

ID_PATTERN = r"^[0-9A-Za-z_.:-]{1,64}$"

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
"""What a day may be: nothing was recorded before, and both databases can reckon with them."""

Verdict = Literal["use", "maybe", "avoid"]
Arm = Literal["direct", "reasoning"]
Kind = Literal["overthinking", "underthinking"]
Evidence = Literal["observed_pairs", "explored", "modelled"]
Order = Literal["asc", "desc"]


class Asked(BaseModel):
    """State of a page; what is None is not in its address."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=200)

    def address(self, **changes: Any) -> str:
        """Return the query string of this state with changes, its question mark included; empty where nothing is set."""
        state = self.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | changes
        text = urlencode({name: value for name, value in state.items() if value is not None and value != ""})
        return f"?{text}" if text else ""

    def filters(self) -> dict[str, Any]:
        """Return what narrows the list: all that is set but order and position."""
        return self.model_dump(mode="json", exclude_none=True, exclude={"sort", "order", "after", "before"})


class Days(Asked):
    """A range of days of UTC, both included."""

    since: date | None = Field(None, ge=FIRST_DAY, le=LAST_DAY)
    until: date | None = Field(None, ge=FIRST_DAY, le=LAST_DAY)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.since and self.until and self.until < self.since:
            raise ValueError("until is before since; exchange them")
        return self

    @property
    def begin(self) -> datetime | None:
        """The first moment of the range."""
        return datetime.combine(self.since, time.min, UTC) if self.since else None

    @property
    def end(self) -> datetime | None:
        """The first moment after the range."""
        return datetime.combine(self.until + timedelta(days=1), time.min, UTC) if self.until else None


class Decided(Days):
    """Which decisions, by what every one of them has."""

    task: str | None = None
    model: str | None = None
    profile: str | None = None
    language: str | None = None
    revision: str | None = None
    verdict: Verdict | None = None
    arm: Arm | None = None
    policy_arm: Arm | None = None
    familiarity: Literal["unfamiliar", "low", "middle", "high"] | None = None


class Listed(Decided):
    """A list of decisions, and the place in it: `after` and `before` name the decision that the page begins behind or ends at."""

    q: str | None = None
    reviewed: Literal["yes", "no", "right", "wrong", "unsure"] | None = None
    outcome: Literal["told", "scored", "waiting"] | None = None
    explored: Literal["yes", "no"] | None = None
    digest: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    conversation: str | None = None
    order: Order = "desc"
    after: str | None = Field(None, pattern=ID_PATTERN)
    before: str | None = Field(None, pattern=ID_PATTERN)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.after and self.before:
            raise ValueError("after and before are both given; give one")
        return self


class AllDecisions(Listed):
    """The list of all decisions."""

    sort: Literal["time", "familiarity", "net_benefit", "gain", "extra_tokens", "thinking_budget"] = "time"


class Suspected(Listed):
    """The list of suspected misroutes of the last audit."""

    kind: Kind | None = None
    evidence: Evidence | None = None
    sort: Literal["loss_points", "p_misroute", "regret_points", "time", "familiarity", "net_benefit"] = "loss_points"


class Sliced(Asked):
    """The slices of the last audit."""

    kind: Kind | None = None
    evidence: Evidence | None = None
    found: Literal["dimension", "search"] | None = None
    misrouted: Literal["yes", "no"] | None = None
    by: Literal["task", "model", "profile", "language", "familiarity", "revision", "day"] | None = None
    sort: Literal["regret_points_total", "net_benefit", "regret_points", "regret_tokens_total", "decisions", "p_adjusted"] = (
        "regret_points_total"
    )  # fmt: skip
    order: Order = "desc"


class Trended(Days):
    """The days of the trends, and which decisions they are of."""

    task: str | None = None
    model: str | None = None
    profile: str | None = None


class Nothing(Asked):
    """A page that takes nothing."""


State = TypeVar("State", bound=Asked)


def parse(kind: type[State], pairs: Iterable[tuple[str, str]]) -> State:
    """Return the state that a query string asks for; an empty value is as one that is not given, for so forms send it.

    Raises:
        InvalidRequest: a name is unknown or given twice, or a value is not of those that are known.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            raise InvalidRequest(f"address: {cut(name)} is given twice; give it once", field=cut(name))
        if value:
            given[name] = value.replace(
                "\0", "\ufffd"
            )  # PostgreSQL takes no NUL, and no text that is recorded holds one
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        rule = broken_rule(error, kind)
        what = f"address: {rule.words}; correct it, or begin anew from the links above"
        raise InvalidRequest(what, field=rule.where or "address", limit=rule.limit) from None
