"""Exact parameters, provider by provider, and the traps of each."""

import pytest

from contract.controls import Controls, load_controls
from contract.ladders import SHIPPED_LADDERS
from contract.locate import ROOT
from contract.records import Arm
from serving.dialects import translated
from serving.dialects.asking import Told

SHIPPED = load_controls(shipped=ROOT / "data" / "dialects.yaml")


def told(
    provider,
    model,
    budget,
    *,
    cap=None,
    most=8000,
    tools=False,
    hosted=False,
    unthought=frozenset(),
    mid_thought=False,
    prefilled=False,
    **settings,
):
    controls = Controls(SHIPPED.rows.by_name, **settings)
    arm = Arm.REASONING if budget else Arm.DIRECT
    return translated(
        provider,
        model,
        controls,
        arm,
        budget,
        cap=cap,
        max_output_tokens=most,
        tools=tools,
        hosted_tools=hosted,
        unthought=unthought,
        mid_thought=mid_thought,
        prefilled=prefilled,
    )


def effort(word):
    return {"reasoning_effort": word}


def budget(tokens):
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}}


def adaptive(word):
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": word}}


def off(kind="disabled"):
    return {"thinking": {"type": kind}}


def gemini(**config):
    return {"generationConfig": {"thinkingConfig": config}}


def template(**kwargs):
    return {"chat_template_kwargs": kwargs}


def more(params):
    return {"additionalModelRequestFields": params}


