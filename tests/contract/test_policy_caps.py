"""What caps of tokens and of latency do to a decision."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.caps import ANSWER_SHARE, OF_THE_PROFILE, Caps
from contract.policy import LEAST_HEDGE, LIKELY, decide, price_of
from contract.records import Arm, Verdict

from .test_policy import CALIBRATION, PROFILE, SCORES, SURE, calibrations, caps, limits, profiles, scores, seconds

CAPS = {"max_thinking_tokens": limits, "max_output_tokens": limits, "max_latency_s": seconds}


def tight_and_loose(one, other):
    return sorted((one, other), key=lambda limit: float("inf") if limit is None else limit)


HEAVY_TAIL = replace(
    SCORES, gain_logs=0.15, extra_tokens=6000.0, thinking_quantiles=(50.0, 100.0, 200.0, 390.0, 40_000.0)
)
"""Most attempts think little, a few without end: a cap saves most tokens and little of the gain."""
PATIENT = PROFILE.model_copy(update={"max_thinking_tokens": 100_000})
SAVING = replace(SCORES, gain_logs=0.19, extra_tokens=3401.0, thinking_quantiles=(1.0, 2.0, 3.0, 4.0, 10_000.0))
"""A cap of 10,000 saves more tokens than it costs gain."""
HUMP = replace(SCORES, gain_logs=0.1, extra_tokens=4000.0, thinking_quantiles=(50.0, 100.0, 200.0, 9800.0, 10_000.0))
"""Thinking pays under 4,000 tokens and without a cap, and not under 7,000."""
JUST_USE = replace(SCORES, gain_logs=0.2, extra_tokens=1950.0, thinking_quantiles=(40.0, 80.0, 120.0, 160.0, 200.0))
"""`use` by a hair, with a budget below the small one of `maybe`."""


class Drawn:
    """What an explicit example draws, one after the other."""

    def __init__(self, *values):
        self.values = iter(values)

    def draw(self, _):
        return next(self.values)


@given(scores, profiles, calibrations(), caps)
def test_a_budget_keeps_every_cap(s, profile, calibration, cap):
    budget = decide(s, profile, calibration, cap).thinking_budget
    assert budget <= profile.max_thinking_tokens
    if cap.max_thinking_tokens is not None:
        assert budget <= cap.max_thinking_tokens
    if cap.max_output_tokens is not None:
        assert budget <= cap.max_output_tokens * (1 - ANSWER_SHARE)
    if cap.tokens_per_second is not None:
        for latency in (cap.max_latency_s, profile.max_latency_s):
            if latency is not None:
                assert budget <= latency * cap.tokens_per_second * (1 - ANSWER_SHARE)


@given(scores, profiles, calibrations(), caps, st.sampled_from([*CAPS]), st.data())
def test_a_tighter_cap_never_raises_the_expected_gain(s, profile, calibration, cap, name, data):
    tight, loose = tight_and_loose(data.draw(CAPS[name]), data.draw(CAPS[name]))
    d_tight, d_loose = (decide(s, profile, calibration, replace(cap, **{name: limit})) for limit in (tight, loose))
    if d_loose.gain > 0:
        assert d_tight.gain <= d_loose.gain + 1e-12
    else:
        assert d_tight.gain == d_loose.gain
    assert d_tight.extra_tokens <= d_loose.extra_tokens * (1 + 1e-9)


@given(scores, profiles, calibrations(), caps, st.sampled_from([*CAPS]), st.data())
@example(HEAVY_TAIL, PATIENT, CALIBRATION, Caps(), "max_thinking_tokens", Drawn(400, None))
@example(JUST_USE, PROFILE, CALIBRATION, Caps(), "max_thinking_tokens", Drawn(300, None))
@example(SAVING, PATIENT, SURE, Caps(), "max_thinking_tokens", Drawn(10_000, None))
@example(HUMP, PATIENT, CALIBRATION, Caps(), "max_thinking_tokens", Drawn(4000, 7000))
@example(HUMP, PATIENT, CALIBRATION, Caps(), "max_thinking_tokens", Drawn(4000, 9000))
def test_a_tighter_cap_never_turns_another_verdict_into_use_nor_raises_the_budget(
    s, profile, calibration, cap, name, data
):
    tight, loose = tight_and_loose(data.draw(CAPS[name]), data.draw(CAPS[name]))
    d_tight, d_loose = (decide(s, profile, calibration, replace(cap, **{name: limit})) for limit in (tight, loose))
    if d_tight.verdict is Verdict.USE:
        assert d_loose.verdict is Verdict.USE
    assert d_tight.thinking_budget <= d_loose.thinking_budget


@pytest.mark.parametrize(
    ("cap", "name", "finishes", "budget"),
    [
        (Caps(900), "max_thinking_tokens", 0.5, 900),
        (Caps(None, 1200), "max_output_tokens", 0.5, 900),
        (Caps(2000, 1200), "max_output_tokens", 0.5, 900),
        (Caps(None, None, 12.0, 100.0), "max_latency_ms", 0.5, 900),
        (Caps(2000, 2000, 24.0, 50.0), "max_latency_ms", 0.5, 900),
    ],
)
def test_a_cap_at_the_median_halves_the_gain_and_says_so(cap, name, finishes, budget):
    d = decide(replace(SCORES, gain_logs=0.8), PROFILE, CALIBRATION, cap)
    assert d.gain == pytest.approx(0.8 * finishes)
    assert d.extra_tokens < 1000
    assert d.thinking_budget == budget
    assert any(name in reason and "0.50" in reason for reason in d.reasons)


def test_the_latency_of_the_profile_caps_where_the_speed_is_known():
    profile = PROFILE.model_copy(update={"max_latency_s": 12.0})
    gaining = replace(SCORES, gain_logs=0.8)
    d = decide(gaining, profile, CALIBRATION, Caps(tokens_per_second=100.0))
    assert (d.thinking_budget, d.gain) == (900, pytest.approx(0.4))
    assert any(reason.startswith("max_latency_s of the profile caps thinking at 900 tokens") for reason in d.reasons)
    assert decide(gaining, profile, CALIBRATION) == decide(gaining, PROFILE, CALIBRATION)


def test_the_cap_of_the_profile_is_told_and_leaves_the_verdict_to_the_gain():
    profile = PROFILE.model_copy(update={"max_thinking_tokens": 450})
    d = decide(replace(SCORES, gain_logs=0.9), profile, CALIBRATION)
    assert (d.verdict, d.thinking_budget) == (Verdict.USE, 450)
    assert d.reasons[-1].startswith("max_thinking_tokens of the profile caps thinking at 450 tokens")
    assert decide(replace(SCORES, gain_logs=0.9), profile, CALIBRATION, Caps(450)) == d


def test_a_latency_that_cannot_be_counted_in_tokens_is_said_not_to_apply():
    d = decide(SCORES, PROFILE, CALIBRATION, Caps(max_latency_s=0.1))
    assert d.thinking_budget == decide(SCORES, PROFILE, CALIBRATION).thinking_budget
    assert d.reasons[-1] == "max_latency_ms is not applied: no tokens/s known for this model"


@pytest.mark.parametrize("cap", [Caps(800), Caps(None, 1000), Caps(None, None, 10.0, 100.0)])
def test_a_cap_below_what_is_likely_needed_turns_use_into_maybe_and_says_so(cap):
    gaining = replace(SCORES, gain_logs=0.8)
    d = decide(gaining, PROFILE, CALIBRATION, cap)
    assert decide(gaining, PROFILE, CALIBRATION).verdict is Verdict.USE
    assert (d.verdict, d.arm, d.thinking_budget) == (Verdict.MAYBE, Arm.REASONING, 512)
    assert d.net_benefit > 0
    assert any("too seldom for use" in reason for reason in d.reasons)


@given(scores, profiles, calibrations(), caps)
def test_no_use_where_a_limit_would_likely_cut_thinking_off(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    if d.verdict is Verdict.USE:
        told = [r for r in d.reasons if "finishes under that" in r and not r.startswith(OF_THE_PROFILE)]
        shares = [float(r.rpartition(" ")[2]) for r in told]
        assert all(share >= LIKELY - 0.005 for share in shares)


def test_a_gain_that_a_cap_leaves_too_small_is_not_thought_about():
    d = decide(HEAVY_TAIL, PATIENT, CALIBRATION, Caps(400))
    assert decide(HEAVY_TAIL, PATIENT, CALIBRATION).verdict is Verdict.AVOID
    assert d.net_benefit > 0
    assert (d.verdict, d.arm, d.thinking_budget) == (Verdict.MAYBE, Arm.DIRECT, 0)


@given(scores, profiles, calibrations())
def test_what_maybe_is_granted_is_granted_again_under_a_cap_of_as_much(s, profile, calibration):
    free = decide(s, profile, calibration)
    if free.verdict is Verdict.MAYBE and free.arm is Arm.REASONING:
        capped = decide(s, profile, calibration, Caps(free.thinking_budget))
        assert (capped.arm, capped.thinking_budget) == (free.arm, free.thinking_budget)


def test_a_maybe_that_its_small_budget_cannot_pay_for_does_not_think_and_says_so():
    slow = replace(
        SCORES, gain_logs=0.15, extra_tokens=4000.0, thinking_quantiles=(3000.0, 3500.0, 4000.0, 5000.0, 6000.0)
    )
    d = decide(slow, PATIENT, CALIBRATION)
    assert (d.verdict, d.arm, d.thinking_budget) == (Verdict.MAYBE, Arm.DIRECT, 0)
    assert d.reasons[-1] == "512 thinking tokens, which maybe would be granted, finish too seldom to pay"
    patient = PATIENT.model_copy(update={"maybe_arm": "reasoning"})
    assert decide(slow, patient, CALIBRATION).arm is Arm.REASONING


@pytest.mark.parametrize("cap", [1, 8, 64, 256])
def test_under_a_cap_that_next_to_nothing_keeps_maybe_does_not_think(cap):
    small = replace(SCORES, gain_logs=0.06)
    assert decide(small, PATIENT, CALIBRATION).thinking_budget == 512
    assert decide(small, PATIENT, CALIBRATION, Caps(512)).thinking_budget == 512
    d = decide(small, PATIENT, CALIBRATION, Caps(cap))
    assert (d.arm, d.thinking_budget) == (Arm.DIRECT, 0)


def test_no_cap_on_a_grid_raises_the_budget_or_takes_what_was_granted():
    """As the drawn test above, where pieces of the distribution rise and fall."""
    limits_ = [1, 64, 300, 512, 1024, 2000, 4000, 7000, 9000, 9900, 20_000, None]
    for gain in (0.02, 0.06, 0.1, 0.14, 0.2):
        for extra in (200.0, 1000.0, 2500.0, 4000.0, 8000.0):
            for tail in ((9800.0, 10_000.0), (300.0, 400.0), (2000.0, 30_000.0)):
                s = replace(SCORES, gain_logs=gain, extra_tokens=extra, thinking_quantiles=(50.0, 100.0, 200.0, *tail))
                budgets = [decide(s, PATIENT, CALIBRATION, Caps(limit)).thinking_budget for limit in limits_]
                assert budgets == sorted(budgets), (gain, extra, tail)


def test_what_only_a_cap_lets_pay_is_said():
    d = decide(HEAVY_TAIL, PATIENT, CALIBRATION, Caps(400))
    assert d.reasons[-1].startswith("without the request's caps the verdict would be avoid")


def test_a_gain_that_pays_only_by_what_a_cap_saves_is_no_use_and_says_so():
    d = decide(replace(HEAVY_TAIL, gain_logs=0.3), PATIENT, CALIBRATION, Caps(1000))
    assert (d.verdict, d.net_benefit > 0) == (Verdict.MAYBE, True)
    assert any("what they save does not count for use" in reason for reason in d.reasons)


@pytest.mark.parametrize(("cap", "named"), [(Caps(1900), True), (Caps(100_000), False), (Caps(), False)])
def test_a_cap_of_the_request_that_binds_is_named_even_where_most_thinking_fits(cap, named):
    """Of SCORES nine tenths fit into 2,000 tokens, and all into 4,000."""
    told = decide(SCORES, PATIENT, CALIBRATION, cap).reasons
    assert any("max_thinking_tokens caps thinking" in reason for reason in told) is named


def test_a_profile_that_charges_latency_charges_the_seconds_of_thinking():
    profile = PROFILE.model_copy(update={"seconds_per_point": 100.0})
    d = decide(SCORES, profile, CALIBRATION, Caps(tokens_per_second=50.0))
    assert d.net_benefit == pytest.approx(0.3 - 1000 / 20_000 - 1000 / 50 / 100)
    assert d.verdict is Verdict.MAYBE
    assert decide(SCORES, profile, CALIBRATION).net_benefit == pytest.approx(0.25)
    assert price_of(1000, profile) == pytest.approx(0.05)


UNFAMILIAR = replace(SCORES, familiar=0.0)


@pytest.mark.parametrize(
    ("cap", "budget"),
    [
        (Caps(), 512),
        (Caps(200), 200),
        (Caps(LEAST_HEDGE), 128),
        (Caps(127), 0),
        (Caps(1), 0),
        (Caps(None, 50), 0),
        (Caps(0), 0),
    ],
)
def test_an_unfamiliar_prompt_is_not_thought_about_with_next_to_nothing(cap, budget):
    d = decide(UNFAMILIAR, PROFILE, CALIBRATION, cap)
    assert (d.verdict, d.thinking_budget, d.arm is Arm.REASONING) == (Verdict.MAYBE, budget, budget > 0)
    said = [reason for reason in d.reasons if "too few to hedge a doubt with: 128 are the least" in reason]
    assert bool(said) == (0 < d.reasoning_budget < LEAST_HEDGE)


def test_what_keeps_a_cache_is_not_given_up_for_a_tight_cap():
    assert decide(UNFAMILIAR, PROFILE, CALIBRATION, Caps(64), cache_charge=-0.1).thinking_budget == 64


@given(scores, profiles, calibrations(), caps)
@example(
    replace(UNFAMILIAR, thinking_quantiles=(1.0, 2.0, 3.0, 4.0, 5.0)),
    PROFILE.model_copy(update={"maybe_arm": "reasoning"}),
    CALIBRATION,
    Caps(),
)
@example(UNFAMILIAR, PROFILE, CALIBRATION.model_copy(update={"small_budget": 64}), Caps(64))
def test_the_hedge_is_never_more_than_would_be_granted_without_caps(s, profile, calibration, cap):
    d = decide(replace(s, familiar=0.0), profile, calibration, cap)
    wanted = decide(
        replace(s, familiar=0.0),
        profile.model_copy(update={"max_thinking_tokens": 10**9, "max_latency_s": None}),
        calibration,
    )
    if d.familiarity < calibration.unfamiliar_below and wanted.arm is Arm.REASONING:
        assert (d.arm is Arm.REASONING) == (d.reasoning_budget >= min(LEAST_HEDGE, wanted.thinking_budget))
