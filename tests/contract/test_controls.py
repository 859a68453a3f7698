"""Controls: what models accept is data, by name and provider; a ladder turns a budget into a word; a wrong file says what is wrong."""

from dataclasses import replace
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.controls import PROVIDERS, Accepts, Control, expressed, load_controls
from contract.errors import InvalidInput
from contract.ladders import ORDER, OWN, SHIPPED_LADDERS, Ladder
from contract.locate import ROOT
from contract.model_families import load_model_families
from contract.policy import Decision, effort_of
from contract.records import Arm, Verdict

GOOD = {"matches": ["my-model"], "as_of": "2026-11-01", "source": "our contract", "thinking": "optional"}
SHIPPED = load_controls(shipped=ROOT / "data" / "dialects.yaml")
UNKNOWN_FAMILIES = {"qwen3.8-flash", "grok-4.5-to-4.7", "magistral-medium", "magistral-small"}
"""Families with prices of which no source was read that says what steers their thinking."""


def write(folder, content):
    path = folder / "dialects.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def error_of(path):
    with pytest.raises(InvalidInput) as caught:
        load_controls(path)
    assert str(path) in caught.value.message
    return caught.value


# The shipped file


@pytest.mark.parametrize("name", [*SHIPPED.rows.by_name])
def test_a_shipped_row_is_dated_and_sourced_and_found_by_each_of_its_patterns(name):
    row = SHIPPED.rows.by_name[name]
    assert row.as_of >= date(2026, 1, 1)
    assert len(row.source) > 5
    for pattern in row.matches:
        assert SHIPPED.rows.of(pattern.replace("*", "")) is row


def test_what_has_a_price_has_a_control():
    families = load_model_families(shipped=ROOT / "data" / "models.yaml").by_name
    without = {name for name, row in families.items() for p in row.matches if SHIPPED.of(p.replace("*", "")) is None}
    assert without == UNKNOWN_FAMILIES


@pytest.mark.parametrize(
    ("model", "thinking"),
    [("o3", "always"), ("gemini-2.5-pro", "always"), ("gemini-2.5-flash", "optional"), ("gpt-4o", "never"), ("gpt-5.1", "optional"),
     ("claude-opus-5-5", "always"), ("claude-3-5-sonnet-20241022", "never"), ("Qwen/Qwen3-235B-A22B-Thinking-2507", "always"),
     ("Qwen/Qwen3-235B-A22B", "optional"), ("Qwen/Qwen3-235B-A22B-Instruct-2507", "never")],
)  # fmt: skip
def test_what_thinking_can_do_is_known(model, thinking):
    assert SHIPPED.of(model).thinking == thinking


def test_a_provider_may_differ():
    assert "max" in SHIPPED.of("claude-sonnet-5", "anthropic").efforts
    assert "max" not in SHIPPED.of("us.anthropic.claude-sonnet-5", "bedrock").efforts
    assert SHIPPED.of("claude-sonnet-5") == SHIPPED.of("claude-sonnet-5", "openrouter")


@pytest.mark.parametrize(
    "model", ["", "nobody-4", "gpt-5.99", "gpt-5-chat-latest", "claude-opus-6", "gemini-5-pro", None]
)
def test_a_model_without_a_row_is_unknown_rather_than_a_near_one(model):
    assert [SHIPPED.of(model, provider) for provider in PROVIDERS] == [None] * len(PROVIDERS)


# The operator's file


def test_the_operators_rows_win_whole_and_new_ones_are_added(tmp_path, monkeypatch):
    own = {"o-series": GOOD | {"matches": ["o3"], "thinking": "never"}, "house": GOOD | {"matches": ["house-*"]}}
    monkeypatch.setenv("THINKWORTH_DIALECTS", str(write(tmp_path, {"controls": own})))
    controls = load_controls()
    assert controls.of("o3").thinking == "never"
    assert controls.of("o4-mini") is None
    assert controls.of("us/House-7b:free").thinking == "optional"
    assert controls.of("gpt-5") == SHIPPED.of("gpt-5")
    assert (controls.ladder, controls.vllm_takes_budgets) == (OWN, False)