@pytest.mark.parametrize(
    ("provider", "model", "direct", "small", "large"),  # budgets of 0, 512 and 5,000 under 8,000 of output
    [
        ("openai", "gpt-5.1-2025-11-13", effort("none"), effort("low"), effort("high")),
        ("openai", "gpt-5", effort("minimal"), effort("low"), effort("high")),
        ("openai", "gpt-5-pro", effort("high"), effort("high"), effort("high")),
        ("openai", "gpt-4o", {}, {}, {}),
        ("openai", "o1-mini", {}, {}, {}),
        ("openai", "mistral-large-4-0", effort("none"), effort("high"), effort("high")),
        ("openai_responses", "gpt-5.1", {"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "high"}}),
        ("anthropic", "claude-sonnet-4-5-20250929", off(), budget(1024), budget(5000)),
        ("anthropic", "claude-3-7-sonnet-20250219", off(), budget(1024), budget(5000)),
        ("anthropic", "claude-opus-4-7", {}, adaptive("low"), adaptive("high")),
        ("anthropic", "claude-sonnet-5-5", off("between_tools"), adaptive("low"), adaptive("high")),
        ("anthropic", "claude-fable-5", adaptive("low"), adaptive("low"), adaptive("high")),
        ("anthropic", "claude-3-5-haiku-20241022", {}, {}, {}),
        ("gemini", "gemini-2.5-flash", gemini(thinkingBudget=0), gemini(thinkingBudget=512), gemini(thinkingBudget=5000)),
        ("gemini", "gemini-2.5-flash-lite", gemini(thinkingBudget=0), gemini(thinkingBudget=512), gemini(thinkingBudget=5000)),
        ("gemini", "gemini-2.5-pro", gemini(thinkingBudget=128), gemini(thinkingBudget=512), gemini(thinkingBudget=5000)),
        ("gemini", "gemini-3-pro-preview", gemini(thinkingLevel="LOW"), gemini(thinkingLevel="LOW"), gemini(thinkingLevel="HIGH")),
        ("gemini", "gemini-3-flash-preview", gemini(thinkingLevel="MINIMAL"), gemini(thinkingLevel="LOW"), gemini(thinkingLevel="HIGH")),
        ("qwen", "qwen3-32b", {"enable_thinking": False}, {"enable_thinking": True, "thinking_budget": 512}, {"enable_thinking": True, "thinking_budget": 5000}),
        ("dashscope", "qwen3-235b-a22b-thinking-2507", {"thinking_budget": 1}, {"thinking_budget": 512}, {"thinking_budget": 5000}),
        ("dashscope", "deepseek-v4-pro", {"enable_thinking": False}, {"enable_thinking": True}, {"enable_thinking": True}),
        ("vllm", "Qwen/Qwen3-32B", template(enable_thinking=False), template(enable_thinking=True), template(enable_thinking=True)),
        ("vllm", "deepseek-ai/DeepSeek-V3.2", template(thinking=False), template(thinking=True), template(thinking=True)),
        ("vllm", "openai/gpt-oss-20b", effort("low"), effort("low"), effort("high")),
        ("vllm", "deepseek-ai/DeepSeek-R1", {}, {}, {}),
        ("sglang", "Qwen/Qwen3-8B", template(enable_thinking=False), template(enable_thinking=True) | {"custom_params": {"thinking_budget": 512}},
         template(enable_thinking=True) | {"custom_params": {"thinking_budget": 5000}}),
        ("deepseek", "deepseek-v4-pro", off(), off("enabled") | effort("low"), off("enabled") | effort("high")),
        ("deepseek", "deepseek-v3.2", off(), off("enabled"), off("enabled")),
        ("openrouter", "openai/gpt-5.1", {"reasoning": {"effort": "none"}}, {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "high"}}),
        ("openrouter", "anthropic/claude-sonnet-4.5", {"reasoning": {"effort": "none"}}, {"reasoning": {"max_tokens": 1024}}, {"reasoning": {"max_tokens": 5000}}),
        ("openrouter", "google/gemini-3.7-flash", {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "low"}}, {"reasoning": {"effort": "high"}}),
        ("openrouter", "z-ai/glm-4.6", {"reasoning": {"effort": "none"}}, {"reasoning": {"enabled": True}}, {"reasoning": {"enabled": True}}),
        ("openrouter", "meta-llama/llama-3.3-70b-instruct", {}, {}, {}),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", more(off()), more(budget(1024)), more(budget(5000))),
        ("bedrock", "us.anthropic.claude-opus-4-7", {}, more(adaptive("low")), more(adaptive("high"))),
        ("bedrock", "openai.gpt-oss-120b-1:0", more(effort("low")), more(effort("low")), more(effort("high"))),
        ("bedrock", "openai.gpt-6-sol", more({"reasoning": {"effort": "none"}}), more({"reasoning": {"effort": "low"}}), more({"reasoning": {"effort": "high"}})),
        ("bedrock", "us.amazon.nova-2-lite-v1:0", more({"reasoningConfig": {"type": "disabled"}}), more({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
         more({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}})),
        ("bedrock", "us.deepseek.r1-v1:0", {}, {}, {}),
        ("bedrock", "qwen.qwen3-32b-v1:0", None, None, None),
        ("litellm", "openai/gpt-5.1", effort("none"), effort("low"), effort("high")),
        ("litellm", "anthropic/claude-sonnet-4-5", effort("none"), budget(1024), budget(5000)),
        ("litellm", "anthropic/claude-opus-5", off(), effort("low"), effort("high")),
        ("litellm", "anthropic/claude-sonnet-5-5", off("between_tools"), effort("low"), effort("high")),
        ("litellm", "gemini/gemini-2.5-flash", effort("none"), budget(512), budget(5000)),
        ("litellm", "gemini/gemini-2.5-pro", budget(128), budget(512), budget(5000)),
        ("litellm", "zai/glm-5", off(), off("enabled"), off("enabled")),
        ("litellm", "dashscope/qwen3-32b", {"extra_body": {"enable_thinking": False}}, {"extra_body": {"enable_thinking": True, "thinking_budget": 512}},
         {"extra_body": {"enable_thinking": True, "thinking_budget": 5000}}),
        ("litellm", "hosted_vllm/Qwen/Qwen3-32B", {"extra_body": template(enable_thinking=False)}, {"extra_body": template(enable_thinking=True)},
         {"extra_body": template(enable_thinking=True)}),
        ("litellm", "qwen3-32b", None, None, None),
    ],
)  # fmt: skip
def test_the_exact_parameters(provider, model, direct, small, large):
    assert [told(provider, model, tokens).params for tokens in (0, 512, 5000)] == [direct, small, large]


def test_claudes_floor_is_reached_where_the_caps_leave_room_and_said():
    raised = told("anthropic", "claude-sonnet-4-5", 300)
    assert (raised.params, raised.enforced) == (budget(1024), True)
    assert raised.reasons == ("a budget of 300 is raised to 1024, the least that this model accepts",)


@pytest.mark.parametrize(("cap", "most", "left"), [(1023, None, 1023), (None, 1365, 1023), (5000, 400, 300)])
def test_without_room_for_claudes_floor_thinking_is_off_and_that_is_not_the_arm(cap, most, left):
    shut = told("anthropic", "claude-sonnet-4-5", 300, cap=cap, most=most)
    assert (shut.params, shut.enforced, shut.instead) == (off(), False, Arm.DIRECT)
    assert shut.reasons == (
        f"the caps leave {left} thinking tokens, and this model accepts no fewer than 1024: thinking is off",
    )


def test_the_floor_fits_at_a_quarter_of_room():
    assert told("anthropic", "claude-sonnet-4-5", 300, most=1366).params == budget(1024)


def test_a_budget_leaves_the_answer_its_share():
    lowered = told("anthropic", "claude-sonnet-4-5", 30_000)
    assert (lowered.params, lowered.enforced) == (budget(6000), True)
    assert "lowered to 6000" in lowered.reasons[0]
    assert told("gemini", "gemini-2.5-flash", 30_000, most=100_000).params == gemini(thinkingBudget=24576)


def test_without_max_output_tokens_a_budget_for_claude_comes_with_a_warning():
    for provider in ("anthropic", "bedrock"):
        assert "send max_output_tokens" in told(provider, "claude-sonnet-4-5", 2000, most=None).reasons[-1]
    assert told("anthropic", "claude-opus-5", 2000, most=None).reasons == ()


def test_what_always_thinks_is_asked_for_the_least_and_that_is_no_obedience():
    least = told("openai", "gpt-5-pro", 0)
    assert (least.params, least.enforced) == (effort("high"), False)
    assert least.reasons == ("the least that this model accepts is asked for: effort high",)
    pro = told("gemini", "gemini-2.5-pro", 0, most=100)
    assert (pro.params, pro.enforced) == ({}, False)
    assert "leaves no room" in pro.reasons[0]


def test_a_word_that_is_not_accepted_is_the_next_stronger_one_and_said():
    for provider, model, wanted in (
        ("gemini", "gemini-3-pro", "HIGH"),
        ("deepseek", "deepseek-v4-pro", "high"),
        ("litellm", "kimi-k3", "high"),
    ):
        one = told(provider, model, 2000)
        assert wanted in str(one.params)
        assert "effort medium is not accepted by this model: high is asked for" in one.reasons


def test_a_ladder_changes_words_and_no_budgets():
    litellm = {"ladder": SHIPPED_LADDERS["litellm"]}
    assert told("openai", "gpt-5", 100, **litellm).params == effort("minimal")
    assert told("openai", "gpt-5.1", 20_000, **litellm).params == effort("high"), (
        "max is not accepted: the strongest is asked for"
    )
    assert told("openai", "gpt-6-sol", 20_000, **litellm).params == effort("max")
    assert told("anthropic", "claude-sonnet-4-5", 2000, **litellm).params == budget(2000)
    shares = {"ladder": SHIPPED_LADDERS["openrouter"]}
    assert told("openai", "gpt-6-sol", 2000, **shares).params == effort("medium")
    without = told("openai", "gpt-6-sol", 2000, most=None, **shares)
    assert without.params == effort("medium")
    assert "thinkworth's own stands in" in without.reasons[0]


def test_vllm_is_sent_a_budget_only_where_its_servers_take_one():
    plain = told("vllm", "Qwen/Qwen3-32B", 2000)
    assert "thinking_token_budget" not in plain.params
    assert "vllm_takes_budgets" in plain.reasons[0]
    taken = told("vllm", "Qwen/Qwen3-32B", 2000, vllm_takes_budgets=True)
    assert taken == Told(template(enable_thinking=True) | {"thinking_token_budget": 2000})
    assert told("litellm", "hosted_vllm/Qwen/Qwen3-32B", 2000, vllm_takes_budgets=True).params == {
        "extra_body": taken.params
    }
    assert told("vllm", "openai/gpt-oss-20b", 2000, vllm_takes_budgets=True).params == effort("medium"), (
        "its parser has no delimiters"
    )


@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-5.6-terra", "gpt-6-sol"])
def test_openais_chat_refuses_tools_beside_thinking_so_it_is_off_there(model):
    shut = told("openai", model, 2000, tools=True)
    assert (shut.params, shut.enforced, shut.instead) == (effort("none"), False, Arm.DIRECT)
    assert shut.reasons == ("this API refuses function tools beside this model's thinking: thinking is off",)
    assert told("openai", model, 0, tools=True) == Told(effort("none"))
    assert told("openai", model, 2000).params == effort("medium")
    for elsewhere in ("openai_responses", "litellm", "openrouter"):
        assert told(elsewhere, model, 2000, tools=True) == told(elsewhere, model, 2000)


def test_minimal_is_low_beside_tools_that_openai_runs():
    least = told("openai_responses", "gpt-5", 0, hosted=True)
    assert (least.params, least.enforced) == ({"reasoning": {"effort": "low"}}, False)
    assert least.reasons[-1] == "this API refuses its own tools beside effort minimal: low is asked for"
    small = told("openai_responses", "gpt-5-mini", 128, hosted=True, ladder=SHIPPED_LADDERS["litellm"])
    assert (small.params, small.enforced) == ({"reasoning": {"effort": "low"}}, True)
    assert told("openai_responses", "gpt-5", 0).params == {"reasoning": {"effort": "minimal"}}
    assert told("openai_responses", "gpt-5", 2000, hosted=True) == told("openai_responses", "gpt-5", 2000)
    for model in ("gpt-5.1", "o3", "gpt-5-pro"):
        assert told("openai_responses", model, 0, hosted=True) == told("openai_responses", model, 0)


def test_older_models_of_openai_think_beside_tools():
    for model in ("gpt-5.1", "gpt-5.2", "gpt-5"):
        assert told("openai", model, 2000, tools=True) == told("openai", model, 2000)


@pytest.mark.parametrize(
    ("provider", "model", "calls", "shut"),
    [
        ("anthropic", "claude-sonnet-4-5", "last_call", off()),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "last_call", more(off())),
        ("litellm", "anthropic/claude-sonnet-4-5", "last_call", effort("none")),
        ("deepseek", "deepseek-v4-pro", "all_calls", off()),
        ("litellm", "deepseek/deepseek-v4-pro", "all_calls", off()),
    ],
)
def test_thinking_is_off_where_it_would_be_refused_without_that_of_earlier_calls(provider, model, calls, shut):
    off_here = told(provider, model, 2000, unthought=frozenset({calls}))
    assert (off_here.params, off_here.enforced, off_here.instead) == (shut, False, Arm.DIRECT)
    assert "tools were called without thinking" in off_here.reasons[0]
    (other,) = {"last_call", "all_calls"} - {calls}
    assert told(provider, model, 2000, unthought=frozenset({other})) == told(provider, model, 2000)


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude-sonnet-4-6"), ("vllm", "deepseek-v4-pro"), ("openai", "gpt-5.1")]
)
def test_who_asks_for_no_earlier_thinking_is_not_switched_off(provider, model):
    both = frozenset({"last_call", "all_calls"})
    assert told(provider, model, 2000, unthought=both) == told(provider, model, 2000)


