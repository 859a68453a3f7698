"""Requests and responses of any provider, told apart by their own shape."""

import pytest

from training.importers.bodies import asked, ended, id_of, parameters_of, usage_of

WHY = [{"role": "user", "content": "Why?"}]
BRIEFLY = [{"role": "system", "content": "Be brief."}, *WHY]


def test_a_prompt_that_is_stored_at_the_provider_is_named_among_the_parameters():
    stored = {"id": "pmpt_1", "version": "2"}
    request = {"prompt": stored, "input": "And why?", "instructions": "Be brief.", "reasoning": {"effort": "low"}}
    assert parameters_of(request, None) == {"prompt": stored, "reasoning": {"effort": "low"}}
    assert parameters_of({"prompt": "Why?", "top_p": 1}, None) == {"top_p": 1}


@pytest.mark.parametrize(
    ("request_", "messages"),
    [
        ({"model": "m", "messages": WHY}, WHY),
        ({"model": "m", "messages": BRIEFLY}, BRIEFLY),
        ({"model": "m", "system": "Be brief.", "messages": WHY}, BRIEFLY),
        ({"model": "m", "instructions": "Be brief.", "input": "Why?"}, BRIEFLY),
        ({"contents": "Why?", "config": {"system_instruction": "Be brief."}}, BRIEFLY),
        (
            {
                "contents": [{"role": "user", "parts": [{"text": "Why?"}]}],
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
            },
            BRIEFLY,
        ),
        ({"prompt": "Why?"}, WHY),
        ({"messages": '[{"role": "user", "content": "Why?"}]'}, WHY),
        (WHY, WHY),
        ("Why?", WHY),
        ({"model": "m", "temperature": 0}, None),
        (None, None),
    ],
)
def test_what_was_asked(request_, messages):
    assert asked(request_) == messages


def test_what_is_no_request():
    with pytest.raises(ValueError, match="role"):
        asked({"question": "Why?"})


@pytest.mark.parametrize(
    ("response", "counts"),
    [
        (
            {
                "usage": {
                    "prompt_tokens": 60,
                    "completion_tokens": 300,
                    "prompt_tokens_details": {"cached_tokens": 40},
                    "completion_tokens_details": {"reasoning_tokens": 290},
                }
            },
            (60, 300, 290, 40),
        ),
        (
            {
                "object": "response",
                "usage": {
                    "input_tokens": 60,
                    "output_tokens": 300,
                    "input_tokens_details": {"cached_tokens": 40},
                    "output_tokens_details": {"reasoning_tokens": 290},
                },
            },
            (60, 300, 290, 40),
        ),
        (
            {
                "type": "message",
                "usage": {
                    "input_tokens": 20,
                    "cache_read_input_tokens": 40,
                    "output_tokens": 300,
                    "output_tokens_details": {"thinking_tokens": 290},
                },
            },
            (60, 300, 290, 40),
        ),
        (
            {
                "usageMetadata": {
                    "promptTokenCount": 60,
                    "candidatesTokenCount": 10,
                    "thoughtsTokenCount": 290,
                    "cachedContentTokenCount": 40,
                }
            },
            (60, 300, 290, 40),
        ),
        ({"usage_metadata": {"prompt_token_count": 60, "candidates_token_count": 300}}, (60, 300, None, None)),
        ("Because.", (None, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_what_was_billed(response, counts):
    usage = usage_of(response)
    assert (usage.input_tokens, usage.output_tokens, usage.thinking_tokens, usage.cached_tokens) == counts


def test_the_effort_that_was_taken_counts_where_none_was_asked_for():
    taken = {"reasoning": {"effort": "medium"}}
    assert parameters_of({"input": "Why?", "temperature": 0}, taken) == {"temperature": 0, **taken}
    low = {"reasoning": {"effort": "low"}}
    assert parameters_of({"input": "Why?", "instructions": "Be brief.", **low}, taken) == low
    assert parameters_of({"messages": WHY}, None) == {}


@pytest.mark.parametrize(
    ("response", "word"),
    [
        ({"choices": [{"finish_reason": "length"}]}, "length"),
        ({"candidates": [{"finishReason": "STOP"}]}, "STOP"),
        ({"stop_reason": "end_turn"}, "end_turn"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "max_output_tokens"),
        ({"status": "completed", "incomplete_details": None}, "completed"),
        ({"choices": []}, None),
        (None, None),
    ],
)
def test_how_it_ended(response, word):
    assert ended(response) == word


@pytest.mark.parametrize(
    ("response", "name"), [({"id": "a"}, "a"), ({"responseId": "b"}, "b"), ({"id": None}, None), ("text", None)]
)
def test_the_id_of_a_response(response, name):
    assert id_of(response) == name
