"""The arm of a call, from every way that providers and gateways have of saying it."""

import json

import pytest

from contract.records import Arm
from training.importers.arms import Setting, Undecidable, arm_of

ON, OFF = Arm.REASONING, Arm.DIRECT
NOTHING = "no thinking parameter"

DECIDED = [
    # OpenAI Chat Completions: reasoning_effort
    ({"reasoning_effort": "none"}, OFF, "reasoning_effort=none", None),
    ({"reasoning_effort": "low"}, ON, "reasoning_effort=low", None),
    ({"reasoning_effort": "medium"}, ON, "reasoning_effort=medium", None),
    ({"reasoning_effort": "high"}, ON, "reasoning_effort=high", None),
    ({"reasoning_effort": "xhigh"}, ON, "reasoning_effort=xhigh", None),
    ({"reasoning_effort": "max"}, ON, "reasoning_effort=max", None),
    # OpenAI Responses: reasoning
    ({"reasoning": {"effort": "none"}}, OFF, "reasoning.effort=none", None),
    ({"reasoning": {"effort": "high", "summary": "auto", "mode": "pro"}}, ON, "reasoning.effort=high", None),
    # Anthropic, new: adaptive, with the effort outside
    ({"thinking": {"type": "adaptive"}}, ON, "thinking=adaptive", None),
    (
        {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "high"}},
        ON,
        "thinking=adaptive effort=high",
        None,
    ),
    # Anthropic, older: a budget
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 8192},
        ON,
        "thinking=enabled budget_tokens=2048",
        2048,
    ),
    ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, OFF, "thinking=disabled effort=low", None),
    # Gemini 2.5 and 3, REST and SDK
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, OFF, "thinkingBudget=0", None),
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024}}}, ON, "thinkingBudget=1024", 1024),
    (
        {"generation_config": {"thinking_config": {"thinking_budget": -1, "include_thoughts": True}}},
        ON,
        "thinking_budget=-1",
        None,
    ),
    ({"config": {"thinking_config": {"thinking_level": "LOW"}}}, ON, "thinking_level=LOW", None),
    ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}, ON, "thinkingLevel=HIGH", None),
    # Gemini's OpenAI-compatible endpoint
    ({"extra_body": {"google": {"thinking_config": {"thinking_budget": 512}}}}, ON, "thinking_budget=512", 512),
    # Qwen on DashScope
    ({"enable_thinking": True}, ON, "enable_thinking=true", None),
    ({"enable_thinking": True, "thinking_budget": 4000}, ON, "enable_thinking=true thinking_budget=4000", 4000),
    ({"extra_body": {"enable_thinking": False}}, OFF, "enable_thinking=false", None),
    ({"enable_thinking": False, "thinking_budget": 4000}, OFF, "enable_thinking=false", None),
    ({"thinking_budget": 4000}, ON, "thinking_budget=4000", 4000),
    # vLLM and SGLang
    ({"chat_template_kwargs": {"enable_thinking": False}}, OFF, "enable_thinking=false", None),
    (
        {"chat_template_kwargs": {"enable_thinking": True}, "thinking_token_budget": 256},
        ON,
        "enable_thinking=true thinking_token_budget=256",
        256,
    ),
    ({"extra_body": {"chat_template_kwargs": {"thinking": True}}}, ON, "thinking=true", None),
    # DeepSeek
    ({"thinking": {"type": "enabled"}, "reasoning_effort": "max"}, ON, "reasoning_effort=max thinking=enabled", None),
    ({"thinking": {"type": "disabled"}}, OFF, "thinking=disabled", None),
    ({"reasoning_effort": "ultra"}, ON, "reasoning_effort=ultra", None),
    # OpenRouter
    ({"reasoning": {"max_tokens": 2000, "exclude": True}}, ON, "reasoning.max_tokens=2000", 2000),
    ({"reasoning": {"max_tokens": 0}}, OFF, "reasoning.max_tokens=0", None),
    ({"reasoning": {"enabled": True}}, ON, "reasoning.enabled=true", None),
    ({"reasoning": {"enabled": False}}, OFF, "reasoning.enabled=false", None),
    # Bedrock
    (
        {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        ON,
        "thinking=enabled budget_tokens=1024",
        1024,
    ),
    (
        {
            "additional_model_request_fields": {
                "thinking": {"type": "adaptive"},
                "output_config": {"effort": "max"},
            }
        },
        ON,
        "thinking=adaptive effort=max",
        None,
    ),
    (
        {"additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}},
        ON,
        "reasoningConfig=enabled maxReasoningEffort=low",
        None,
    ),
    # Vercel's AI SDK
    (
        {"providerOptions": {"bedrock": {"reasoningConfig": {"type": "enabled", "budgetTokens": 3000}}}},
        ON,
        "reasoningConfig=enabled budgetTokens=3000",
        3000,
    ),
    ({"providerOptions": {"openai": {"reasoningEffort": "low"}}}, ON, "reasoningEffort=low", None),
    (
        {"providerOptions": {"anthropic": {"thinking": {"type": "adaptive"}, "effort": "medium"}}},
        ON,
        "thinking=adaptive effort=medium",
        None,
    ),
    # Ollama
    ({"think": False}, OFF, "think=false", None),
    ({"think": "high"}, ON, "think=high", None),
    # Cohere
    ({"thinking": {"type": "enabled", "token_budget": 500}}, ON, "thinking=enabled token_budget=500", 500),
    # LiteLLM: its own words, what it makes of them for a provider, and both
    ({"reasoning_effort": "disable"}, OFF, "reasoning_effort=disable", None),
    ({"reasoning_effort": {"effort": "high", "summary": "detailed"}}, ON, "reasoning_effort.effort=high", None),
    (
        {"optional_params": {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}},
        ON,
        "thinking=adaptive effort=low",
        None,
    ),
    (
        {"model_parameters": {"thinking": {"type": "enabled", "budget_tokens": 4096}, "max_tokens": 8192}},
        ON,
        "thinking=enabled budget_tokens=4096",
        4096,
    ),
    (
        {"reasoning_effort": "low", "optional_params": {"thinkingConfig": {"thinkingBudget": 1024}}},
        ON,
        "reasoning_effort=low thinkingBudget=1024",
        1024,
    ),
    ({"reasoning_effort": "minimal", "thinkingConfig": {"thinkingBudget": 1}}, ON, "reasoning_effort=minimal thinkingBudget=1", 1),
    ({"reasoning_effort": "none", "thinkingConfig": {"thinkingBudget": 0}}, OFF, "reasoning_effort=none thinkingBudget=0", None),
    # what it makes of `minimal` for deepseek-reasoner; of `none` for Claude it makes nothing, which decides nothing
    ({"reasoning_effort": "minimal", "thinking": {"type": "enabled"}}, ON, "reasoning_effort=minimal thinking=enabled", None),
    # The same thing said twice, and as texts
    ({"reasoning_effort": "high", "extra_body": {"reasoning_effort": "high"}}, ON, "reasoning_effort=high", None),
    ({"reasoning_effort": "HIGH"}, ON, "reasoning_effort=HIGH", None),
    ({"thinking": '{"type": "enabled", "budget_tokens": "2048"}'}, ON, "thinking=enabled budget_tokens=2048", 2048),
    ({"enable_thinking": "False"}, OFF, "enable_thinking=False", None),
    ({"thinking_budget": 2048.0}, ON, "thinking_budget=2048", 2048),
    # A null is not given
    ({"reasoning_effort": None, "thinking": {"type": "disabled"}}, OFF, "thinking=disabled", None),
]  # fmt: skip


@pytest.mark.parametrize(("parameters", "arm", "setting", "budget"), DECIDED, ids=lambda value: str(value)[:60])
def test_what_decides(parameters, arm, setting, budget):
    assert arm_of(parameters, thinking_tokens=None) == Setting(arm, setting, budget)


@pytest.mark.parametrize(("parameters", "arm", "setting", "budget"), DECIDED, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("wrapper", ["extra_body", "optional_params", "model_parameters", "config"])
def test_the_same_in_a_wrapper_or_its_json(parameters, arm, setting, budget, wrapper):
    wrapped = {"temperature": 0.5, wrapper: parameters}
    as_text = {wrapper: json.dumps(parameters)}
    assert arm_of(wrapped, thinking_tokens=0) == arm_of(as_text, thinking_tokens=0) == Setting(arm, setting, budget)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, NOTHING),
        ({"temperature": 0.2, "max_tokens": 100}, NOTHING),
        ({"reasoning_effort": None}, NOTHING),
        ({"reasoning_effort": ""}, NOTHING),
        ({"reasoning_effort": "default"}, NOTHING),
        ({"reasoning_effort": "auto"}, NOTHING),
        ({"reasoning": {}}, NOTHING),
        ({"reasoning": {"effort": None, "summary": None}}, NOTHING),
        ({"reasoning": {"summary": "auto"}}, NOTHING),
        ({"reasoning": {"exclude": True}}, NOTHING),
        ({"output_config": {"effort": "high"}}, NOTHING),
        ({"thinking": {"type": "auto"}}, NOTHING),
        ({"thinkingConfig": {"includeThoughts": True}}, NOTHING),
        ({"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}}, NOTHING),
        ({"messages": [{"reasoning_effort": "high"}], "metadata": {"reasoning_effort": "high"}}, NOTHING),
        ({"thinking": {"type": "between_tools"}}, "thinking 'between_tools' does not say whether thinking is on"),
        ({"reasoning_effort": "turbo"}, "reasoning_effort 'turbo' does not say whether thinking is on"),
        ({"reasoning_effort": 3}, "reasoning_effort 3 does not say whether thinking is on"),
        ({"reasoning_effort": ["high"]}, "reasoning_effort (list) does not say whether thinking is on"),
        ({"thinking": "please do"}, "thinking (a text of 9 characters) does not say whether thinking is on"),
        ({"thinking": {"type": "enabled", "budget_tokens": "lots"}}, "budget_tokens 'lots' is no number of tokens"),
        ({"thinking_budget": True}, "thinking_budget True is no number of tokens"),
        ({"thinking_budget": -2}, "thinking_budget -2 is no number of tokens"),
        ({"thinking_budget": 0.5}, "thinking_budget 0.5 is no number of tokens"),
        ({"thinking_budget": float("nan")}, "thinking_budget nan is no number of tokens"),
        ({"enable_thinking": True, "thinking_budget": 0}, "thinking_budget=0 and enable_thinking=true disagree"),
        (
            {"reasoning_effort": "none", "generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
            "reasoning_effort=none and thinkingLevel=LOW disagree",
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "thinking_budget": 2048},
            "budget_tokens=1024 and thinking_budget=2048 name different budgets",
        ),
    ],
)
def test_what_does_not_decide(parameters, reason):
    with pytest.raises(Undecidable) as caught:
        arm_of(parameters, thinking_tokens=None)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "parameters", [{"reasoning_effort": "minimal"}, {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}]
)
def test_minimal_is_told_by_the_hidden_tokens(parameters):
    assert arm_of(parameters, thinking_tokens=0).arm is OFF
    assert arm_of(parameters, thinking_tokens=64).arm is ON
    with pytest.raises(Undecidable, match="no hidden tokens were recorded to tell by"):
        arm_of(parameters, thinking_tokens=None)


