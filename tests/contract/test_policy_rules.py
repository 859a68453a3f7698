"""Properties of a decision that hold whatever the heads say."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.bundle import Calibration, Curve
from contract.policy import Caps, Scores, decide, effort_of
from contract.profiles import Profile
from contract.records import Arm, Verdict

unit = st.floats(0, 1)
tokens = st.floats(0, 40_000)


@st.composite
def calibrations(draw):
    rises = sorted(draw(st.lists(st.floats(-0.5, 0.9), min_size=4, max_size=4)))
    half = draw(st.floats(0, 0.3))
    curve = Curve(
        x=(-0.5, 0.0, 0.4, 0.9),
        y=tuple(rises),
        lower=tuple(y - half for y in rises),
        upper=tuple(y + half for y in rises),
    )
    return Calibration(
        gain_logs=curve,
        gain_prior=curve,
        familiarity=Curve(x=(0, 1), y=(0, 1)),
        unfamiliar_below=0.5,
        budget_scale=1.2,
        small_budget=1024,
    )


scores = st.builds(
    Scores,
    gain_logs=st.floats(-1, 1),
    gain_prior=st.floats(-1, 1),
    from_logs=st.floats(0, 1),
    score_direct=unit,
    score_reasoning=unit,
    extra_tokens=tokens,
    extra_quantiles=st.tuples(tokens, tokens, tokens),
    thinking_quantiles=st.tuples(tokens, tokens, tokens),
    levels=st.just((0.1, 0.5, 0.9)),
    probabilities=st.just({"p": (0.3, 0.3, 0.4)}),
    familiar=unit,
    task=st.just("chit_chat"),
)
profiles = st.builds(
    Profile,
    tokens_per_point=st.floats(100, 1e6),
    max_thinking_tokens=st.integers(1, 40_000),
    maybe_arm=st.sampled_from(["small_budget", "direct", "reasoning"]),
)
caps = st.builds(Caps, st.none() | st.integers(0, 50_000), st.none() | st.integers(1, 50_000))


@given(scores, profiles, calibrations(), caps)
def test_a_verdict_never_contradicts_the_expected_net_benefit(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert not (d.verdict is Verdict.USE and d.net_benefit <= 0)
    assert not (d.verdict is Verdict.AVOID and d.net_benefit >= 0)
    assert d.net_benefit == pytest.approx(d.gain - d.extra_tokens / profile.tokens_per_point, abs=1e-9)


@given(scores, profiles, calibrations(), caps, st.floats(0.01, 1))
def test_dearer_tokens_never_turn_avoid_into_use(s, profile, calibration, cap, factor):
    d = decide(s, profile, calibration, cap)
    dearer = profile.model_copy(update={"tokens_per_point": profile.tokens_per_point * factor})
    if d.verdict is Verdict.AVOID:
        assert decide(s, dearer, calibration, cap).verdict is not Verdict.USE


@given(scores, profiles, calibrations(), caps)
def test_budget_and_arm_agree_and_keep_every_cap(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    assert (d.arm is Arm.DIRECT) == (d.thinking_budget == 0) or d.verdict is Verdict.USE
    assert d.thinking_budget <= profile.max_thinking_tokens
    assert d.thinking_budget <= (
        profile.max_thinking_tokens if cap.max_thinking_tokens is None else cap.max_thinking_tokens
    )
    assert d.thinking_budget <= (cap.max_output_tokens or 10**9)
    if d.verdict is Verdict.AVOID:
        assert d.arm is Arm.DIRECT
    assert d.effort == effort_of(d.thinking_budget)


@given(scores, profiles, calibrations(), st.integers(0, 20_000), st.integers(0, 20_000))
def test_a_tighter_cap_never_raises_a_positive_gain_nor_the_tokens(s, profile, calibration, one, other):
    tight, loose = (decide(s, profile, calibration, Caps(cap)) for cap in sorted((one, other)))
    assert tight.extra_tokens <= loose.extra_tokens + 1e-6
    if loose.gain > 0:
        assert tight.gain <= loose.gain + 1e-9


@given(scores, profiles, calibrations(), caps)
def test_an_unfamiliar_prompt_is_maybe(s, profile, calibration, cap):
    assert decide(replace(s, familiar=0.49), profile, calibration, cap).verdict is Verdict.MAYBE


def test_the_effort_ladder():
    assert [effort_of(n) for n in (0, 1, 1024, 1025, 4096, 4097)] == ["none", "low", "low", "medium", "medium", "high"]
