"""What a decision promises: identities between its numbers, and single worked examples."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.calibration import Calibration, Curve
from contract.caps import Caps
from contract.policy import (
    BUDGET_STEP,
    calibrated_gain,
    decide,
    effort_of,
    familiarity_of,
    verdict_of,
)
from contract.profiles import Profile
from contract.records import Arm, Verdict
from contract.scores import Scores

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
SCORES = Scores(
    gain_logs=0.3,
    gain_prior=-0.2,
    prior_band=(0.0, 0.0),
    from_logs=1.0,
    worth=0.3,
    score_direct=0.4,
    extra_tokens=1000.0,
    thinking_quantiles=(200.0, 500.0, 900.0, 1400.0, 2000.0),
    levels=LEVELS,
    probabilities={"p": (0.8, 0.1, 0.1)},
    familiar=1.0,
    near=1.0,
    sure=1.0,
    task="proof",
)
PROFILE = Profile(tokens_per_point=20_000, max_thinking_tokens=8192)
CALIBRATION = Calibration(
    gain_logs=Curve(x=(-1, 1), y=(-1, 1), lower=(-1.1, 0.9), upper=(-0.9, 1.1)),
    gain_prior=Curve(x=(-1, 1), y=(-1, 1), lower=(-1.2, 0.8), upper=(-0.8, 1.2)),
    familiarity=Curve(x=(0, 1), y=(0, 1)),
    nearness=Curve(x=(0, 1), y=(0, 1)),
    certainty=Curve(x=(0, 1), y=(0, 1)),
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
    prior_band=st.tuples(st.floats(0, 2), st.floats(0, 2)),
    from_logs=st.floats(0, 1),
    extra_tokens=st.floats(-5_000, 100_000),
    thinking_quantiles=st.one_of(
        quantiles, quantiles.map(sorted).map(tuple), st.just((0.0,) * 5), st.just((-1.0, -5.0, 3.0, 3.0, 2.0))
    ),
    familiar=st.floats(0, 1),
    near=st.floats(-1, 1),
    sure=st.floats(0, 1),
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
SURE = CALIBRATION.model_copy(update={"gain_logs": Curve(x=(-1, 1), y=(-1, 1), lower=(-1, 1), upper=(-1, 1))})


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
        certainty=Curve(x=(0, 1), y=(0, 1)),
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
    assert d.reasons == (
        f"nearest task family: proof (probability {SCORES.sure:.2f})",
        "expected gain +0.300 points (95 %: +0.200 to +0.400); 1,000 extra tokens cost 0.050 points",
        "logged prompts near it are over 99% of this estimate; the rest is its family or an earlier bundle, with what logs say of them",
    )


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
    lower, same, upper = calibrated_gain(replace(mixed, prior_band=(0.4, 0.8)), CALIBRATION)
    wider = [(half**2 + (0.25 * side) ** 2) ** 0.5 for side in (0.4, 0.8)]
    assert (lower, same, upper) == pytest.approx((gain - wider[0], gain, gain + wider[1]))


def test_the_reasons_say_whose_evidence_speaks():
    for share, said in ((0.9, "90%"), (0.01, "1%"), (0.0099, "under 1%"), (0.991, "over 99%")):
        told = decide(replace(SCORES, from_logs=share), PROFILE, CALIBRATION).reasons[2]
        assert told.startswith(f"logged prompts near it are {said} of this estimate")


def test_no_band_is_told_where_the_evidence_does_not_cover_a_prompt():
    known, unknown = (decide(replace(SCORES, familiar=f), PROFILE, CALIBRATION).reasons[1] for f in (0.9, 0.1))
    assert "95 %" in known
    assert "95 %" not in unknown


@given(scores, calibrations())
def test_a_calibrated_gain_lies_in_its_band(s, calibration):
    lower, gain, upper = calibrated_gain(s, calibration)
    assert lower <= gain <= upper


PARTED = CALIBRATION.model_copy(
    update={"familiarity": Curve(x=(0, 0.3, 0.8), y=(0, 0.5, 1)), "nearness": Curve(x=(0.2, 0.5, 0.9), y=(0, 0.1, 1))}
)
cosines = st.floats(-1, 1)


@given(*[st.floats(0, 1)] * 4, cosines, cosines)
def test_familiarity_lies_between_0_and_1_and_never_falls_with_any_of_what_it_is_read_off(a, b, c, d, near, nearer):
    (low, high), (torn, sure), (near, nearer) = sorted((a, b)), sorted((c, d)), sorted((near, nearer))
    far, familiar, close, certain = (
        familiarity_of(replace(SCORES, familiar=f, near=n, sure=s), PARTED)
        for f, n, s in ((low, near, torn), (high, near, torn), (high, nearer, torn), (high, nearer, sure))
    )
    assert 0 <= far <= familiar <= close <= certain <= 1


@given(st.floats(0, 1), cosines)
def test_only_likeness_to_made_up_texts_takes_familiarity_below_one_half(familiar, near):
    """So distance to the evidence alone never makes a prompt unfamiliar: it only orders the familiar ones."""
    covered = PARTED.familiarity.at(familiar)
    found = familiarity_of(replace(SCORES, familiar=familiar, near=near), PARTED)
    assert (found < 0.5) == (covered < 0.5)
    if covered <= 0.5:
        assert found == pytest.approx(covered)


@pytest.mark.parametrize(
    ("familiar", "near", "sure", "familiarity"),
    [
        (1.0, 0.9, 1.0, 1.0), (1.0, 0.5, 1.0, 0.55), (1.0, -1.0, 1.0, 0.5), (0.15, 0.9, 1.0, 0.25), (0.55, 0.9, 1.0, 0.75),
        (0.0, 0.9, 1.0, 0.0), (1.0, 0.9, 0.3, 0.65), (1.0, 0.5, 0.3, 0.55), (1.0, 0.9, 0.0, 0.5), (0.15, 0.9, 0.0, 0.25),
    ],
)  # fmt: skip
def test_above_one_half_it_is_half_the_share_of_the_evidence_that_lies_farther_or_is_less_sure(
    familiar, near, sure, familiarity
):
    assert familiarity_of(replace(SCORES, familiar=familiar, near=near, sure=sure), PARTED) == pytest.approx(
        familiarity
    )


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
    without = replace(alone, gain_prior=other, prior_band=(9.0, 9.0))
    assert calibrated_gain(alone, calibration) == calibrated_gain(without, calibration)


@given(scores, profiles, calibrations(), caps)
def test_avoid_never_thinks_and_use_always_does(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    if d.verdict is Verdict.AVOID:
        assert (d.arm, d.thinking_budget) == (Arm.DIRECT, 0)
    if d.verdict is Verdict.USE:
        assert d.arm is Arm.REASONING
        assert d.thinking_budget > 0
