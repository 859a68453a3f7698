"""What the dialects say, against the types of the real SDKs and what the real LiteLLM makes of it; no network."""

import importlib
from typing import get_args

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from contract.controls import load_controls
from contract.ladders import ORDER
from contract.locate import ROOT
from contract.records import Arm
from serving.dialects import translated

pytestmark = pytest.mark.filterwarnings("ignore:.*ReadOnly.*:UserWarning")  # a type of LiteLLM's own

CONTROLS = load_controls(shipped=ROOT / "data" / "dialects.yaml")
ASKED = [(Arm.DIRECT, 0), *((Arm.REASONING, budget) for budget in (200, 2048, 30_000))]


def every(provider, *ways):
    """Every model that is steered in one of some ways, with what it is told in each arm and at each budget."""
    for row in CONTROLS.rows.by_name.values():
        if row.accepts(provider).by in ways:
            model = row.matches[0].replace("*", "")
            for arm, budget in ASKED:
                yield model, arm, translated(provider, model, CONTROLS, arm, budget, max_output_tokens=64_000)


def test_openai_knows_every_effort():
    shared = pytest.importorskip("openai.types.shared")
    efforts = get_args(get_args(shared.ReasoningEffort)[0])
    assert {"none", *ORDER} <= set(efforts)
    for _, _, told in every("openai", "effort"):
        TypeAdapter(shared.ReasoningEffort).validate_python(told.params["reasoning_effort"])
    for _, _, told in every("openai_responses", "effort"):
        shared.Reasoning.model_validate(told.params["reasoning"], strict=True)


def test_anthropic_takes_every_thinking_and_effort():
    types = pytest.importorskip("anthropic.types")

    thinking = TypeAdapter(types.ThinkingConfigParam)
    output = TypeAdapter(with_config(ConfigDict(extra="forbid"))(types.OutputConfigParam))
    seen = set()
    for model, arm, told in every("anthropic", "adaptive", "anthropic_budget"):
        if not told.params:
            assert (arm, CONTROLS.of(model).on_by_default) == (Arm.DIRECT, False)
            continue
        assert thinking.validate_python(told.params["thinking"]) == told.params["thinking"]
        seen.add(told.params["thinking"]["type"])
        if "output_config" in told.params:
            output.validate_python(told.params["output_config"])
    assert seen == {"adaptive", "enabled", "disabled", "between_tools"}


def test_gemini_takes_every_config_and_never_both_fields():
    types = pytest.importorskip("google.genai.types")
    for _, _, told in every("gemini", "level", "gemini_budget"):
        config = told.params["generationConfig"]["thinkingConfig"]
        read = types.GenerationConfig.model_validate(told.params["generationConfig"]).thinking_config
        assert (read.thinking_budget is None) != (read.thinking_level is None)
        assert len(config) == 1
    with pytest.raises(ValidationError):
        types.ThinkingConfig.model_validate({"thinkingEffort": "low"})


@pytest.fixture(scope="module")
def litellm_params():
    """What the real LiteLLM sends for a model of a host."""
    pytest.importorskip("litellm")
    utils = importlib.import_module("litellm.utils")

    def params(model, provider, told):
        return utils.get_optional_params(model=model, custom_llm_provider=provider, max_tokens=64_000, **told)

    return params


