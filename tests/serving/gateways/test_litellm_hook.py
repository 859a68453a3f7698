"""What the hook asks, sets and tells, against LiteLLM's own idea of each model."""

import asyncio
from types import SimpleNamespace

import pytest

from contract.locate import ROOT
from serving.gateways.litellm_hook import ThinkworthHook
from serving.gateways.litellm_hook.beside import clash_of
from serving.gateways.litellm_hook.deployments import accepted
from serving.gateways.litellm_hook.refusals import IN_A_ROW, PAUSE_S, Refusals
from serving.gateways.litellm_hook.telling import outcome_of
from serving.gateways.litellm_hook.thinking import applied, arm_said, said
from serving.schemas import Outcome
from training.importers.arms import Undecidable, arm_of

PAGE = (ROOT / "docs" / "gateways" / "litellm-hook.md").read_text(encoding="utf-8")
ANSWER = {
    "decision_id": "d1", "verdict": "use", "arm": "reasoning", "effort": "medium", "thinking_budget": 3000, "p_reasoning": 1.0,
    "params": None, "enforced": True, "revision": "thinkworth/1",
}  # fmt: skip
DIRECT = {"verdict": "avoid", "arm": "direct", "effort": "none", "thinking_budget": 0, "p_reasoning": 0.0}

pytestmark = [
    # LiteLLM's own: pydantic's model_fields read off an instance, and its warning of a TypedDict when a module is first needed
    pytest.mark.filterwarnings("ignore:Accessing the 'model_.*fields' attribute on the instance:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Items? .* on TypedDict class:UserWarning"),
]


class Predictor:
    """Gives one answer and keeps what it is asked and told."""

    def __init__(self, **answer):
        self.answer, self.asked, self.told = {**ANSWER, **answer}, [], []

    async def predict(self, request):
        self.asked.append(request)
        return {**self.answer, "decision_id": f"d{len(self.asked)}"}

    async def outcomes(self, outcomes):
        self.told.extend(outcomes)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def chat(**parameters):
    return {
        "model": "m",
        "messages": [{"role": "user", "content": "What is 2 + 2?"}],
        "litellm_call_id": "call-1",
        **parameters,
    }


def log(**fields):
    usage = {"completion_tokens_details": {"reasoning_tokens": fields.pop("hidden", 0)}}
    whole = {
        "completion_tokens": 12,
        "prompt_tokens": 20,
        "startTime": 5.0,
        "endTime": 7.5,
        "response_cost": 0.25,
        "cache_hit": False,
    }
    return {**whole, "metadata": {"usage_object": usage}, **fields}


def went_through(
    predictor, data, *, deployment="openai/unheard-of", event=None, meanwhile=None, response=None, **settings
):
    """Take a request through the hook as the proxy does; gives what the deployment is sent and what is told."""

    async def main():
        hook = ThinkworthHook(predictor=predictor, linger_s=0, **{"say": "effort", **settings})
        sent = await hook.async_pre_call_hook(None, None, data, "acompletion")
        attempt = {**sent, "model": deployment, **(meanwhile or {})}
        attempt = await hook.async_pre_call_deployment_hook(attempt, None) or attempt
        kwargs = {"litellm_params": {"metadata": attempt["metadata"]}, "standard_logging_object": event or log()}
        answer = response or SimpleNamespace(choices=[SimpleNamespace(finish_reason="stop")])
        await hook.async_log_success_event(kwargs, answer, None, None)
        await hook.close()
        assert hook.counts["errors"] == 0
        return {name: value for name, value in attempt.items() if name not in chat() and name != "metadata"}, hook

    sent, hook = asyncio.run(main())
    return sent, predictor.told, hook