@pytest.mark.parametrize(
    ("provider", "model", "shut"),
    [
        ("openai", "gpt-5.1", effort("none")),
        ("anthropic", "claude-opus-5", off()),
        ("openrouter", "z-ai/glm-4.6", {"reasoning": {"effort": "none"}}),
        ("vllm", "Qwen/Qwen3-32B", template(enable_thinking=False)),
    ],
)
def test_a_handful_of_tokens_that_nothing_holds_thinking_to_is_no_thinking(provider, model, shut):
    """Else a request for 16 tokens of output would be thought about to its end, and answered with nothing."""
    few = told(provider, model, 12, cap=12, most=16)
    assert (few.params, few.enforced, few.instead) == (shut, False, Arm.DIRECT)
    assert few.reasons == ("nothing would hold thinking to 12 tokens, which is all that is granted: thinking is off",)
    assert told(provider, model, 128, cap=128).params != shut


@pytest.mark.parametrize(
    ("provider", "shut"),
    [
        ("deepseek", off()),
        ("vllm", template(enable_thinking=False)),
        ("sglang", template(enable_thinking=False)),
    ],
)
def test_an_unknown_model_too_is_switched_off_for_a_handful_of_tokens(provider, shut):
    few = told(provider, "nobody-4", 37, most=50)
    assert (few.params, few.enforced, few.instead) == (shut, False, Arm.DIRECT)
    assert (
        few.reasons[-1]
        == "nothing would hold thinking to 37 tokens, which is all that is granted: thinking is switched off"
    )
    assert told(provider, "nobody-4", 128).params != shut


