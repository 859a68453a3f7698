"""What holds of the arm of a call whatever its parameters are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.records import Arm
from training.importers.arms import Undecidable, arm_of

NAMES = st.sampled_from(
    [
        *("reasoning_effort", "reasoning", "thinking", "type", "budget_tokens", "effort", "enabled", "max_tokens"),
        *("extra_body", "config", "providerOptions", "thinkingConfig", "thinkingBudget", "thinkingLevel"),
        *("enable_thinking", "chat_template_kwargs", "output_config", "reasoningConfig", "think"),
    ]
)
WORDS = st.sampled_from(
    ["none", "minimal", "low", "HIGH", "enabled", "disabled", "true", "0", "-1", "2048", "{", "[]", ""]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
PARAMETERS = st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=5)
HIDDEN = st.none() | st.integers(0, 10_000)


@given(PARAMETERS, HIDDEN, st.sampled_from([None, *Arm]))
def test_any_parameters_are_decided_or_undecidable(parameters, hidden, default):
    try:
        setting = arm_of(parameters, thinking_tokens=hidden, default=default)
    except Undecidable:
        return
    assert setting.thinking_setting
    if setting.arm is Arm.DIRECT:
        assert setting.thinking_budget is None
        assert not hidden
    if setting.thinking_budget is not None:
        assert setting.thinking_budget > 0


@given(PARAMETERS, HIDDEN)
def test_parameters_survive_json_and_a_wrapper(parameters, hidden):
    def outcome(given):
        try:
            return arm_of(given, thinking_tokens=hidden)
        except Undecidable as error:
            return str(error)

    assert outcome({"extra_body": json.dumps(parameters)}) == outcome(json.loads(json.dumps(parameters)))


@given(st.text(min_size=33))
def test_a_reason_never_repeats_a_long_text(text):
    with pytest.raises(Undecidable) as caught:
        arm_of({"thinking": {"type": text}}, thinking_tokens=0)
    assert text not in str(caught.value)