@pytest.mark.parametrize(
    ("answer", "settings", "parameters", "sent"),
    [
        ({}, {}, {}, {"reasoning_effort": "medium"}),
        (DIRECT, {}, {}, {"reasoning_effort": "none"}),
        ({"effort": "none", "thinking_budget": 0}, {}, {}, {"reasoning_effort": "low"}),
        ({}, {"say": "budget"}, {}, {"thinking": {"type": "enabled", "budget_tokens": 3000}}),
        ({}, {"say": "budget"}, {"max_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 1999}, "max_tokens": 2000}),
        ({}, {"say": "budget"}, {"max_tokens": 1024}, {"thinking": {"type": "disabled"}, "max_tokens": 1024}),
        ({"thinking_budget": 300}, {"say": "budget"}, {}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (DIRECT, {"say": "budget"}, {}, {"thinking": {"type": "disabled"}}),
        ({"params": {"reasoning_effort": "high"}}, {}, {}, {"reasoning_effort": "high"}),
        ({"params": {"reasoning_effort": "high", "model": "other", "api_base": "http://x", "max_tokens": 1}}, {}, {}, {"reasoning_effort": "high"}),
        ({"params": {}}, {}, {}, {}),
        (
            {"params": {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}}, {}, {"extra_body": {"top_k": 3}},
            {"extra_body": {"top_k": 3, "chat_template_kwargs": {"enable_thinking": False}}},
        ),
    ],
)  # fmt: skip
def test_what_is_sent(answer, settings, parameters, sent):
    model = "anthropic/claude-sonnet-4-5" if settings.get("say") == "budget" else "openai/unheard-of"
    assert went_through(Predictor(**answer), chat(**parameters), deployment=model, **settings)[0] == sent


CALLERS = [
    ({"reasoning_effort": "none"}, "direct"),
    ({"reasoning_effort": "high"}, "reasoning"),
    ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, "reasoning"),
    ({"thinking": {"type": "disabled"}}, "direct"),
    ({"reasoning": {"effort": "low"}}, "reasoning"),
    ({"output_config": {"effort": "high"}}, None),
    ({"enable_thinking": False}, "direct"),
    ({"chat_template_kwargs": {"enable_thinking": True}}, "reasoning"),
    ({"extra_body": {"enable_thinking": False, "thinking_budget": 0}}, "direct"),
    ({"extra_body": {"google": {"thinking_config": {"thinking_budget": -1}}}}, "reasoning"),
    ({"reasoning_effort": "none", "thinking": {"type": "enabled", "budget_tokens": 2048}}, None),
]


@pytest.mark.parametrize(("callers", "arm"), CALLERS)
def test_the_callers_parameters_stay_and_are_told(callers, arm):
    predictor = Predictor()
    sent, told, _ = went_through(predictor, chat(**callers))
    assert sent == callers
    assert len(predictor.asked) == 1  # asked all the same, so that it is recorded
    assert [(one["arm"], one["overridden"]) for one in told] == ([(arm, True)] if arm else [])


@pytest.mark.parametrize(("callers", "arm"), CALLERS)
def test_arms_are_read_as_importers_read_them(callers, arm):
    try:
        read = arm_of(callers, thinking_tokens=None).arm.value
    except Undecidable:
        read = None
    assert arm_said(callers) == arm == read


@pytest.mark.parametrize(("callers", "arm"), CALLERS)
def test_the_operator_may_override_callers(callers, arm):
    sent, told, _ = went_through(Predictor(), chat(**callers), override_caller=True)
    assert (said(sent), sent.keys()) == ({"reasoning_effort": "medium"}, {"reasoning_effort"})
    assert (told[0]["arm"], told[0]["overridden"]) == ("reasoning", False)


def test_what_says_nothing_of_thinking_is_no_callers_wish():
    other = {
        "extra_body": {"top_k": 3},
        "chat_template_kwargs": {"tone": "dry"},
        "output_config": {"format": {}},
        "thinking": None,
    }
    assert said(other) == {}
    assert applied({**other, "reasoning_effort": "low"}, {"reasoning_effort": "low"}, {}) == other


@pytest.mark.parametrize(
    ("model", "parameters", "right"),
    [
        ("gpt-4o", {"reasoning_effort": "low"}, False),
        ("openai/gpt-5-pro", {"reasoning_effort": "none"}, False),
        ("openai/gpt-5-pro", {"reasoning_effort": "high"}, True),
        ("openai/unheard-of", {"reasoning_effort": "none"}, True),
        ("openai/unheard-of", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, False),
        ("anthropic/claude-sonnet-4-5", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, True),
        ("anthropic/claude-3-5-sonnet-20240620", {"reasoning_effort": "low"}, False),
        ("gemini/gemini-2.5-flash", {"reasoning_effort": "none"}, True),
        ("nobody-knows-whose", {"reasoning_effort": "low"}, False),
        ("openai/unheard-of", {"extra_body": {"enable_thinking": False}}, True),
    ],
)
def test_what_litellm_would_refuse_is_left_out(model, parameters, right):
    assert accepted(model, None, parameters) is right
    sent, _, hook = went_through(Predictor(params=parameters), chat(), deployment=model)
    assert (sent, hook.counts["unable"]) == (parameters if right else {}, not right)


FORCED = {"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}
CLAUDE, LOW, NONE = "anthropic/claude-sonnet-4-5", {"reasoning_effort": "low"}, {"reasoning_effort": "none"}
BUDGET = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
}
AT_BEDROCK = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("deployment", "put", "parameters", "clash"),
    [
        (CLAUDE, BUDGET, {"temperature": 0.2}, "refused"),
        (CLAUDE, LOW, {"temperature": 0}, "refused"),
        (CLAUDE, BUDGET, {"temperature": 1, "top_p": None}, None),
        (CLAUDE, BUDGET, {"top_p": 0.9}, "refused"),
        (CLAUDE, BUDGET, {"top_p": 0.95}, None),
        (CLAUDE, BUDGET, {"top_k": 5}, "refused"),
        (CLAUDE, BUDGET, {"extra_body": {"top_k": 5}}, "refused"),
        (CLAUDE, BUDGET, FORCED, "refused"),
        (CLAUDE, BUDGET, {**FORCED, "tool_choice": {"type": "function", "function": {"name": "f"}}}, "refused"),
        (CLAUDE, BUDGET, {**FORCED, "tool_choice": "auto"}, None),
        (CLAUDE, BUDGET, {"temperature": 0.2, "additional_drop_params": ["temperature"]}, None),
        (CLAUDE, NONE, {"temperature": 0.2, "top_k": 5, **FORCED}, None),
        (
            "anthropic/claude-opus-4-1",
            BUDGET,
            {"response_format": SCHEMA},
            "refused",
        ),  # LiteLLM would no longer force it
        ("anthropic/claude-opus-4-1", NONE, {"response_format": SCHEMA}, None),
        ("anthropic/claude-opus-4-1", BUDGET, {"response_format": {"type": "json_object"}}, None),
        (CLAUDE, BUDGET, {"response_format": SCHEMA}, None),  # a format of its own
        ("openai/gpt-5.1", LOW, {"response_format": SCHEMA}, None),
        ("vertex_ai/claude-sonnet-4-5", LOW, {"temperature": 0.2}, "refused"),
        ("openrouter/anthropic/claude-sonnet-4.5", LOW, {"temperature": 0.2}, "refused"),
        (AT_BEDROCK, BUDGET, {"top_p": 0.9}, "refused"),
        (AT_BEDROCK, BUDGET, FORCED, "refused"),  # LiteLLM would no longer force it
        ("openai/gpt-5.1", LOW, {"temperature": 0.2}, "refused"),
        ("openai/gpt-5.1", LOW, {"top_p": 1}, "refused"),  # by LiteLLM itself, whatever it is
        ("openai/gpt-5.1", LOW, {"logprobs": True}, "refused"),
        ("openai/gpt-5.1", LOW, {"temperature": 0.2, "drop_params": True}, "refused"),  # it would be dropped for ours
        ("openai/gpt-5.1", LOW, {"temperature": 1}, None),
        ("openai/gpt-5.1", LOW, {**FORCED, "top_k": 5}, None),
        ("openai/gpt-5.1", NONE, {"temperature": 0.2, "top_p": 0.5, "logprobs": True}, None),
        ("openai/gpt-5.5", NONE, {"temperature": 0.2}, None),  # taken with ours only
        ("openai/o3", LOW, {"temperature": 0.2, "drop_params": True}, None),  # dropped with ours and without
        ("azure/gpt-5.1", LOW, {"temperature": 0.2}, "refused"),
        ("bedrock/openai.gpt-oss-120b-1:0", LOW, FORCED, "changed"),  # LiteLLM would no longer force it
        ("gemini/gemini-2.5-flash", BUDGET, {"temperature": 0.2, "top_p": 0.5, "top_k": 5, **FORCED}, None),
        ("openai/unheard-of", LOW, {"temperature": 0.2, "top_p": 0.5, "logprobs": True, **FORCED}, None),
    ],
)
def test_what_is_refused_beside_thinking_goes_on_as_the_caller_wrote_it(deployment, put, parameters, clash):
    assert accepted(deployment, None, put)
    assert clash_of({"model": deployment, **parameters}, put) == clash
    sent, _, hook = went_through(Predictor(params=put), chat(**parameters), deployment=deployment)
    assert sent == (parameters if clash else {**parameters, **put})
    assert hook.counts["unable"] == (clash is not None)


def test_a_clash_is_found_by_the_base_model_where_the_name_hides_it():
    attempt = {"model": "bedrock/converse/arn:aws:bedrock:eu:1:application-inference-profile/x", "top_k": 5}
    named = {**attempt, "model_info": {"base_model": "anthropic.claude-sonnet-4-5"}}
    assert (clash_of(attempt, {}), clash_of(named, {}), clash_of({**named, "top_k": None}, LOW)) == (None, None, None)
    assert clash_of(named, LOW) == "refused"


@pytest.mark.parametrize(
    ("answer", "deployment", "parameters", "hidden", "outcome"),
    [
        ({}, "openai/gpt-5.1", {"temperature": 0.2}, 0, ("direct", True)),  # it was taken, so there was no thinking
        ({}, "openai/gpt-5.1", {"temperature": 0.2}, 9, ("reasoning", True)),
        ({}, CLAUDE, {"top_k": 5}, 0, ("direct", True)),
        ({"params": LOW}, "bedrock/openai.gpt-oss-120b-1:0", FORCED, 9, ("reasoning", True)),
        ({**DIRECT, "params": LOW}, "bedrock/openai.gpt-oss-120b-1:0", FORCED, 9, ("reasoning", True)),
        ({"params": LOW}, "bedrock/openai.gpt-oss-120b-1:0", FORCED, 0, None),  # nothing says whether it thought
        (DIRECT, "openai/gpt-5.1", {"temperature": 0.2}, 0, ("direct", False)),  # nothing clashes with none
    ],
)
def test_what_is_told_of_a_clash(answer, deployment, parameters, hidden, outcome):
    _, told, _ = went_through(Predictor(**answer), chat(**parameters), deployment=deployment, event=log(hidden=hidden))
    assert [(one["arm"], one["overridden"]) for one in told] == ([outcome] if outcome else [])


def test_a_clash_at_one_deployment_is_none_at_the_next():
    async def main():
        predictor = Predictor()
        hook = ThinkworthHook(predictor=predictor, linger_s=0, say="effort")
        data = await hook.async_pre_call_hook(None, None, chat(temperature=0.2), "acompletion")
        sent = []
        for model in ("openai/gpt-5.1", "gemini/gemini-2.5-flash"):
            attempt = {**data, "model": model}
            sent.append((await hook.async_pre_call_deployment_hook(attempt, None) or attempt).get("reasoning_effort"))
        event = {"litellm_params": {"metadata": data["metadata"]}, "standard_logging_object": log(hidden=9)}
        await hook.async_log_success_event(event, None, None, None)
        await hook.close()
        return sent, [(one["arm"], one["overridden"]) for one in predictor.told]

    assert asyncio.run(main()) == ([None, "medium"], [("reasoning", False)])


def test_the_caller_may_vouch_for_a_parameter():
    sent, *_ = went_through(
        Predictor(), chat(), deployment="gpt-4o", meanwhile={"allowed_openai_params": ["reasoning_effort"]}
    )
    assert sent["reasoning_effort"] == "medium"


TEMPLATE = {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
QWEN = "hosted_vllm/Qwen/Qwen3-32B"


@pytest.mark.parametrize(
    ("asked", "deployment", "group", "put", "stays"),
    [
        (QWEN, QWEN, "m", TEMPLATE, True),
        (QWEN, "openai/gpt-5.1", "gpt", TEMPLATE, False),
        (QWEN, "openai/gpt-5.1", "m", TEMPLATE, False),  # a deployment of the same name
        (QWEN, "anthropic/claude-sonnet-4-5", "claude", TEMPLATE, False),
        (QWEN, "gemini/gemini-2.5-flash", "gemini", {"chat_template_kwargs": {"enable_thinking": False}}, False),
        (QWEN, "gemini/gemini-2.5-flash", "gemini", {"enable_thinking": False}, False),
        (QWEN, "openai/somewhere-else", "other", TEMPLATE, False),
        (QWEN, "openai/Qwen/Qwen3-32B", "other", TEMPLATE, True),  # the same model at another host
        (QWEN, "hosted_vllm/Qwen/Qwen3-8B", "other", TEMPLATE, True),
        (QWEN, "hosted_vllm/gpt-x", "other", {"reasoning": {"effort": "none"}}, False),  # words of OpenRouter
        ("qwen3-8b", "openai/my-own-name", "m", TEMPLATE, True),  # named by the operator's `models`
        ("qwen3-8b", "openai/my-own-name", None, TEMPLATE, True),
        (CLAUDE, "openai/gpt-5.1", "gpt", {"output_config": {"effort": "low"}}, False),
        (CLAUDE, "openai/gpt-5.1", "gpt", LOW, True),  # LiteLLM knows it
    ],
)
def test_what_litellm_passes_on_unread_goes_to_the_model_that_was_asked_about(asked, deployment, group, put, stays):
    data = chat(metadata={} if group is None else {"model_group": group})
    sent, _, hook = went_through(Predictor(params=put), data, deployment=deployment, models={"m": asked})
    assert (sent, hook.counts["unable"]) == (put if stays else {}, not stays)


THINKS = {"type": "enabled", "budget_tokens": 2048}


@pytest.mark.parametrize(
    ("deployment", "put", "config", "sent"),
    [
        (CLAUDE, {"thinking": THINKS}, {"max_tokens": 1024}, {}),
        (CLAUDE, {"thinking": THINKS}, {"max_tokens": 1025}, {"thinking": {**THINKS, "budget_tokens": 1024}}),
        (CLAUDE, {"thinking": THINKS}, {"max_tokens": 9000, "max_completion_tokens": 1500}, {"thinking": {**THINKS, "budget_tokens": 1499}}),
        (CLAUDE, {"thinking": THINKS}, {"max_tokens": 2049}, {"thinking": THINKS}),
        (CLAUDE, {"thinking": {"type": "disabled"}}, {"max_tokens": 100}, {"thinking": {"type": "disabled"}}),
        (CLAUDE, {"reasoning_effort": "high"}, {"max_tokens": 3000}, {"reasoning_effort": "medium"}),  # of efforts LiteLLM makes budgets
        (CLAUDE, LOW, {"max_tokens": 1024}, {}),
        (CLAUDE, NONE, {"max_tokens": 100}, NONE),
        ("openai/gpt-5.1", LOW, {"max_tokens": 100}, LOW),
        (QWEN, TEMPLATE, {"extra_body": {"top_k": 20, "chat_template_kwargs": {"tone": "dry"}}},
         {"extra_body": {"top_k": 20, "chat_template_kwargs": {"tone": "dry", "enable_thinking": False}}}),
    ],
)  # fmt: skip
def test_what_the_config_of_a_deployment_leaves_room_for(deployment, put, config, sent):
    went, _, hook = went_through(Predictor(params=put), chat(), deployment=deployment, meanwhile=config)
    assert went == {**config, **sent}
    assert hook.counts["unable"] == (not sent)


@pytest.mark.parametrize(
    ("config", "arm"),
    [({"reasoning_effort": "high"}, "reasoning"), ({"thinking": THINKS}, "reasoning"), (TEMPLATE, "direct"), (NONE, "direct")],
)  # fmt: skip
def test_thinking_in_the_config_of_a_deployment_stays_unless_overridden(config, arm):
    for answer in ({}, DIRECT):
        sent, told, hook = went_through(Predictor(**answer), chat(), meanwhile=config)
        assert (sent, hook.counts["overridden"], hook.counts["unable"]) == (config, 1, 0)
        assert [(one["arm"], one["overridden"]) for one in told] == [(arm, True)]
    sent, (told,), _ = went_through(Predictor(**DIRECT), chat(), meanwhile=config, override_caller=True)
    assert (sent, told["arm"], told["overridden"]) == (NONE, "direct", False)


def test_what_litellm_tries_again_as_it_was_sent_is_ours_still():
    async def main():
        predictor = Predictor(params=TEMPLATE)
        hook = ThinkworthHook(predictor=predictor, linger_s=0, models={"m": QWEN})
        data = await hook.async_pre_call_hook(None, None, chat(), "acompletion")
        attempt = {**data, "model": QWEN, "extra_body": {"top_k": 20}}
        first = await hook.async_pre_call_deployment_hook(attempt, None)
        again = await hook.async_pre_call_deployment_hook(first, None)
        elsewhere = await hook.async_pre_call_deployment_hook({**again, "model": "openai/gpt-5.1"}, None)
        last = await hook.async_pre_call_deployment_hook(attempt, None)
        event = {"litellm_params": {"metadata": data["metadata"]}, "standard_logging_object": log()}
        await hook.async_log_success_event(event, None, None, None)
        await hook.close()
        return [one["extra_body"] for one in (first, again, elsewhere, last)], predictor.told[0]["overridden"]

    both = {"top_k": 20, **TEMPLATE["extra_body"]}
    assert asyncio.run(main()) == ([both, both, {"top_k": 20}, both], True)


@pytest.mark.parametrize(
    ("answer", "event", "meanwhile", "outcome"),
    [
        ({}, {"hidden": 9}, {}, {"arm": "reasoning", "overridden": False, "thinking_tokens": 9}),
        ({}, {"hidden": 0}, {}, {"arm": "reasoning", "overridden": False, "thinking_tokens": 0}),  # it chose not to think
        (DIRECT, {}, {}, {"arm": "direct", "overridden": False, "output_tokens": 12, "input_tokens": 20, "latency_s": 2.5, "cost_usd": 0.25}),
        (DIRECT, {"hidden": 9}, {}, {"arm": "reasoning", "overridden": True}),  # it thought all the same
        (DIRECT, {}, {"reasoning_effort": "high"}, {"arm": "reasoning", "overridden": True}),  # a router had its way
        ({**DIRECT, "params": {}}, {}, {}, {"arm": "direct", "overridden": False}),  # a model that never thinks
        # the least of a model that always thinks
        ({**DIRECT, "params": {"reasoning_effort": "low"}}, {}, {}, {"arm": "reasoning", "overridden": True}),
        (  # words that only the service knows
            {**DIRECT, "params": {"thinking": {"type": "between_tools"}}}, {}, {"model": "anthropic/claude-sonnet-4-5"},
            {"arm": "direct", "overridden": False},
        ),
        (DIRECT, {}, {"attempted_fallbacks": 1}, {"arm": "direct", "overridden": True}),
        (DIRECT, {"response_cost": 0.0}, {}, {"cost_usd": None}),
        (DIRECT, {"hidden": 13}, {}, {"thinking_tokens": None, "output_tokens": 12}),  # more than all output: unknown
    ],
)  # fmt: skip
def test_what_is_told(answer, event, meanwhile, outcome):
    data = chat(metadata={"attempted_fallbacks": meanwhile.pop("attempted_fallbacks", 0)})
    _, (told,), _ = went_through(Predictor(**answer), data, event=log(**event), meanwhile=meanwhile)
    assert {name: told.get(name) for name in outcome} == outcome
    assert (told["decision_id"], told["finish_reason"]) == ("d1", "stop")
    Outcome.model_validate(told)  # the service takes it


@pytest.mark.parametrize(
    ("message", "arm"),
    [
        ({"reasoning_content": "First, I"}, "reasoning"),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}, "reasoning"),
        ({"reasoning_content": "", "thinking_blocks": None}, "direct"),
    ],
)
def test_thoughts_in_an_answer_are_thinking_also_where_none_is_counted(message, arm):
    response = SimpleNamespace(choices=[SimpleNamespace(finish_reason="stop", message=SimpleNamespace(**message))])
    _, (told,), _ = went_through(Predictor(**DIRECT), chat(), response=response)
    assert (told["arm"], told["overridden"]) == (arm, arm != "direct")


