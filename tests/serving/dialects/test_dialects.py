"""One suite for every dialect: what holds of all of them, at every model that there is a row of."""

import json
from functools import lru_cache
from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.caps import ANSWER_SHARE
from contract.controls import PROVIDERS, Calls, Controls, load_controls
from contract.ladders import ORDER, OWN, SHIPPED_LADDERS
from contract.locate import ROOT
from contract.records import Arm
from serving.dialects import DIALECTS, translated

SHIPPED = load_controls(shipped=ROOT / "data" / "dialects.yaml").rows.by_name
LADDERS = {"thinkworth": OWN, **SHIPPED_LADDERS}
MODELS = [row.matches[0].replace("*", "") for row in SHIPPED.values()]
ALL_MODELS = [*MODELS, "nobody-4", "hosted_vllm/Qwen/Qwen3-32B", "dashscope/qwen3-32b"]
KEYS = {
    "reasoning_effort", "reasoning", "effort", "max_tokens", "enabled", "thinking", "type", "budget_tokens", "output_config",
    "generationConfig", "thinkingConfig", "thinkingBudget", "thinkingLevel", "enable_thinking", "thinking_budget", "extra_body",
    "chat_template_kwargs", "thinking_token_budget", "custom_params", "additionalModelRequestFields", "reasoningConfig", "maxReasoningEffort",
}  # fmt: skip
"""All keys that any dialect may write: each steers thinking, or wraps what does. max_tokens is OpenRouter's, within reasoning."""

BUDGETS = ("budget_tokens", "thinkingBudget", "thinking_budget", "thinking_token_budget", "max_tokens")
asked = st.fixed_dictionaries(
    {
        "arm": st.sampled_from(list(Arm)),
        "thinking_budget": st.integers(0, 40_000),
        "cap": st.none() | st.integers(0, 40_000),
        "max_output_tokens": st.none() | st.integers(1, 200_000),
        "tools": st.booleans(),
        "hosted_tools": st.booleans(),
        "unthought": st.frozensets(st.sampled_from(get_args(Calls))),
        "mid_thought": st.booleans(),
        "prefilled": st.booleans(),
    }
)


@lru_cache
def controls(ladder, budgets=True):
    return Controls(SHIPPED, ladder=LADDERS[ladder], vllm_takes_budgets=budgets)


def items(params):
    """Every key of a nest of mappings with its value."""
    for key, value in (params or {}).items():
        yield key, value
        if isinstance(value, dict):
            yield from items(value)


def budget_in(params):
    return next((value for key, value in items(params) if key in BUDGETS), None)


def word_in(params):
    words = [
        str(v).lower()
        for k, v in items(params)
        if k in ("reasoning_effort", "effort", "thinkingLevel", "maxReasoningEffort") and isinstance(v, str)
    ]
    return words[0] if words else None


def thinks(params):
    """Whether parameters ask for thinking; None where they do not say."""
    found = dict(items(params))
    for key in ("enable_thinking", "enabled"):
        if key in found:
            return found[key]
    for switch in (found.get("thinking"), found.get("type")):
        if isinstance(switch, bool):
            return switch
    if found.get("type") in ("disabled", "between_tools") or word_in(params) == "none" or budget_in(params) == 0:
        return False
    return True if found.get("type") or word_in(params) or budget_in(params) else None