def test_off_that_thought_all_the_same_is_undecidable():
    with pytest.raises(
        Undecidable, match=r"asked for no thinking \(thinkingBudget=0\), but 7 hidden tokens were billed"
    ):
        arm_of({"thinkingBudget": 0}, thinking_tokens=7)


def test_on_that_did_not_think_is_reasoning():
    assert arm_of({"thinking": {"type": "adaptive"}}, thinking_tokens=0).arm is ON


def test_a_declared_default_is_taken_where_nothing_is_said_and_only_there():
    assert arm_of({}, thinking_tokens=9, default=ON) == Setting(ON, "declared default", None)
    assert (
        arm_of({"reasoning_effort": "default"}, thinking_tokens=0, default=OFF).thinking_setting == "declared default"
    )
    assert arm_of({"reasoning_effort": "none"}, thinking_tokens=0, default=ON).arm is OFF
    with pytest.raises(Undecidable, match="disagree"):
        arm_of({"reasoning_effort": "none", "thinking": True}, thinking_tokens=0, default=ON)
    with pytest.raises(Undecidable, match="9 hidden tokens were billed"):
        arm_of({}, thinking_tokens=9, default=OFF)


def test_the_order_of_parameters_does_not_change_the_setting():
    parameters = {"output_config": {"effort": "low"}, "thinking": {"budget_tokens": 1024, "type": "enabled"}}
    reordered = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}}
    assert arm_of(parameters, thinking_tokens=1) == arm_of(reordered, thinking_tokens=1)
