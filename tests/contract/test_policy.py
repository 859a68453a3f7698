"""What a decision promises: identities between its numbers, and single worked examples."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.bundle import Calibration, Curve
from contract.policy import ANSWER_SHARE, BUDGET_STEP, Caps, Scores, calibrated_gain, decide, effort_of, verdict_of
from contract.profiles import Profile
from contract.records import Arm, Verdict

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SCORES = Scores(
    gain_logs=0.3,
    gain_prior=-0.2,
    from_logs=1.0,
    score_direct=0.4,
    score_reasoning=0.7,
    extra_tokens=1000.0,
    extra_quantiles=(200.0, 500.0, 900.0, 1400.0, 2000.0),
    thinking_quantiles=(200.0, 500.0, 900.0, 1400.0, 2000.0),
    levels=LEVELS,
    probabilities={"p": (0.8, 0.1, 0.1)},
    familiar=1.0,
    task="proof",
)
PROFILE = Profile(tokens_per_point=20_000, max_thinking_tokens=8192)
CALIBRATION = Calibration(
    gain_logs=Curve(x=(-1, 1), y=(-1, 1), lower=(-1.1, 0.9), upper=(-0.9, 1.1)),
    gain_prior=Curve(x=(-1, 1), y=(-1, 1), lower=(-1.2, 0.8), upper=(-0.8, 1.2)),
    familiarity=Curve(x=(0, 1), y=(0, 1)),
    unfamiliar_below=0.4,
    budget_scale=1.0,
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
    extra_quantiles=quantiles,
    thinking_quantiles=st.one_of(
        quantiles, quantiles.map(sorted).map(tuple), st.just((0.0,) * 5), st.just((-1.0, -5.0, 3.0, 3.0, 2.0))
    ),
    familiar=st.floats(0, 1),
)
profiles = st.builds(
    Profile,
    tokens_per_point=st.floats(1, 1e7),
    max_thinking_tokens=st.integers(1, 100_000),
    maybe_arm=st.sampled_from(["small_budget", "direct", "reasoning"]),
)
limits = st.none() | st.integers(0, 3) | st.integers(0, 100_000)
caps = st.builds(Caps, limits, limits)


@st.composite
def calibrations(draw):
    y = sorted(draw(st.lists(st.floats(-1, 1), min_size=3, max_size=3)))
    below, above = draw(st.floats(0, 0.5)), draw(st.floats(0, 0.5))
    curve = Curve(x=(-1, 0, 1), y=y, lower=[v - below for v in y], upper=[v + above for v in y])
    return Calibration(
        gain_logs=curve,
        gain_prior=draw(st.sampled_from([curve, CALIBRATION.gain_prior])),
        familiarity=Curve(x=(0, 1), y=(0, 1)),
        unfamiliar_below=draw(st.floats(0, 1)),
        budget_scale=draw(st.floats(0.1, 10)),
        small_budget=draw(st.integers(1, 4096)),
    )


@given(scores, profiles, calibrations(), caps)
@example(SCORES, PROFILE, CALIBRATION, Caps(0))
@example(replace(SCORES, gain_logs=0.0, extra_tokens=0.0), PROFILE, CALIBRATION, Caps())
def test_the_verdict_agrees_with_the_expected_net_benefit(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert not (d.verdict is Verdict.USE and d.net_benefit <= 0)
    assert not (d.verdict is Verdict.AVOID and d.net_benefit >= 0)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_no_band_makes_a_verdict_against_the_mean(lower, mean, upper):
    verdict = verdict_of(lower, mean, upper)
    assert verdict is not Verdict.USE or (mean > 0 and lower > 0)
    assert verdict is not Verdict.AVOID or (mean < 0 and upper < 0)


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


@given(scores, profiles, calibrations(), limits, limits, st.sampled_from(["max_thinking_tokens", "max_output_tokens"]))
def test_a_tighter_cap_never_raises_the_expected_gain(s, profile, calibration, one, other, name):
    tight, loose = sorted((one, other), key=lambda limit: float("inf") if limit is None else limit)
    d_tight, d_loose = (decide(s, profile, calibration, Caps(**{name: limit})) for limit in (tight, loose))
    if d_loose.gain > 0:
        assert d_tight.gain <= d_loose.gain + 1e-12
    else:
        assert d_tight.gain == d_loose.gain
    assert d_tight.extra_tokens <= d_loose.extra_tokens * (1 + 1e-9)


@given(scores, profiles, calibrations(), caps)
def test_an_unfamiliar_prompt_is_maybe(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert 0 <= d.familiarity <= 1
    if d.familiarity < calibration.unfamiliar_below:
        assert d.verdict is Verdict.MAYBE
        assert any("does not cover" in reason for reason in d.reasons)


@given(scores, profiles, calibrations(), caps)
def test_net_benefit_is_gain_minus_the_price_of_the_tokens(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert d.extra_tokens >= 0
    assert d.net_benefit == pytest.approx(d.gain - d.extra_tokens / profile.tokens_per_point, rel=1e-12, abs=1e-12)


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
    ],
)
def test_a_cap_at_the_median_halves_the_gain_and_says_so(cap, name, finishes, budget):
    d = decide(replace(SCORES, gain_logs=0.8), PROFILE, CALIBRATION, cap)
    assert d.gain == pytest.approx(0.8 * finishes)
    assert d.extra_tokens < 1000
    assert d.thinking_budget == budget
    assert any(name in reason and "0.50" in reason for reason in d.reasons)


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
