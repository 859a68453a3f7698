"""docs/dialects.md shows what the dialects really say."""

import json

from contract.controls import load_controls
from contract.locate import ROOT
from contract.records import Arm
from serving.dialects import translated

SHOWN = {
    "openai": ["gpt-5.1", "gpt-5", "gpt-5-pro"],
    "openai_responses": ["gpt-5.1"],
    "anthropic": ["claude-opus-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-sonnet-4-5"],
    "gemini": ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-3-pro"],
    "qwen": ["qwen3-32b"],
    "dashscope": ["qwen3-235b-a22b-thinking-2507"],
    "vllm": ["Qwen/Qwen3-32B", "openai/gpt-oss-120b"],
    "sglang": ["Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-V3.2"],
    "deepseek": ["deepseek-v4-pro"],
    "openrouter": ["openai/gpt-5.1", "anthropic/claude-sonnet-4.5", "moonshotai/kimi-k2.6"],
    "bedrock": ["us.anthropic.claude-opus-4-7", "openai.gpt-oss-120b-1:0", "us.amazon.nova-2-lite-v1:0"],
    "litellm": ["openai/gpt-5.1", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "hosted_vllm/Qwen/Qwen3-32B"],
}  # fmt: skip


def table():
    controls = load_controls(shipped=ROOT / "data" / "dialects.yaml")
    lines = ["| provider, model | arm reasoning | arm direct |", "|---|---|---|"]
    for provider, models in SHOWN.items():
        for model in models:
            told = [
                translated(provider, model, controls, arm, budget, cap=6000, max_output_tokens=8000)
                for arm, budget in ((Arm.REASONING, 2048), (Arm.DIRECT, 0))
            ]
            cells = [f"`{json.dumps(t.params)}`" + ("" if t.enforced else ", not enforced") for t in told]
            lines.append(f"| {provider}, {model} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def test_the_table_of_the_page_is_what_the_dialects_say():
    page = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
    assert page.split("<!-- table -->\n")[1].split("\n<!-- /table -->")[0] == table()
