"""Tokens of Langfuse's observations, counted once."""

import pytest

from training.importers.langfuse_usage import Undecidable, usage_of


@pytest.mark.parametrize(
    ("details", "billed", "hidden", "spent"),
    [
        # parts that do not overlap, as Langfuse wants them: OpenAI's mapping, with and without a cache
        ({"input": 20, "output": 32, "output_reasoning_tokens": 780, "total": 832}, 812, 780, 20),
        ({"input": 20, "output": 500, "output_reasoning": 300, "total": 820}, 800, 300, 20),
        (
            {"input": 20, "input_cached_tokens": 40, "output": 10, "output_reasoning_tokens": 9, "total": 79},
            19,
            9,
            60,
        ),
        (
            {
                "input": 9,
                "output": 5,
                "output_reasoning_tokens": 3,
                "output_rejected_prediction_tokens": 2,
                "total": 19,
            },
            10,
            3,
            9,
        ),
        # parts inside the output, as a client of one's own may write them: the total says so
        ({"input": 20, "output": 812, "output_reasoning_tokens": 780, "total": 832}, 812, 780, 20),
        ({"input": 20, "output": 812, "reasoning": 780, "total": 832}, 812, 780, 20),
        (
            {"input": 20, "cache_read_input_tokens": 900, "output": 812, "output_reasoning_tokens": 780, "total": 1732},
            812,
            780,
            920,
        ),
        # hidden tokens that are more than the output cannot be inside it
        ({"input": 20, "output": 32, "output_reasoning_tokens": 780}, 812, 780, 20),
        # no hidden tokens
        ({"input": 20, "output": 12, "output_reasoning_tokens": 0, "total": 32}, 12, 0, 20),
        ({"input": 20, "output": 12}, 12, None, 20),
        ({"prompt_tokens": 20, "completion_tokens": 12, "total_tokens": 32}, 12, None, 20),
        # a total that counts what no part names: what was billed is not known
        ({"input": 8, "output": 9, "total": 617}, None, None, 8),
        ({"input": 8, "output": 9, "input_cached_tokens": 40, "total": 57}, 9, None, 48),
        ({"input": 12, "output": 300, "cache_read_input_tokens": 5000, "total": 312}, 300, None, 5012),
        ({"output": 50, "total": 150}, 50, None, None),
        # LiteLLM leaves what was written to the cache in the input, and takes out what was read
        (
            {"input": 60, "output": 12, "total": 112, "cache_creation_input_tokens": 50, "cache_read_input_tokens": 40},
            12,
            None,
            100,
        ),
        ({"input": 20, "input_cached_tokens": 40, "output": 12}, 12, None, None),
        ({"input": "20", "output": "32", "output_reasoning_tokens": "780", "total": "832"}, 812, "780", "20"),
        ({"input": 20, "output": -1, "output_reasoning_tokens": 780, "total": 32}, -1, 780, 20),
        ({}, None, None, None),
    ],
)
def test_hidden_tokens_are_counted_once(details, billed, hidden, spent):
    usage = usage_of({"usageDetails": details})
    assert (usage.output_tokens, usage.thinking_tokens, usage.input_tokens) == (billed, hidden, spent)


@pytest.mark.parametrize(
    "details",
    [
        {"input": 20, "output": 812, "output_reasoning_tokens": 780},
        {"input": 20, "output": 812, "output_reasoning_tokens": 780, "total": 900},
        {"output": 812, "output_reasoning_tokens": 780, "total": 832},
        # a name that is none of Langfuse's: its total is the sum of all, whether they overlap or not
        {"input": 20, "output": 812, "reasoning_tokens": 780, "total": 1612},
        # as many tokens of the cache as hidden ones: either may be inside
        {"input": 100, "input_cached_tokens": 50, "output": 60, "output_reasoning_tokens": 50, "total": 210},
    ],
)
def test_tokens_that_do_not_say_how_they_add_up_are_undecidable(details):
    with pytest.raises(Undecidable, match=str(details["output"])):
        usage_of({"usageDetails": details})


def test_an_old_export_has_three_counts_of_a_unit():
    usage = {"input": 9, "output": 12, "total": 21, "unit": "TOKENS"}
    assert usage_of({"usage": usage}).output_tokens == 12
    assert usage_of({"usage": usage | {"unit": "CHARACTERS"}}).output_tokens is None
