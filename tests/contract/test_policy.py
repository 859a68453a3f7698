"""What a decision promises: identities between its numbers, and single worked examples."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.bundle import Calibration, Curve
from contract.policy import (
    ANSWER_SHARE,
    BUDGET_STEP,
    LIKELY,
    Caps,
    Scores,
    calibrated_gain,
    decide,
    effort_of,
    familiarity_of,
    price_of,
    verdict_of,
)
from contract.profiles import Profile
from contract.records import Arm, Verdict

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SCORES = Scores(
    gain_logs=0.3,
    gain_prior=-0.2,
    from_logs=1.0,
    worth=0.3,
    score_direct=0.4,
    extra_tokens=1000.0,
    thinking_quantiles=(200.0, 500.0, 900.0, 1400.0, 2000.0),
    levels=LEVELS,
    probabilities={"p": (0.8, 0.1, 0.1)},
    familiar=1.0,
    near=1.0,
    task="proof",
)
PROFILE = Profile(tokens_per_point=20_000, max_thinking_tokens=8192)
CALIBRATION = Calibration(
    gain_logs=Curve(x=(-1, 1), y=(-1, 1), lower=(-1.1, 0.9), upper=(-0.9, 1.1)),
    gain_prior=Curve(x=(-1, 1), y=(-1, 1), lower=(-1.2, 0.8), upper=(-0.8, 1.2)),
    familiarity=Curve(x=(0, 1), y=(0, 1)),
    nearness=Curve(x=(0, 1), y=(0, 1)),
    unfamiliar_below=0.4,
    small_budget=512,
)

tokens = st.floats(0, 100_000)
quantiles = st.tuples(tokens, tokens, tokens, tokens, tokens)
scores = st.builds(
    replace,
    st.just(SCORES),
    gain_logs=st.floats(-1.5, 1.5),
    gain_prior=st.floats(-1.5, 1.5),
    from_logs=st.floats(0, 1),
    extra_tokens=st.floats(-5_000, 100_000),
    thinking_quantiles=st.one_of(
        quantiles, quantiles.map(sorted).map(tuple), st.just((0.0,) * 5), st.just((-1.0, -5.0, 3.0, 3.0, 2.0))
    ),
    familiar=st.floats(0, 1),
    near=st.floats(-1, 1),
)
profiles = st.builds(
    Profile,
    tokens_per_point=st.floats(1, 1e7),
    max_thinking_tokens=st.integers(1, 100_000),
    maybe_arm=st.sampled_from(["small_budget", "direct", "reasoning"]),
    max_latency_s=st.none() | st.floats(0.001, 1e5) | st.just(1e308),
    seconds_per_point=st.none() | st.floats(0.1, 1e6),
    margin=st.sampled_from([0.0, 0.02]) | st.floats(0, 0.2),
)
limits = st.none() | st.integers(0, 3) | st.integers(0, 100_000)
seconds = st.none() | st.floats(0.001, 86_400)
speeds = st.none() | st.floats(0.1, 5_000)
caps = st.builds(Caps, limits, limits, seconds, speeds)
CAPS = {"max_thinking_tokens": limits, "max_output_tokens": limits, "max_latency_s": seconds}


def tight_and_loose(one, other):
    return sorted((one, other), key=lambda limit: float("inf") if limit is None else limit)


HEAVY_TAIL = replace(
    SCORES, gain_logs=0.15, extra_tokens=6000.0, thinking_quantiles=(50.0, 100.0, 200.0, 390.0, 40_000.0)
)
"""Most attempts think little, a few without end: a cap saves most tokens and little of the gain."""
PATIENT = PROFILE.model_copy(update={"max_thinking_tokens": 100_000})
SURE = CALIBRATION.model_copy(update={"gain_logs": Curve(x=(-1, 1), y=(-1, 1), lower=(-1, 1), upper=(-1, 1))})
SAVING = replace(SCORES, gain_logs=0.19, extra_tokens=3401.0, thinking_quantiles=(1.0, 2.0, 3.0, 4.0, 10_000.0))
"""A cap of 10,000 saves more tokens than it costs gain."""
JUST_USE = replace(SCORES, gain_logs=0.2, extra_tokens=1950.0, thinking_quantiles=(40.0, 80.0, 120.0, 160.0, 200.0))
"""`use` by a hair, with a budget below the small one of `maybe`."""


class Drawn:
    """What an explicit example draws, one after the other."""

    def __init__(self, *values):
        self.values = iter(values)

    def draw(self, _):
        return next(self.values)


@st.composite
def calibrations(draw):
    y = sorted(draw(st.lists(st.floats(-1, 1), min_size=3, max_size=3)))
    below, above = draw(st.floats(0, 0.5)), draw(st.floats(0, 0.5))
    curve = Curve(x=(-1, 0, 1), y=y, lower=[v - below for v in y], upper=[v + above for v in y])
    return Calibration(
        gain_logs=curve,
        gain_prior=draw(st.sampled_from([curve, CALIBRATION.gain_prior])),
        familiarity=Curve(x=(0, 1), y=(0, 1)),
        nearness=Curve(x=(0, 1), y=(0, 1)),
        unfamiliar_below=draw(st.floats(0, 1)),
        small_budget=draw(st.integers(1, 4096)),
    )


@given(scores, profiles, calibrations(), caps)
@example(SCORES, PROFILE, CALIBRATION, Caps(0))
@example(replace(SCORES, gain_logs=0.0, extra_tokens=0.0), PROFILE, CALIBRATION, Caps())
def test_the_verdict_agrees_with_the_expected_net_benefit(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert not (d.verdict is Verdict.USE and d.net_benefit <= 0)
    assert not (d.verdict is Verdict.AVOID and d.net_benefit >= 0)


points = st.floats(-1, 1)


@given(points, points, points)
@example(0.0, 0.5, 1.0)
@example(-1.0, -0.5, 0.0)
@example(-1.0, 0.0, 1.0)
@example(0.1, 0.0, 0.2)
def test_a_verdict_needs_its_band_and_its_mean_on_one_side_of_zero(lower, mean, upper):
    verdict = verdict_of(lower, mean, upper)
    assert (verdict is Verdict.USE) == (lower > 0 and mean > 0)
    assert (verdict is Verdict.AVOID) == (upper < 0 and mean < 0)


@given(scores, profiles, calibrations(), caps, st.floats(0.001, 1, exclude_max=True))
def test_a_lower_worth_of_a_point_never_turns_avoid_into_use(s, profile, calibration, cap, factor):
    s = replace(s, extra_tokens=abs(s.extra_tokens))
    dearer = profile.model_copy(update={"tokens_per_point": profile.tokens_per_point * factor})
    before, after = decide(s, profile, calibration, cap), decide(s, dearer, calibration, cap)
    assert after.net_benefit <= before.net_benefit
    assert not (before.verdict is Verdict.AVOID and after.verdict is Verdict.USE)
    if after.verdict is Verdict.USE:
        assert before.verdict is Verdict.USE
    if before.verdict is Verdict.AVOID:
        assert after.verdict is Verdict.AVOID


@given(scores, profiles, calibrations(), caps)
@example(SCORES, PROFILE, CALIBRATION, Caps(0))
@example(SCORES, PROFILE, CALIBRATION, Caps(None, 1))
def test_a_budget_is_zero_exactly_where_the_arm_is_direct(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert (d.thinking_budget == 0) == (d.arm is Arm.DIRECT)
    assert d.thinking_budget >= 0
    assert d.effort == effort_of(d.thinking_budget)
    assert (d.effort == "none") == (d.arm is Arm.DIRECT)


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
def test_a_tighter_cap_never_turns_another_verdict_into_use_nor_raises_the_budget(
    s, profile, calibration, cap, name, data
):
    tight, loose = tight_and_loose(data.draw(CAPS[name]), data.draw(CAPS[name]))
    d_tight, d_loose = (decide(s, profile, calibration, replace(cap, **{name: limit})) for limit in (tight, loose))
    if d_tight.verdict is Verdict.USE:
        assert d_loose.verdict is Verdict.USE
    assert d_tight.thinking_budget <= d_loose.thinking_budget


@given(scores, profiles, calibrations(), caps)
def test_an_unfamiliar_prompt_is_maybe(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert d.familiarity == familiarity_of(s, calibration)
    if d.familiarity < calibration.unfamiliar_below:
        assert d.verdict is Verdict.MAYBE
        assert any("does not cover" in reason for reason in d.reasons)


@given(scores, profiles, calibrations(), caps)
def test_net_benefit_is_gain_minus_the_price_of_the_tokens_and_their_seconds(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert d.extra_tokens >= 0
    price = d.extra_tokens / profile.tokens_per_point
    if profile.seconds_per_point is not None and cap.tokens_per_second is not None:
        price += d.extra_tokens / cap.tokens_per_second / profile.seconds_per_point
    assert d.net_benefit == pytest.approx(d.gain - price, rel=1e-12, abs=1e-12)


def test_a_worked_example():
    d = decide(SCORES, PROFILE, CALIBRATION)
    assert d.verdict is Verdict.USE
    assert d.arm is Arm.REASONING
    assert d.thinking_budget == 2048
    assert d.thinking_budget % BUDGET_STEP == 0
    assert d.effort == "medium"
    assert d.gain == pytest.approx(0.3)
    assert d.extra_tokens == pytest.approx(1000)
    assert d.net_benefit == pytest.approx(0.25)
    assert d.reasons[0] == "nearest task family: proof"


def test_a_loss_is_avoided_and_a_small_gain_is_maybe():
    assert decide(replace(SCORES, gain_logs=-0.3), PROFILE, CALIBRATION).verdict is Verdict.AVOID
    small = decide(replace(SCORES, gain_logs=0.1), PROFILE, CALIBRATION)
    assert (small.verdict, small.arm, small.thinking_budget) == (Verdict.MAYBE, Arm.REASONING, 512)


@pytest.mark.parametrize(
    ("maybe_arm", "arm", "budget"),
    [("small_budget", Arm.REASONING, 512), ("direct", Arm.DIRECT, 0), ("reasoning", Arm.REASONING, 2048)],
)
def test_what_maybe_resolves_to(maybe_arm, arm, budget):
    profile = PROFILE.model_copy(update={"maybe_arm": maybe_arm})
    d = decide(replace(SCORES, familiar=0.39), profile, CALIBRATION)
    assert (d.verdict, d.arm, d.thinking_budget) == (Verdict.MAYBE, arm, budget)


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
        shares = [float(r.rpartition(" ")[2]) for r in d.reasons if "finishes under that" in r]
        assert all(share >= LIKELY - 0.005 for share in shares)


def test_a_gain_that_a_cap_leaves_too_small_is_not_thought_about():
    d = decide(HEAVY_TAIL, PATIENT, CALIBRATION, Caps(400))
    assert decide(HEAVY_TAIL, PATIENT, CALIBRATION).verdict is Verdict.AVOID
    assert d.net_benefit > 0
    assert (d.verdict, d.arm, d.thinking_budget) == (Verdict.MAYBE, Arm.DIRECT, 0)


def test_a_profile_that_charges_latency_charges_the_seconds_of_thinking():
    profile = PROFILE.model_copy(update={"seconds_per_point": 100.0})
    d = decide(SCORES, profile, CALIBRATION, Caps(tokens_per_second=50.0))
    assert d.net_benefit == pytest.approx(0.3 - 1000 / 20_000 - 1000 / 50 / 100)
    assert d.verdict is Verdict.MAYBE
    assert decide(SCORES, profile, CALIBRATION).net_benefit == pytest.approx(0.25)
    assert price_of(1000, profile) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("budget", "word"),
    [(0, "none"), (1, "low"), (1024, "low"), (1025, "medium"), (4096, "medium"), (4097, "high"), (10**9, "high")],
)
def test_the_effort_ladder(budget, word):
    assert effort_of(budget) == word


def test_gain_is_mixed_by_the_weight_of_the_logs_and_independent_errors_add_in_squares():
    mixed = replace(SCORES, gain_logs=0.4, gain_prior=0.2, from_logs=0.75)
    lower, gain, upper = calibrated_gain(mixed, CALIBRATION)
    assert gain == pytest.approx(0.75 * 0.4 + 0.25 * 0.2)
    half = ((0.75 * 0.1) ** 2 + (0.25 * 0.2) ** 2) ** 0.5
    assert (lower, upper) == pytest.approx((gain - half, gain + half))


def test_the_reasons_say_whose_evidence_speaks():
    logged = decide(replace(SCORES, from_logs=0.9), PROFILE, CALIBRATION).reasons
    declared = decide(replace(SCORES, from_logs=0.1), PROFILE, CALIBRATION).reasons
    assert any("logged prompts of its kind carry 90%" in reason for reason in logged)
    assert any("what is known of its family carries 90%" in reason for reason in declared)


@given(scores, calibrations())
def test_a_calibrated_gain_lies_in_its_band(s, calibration):
    lower, gain, upper = calibrated_gain(s, calibration)
    assert lower <= gain <= upper


PARTED = CALIBRATION.model_copy(
    update={"familiarity": Curve(x=(0, 0.3, 0.8), y=(0, 0.5, 1)), "nearness": Curve(x=(0.2, 0.5, 0.9), y=(0, 0.1, 1))}
)
cosines = st.floats(-1, 1)


@given(st.floats(0, 1), st.floats(0, 1), cosines, cosines)
def test_familiarity_lies_between_0_and_1_and_never_falls_with_either_of_what_it_is_read_off(one, other, near, nearer):
    (low, high), (near, nearer) = sorted((one, other)), sorted((near, nearer))
    far, familiar, close = (
        familiarity_of(replace(SCORES, familiar=f, near=n), PARTED)
        for f, n in ((low, near), (high, near), (high, nearer))
    )
    assert 0 <= far <= familiar <= close <= 1


@given(st.floats(0, 1), cosines)
def test_only_likeness_to_made_up_texts_takes_familiarity_below_one_half(familiar, near):
    """So distance to the evidence alone never makes a prompt unfamiliar: it only orders the familiar ones."""
    covered = PARTED.familiarity.at(familiar)
    found = familiarity_of(replace(SCORES, familiar=familiar, near=near), PARTED)
    assert (found < 0.5) == (covered < 0.5)
    if covered <= 0.5:
        assert found == pytest.approx(covered)


@pytest.mark.parametrize(
    ("familiar", "near", "familiarity"),
    [(1.0, 0.9, 1.0), (1.0, 0.5, 0.55), (1.0, -1.0, 0.5), (0.15, 0.9, 0.25), (0.55, 0.9, 0.75), (0.0, 0.9, 0.0)],
)
def test_above_one_half_familiarity_is_half_the_share_of_the_evidence_that_lies_farther(familiar, near, familiarity):
    assert familiarity_of(replace(SCORES, familiar=familiar, near=near), PARTED) == pytest.approx(familiarity)


def test_a_curve_of_familiarity_beyond_its_range_is_cut():
    wild = CALIBRATION.model_copy(
        update={"familiarity": Curve(x=(0, 1), y=(-2, 3)), "nearness": Curve(x=(0, 1), y=(-3, 4))}
    )
    assert familiarity_of(replace(SCORES, familiar=0.0), wild) == 0
    assert familiarity_of(SCORES, wild) == 1


@given(scores, profiles, calibrations(), caps, st.floats(0, 1))
def test_the_margin_of_labels_decides_nothing(s, profile, calibration, cap, margin):
    """It is for labels; a verdict is sure, or it is `maybe`."""
    other = profile.model_copy(update={"margin": margin})
    assert decide(s, other, calibration, cap) == decide(s, profile, calibration, cap)


@pytest.mark.parametrize(("gain", "verdict"), [(0.051, Verdict.USE), (0.049, Verdict.AVOID)])
def test_a_sure_benefit_is_decided_on_however_small(gain, verdict):
    assert decide(replace(SCORES, gain_logs=gain), PROFILE, SURE).verdict is verdict  # its price is .05


@given(scores, profiles, calibrations(), caps, points, st.floats(0, 1))
def test_worth_and_the_score_without_thinking_decide_nothing(s, profile, calibration, cap, worth, direct):
    other = replace(s, worth=worth, score_direct=direct)
    assert decide(other, profile, calibration, cap) == decide(s, profile, calibration, cap)


@given(scores, calibrations(), st.floats(-0.5, 0.5))
def test_no_logs_leave_the_prior_alone_and_no_prior_the_logs(s, calibration, other):
    alone = replace(s, from_logs=0.0)
    assert calibrated_gain(alone, calibration) == calibrated_gain(replace(alone, gain_logs=other), calibration)
    alone = replace(s, from_logs=1.0)
    assert calibrated_gain(alone, calibration) == calibrated_gain(replace(alone, gain_prior=other), calibration)