NAMES = {
    "claude-3.7-to-4.5": ("claude-sonnet-4-5", "anthropic"), "claude-4.6": ("claude-opus-4-6", "anthropic"),
    "claude-opus-4.7-and-4.8": ("claude-opus-4-7", "anthropic"), "claude-fable-and-mythos-5": ("claude-fable-5", "anthropic"),
    "gemini-3.5-flash-lite-and-3.6": ("gemini-3.6-flash", "gemini"), "gemini-3-pro": ("gemini-3-pro-preview", "gemini"),
    "gemini-3.1-pro": ("gemini-3.1-pro-preview", "gemini"), "gemini-3-flash": ("gemini-3-flash-preview", "gemini"),
    "gpt-oss": ("openai.gpt-oss-120b-1:0", "bedrock"), "nova-2": ("us.amazon.nova-2-lite-v1:0", "bedrock"),
    "deepseek-v4": ("deepseek-v4-pro", "deepseek"), "deepseek-v3.1-and-v3.2": ("deepseek-v3.2", "deepseek"), "kimi-k3": ("kimi-k3", "moonshot"),
    "grok-4.3": ("grok-4.3", "xai"), "glm-4.6-to-5.2": ("glm-5", "zai"), "minimax-m3": ("MiniMax-M3", "minimax"),
    "mistral-hybrid": ("mistral-medium-3-5", "mistral"),
}  # fmt: skip
"""Rows by a name of one of their models at a host that LiteLLM knows; the rest are OpenAI's, Anthropic's and Google's by their own names."""


def steered_rows():
    for name, row in CONTROLS.rows.by_name.items():
        if row.accepts("litellm").by in (None, "qwen_budget"):
            continue
        model = row.matches[0].replace("*", "")
        host = "anthropic" if model.startswith("claude") else "gemini" if model.startswith("gemini") else "openai"
        yield pytest.param(*NAMES.get(name, (model, host)), id=name)


@pytest.mark.parametrize(("model", "host"), [*steered_rows()])
def test_litellm_takes_what_it_is_told_and_sends_what_we_say(model, host, litellm_params):
    accepts = CONTROLS.of(model, "litellm")
    for arm, budget in ASKED:
        told = translated("litellm", f"{host}/{model}", CONTROLS, arm, budget, max_output_tokens=64_000)
        sent = litellm_params(model, host, told.params)
        direct = translated(
            {"anthropic": "anthropic", "gemini": "gemini"}.get(host, "openai"),
            model,
            CONTROLS,
            arm,
            budget,
            max_output_tokens=64_000,
        )
        if host == "anthropic":
            default_off = arm is Arm.DIRECT and accepts.on_by_default is False
            thinking = {k: v for k, v in sent.get("thinking", {}).items() if k != "display"}
            assert thinking == ({} if default_off and not thinking else direct.params["thinking"])
            assert sent.get("output_config") == direct.params.get("output_config")
            assert sent["max_tokens"] == 64_000, "LiteLLM raises no max_tokens"
        elif host == "gemini":
            config = {k: v for k, v in sent["thinkingConfig"].items() if k != "includeThoughts"}
            wanted = direct.params["generationConfig"]["thinkingConfig"]
            assert {k: str(v).lower() for k, v in config.items()} == {k: str(v).lower() for k, v in wanted.items()}
        elif host == "openai":
            assert sent["reasoning_effort"] == direct.params["reasoning_effort"]
        else:
            assert sent.get("thinking") or sent.get("reasoning_effort") or sent.get("reasoningConfig")


@pytest.mark.parametrize(("model", "host"), [("qwen3-32b", "dashscope"), ("Qwen/Qwen3-32B", "hosted_vllm")])
def test_litellm_hands_a_hosts_own_parameters_on(model, host, litellm_params):
    for arm, budget in ASKED:
        told = translated("litellm", f"{host}/{model}", CONTROLS, arm, budget, max_output_tokens=64_000)
        assert litellm_params(model, host, told.params)["extra_body"] == told.params["extra_body"]


@pytest.mark.parametrize(
    ("model", "host"),
    [("gpt-4o", "openai"), ("claude-3-5-haiku-20241022", "anthropic"), ("gemini-2.0-flash", "gemini")],
)
def test_a_model_without_thinking_is_sent_nothing_which_litellm_takes(model, host, litellm_params):
    assert translated("litellm", model, CONTROLS, Arm.DIRECT, 0).params == {}
    with pytest.raises(Exception, match="does not support parameters"):
        litellm_params(model, host, {"reasoning_effort": "low"})
