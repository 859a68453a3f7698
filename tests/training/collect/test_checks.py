import pytest

from contract.errors import InvalidInput
from training.collect.checks import check

LADDER = {"thinking": {"type": "enabled", "budget_tokens": "$budget"}}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"params": {"api_key": "sk-1"}}, "--params sets api_key"), ({"direct": {"stream": False}}, "--direct sets stream"),
        ({"params": {"extra_headers": {}}}, "extra_headers"), ({"params": {"n": 2}}, "--params sets n"),
        ({"direct": {"reasoning_effort": "high"}}, "the parameters of the direct arm say the other one"),
        ({"reasoning": {"thinking": {"type": "disabled"}}}, "the parameters of the reasoning arm say the other one"),
        ({"budgets": (1024,), "budget": {"thinking_budget": 5}}, r'has no "\$budget"'),
        ({"budgets": (4096,), "max_output_tokens": 4096}, "leaves no room"),
        ({"budgets": (4096,), "params": {"max_tokens": 2000}}, "leaves no room"),
        ({"budgets": (1024, 1024)}, "ask for the same"), ({"reasoning": {"reasoning_effort": "none"}}, "say the other one"),
        ({"params": {"max_tokens": 5}, "max_output_tokens": 5}, "give one of them"),
        ({"reasoning": {"reasoning_effort": "high", "max_tokens": 9}}, "--reasoning sets max_tokens"),
        ({"budget": {**LADDER, "max_completion_tokens": 9}}, "--budget sets max_completion_tokens"),
        ({"params": {"extra_body": {"max_tokens": 9}}}, "--params sets max_tokens"),
        ({"direct": {"extra_body": {"api_key": "sk-1"}}}, "--direct sets extra_body.api_key"),
        ({"params": {"reasoning_effort": "low"}}, "--params and --direct both set reasoning_effort"),
        ({"params": {"thinking": {}}, "budgets": (1024,)}, "--params and --budget both set thinking"),
        ({"params": {"thinking": {"type": "enabled"}}}, "the parameters of the direct arm say the other one"),
        ({"params": {"reasoningEffort": "low"}}, "the parameters of the direct arm say the other one"),
        ({"params": {"enable_thinking": False}}, "the parameters of the reasoning arm say the other one"),
        ({"direct": {"reasoning_effort": "none", "thinking": True}}, "the parameters of the direct arm say the other one"),
        ({"direct": {"a": 1, "b": 2}, "reasoning": {"b": 2, "a": 1}}, "ask for the same"),
        ({"direct": {"a": "1"}, "reasoning": {"a": 1}}, "ask for the same"),
    ],
)  # fmt: skip
def test_settings_that_cannot_give_what_they_promise_are_refused(more, message, settings):
    with pytest.raises(InvalidInput, match=message) as caught:
        check(settings(**more))
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        {"direct": {"reasoning_effort": "minimal"}},  # only an answer can tell
        {"direct": {}, "reasoning": {"my_server": "think"}},
        {"direct": {"thinking": {"type": "disabled"}}, "budgets": (1024, 2048), "max_output_tokens": 4096},
        {"params": {"enable_thinking": "as it likes"}},
        {
            "params": {"thinking_budget": 512},
            "direct": {"enable_thinking": False},
            "reasoning": {"enable_thinking": True},
        },
    ],
)
def test_settings_that_may_be_right_are_taken(more, settings):
    check(settings(**more))


@pytest.mark.parametrize(
    "params",
    [
        {"aws_secret_access_key": "sk-1"}, {"aws_access_key_id": "sk-1"}, {"aws_session_token": "sk-1"},
        {"azure_ad_token": "sk-1"}, {"vertex_credentials": "sk-1"}, {"apiKey": "sk-1"}, {"api_keys": ["sk-1"]},
        {"token": "sk-1"}, {"accesstoken": "sk-1"}, {"APIKey2": "sk-1"}, {"extra_body": {"auth": "sk-1"}}, {"metadata": {"Authorization": "sk-1"}},
        {"vertex_credentials": {"private_key": "sk-1"}}, {"tools": [{"mcp": {"x-api-key": "sk-1"}}]},
        {"clientSecret": "sk-1"}, {"password": "sk-1"}, {"Ocp-Apim-Subscription-Key": "sk-1"}, {"cookie": "sk-1"},
        {"pwd": "sk-1"}, {"jwt": "sk-1"}, {"cache_api_key": "sk-1"}, {"openai_key": "sk-1"}, {"x-functions-key": "sk-1"},
        {"extra_body": {"api_keys": {"openai": "sk-1"}}}, {"api_keys": {"sk-1": "openai"}}, {"api_keys": [{"of": ["sk-1"]}]},
        {"auth": {"type": "x", "value": "sk-1"}}, {"tools": [{"type": "mcp", "authorization": "sk-1"}]},
        {"tools": [{"function": {"parameters": {"properties": {"api_key": "sk-1"}}}}]},
        {"metadata": {"properties": {"api_keys": {"openai": "sk-1"}}}},
        {"tools": [{"server_url": "https://h/?a=b&api_key=sk-1"}]}, {"tools": [{"urls": ["https://h/?key=sk-1#top"]}]},
        {"proxy": "http://user:sk-1@h:80/"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("option", ["params", "direct", "budget"])
def test_no_credential_comes_in_by_a_parameter(option, params, settings):
    given = {**LADDER, **params} if option == "budget" else params
    with pytest.raises(InvalidInput, match=f"--{option} sets .*--api-key-env") as caught:
        check(settings(**{option: given}))
    assert "sk-1" not in str(caught.value)


@pytest.mark.parametrize(
    "params",
    [
        {"max_tokens": 9}, {"max_completion_tokens": 9}, {"min_tokens": 9}, {"extra_body": {"stop_tokens": ["</s>"]}},
        {"prompt_cache_key": "team-a"}, {"eos_token": "</s>"}, {"think_end_token": "</think>"}, {"skip_special_tokens": True}, {"logit_bias": {"50256": -100}},
        {"response_format": {"json_schema": {"schema": {"properties": {"api_key": {"type": "string"}}}}}},
        {"tools": [{"function": {"parameters": {"properties": {"token": {"type": "string"}}, "required": ["token"]}}}]},
        {"response_format": {"schema": {"$defs": {"Auth": {"properties": {"pwd": {"$ref": "#/$defs/x"}}}}}}},
        {"extra_body": {"guided_json": {"properties": {"auth": {"anyOf": [{"enum": ["a"]}], "description": "key"}}}}},
        {"user": "author", "seed": 1}, {"metadata": {"key": "value", "keys": ["a"]}}, {"extra_body": {"routing_key": "a"}},
        {"tools": [{"server_url": "https://h/?page=2&group_key=a"}]}, {"image": "https://h/a@b:c?max_tokens=9"},
        {"tools": [{"function": {"description": "Reads https://h/?api_key=YOURS"}}]}, {"stop": ["a?token=1", "http://[x"]},
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_credential_is_taken(params, settings):
    check(settings(params=params))


def test_budgets_by_any_name_are_no_credentials(settings):
    check(settings(budget={"thinking_token_budget": "$budget"}, budgets=(1024,)))