@pytest.mark.parametrize("hidden", [0, 9])
@pytest.mark.parametrize("answer", [{}, DIRECT])
def test_a_model_that_the_service_cannot_steer_is_sent_nothing(answer, hidden):
    sent, told, hook = went_through(Predictor(**answer), chat(), say=None, event=log(hidden=hidden))
    assert (sent, hook.counts["undecidable"], hook.counts["unable"]) == ({}, not hidden, 0)
    assert [(one["arm"], one["overridden"]) for one in told] == ([("reasoning", True)] if hidden else [])


def test_what_cannot_be_enforced_is_told_only_where_something_shows_the_arm():
    always = {**DIRECT, "params": {}, "enforced": False}
    assert went_through(Predictor(**always), chat())[1] == []
    _, (told,), _ = went_through(Predictor(**always), chat(), event=log(hidden=9))
    assert (told["arm"], told["overridden"]) == ("reasoning", True)


@pytest.mark.parametrize(
    ("word", "event", "metadata", "deployment"),
    [
        ("cached", {"cache_hit": True}, {}, "openai/x"),
        ("undecidable", {}, {}, "gpt-4o"),  # what was set was left out, and nothing says whether it thought
        ("disconnected", {}, {"client_disconnected": True}, "openai/x"),
    ],
)
def test_what_is_not_told_is_counted(word, event, metadata, deployment):
    _, told, hook = went_through(Predictor(), chat(metadata=metadata), event=log(**event), deployment=deployment)
    assert (told, hook.counts[word]) == ([], 1)


