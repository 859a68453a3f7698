import pytest

from contract.records import Arm
from training.collect.plan import asks, differences
from training.collect.prompts import Item


def test_each_prompt_in_both_arms_and_at_each_budget_some_times_over(settings):
    items = [Item("a", "1", prompt="A"), Item("b", "2", prompt="B")]
    plan = asks(items, settings(attempts=2, budgets=(1024, 4096), params={"seed": 1}))
    assert len(plan) == len({ask.key for ask in plan}) == 2 * 4 * 2
    assert [ask.item.prompt_id for ask in plan] == ["a"] * 8 + ["b"] * 8
    modes = {ask.mode.thinking_setting: ask.mode for ask in plan}
    assert {name: (mode.arm, mode.thinking_budget, mode.pair_kind) for name, mode in modes.items()} == {
        "reasoning_effort=none": (Arm.DIRECT, None, "toggle"),
        "reasoning_effort=medium": (Arm.REASONING, None, "toggle"),
        "thinking=enabled budget_tokens=1024": (Arm.REASONING, 1024, "budget"),
        "thinking=enabled budget_tokens=4096": (Arm.REASONING, 4096, "budget"),
    }
    assert modes["thinking=enabled budget_tokens=1024"].parameters == {
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "seed": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"chat_template_kwargs": {"enable_thinking": True}}, "enable_thinking=true"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, "thinking=adaptive effort=high"),
        ({"enable_thinking": True, "thinking_budget": 512}, "enable_thinking=true thinking_budget=512"),
    ],
)
def test_thinking_setting_is_the_parameters_in_words(parameters, words, settings):
    mode = asks([Item("a", "1", prompt="A")], settings(reasoning=parameters))[1].mode
    assert mode.thinking_setting == words
    assert mode.thinking_budget == parameters.get("thinking_budget")


def test_what_differs_is_named(settings):
    items = [Item("a", "1", prompt="A")]
    ours, theirs = settings(model="n").digest_of(items), settings().digest_of(items)
    assert differences(ours, theirs) == ['model was "m", now "n"']
    assert differences(ours, ours) == []
    changed = settings(model="n").digest_of([Item("a", "1", prompt="A", task="t")])
    assert [words[:8] for words in differences(changed, ours)] == ["prompts "]
    corrected = settings().digest_of([Item("a", "1", prompt="A", reference="r")])
    assert differences(corrected, theirs) == []  # it is graded anew by that, and asked the same
