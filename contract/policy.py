"""From the heads' raw outputs to a decision: pure functions, the same in training, serving and audit."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contract.calibration import Calibration
from contract.caps import NO_CAPS, OF_THE_PROFILE, Cap, Caps, cap_of, capped_gain, under_cap, worst_caps
from contract.profiles import Profile
from contract.records import Arm, Verdict
from contract.scores import Scores

EFFORTS = ((0, "none"), (1024, "low"), (4096, "medium"))
"""Largest thinking budget, in tokens, of each effort; `high` above."""

BUDGET_STEP = 64
"""Budgets are rounded up to a multiple of this many tokens."""

CUT, CUT_BY_THE_PROFILE = 0.99, 0.9
"""Probability of finishing below which `reasons` name the cap that binds: one of a request or a latency, and the one that every request has."""

LIKELY = 0.5
"""Under a request's or a latency's cap that thinking keeps less often than this, there is no `use`."""

LEAST_HEDGE = 128
"""Thinking tokens below which an unfamiliar `maybe` does not think, where more would be granted without caps: hardly any thinking ends
under them, and a cut-off answer earns nothing. No ladder gives any effort fewer, so models that take words and numbers do alike."""

KEPT = "maybe keeps to the arm of the last turn: thinking is not expected to pay for the cache that it would void"
"""Why a `maybe` that might pay does not think."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and why.

    Attributes:
        verdict: use, maybe or avoid.
        arm: what to do now.
        thinking_budget: cap on thinking tokens; 0 in the arm direct.
        reasoning_budget: the cap that the arm reasoning has or would have here; 0 where the caps leave none.
        effort: word for thinking_budget.
        gain: expected, in points, under the caps.
        gain_band: its local 95 % bounds, in points, under the caps.
        extra_tokens: expected under the caps.
        net_benefit: gain less the price of the tokens, and of the prompt cache that thinking voids, in points.
        familiarity: how far the evidence covers the prompt, in [0, 1].
        reasons: sentences, without a word of the prompt.
    """

    verdict: Verdict
    arm: Arm
    thinking_budget: int
    reasoning_budget: int
    effort: str
    gain: float
    gain_band: tuple[float, float]
    extra_tokens: float
    net_benefit: float
    familiarity: float
    reasons: tuple[str, ...]


def decide(
    scores: Scores, profile: Profile, calibration: Calibration, caps: Caps = NO_CAPS, *, cache_charge: float = 0.0
) -> Decision:
    """Decide on one prompt.

    `use` where the local 95 % lower bound of net_benefit is above 0, `avoid` where its upper bound is below 0, `maybe`
    between, and wherever the evidence does not cover the prompt. A cap scales the gain by the probability that thinking
    finishes under it, and the tokens by the share that is still spent. What a request's caps save is not counted for
    `use`: a tighter cap never makes thinking look better, and never raises the budget. A familiar `maybe` thinks only where
    what it is granted may pay, an unfamiliar one, whose gain is anyone's guess, where it is no less than LEAST_HEDGE.

    `cache_charge` is what thinking costs beside its tokens, in points (`contract.cache_charge`); below 0 it is going direct that costs so
    much. It is the same under every cap. Where thinking pays it, a `maybe` thinks only where it is *expected* to pay under every cap:
    a doubt is no reason to give up what is certain.
    """
    cap = cap_of(profile, caps)
    finishes, spent = under_cap(scores, cap.tokens)
    familiarity, bounds = familiarity_of(scores, calibration), calibrated_gain(scores, calibration)
    familiar = familiarity >= calibration.unfamiliar_below
    lower, gain, upper = (capped_gain(g, finishes) for g in bounds)
    whole = max(scores.extra_tokens, 0.0)

    def priced(share: float) -> float:
        return price_of(whole * share, profile, caps)

    price, uncapped = priced(spent), priced(max(under_cap(scores, cap.without_request)[1], spent))
    cost, net_benefit = price + cache_charge, gain - price - cache_charge
    verdict = verdict_of(lower - uncapped - cache_charge, net_benefit, upper - cost) if familiar else Verdict.MAYBE
    too_seldom = verdict is Verdict.USE and cap.set_by != OF_THE_PROFILE and finishes < LIKELY
    verdict = Verdict.MAYBE if too_seldom else verdict
    doubtful = familiar and verdict is Verdict.MAYBE
    band = f" (95 %: {lower:+.3f} to {upper:+.3f})" if familiar else ""
    reasons = [
        f"nearest task family: {scores.task} (probability {scores.sure:.2f})",
        f"expected gain {gain:+.3f} points{band}; {whole * spent:,.0f} extra tokens cost {price:.3f} points",
        _evidence(scores.from_logs, familiar),
        *_what_binds(cap, finishes, too_seldom, caps),
    ]
    if doubtful and cost < lower <= uncapped + cache_charge:
        reasons.append(
            f"without the request's caps thinking would cost {uncapped:.3f} points: what they save does not count for use"
        )
    granted = _reasoning_budget(verdict, scores, profile, calibration, cap.tokens, familiar)
    thinks = verdict is Verdict.USE or (verdict is Verdict.MAYBE and profile.maybe_arm != "direct" and granted > 0)
    if thinks and verdict is Verdict.MAYBE and (familiar or cache_charge > 0):
        usual = _reasoning_budget(verdict, scores, profile, calibration, cap.without_request, familiar)
        hope = bounds[1] if cache_charge > 0 else bounds[2]
        why = _never_pays(scores, hope, priced, cache_charge, granted, usual, cap.without_request)
        reasons += [KEPT if cache_charge > 0 else why] if why else []
        thinks = not why
    if thinks and not familiar and cache_charge >= 0:
        least = _reasoning_budget(verdict, scores, profile, calibration, LEAST_HEDGE, familiar)
        thinks = granted >= least
        reasons += (
            []
            if thinks
            else [f"the caps leave {granted} thinking tokens, too few to hedge a doubt with: {least} are the least"]
        )
    budget = granted if thinks else 0
    return Decision(
        verdict=verdict, arm=Arm.REASONING if thinks else Arm.DIRECT, thinking_budget=budget, reasoning_budget=granted,
        effort=effort_of(budget), gain=gain, gain_band=(lower, upper), extra_tokens=whole * spent, net_benefit=net_benefit,
        familiarity=familiarity, reasons=tuple(reasons),
    )  # fmt: skip


def familiarity_of(scores: Scores, calibration: Calibration) -> float:
    """Return how far the evidence covers a prompt, in [0, 1].

    Below .5 what is like made-up texts rather than evidence; above, half of it is the share of evidence that lies farther from the
    rest of the evidence than the prompt does, or whose family is less sure, the smaller of the two.
    """
    covered = calibration.familiarity.at(scores.familiar)
    share = min(calibration.nearness.at(scores.near), calibration.certainty.at(scores.sure))
    return min(max(min(covered, 0.5 + 0.5 * share), 0.0), 1.0)


def price_of(extra_tokens: float, profile: Profile, caps: Caps = NO_CAPS) -> float:
    """Return what extra tokens cost in rubric points: the tokens, and their seconds where the profile charges latency.

    The price of net_benefit: extra_tokens / tokens_per_point + extra_latency_s / seconds_per_point.
    """
    price = extra_tokens / profile.tokens_per_point
    if profile.seconds_per_point is not None and caps.tokens_per_second is not None:
        price += extra_tokens / caps.tokens_per_second / profile.seconds_per_point
    return price


def calibrated_gain(scores: Scores, calibration: Calibration) -> tuple[float, float, float]:
    """Return the expected gain without caps between its local 95 % bounds: (lower, gain, upper), in points.

    What logs say and what was known before are calibrated each by its own curve, then mixed by the weight of the logs; the
    errors are independent, so the half widths of their bands add in squares, and `prior_band` with them.
    """
    w = _weight_of_logs(scores.from_logs)
    parts = ((w, calibration.gain_logs, scores.gain_logs), (1 - w, calibration.gain_prior, scores.gain_prior))
    gain = expected_gain(scores.from_logs, scores.gain_logs, scores.gain_prior, calibration)
    own_below, own_above = ((1 - w) * width for width in scores.prior_band)
    below = math.hypot(own_below, *(weight * (curve.at(x) - curve.band(x)[0]) for weight, curve, x in parts))
    above = math.hypot(own_above, *(weight * (curve.band(x)[1] - curve.at(x)) for weight, curve, x in parts))
    return gain - below, gain, gain + above


def expected_gain(from_logs: float, gain_logs: float, gain_prior: float, calibration: Calibration) -> float:
    """Return the expected gain without caps, in points: what logs say and what was known before, by the weight of the logs."""
    w = _weight_of_logs(from_logs)
    return w * calibration.gain_logs.at(gain_logs) + (1 - w) * calibration.gain_prior.at(gain_prior)


def _weight_of_logs(from_logs: float) -> float:
    return min(max(from_logs, 0.0), 1.0)


def verdict_of(lower: float, net_benefit: float, upper: float) -> Verdict:
    """Return the verdict of an expected net_benefit and its 95 % band.

    Never `use` with net_benefit <= 0, nor `avoid` with >= 0.
    """
    if lower > 0 and net_benefit > 0:
        return Verdict.USE
    if upper < 0 and net_benefit < 0:
        return Verdict.AVOID
    return Verdict.MAYBE


def full_budget(scores: Scores) -> int:
    """Return the thinking tokens that a prompt needs with the probability of the highest level, before any cap."""
    wanted = max(scores.thinking_quantiles[-1], 1.0)
    return -(-int(wanted + 0.999) // BUDGET_STEP) * BUDGET_STEP


def effort_of(budget: int) -> str:
    """Return the effort word of a thinking budget in tokens."""
    return next((word for most, word in EFFORTS if budget <= most), "high")


def _evidence(from_logs: float, familiar: bool) -> str:
    """Return what the estimate rests on, in words."""
    if not familiar:
        return "the evidence does not cover prompts like this one: no confident verdict"
    share = "under 1%" if from_logs < 0.01 else "over 99%" if from_logs > 0.99 else f"{from_logs:.0%}"
    return f"logged prompts near it are {share} of this estimate; the rest is its family or an earlier bundle, with what logs say of them"


def _what_binds(cap: Cap, finishes: float, too_seldom: bool, caps: Caps) -> Iterator[str]:
    """Yield which cap binds thinking, and which one of the request's could not be applied."""
    if finishes < (CUT_BY_THE_PROFILE if cap.set_by == OF_THE_PROFILE else CUT):
        yield (
            f"{cap.set_by} caps thinking at {cap.tokens} tokens; it finishes under that with probability {finishes:.2f}"
            + (", too seldom for use" if too_seldom else "")
        )
    if caps.max_latency_s is not None and caps.tokens_per_second is None:
        yield "max_latency_ms is not applied: no tokens/s known for this model"