def test_a_log_without_numbers_tells_nothing():
    odd = {
        "completion_tokens": "many",
        "prompt_tokens": None,
        "startTime": "now",
        "response_cost": "?",
        "metadata": None,
    }
    assert outcome_of(odd, None, decision_id="d", arm="direct", meant="direct") == "empty"


def test_nothing_is_told_where_that_is_off():
    assert went_through(Predictor(), chat(), tell=False)[1] == []


def test_only_named_models_and_chat_completions_are_asked_about():
    async def main():
        predictor = Predictor()
        hook = ThinkworthHook(predictor=predictor, only=["thinker"])
        for call_type, model in (
            ("aresponses", "thinker"),
            ("anthropic_messages", "thinker"),
            ("aembedding", "thinker"),
            ("acompletion", "m"),
        ):
            data = chat(model=model)
            assert await hook.async_pre_call_hook(None, None, data, call_type) == chat(model=model)
        assert predictor.asked == []
        await hook.async_pre_call_hook(None, None, chat(model="thinker"), "acompletion")
        assert len(predictor.asked) == 1

    asyncio.run(main())


@pytest.mark.parametrize(
    ("model", "param", "kinds"),
    [
        ("openai/picky", lambda n: LOW, 1),
        (CLAUDE, lambda n: {"thinking": {**THINKS, "budget_tokens": 2048 + n}}, 1),  # budgets vary
        ("openai/picky", lambda n: {"extra_body": {"enable_thinking": n < 3}}, 2),  # on and off are two
    ],
)
def test_refusals_are_counted_by_kind_of_parameters(model, param, kinds):
    async def main():
        predictor, sent = Predictor(), []
        hook = ThinkworthHook(predictor=predictor)
        for n in range(IN_A_ROW * 2):
            predictor.answer["params"] = param(n)
            data = await hook.async_pre_call_hook(None, None, chat(), "acompletion")
            attempt = await hook.async_pre_call_deployment_hook({**data, "model": model}, None)
            sent.append(attempt is not None)
            refused = {"litellm_params": {"metadata": data["metadata"]}, "exception": SimpleNamespace(status_code=400)}
            await hook.async_log_failure_event(refused, None, None, None)
        return sent

    assert asyncio.run(main()) == [True] * IN_A_ROW * kinds + [False] * IN_A_ROW * (2 - kinds)


def test_three_refusals_in_a_row_and_it_is_left_alone():
    async def main():
        hook = ThinkworthHook(predictor=Predictor(), say="effort")
        efforts = []
        for status in (400, 500, 400, 429, 400, 400):
            data = await hook.async_pre_call_hook(None, None, chat(), "acompletion")
            attempt = {**data, "model": "openai/picky"}
            efforts.append(
                (await hook.async_pre_call_deployment_hook(attempt, None) or attempt).get("reasoning_effort")
            )
            kwargs = {
                "litellm_params": {"metadata": data["metadata"]},
                "exception": SimpleNamespace(status_code=status),
            }
            await hook.async_log_failure_event(kwargs, None, None, None)
        return efforts

    assert asyncio.run(main()) == ["medium"] * 5 + [None]


def test_refusals_are_forgotten_by_an_answer_and_by_time():
    clock = Clock()
    refusals = Refusals(clock)
    for _ in range(IN_A_ROW - 1):
        assert not refusals.refused("m")
    refusals.answered("m")
    assert [refusals.refused("m") for _ in range(IN_A_ROW)] == [False] * (IN_A_ROW - 1) + [True]
    assert refusals.left_alone("m")
    clock.now = PAUSE_S
    assert not refusals.left_alone("m")
