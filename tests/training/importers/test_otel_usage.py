"""Tokens of a span, in every dialect, counted once."""

import pytest

from training.importers.otel import usage_of


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"input_tokens": 10, "output_tokens": 812, "reasoning.output_tokens": 780}, (812, 780)),
        ({"prompt_tokens": 10, "completion_tokens": 812, "reasoning_tokens": 780}, (812, 780)),
        ({"input_tokens": 10, "output_tokens": 812, "reasoning_tokens": 780, "total_tokens": 822}, (812, 780)),
        # Gemini's candidates leave the thoughts out: the total says so, or that they are more than the output
        ({"input_tokens": 10, "output_tokens": 500, "reasoning_tokens": 300, "total_tokens": 810}, (800, 300)),
        ({"input_tokens": 10, "output_tokens": 32, "reasoning_tokens": 780}, (812, 780)),
        ({"input_tokens": 10, "output_tokens": 32, "total_tokens": 822}, (None, None)),
        ({"input_tokens": 10, "output_tokens": 32, "cache_read.input_tokens": 4, "total_tokens": 46}, (32, None)),
        ({"input_tokens": 10, "output_tokens": 32, "total_tokens": 40}, (32, None)),
        ({"output_tokens": 32}, (32, None)),
        ({"input_tokens": 10}, (None, None)),
        ({"output_tokens": "many", "reasoning_tokens": -3}, ("many", -3)),
    ],
)
def test_hidden_tokens_are_counted_once(counts, expected):
    usage = usage_of({f"gen_ai.usage.{name}": count for name, count in counts.items()})
    assert (usage.output_tokens, usage.thinking_tokens) == expected


def test_cached_tokens_beside_the_input_are_part_of_it():
    """Anthropic's instrumentations hand on its input_tokens, which leave the cache out."""
    counts = {
        "input_tokens": 4,
        "cache_read.input_tokens": 1000,
        "cache_creation.input_tokens": 200,
        "output_tokens": 9,
    }
    usage = usage_of({f"gen_ai.usage.{name}": count for name, count in counts.items()})
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (1204, 1000, 9)


def test_openinference_counts():
    found = {
        "llm.token_count.prompt": 60,
        "llm.token_count.completion": 300,
        "llm.token_count.completion_details.reasoning": 290,
        "llm.token_count.prompt_details.cache_read": 40,
        "llm.cost.total": 0.25,
    }
    usage = usage_of(found)
    assert (usage.input_tokens, usage.output_tokens, usage.thinking_tokens) == (60, 300, 290)
    assert (usage.cached_tokens, usage.cost_usd) == (40, 0.25)
