"""What a change of arm is charged for a provider's prompt cache, and what a decision does with it."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.cache_charge import NO_CHARGE, cache_charge, lost, lost_usd
from contract.caps import Caps
from contract.conversation import Turn
from contract.model_families import load_model_families
from contract.policy import KEPT, decide, price_of
from contract.prompt import Prompt
from contract.records import Arm, Verdict

from .test_policy import CALIBRATION, PROFILE, SCORES, calibrations, caps, profiles, scores
from .test_policy_caps import CAPS, HUMP, PATIENT, tight_and_loose

FAMILIES = load_model_families()
SONNET = FAMILIES.of("claude-sonnet-5")
TALK = Prompt(
    (
        Turn("system", "s" * 2000),
        Turn("user", "u" * 3000),
        Turn("assistant", "a" * 5000),
        Turn("user", "new question" * 9),
    )
)
charges = st.sampled_from([0.0, 0.05, -0.05]) | st.floats(-3, 3)


def charged(family=SONNET, profile=PROFILE, *, cached=50_000, lost_tokens=40_000.0, last_arm=Arm.DIRECT):
    return cache_charge(family, profile, cached_tokens=cached, lost_tokens=lost_tokens, last_arm=last_arm)


def test_the_arm_that_differs_from_the_last_turns_pays_what_the_lost_tokens_cost():
    """40,000 tokens x (2 - 0.2) $/M = $0.072 = 7,200 output tokens at 10 $/M = 0.36 points at 20,000 a point."""
    assert lost_usd(SONNET, 40_000) == pytest.approx(0.072)
    thinking, direct = charged(), charged(last_arm=Arm.REASONING)
    assert thinking.points == pytest.approx(0.36)
    assert direct.points == pytest.approx(-0.36)
    assert thinking.reason == (
        "the conversation's last turn was direct: thinking now voids 40,000 of 50,000 cached tokens: $0.0720, 0.360 points less"
    )
    assert direct.reason.startswith("the conversation's last turn was reasoning: going direct now voids 40,000")
    cheap = PROFILE.model_copy(update={"tokens_per_point": 100_000})
    assert charged(profile=cheap).points == pytest.approx(0.072)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"family": None}, "is not known of this model; not charged"),
        ({"family": FAMILIES.of("gemini-2.5-flash")}, "is not known of this model; not charged"),
        ({"last_arm": None}, "is not known here: a change is not charged"),
        ({"family": SONNET.model_copy(update={"cached_input_usd_per_mtok": None})}, "price of cached input is unknown"),
        ({"family": SONNET.model_copy(update={"input_usd_per_mtok": None})}, "price of cached input is unknown"),
        ({"family": SONNET.model_copy(update={"output_usd_per_mtok": None})}, "price of cached input is unknown"),
    ],
)
def test_what_is_not_known_is_not_charged_and_said(change, said):
    found = charged(**change)
    assert found.points is None
    assert found.reason.startswith("50,000 tokens are cached")
    assert found.reason.endswith(said)


def test_where_nothing_is_cached_or_can_be_lost_nothing_is_said():
    assert charged(cached=None) == charged(cached=0) == NO_CHARGE
    assert charged(FAMILIES.of("qwen3-32b"), lost_tokens=0.0) == (0.0, "")


def test_of_messages_alone_the_share_of_the_system_prompt_and_the_tools_stays():
    assert lost(SONNET, 10_000, TALK) == pytest.approx(8_000)
    tools = [{"name": "t" * 1988}]
    assert lost(SONNET, 12_000, TALK, tools) == pytest.approx(12_000 * 8_000 / (10_000 + 2_002), rel=1e-3)
    assert lost(SONNET, 10_000, Prompt.from_text("one turn")) == 10_000
    assert lost(SONNET, 10_000, Prompt(TALK.turns[:2])) == 0
    assert lost(FAMILIES.of("gpt-6-sol"), 10_000, TALK) == 10_000
    assert lost(FAMILIES.of("qwen3-32b"), 10_000, TALK) == 0
    assert lost(None, 10_000, TALK) == lost(SONNET, None, TALK) == 0


def test_what_a_provider_voids_is_told_with_its_source():
    for name, family in FAMILIES.by_name.items():
        assert (family.cache_voided_by_thinking is None) == (family.cache_source is None), name


@given(scores, profiles, calibrations(), caps, charges)
def test_the_verdict_agrees_with_the_net_benefit_that_holds_the_charge(s, profile, calibration, cap, charge):
    d, free = (decide(s, profile, calibration, cap, cache_charge=c) for c in (charge, 0.0))
    assert not (d.verdict is Verdict.USE and d.net_benefit <= 0)
    assert not (d.verdict is Verdict.AVOID and d.net_benefit >= 0)
    assert d.net_benefit == pytest.approx(d.gain - price_of(d.extra_tokens, profile, cap) - charge, abs=1e-6)
    assert (d.gain, d.extra_tokens) == (free.gain, free.extra_tokens)
    order = [Verdict.AVOID, Verdict.MAYBE, Verdict.USE]
    if charge > 0:
        assert order.index(d.verdict) <= order.index(free.verdict)
        assert d.thinking_budget <= free.thinking_budget
    if charge < 0:
        assert order.index(d.verdict) >= order.index(free.verdict)
        assert d.thinking_budget >= free.thinking_budget


class Drawn:
    """What an explicit example draws, one after the other."""

    def __init__(self, *values):
        self.values = iter(values)

    def draw(self, _):
        return next(self.values)


@given(scores, profiles, calibrations(), caps, charges, st.sampled_from([*CAPS]), st.data())
@example(HUMP, PATIENT, CALIBRATION, Caps(), 0.02, "max_thinking_tokens", Drawn(4000, 7000))
@example(HUMP, PATIENT, CALIBRATION, Caps(), -0.1, "max_thinking_tokens", Drawn(4000, 9000))
def test_a_tighter_cap_never_makes_use_nor_raises_the_budget_whatever_the_charge(
    s, profile, calibration, cap, charge, name, data
):
    tight, loose = tight_and_loose(data.draw(CAPS[name]), data.draw(CAPS[name]))
    d_tight, d_loose = (
        decide(s, profile, calibration, replace(cap, **{name: limit}), cache_charge=charge) for limit in (tight, loose)
    )
    if d_tight.verdict is Verdict.USE:
        assert d_loose.verdict is Verdict.USE
    assert d_tight.thinking_budget <= d_loose.thinking_budget


def test_a_maybe_flips_no_arm_on_a_mere_doubt():
    """Expected net_benefit is 0.10 - 0.05; the charge of 0.09 leaves -0.04 expected, and +0.06 at the upper bound."""
    doubtful = replace(SCORES, gain_logs=0.10, extra_tokens=1000.0)
    free, kept = (decide(doubtful, PROFILE, CALIBRATION, cache_charge=charge) for charge in (0.0, 0.09))
    assert (free.verdict, free.arm) == (Verdict.MAYBE, Arm.REASONING)
    assert (kept.verdict, kept.arm, kept.thinking_budget) == (Verdict.MAYBE, Arm.DIRECT, 0)
    assert kept.reasons[-1] == KEPT
    unfamiliar = decide(replace(doubtful, familiar=0.0), PROFILE, CALIBRATION, cache_charge=0.09)
    assert (unfamiliar.verdict, unfamiliar.arm) == (Verdict.MAYBE, Arm.DIRECT)


def test_a_charge_of_the_other_arm_speaks_for_thinking():
    losing = replace(SCORES, gain_logs=-0.2)
    assert decide(losing, PROFILE, CALIBRATION).verdict is Verdict.AVOID
    stays = decide(losing, PROFILE, CALIBRATION, cache_charge=-0.5)
    assert (stays.verdict, stays.arm) == (Verdict.USE, Arm.REASONING)
    assert stays.net_benefit == pytest.approx(-0.2 - 0.05 + 0.5)