def _never_pays(
    scores: Scores, upper: float, price: Callable[[float], float], fixed: float, granted: int, usual: int, own: int
) -> str:
    """Return why a familiar `maybe` gets no thinking: even the gain's upper bound would not pay for it. Empty where it may.

    It has to pay under every cap from what is granted to the profile's, and what is granted has to pay for what is granted without
    the request's caps: as either holds the less, the tighter a cap is, no tighter cap raises a budget, and what is granted is granted
    again under a cap of as much.

    Args:
        scores: of the prompt.
        upper: upper bound of the gain without caps, in points.
        price: of a share of the extra tokens, in points.
        fixed: cost that no cap changes, in points.
        granted: thinking tokens under the request's caps.
        usual: thinking tokens without them.
        own: the profile's cap on thinking tokens.
    """

    def left(cap: float, paid: float) -> float:
        return capped_gain(upper, under_cap(scores, cap)[0]) - price(under_cap(scores, paid)[1]) - fixed

    if left(own, own) < 0:
        return "without the request's caps the verdict would be avoid, and a cap does not make thinking pay"
    if left(granted, usual) < 0 or any(
        left(cap, cap) < 0 for cap in worst_caps(scores, upper, price(1.0), granted, own)
    ):
        return f"{granted} thinking tokens, which maybe would be granted, finish too seldom to pay"
    return ""


def _reasoning_budget(
    verdict: Verdict, scores: Scores, profile: Profile, calibration: Calibration, cap: int, familiar: bool
) -> int:
    """Return the thinking tokens that the arm reasoning has under a verdict: a small budget for `maybe`, unless the profile says otherwise."""
    full = min(full_budget(scores), cap)
    if verdict is not Verdict.MAYBE or profile.maybe_arm == "reasoning":
        return full
    return min(calibration.small_budget, full if familiar else cap)  # not more than `use` would have