@pytest.mark.parametrize(
    ("granted", "most", "why"),
    [
        (37, 50, "nothing would hold thinking to 37 tokens, which is all that is granted, and OpenRouter refuses"),
        (127, None, "nothing would hold thinking to 127 tokens"),
        (200, 300, "may make a budget of 1,024 tokens, which max_output_tokens of 300 does not exceed"),
        (768, 1024, "which max_output_tokens of 1,024 does not exceed"),
    ],
)
def test_openrouter_is_told_no_effort_for_an_unknown_model_that_might_not_fit_it(granted, most, why):
    few = told("openrouter", "nobody-4", granted, most=most)
    assert (few.params, few.enforced, few.instead) == (None, False, None)
    assert few.reasons[0].startswith("params is null")
    assert why in few.reasons[0]


@pytest.mark.parametrize(("granted", "most"), [(768, 1025), (128, None), (128, 8000)])
def test_openrouter_is_told_an_effort_for_an_unknown_model_that_it_fits_in_any_case(granted, most):
    assert told("openrouter", "nobody-4", granted, most=most).params == {"reasoning": {"effort": "low"}}


def test_a_budget_that_is_sent_may_be_small():
    assert told("qwen", "qwen3-32b", 12, cap=12, most=16).params == {"enable_thinking": True, "thinking_budget": 12}
    served = told("vllm", "Qwen/Qwen3-32B", 12, cap=12, most=16, vllm_takes_budgets=True)
    assert served.params == template(enable_thinking=True) | {"thinking_token_budget": 12}


