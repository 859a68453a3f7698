"""What a change of arm loses of a provider's prompt cache, as points of net_benefit.

A provider bills input that its cache holds at a lower price. Where switching thinking voids the cache, the arm that differs from that of
the conversation's last turn pays for `lost` tokens anew, once:

    dollars          = lost x (input price - price of cached input)
    output tokens    = dollars / output price           what else the dollars would buy
    points           = output tokens / tokens_per_point the profile's exchange rate, as for extra_tokens

The dollars of a token cancel where a price list has one currency, so points = lost x (input - cached) / output / tokens_per_point. What
writing the cache anew costs above the input price, and the seconds that reading the prompt again takes, are not known and not counted.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from contract.model_families import ModelFamily
from contract.profiles import Profile
from contract.prompt import Prompt
from contract.records import Arm

SYSTEM_ROLES = ("system", "developer")


class CacheCharge(NamedTuple):
    """What thinking is charged for a prompt cache.

    Attributes:
        points: what net_benefit is less by: above 0 where thinking voids the cache, below 0 where going direct does, 0 where nothing
            does; None: not known, and not charged.
        reason: a sentence on it; empty where there is nothing to say.
    """

    points: float | None
    reason: str


NO_CHARGE = CacheCharge(None, "")


def cache_charge(
    family: ModelFamily | None, profile: Profile, *, cached_tokens: int | None, lost_tokens: float, last_arm: Arm | None
) -> CacheCharge:
    """Return what a change of arm is charged, and to which arm.

    Args:
        family: of the target model.
        profile: whose exchange rate turns tokens into points.
        cached_tokens: of the request that the provider's cache holds.
        lost_tokens: how many of them a change of arm voids, by `lost`.
        last_arm: what filled the cache: the arm of the conversation's last turn; None: not known.
    """
    if not cached_tokens:
        return NO_CHARGE
    held = f"{cached_tokens:,} tokens are cached"
    if family is None or family.cache_voided_by_thinking is None:
        return CacheCharge(None, f"{held}: whether a change of arm voids them is not known of this model; not charged")
    if lost_tokens <= 0:
        return CacheCharge(0.0, "")
    if last_arm is None:
        return CacheCharge(
            None, f"{held}, and the arm of the conversation's last turn is not known here: a change is not charged"
        )
    usd = lost_usd(family, lost_tokens)
    if usd is None or not family.output_usd_per_mtok:
        return CacheCharge(
            None,
            f"{held}; a change of arm voids {lost_tokens:,.0f} of them: not charged, as this model's price of cached input is unknown",
        )
    points = usd / family.output_usd_per_mtok * 1e6 / profile.tokens_per_point
    lost = f"voids {lost_tokens:,.0f} of {cached_tokens:,} cached tokens: ${usd:.4f}, {points:.3f} points"
    if last_arm is Arm.DIRECT:
        return CacheCharge(points, f"the conversation's last turn was direct: thinking now {lost} less")
    return CacheCharge(-points, f"the conversation's last turn was reasoning: going direct now {lost} for thinking")


def lost_usd(family: ModelFamily, tokens: float) -> float | None:
    """Return the dollars more that tokens cost which the cache no longer holds; None where a price is unknown."""
    if family.input_usd_per_mtok is None or family.cached_input_usd_per_mtok is None:
        return None
    return tokens * max(family.input_usd_per_mtok - family.cached_input_usd_per_mtok, 0.0) / 1e6


def lost(
    family: ModelFamily | None, cached_tokens: int | None, prompt: Prompt, tools: Sequence[Any] | None = None
) -> float:
    """Return how many of the cached tokens a change of arm voids; 0 where nothing is known to.

    Of a cache whose messages alone are voided, the share of system prompt and tools stays: by characters, of all that lies before the
    last turn of the user.
    """
    voided = family.cache_voided_by_thinking if family else None
    if not cached_tokens or voided not in ("all", "messages"):
        return 0.0
    if voided == "all":
        return float(cached_tokens)
    system = sum(len(turn.text) for turn in prompt.turns if turn.role in SYSTEM_ROLES)
    kept = system + (len(json.dumps(list(tools))) if tools else 0)
    last = max((i for i, turn in enumerate(prompt.turns) if turn.role == "user"), default=0)
    earlier = sum(len(turn.text) for turn in prompt.turns[:last] if turn.role not in SYSTEM_ROLES)
    return cached_tokens * (earlier / (kept + earlier) if kept + earlier else 1.0)
