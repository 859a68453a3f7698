"""The verdict says what is done: rules between a verdict and its arm."""

from hypothesis import given

from contract.policy import decide
from contract.records import Arm, Verdict

from .test_policy import calibrations, caps, profiles, scores


@given(scores, profiles, calibrations(), caps)
def test_avoid_never_thinks_and_use_always_does(s, profile, calibration, cap):
    d = decide(s, profile, calibration, cap)
    if d.verdict is Verdict.AVOID:
        assert (d.arm, d.thinking_budget) == (Arm.DIRECT, 0)
    if d.verdict is Verdict.USE:
        assert d.arm is Arm.REASONING
        assert d.thinking_budget > 0