def test_the_operator_chooses_a_ladder_or_defines_one(tmp_path):
    assert load_controls(write(tmp_path, {"ladder": "litellm"})).ladder == SHIPPED_LADDERS["litellm"]
    mine = {"ladder": "mine", "ladders": {"mine": {"tokens": {"low": 500, "max": 9000}}}, "vllm_takes_budgets": True}
    controls = load_controls(write(tmp_path, mine))
    assert [controls.ladder.effort(budget, None) for budget in (500, 501, 99_999)] == ["low", "max", "max"]
    assert controls.vllm_takes_budgets


def test_without_a_checkout_only_the_operators_rows_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("contract.model_names.ROOT", tmp_path)
    assert load_controls().rows.by_name == {}
    assert [*load_controls(write(tmp_path, {"controls": {"mine": GOOD}})).rows.by_name] == ["mine"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ({"control": {}}, "did you mean controls?"),
        ({"ladder": "steep"}, "ladder is not one of thinkworth, litellm, openrouter"),
        ({"ladders": {"mine": {}}}, "either tokens or shares"),
        ({"ladders": {"mine": {"tokens": {"high": 5, "low": 9}}}}, "weakest first"),
        ({"ladders": {"mine": {"tokens": {"low": 9, "high": 5}}}}, "each worth more"),
        ({"controls": {7: GOOD}}, "the name of a control is 7"),
        ({"controls": {"a": GOOD, "b": GOOD}}, "a and b both match my-model"),
        ({"controls": {"a": GOOD | {"thinking": "often"}}}, "thinking is"),
        ({"controls": {"a": GOOD | {"by": "effort"}}}, "needs efforts"),
        ({"controls": {"a": GOOD | {"by": "effort", "efforts": ["high", "low"]}}}, "weakest first"),
        ({"controls": {"a": GOOD | {"by": "effort", "efforts": ["none", "low"]}}}, "efforts"),
        ({"controls": {"a": GOOD | {"least_with_hosted_tools": "low"}}}, "least_with_hosted_tools is none of efforts"),
        ({"controls": {"a": GOOD | {"stops_mid_turn": False}}}, "stops_mid_turn: false is of thinking: optional"),
        ({"controls": {"a": GOOD | {"by": "qwen_budget"}}}, "least_tokens belongs to a budget"),
        ({"controls": {"a": GOOD | {"least_tokens": 5}}}, "least_tokens belongs to a budget"),
        ({"controls": {"a": GOOD | {"by": "qwen_budget", "least_tokens": 5, "most_tokens": 4}}}, "below least_tokens"),
        ({"controls": {"a": GOOD | {"thinking": "always", "on_by_default": True}}}, "says nothing of thinking: always"),
        ({"controls": {"a": GOOD | {"thinking": "never", "by": "switch"}}}, "nothing steers thinking: never"),
        ({"controls": {"a": GOOD | {"at": {"nobody": {}}}}}, "at"),
        ({"controls": {"a": GOOD | {"at": {"openai": {"effort": ["low"]}}}}}, "at.openai"),
        ({"controls": {"a": GOOD | {"at": {"openai": {"by": "effort"}}}}}, "needs efforts"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_said(tmp_path, content, told):
    assert told in error_of(write(tmp_path, content)).message


def test_a_missing_file_names_the_setting(tmp_path):
    assert "THINKWORTH_DIALECTS" in error_of(tmp_path / "nowhere.yaml").message


def test_the_example_of_the_page_is_taken_and_every_key_is_explained(tmp_path):
    page = (ROOT / "docs" / "dialects.md").read_text(encoding="utf-8")
    controls = load_controls(write(tmp_path, page.split("```yaml\n")[1].split("```")[0]))
    assert controls.of("house-7b", "vllm").template == "enable_thinking"
    assert controls.ladder.tokens["low"] == 1500
    assert all(f"`{key}`" in page for key in Control.model_fields)


# Ladders


@given(st.integers(0, 200_000))
def test_the_own_ladder_is_the_words_of_answers(budget):
    assert OWN.effort(budget, None) == (effort_of(budget) if budget else "low")


def test_litellms_figures_are_those_of_the_installed_litellm():
    constants = pytest.importorskip("litellm.constants")
    for word, tokens in SHIPPED_LADDERS["litellm"].tokens.items():
        assert getattr(constants, f"DEFAULT_REASONING_EFFORT_{word.upper()}_THINKING_BUDGET") == tokens


@given(
    st.sampled_from([OWN, *SHIPPED_LADDERS.values()]),
    st.integers(0, 99_999),
    st.integers(0, 99_999),
    st.integers(1, 99_999),
)
def test_a_larger_budget_is_never_a_weaker_word(ladder, one, other, most):
    words = [ORDER.index(ladder.effort(budget, most)) for budget in sorted((one, other))]
    assert words == sorted(words)


def test_shares_are_of_the_cap_on_all_output():
    ladder = SHIPPED_LADDERS["openrouter"]
    assert [ladder.effort(2000, most) for most in (None, 2000, 2500, 4000, 10_000, 20_000)] == [
        None,
        "xhigh",
        "high",
        "medium",
        "low",
        "minimal",
    ]


def test_a_ladder_may_have_one_step():
    assert Ladder(tokens={"high": 1}).effort(99, None) == "high"
    with pytest.raises(ValidationError):
        Ladder(tokens={"high": 1}, shares={"high": 1})


# What a model makes of a decision


USE = Decision(
    verdict=Verdict.USE, arm=Arm.REASONING, thinking_budget=2048, reasoning_budget=2048, effort="medium", gain=0.3, gain_band=(0.1, 0.5), extra_tokens=900.0, net_benefit=0.2,
    familiarity=1.0, reasons=("a",),
)  # fmt: skip
AVOID = replace(USE, verdict=Verdict.AVOID, arm=Arm.DIRECT, thinking_budget=0, effort="none")


@pytest.mark.parametrize("decision", [USE, AVOID])
@pytest.mark.parametrize("row", [None, Accepts(thinking="optional", on_by_default=True)])
def test_a_model_that_can_do_both_is_told_the_decision_as_it_is(decision, row):
    assert expressed(decision, row) == (decision, True)


def test_a_model_that_always_thinks_cannot_be_told_not_to():
    told, enforced = expressed(AVOID, Accepts(thinking="always"))
    assert (replace(told, reasons=AVOID.reasons), enforced) == (AVOID, False)
    assert told.reasons[-1].startswith("thinking is always on for this model")
    assert expressed(USE, Accepts(thinking="always")) == (USE, True)


def test_a_model_that_never_thinks_answers_directly_whatever_the_verdict():
    told, enforced = expressed(USE, Accepts(thinking="never"))
    assert (told.verdict, told.arm, told.thinking_budget, told.effort) == (Verdict.USE, Arm.DIRECT, 0, "none")
    assert (told.net_benefit, enforced) == (USE.net_benefit, False)
    assert told.reasons[-1].startswith("this model never thinks")
    assert expressed(AVOID, Accepts(thinking="never")) == (AVOID, True)


@pytest.mark.parametrize(
    ("model", "apart"),
    [
        ("gpt-5-pro", False),
        ("gpt-4o", False),
        ("o1-mini", False),
        ("gpt-5", True),
        ("gemini-2.5-pro", True),
        ("gpt-5.1", True),
    ],
)
def test_arms_are_told_apart_where_a_model_takes_more_than_one_word_or_a_number(model, apart):
    assert SHIPPED.of(model).tells_arms_apart is apart