CLAUDE = [
    ("anthropic", "claude-sonnet-4-5", budget(1024), off()),
    ("anthropic", "claude-3-7-sonnet-20250219", budget(1024), off()),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", more(budget(1024)), more(off())),
    ("litellm", "vertex_ai/claude-sonnet-4@20250514", budget(1024), effort("none")),
    (
        "openrouter",
        "anthropic/claude-haiku-4.5",
        {"reasoning": {"max_tokens": 1024}},
        {"reasoning": {"effort": "none"}},
    ),
]


@pytest.mark.parametrize(("provider", "model", "least", "shut"), CLAUDE)
def test_a_turn_that_began_with_thinking_goes_on_with_the_least(provider, model, least, shut):
    """Anthropic: when thinking is disabled, an assistant message in the final position cannot contain thinking."""
    kept = told(provider, model, 0, mid_thought=True)
    assert (kept.params, kept.enforced, kept.instead, kept.thinking_budget) == (least, False, Arm.REASONING, 1024)
    assert "this turn began with thinking" in kept.reasons[0]
    assert told(provider, model, 0).params == shut
    no_room = told(provider, model, 0, mid_thought=True, most=1024)
    assert (no_room.params, no_room.enforced, no_room.instead) == (shut, True, None)
    assert "may refuse to go on without it" in no_room.reasons[0]


@pytest.mark.parametrize(("provider", "model", "least", "shut"), CLAUDE)
def test_in_such_a_turn_thinking_is_not_switched_off_by_caps_either(provider, model, least, shut):
    kept = told(provider, model, 600, mid_thought=True, cap=600)
    assert (kept.params, kept.enforced, kept.instead) == (least, True, None)
    assert told(provider, model, 600, cap=600).params == shut
    assert told(provider, model, 2000, mid_thought=True) == told(provider, model, 2000)


@pytest.mark.parametrize(("provider", "model", "least", "shut"), CLAUDE)
def test_thinking_is_off_beside_a_prefill(provider, model, least, shut):
    off_here = told(provider, model, 2000, prefilled=True)
    assert (off_here.params, off_here.enforced, off_here.instead) == (shut, False, Arm.DIRECT)
    assert "the last message is an assistant's" in off_here.reasons[0]
    assert told(provider, model, 0, prefilled=True) == told(provider, model, 0)


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-5.1"), ("vllm", "Qwen/Qwen3-32B"), ("deepseek", "deepseek-v4-pro")]
)
def test_others_may_start_and_stop_where_they_like(provider, model):
    for tokens in (0, 2000):
        assert told(provider, model, tokens, mid_thought=True) == told(provider, model, tokens)
        assert told(provider, model, tokens, prefilled=True) == told(provider, model, tokens)


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-opus-5", "claude-haiku-5-5"])
def test_an_adaptive_claude_stops_in_the_midst_of_a_turn_and_thinks_beside_no_prefill(model):
    assert told("anthropic", model, 0, mid_thought=True).params == off()
    assert told("anthropic", model, 2000, prefilled=True).params == off()
