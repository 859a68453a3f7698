"""Caps on thinking: what a request and its profile leave of it, and how much of its gain and its tokens is left under them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from contract.profiles import Profile
from contract.scores import Scores

ANSWER_SHARE = 0.25
"""Share of max_output_tokens that is kept free for the visible answer."""

OF_THE_PROFILE = "max_thinking_tokens of the profile"
"""What `reasons` call the cap that every request has."""


@dataclass(frozen=True, slots=True)
class Caps:
    """Limits that a request sets, and what turns seconds into tokens; None: no limit, unknown.

    Attributes:
        max_thinking_tokens: cap on thinking tokens.
        max_output_tokens: cap on all output tokens.
        max_latency_s: cap on seconds, thinking and answer together.
        tokens_per_second: speed of the target model.
    """

    max_thinking_tokens: int | None = None
    max_output_tokens: int | None = None
    max_latency_s: float | None = None
    tokens_per_second: float | None = None


NO_CAPS = Caps()


class Cap(NamedTuple):
    """A cap on thinking tokens.

    Attributes:
        tokens: how many there may be.
        set_by: what set it, as `reasons` name it.
        without_request: how many there might be without the request's own caps.
    """

    tokens: int
    set_by: str
    without_request: int


def cap_of(profile: Profile, caps: Caps) -> Cap:
    """Return the cap on thinking tokens that a request has under a profile."""
    own = [(profile.max_thinking_tokens, OF_THE_PROFILE)]
    if caps.tokens_per_second is not None and profile.max_latency_s is not None:
        own.append((_tokens_in(profile.max_latency_s, caps.tokens_per_second), "max_latency_s of the profile"))
    options = list(own)
    if caps.max_thinking_tokens is not None:
        options.append((caps.max_thinking_tokens, "max_thinking_tokens"))
    if caps.max_output_tokens is not None:
        options.append((int(caps.max_output_tokens * (1 - ANSWER_SHARE)), "max_output_tokens"))
    if caps.tokens_per_second is not None and caps.max_latency_s is not None:
        options.append((_tokens_in(caps.max_latency_s, caps.tokens_per_second), "max_latency_ms"))
    tokens, set_by = min(options, key=lambda option: option[0])
    return Cap(tokens, set_by, without_request=min(own, key=lambda option: option[0])[0])


def under_cap(scores: Scores, cap: float) -> tuple[float, float]:
    """Return P(thinking tokens <= cap) and the share of the thinking tokens that is spent under the cap."""
    finishes, kept, total = 0.0, 0.0, 0.0
    for (low, p_low), (high, p_high) in pairwise(_distribution(scores)):
        mass = p_high - p_low
        total += mass * (low + high) / 2
        if cap >= high:
            finishes, kept = p_high, kept + mass * (low + high) / 2
        elif cap <= low:
            kept += mass * cap
        else:
            under = (cap - low) / (high - low)
            finishes = p_low + mass * under
            kept += mass * (under * (low + cap) / 2 + (1 - under) * cap)
    return finishes, min(kept / total, 1.0) if total > 0 else 1.0


def capped_gain(gain: float, finishes: float) -> float:
    """Return what a cap leaves of a gain, by P(thinking finishes under it).

    A cut-off answer earns nothing of a gain, and loses all of a loss.
    """
    return gain * finishes if gain > 0 else gain


def worst_caps(scores: Scores, upper: float, price: float, start: int, end: int) -> list[float]:
    """Return the caps from start to end at one of which the capped gain less its price is least.

    The tokens spent rise with the cap by P(more are needed), so within a piece of the distribution it is convex: least at an end, or
    where its slope is 0.
    """
    points = _distribution(scores)
    mean = sum((p_high - p_low) * (low + high) / 2 for (low, p_low), (high, p_high) in pairwise(points))
    caps: list[float] = [start, end, *(value for value, _ in points)]
    for (low, p_low), (high, p_high) in pairwise(points):
        density = (p_high - p_low) / (high - low)
        if price > 0 and density > 0:
            level = 1 - max(upper, 0.0) * density * mean / price
            caps.append(low + (level - p_low) / density)
    return [cap for cap in caps if start <= cap <= end]


def _tokens_in(seconds: float, tokens_per_second: float) -> int:
    """Return the thinking tokens that fit, the visible answer's share kept free."""
    return int(min(seconds * tokens_per_second * (1 - ANSWER_SHARE), 1e9))


def _distribution(scores: Scores) -> list[tuple[float, float]]:
    """Return thinking tokens and the probability of no more: piecewise linear through the quantiles, from 0 up to twice the last."""
    values = [0.0, *scores.thinking_quantiles]
    for i in range(1, len(values)):  # of a graph that this thinkworth did not write they may cross
        values[i] = max(values[i], values[i - 1] + 1e-6)
    return [*zip(values, [0.0, *scores.levels], strict=True), (2 * values[-1], 1.0)]