def test_there_is_a_dialect_for_every_provider_that_a_request_may_name():
    assert set(DIALECTS) == set(PROVIDERS)
    assert DIALECTS["qwen"] is DIALECTS["dashscope"]


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=120, deadline=None)
@given(model=st.sampled_from(ALL_MODELS), ladder=st.sampled_from([*LADDERS]), given=asked)
def test_what_holds_of_every_dialect(provider, model, ladder, given):
    told = translated(provider, model, controls(ladder), **given)
    assert told == translated(provider, model, controls(ladder), **given)
    assert json.loads(json.dumps(told.params)) == told.params
    assert {key for key, _ in items(told.params)} <= KEYS, (
        "nothing but what steers thinking: no safety setting, no guardrail"
    )
    assert told.enforced or told.reasons
    assert all(isinstance(reason, str) and reason for reason in told.reasons)
    if told.params is None:
        assert not told.enforced
        assert any(reason.startswith("params is null") for reason in told.reasons)
    if told.instead is Arm.DIRECT:
        assert (given["arm"], told.enforced, told.thinking_budget) == (Arm.REASONING, False, 0)
        assert thinks(told.params) in (False, None)
        assert told.params == translated(provider, model, controls(ladder), **given | {"arm": Arm.DIRECT}).params
    if told.instead is Arm.REASONING:
        assert (given["arm"], told.enforced, given["mid_thought"]) == (Arm.DIRECT, False, True)
        assert told.thinking_budget == budget_in(told.params) > 0
        done = given | {"arm": Arm.REASONING, "thinking_budget": told.thinking_budget}
        assert told.params == translated(provider, model, controls(ladder), **done).params
    if given["arm"] is Arm.DIRECT and told.enforced:
        assert thinks(told.params) in (False, None)
    if given["arm"] is Arm.REASONING and told.enforced:
        assert thinks(told.params) in (True, None)


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=120, deadline=None)
@given(model=st.sampled_from(ALL_MODELS), given=asked)
def test_a_budget_keeps_to_the_model_and_the_caps(provider, model, given):
    host = (
        {"hosted_vllm": "vllm", "dashscope": "dashscope"}.get(model.split("/")[0], provider)
        if provider == "litellm"
        else provider
    )
    told, accepts = translated(provider, model, controls("thinkworth"), **given), controls("thinkworth").of(model, host)
    budget, most, cap = budget_in(told.params), given["max_output_tokens"], given["cap"]
    if not budget:
        return
    assert accepts.least_tokens <= budget <= (accepts.most_tokens or budget)
    assert most is None or budget < most
    goes_on = given["mid_thought"] and not accepts.stops_mid_turn
    if budget > accepts.least_tokens or (accepts.thinking == "optional" and not goes_on):
        assert most is None or budget <= most * (1 - ANSWER_SHARE), "the answer's share is kept free"
        assert cap is None or budget <= cap, "never above what the caps leave"
    if budget > given["thinking_budget"]:
        assert any("least that this model accepts" in reason for reason in told.reasons)
    if given["arm"] is Arm.REASONING and budget < given["thinking_budget"]:
        assert told.reasons


@pytest.mark.parametrize("provider", PROVIDERS)
@settings(max_examples=80, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    ladder=st.sampled_from([*LADDERS]),
    budgets=st.tuples(*[st.integers(1, 40_000)] * 2),
    given=asked,
)
def test_a_larger_budget_never_asks_for_less(provider, model, ladder, budgets, given):
    given = given | {"arm": Arm.REASONING}
    less, more = (
        translated(provider, model, controls(ladder), **given | {"thinking_budget": b}).params for b in sorted(budgets)
    )
    assert (budget_in(less) or 0) <= (budget_in(more) or 0)
    rank = ["none", *ORDER]
    assert rank.index(word_in(less) or "none") <= rank.index(word_in(more) or "none")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_only_efforts_that_the_model_accepts_are_asked_for(provider):
    for ladder, model in product(LADDERS, MODELS):
        accepts = controls(ladder).of(model, provider)
        for budget in (0, 64, 1024, 1025, 4096, 5000, 30_000):
            for arm in Arm:
                params = translated(provider, model, controls(ladder), arm, budget, max_output_tokens=32_000).params
                assert word_in(params) in (
                    None,
                    *accepts.efforts,
                    *(["none"] if accepts.thinking == "optional" else []),
                )


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_model_nothing_can_be_said(provider):
    told = translated(provider, None, controls("thinkworth"), Arm.DIRECT, 0)
    assert (told.params, told.enforced) == (None, False)
    assert "send model" in told.reasons[0]


@pytest.mark.parametrize(
    ("provider", "direct", "reasoning"),
    [*((p, None, None) for p in ("openai", "openai_responses", "anthropic", "gemini", "qwen", "dashscope", "bedrock", "litellm")),
     *((p, {"chat_template_kwargs": {"enable_thinking": False}}, {"chat_template_kwargs": {"enable_thinking": True}}) for p in ("vllm", "sglang")),
     ("deepseek", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "enabled"}}),
     ("openrouter", None, {"reasoning": {"effort": "medium"}})],
)  # fmt: skip
def test_an_unknown_model_gets_what_is_safe_or_nothing(provider, direct, reasoning):
    for arm, wanted in ((Arm.DIRECT, direct), (Arm.REASONING, reasoning)):
        told = translated(provider, "nobody-4", controls("thinkworth"), arm, 2048, max_output_tokens=8000)
        assert (told.params, told.enforced) == (wanted, False)
        assert "not known" in told.reasons[-1]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_does_not_tell_arms_apart_is_sent_the_same_in_both(provider):
    apart = 0
    for model, ladder in product(MODELS, LADDERS):
        asked = ((Arm.DIRECT, 0), *((Arm.REASONING, budget) for budget in (2048, 60_000)))
        told = [translated(provider, model, controls(ladder), *one, max_output_tokens=100_000).params for one in asked]
        differ = any(one != told[0] for one in told)
        apart += differ
        assert controls(ladder).of(model, provider).tells_arms_apart or not differ
    assert apart
