"""Which calls of tools came without the thinking that led to them, in OpenAI's form and in Anthropic's."""

import pytest

from serving.dialects.calls import hosted, unthought

USER = {"role": "user", "content": "What is the weather?"}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "rain"}
ANSWER = {"role": "assistant", "content": "It rains."}
USE = {"type": "tool_use", "id": "1", "name": "f", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
GIVEN = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "rain"}]}


def used(*parts):
    return {"role": "assistant", "content": [*parts, USE]}


@pytest.mark.parametrize(
    ("messages", "found"),
    [
        (None, set()),
        ([], set()),
        ([USER], set()),
        ([USER, ANSWER, USER], set()),
        ([USER, CALL, RESULT], {"last_call", "all_calls"}),
        ([USER, CALL, RESULT, RESULT], {"last_call", "all_calls"}),
        ([USER, CALL, RESULT, ANSWER, USER], {"all_calls"}),
        ([USER, {**CALL, "reasoning_content": "hm"}, RESULT], set()),
        ([USER, {**CALL, "thinking_blocks": [THOUGHT]}, RESULT], set()),
        ([USER, CALL, RESULT, {**CALL, "reasoning_content": "hm"}, RESULT], {"all_calls"}),
        ([USER, {**CALL, "reasoning_content": "hm"}, RESULT, CALL, RESULT], {"last_call", "all_calls"}),
        ([USER, used(), GIVEN], {"last_call", "all_calls"}),
        ([USER, used({"type": "text", "text": "I look."}, THOUGHT), GIVEN], {"last_call", "all_calls"}),
        ([USER, used(THOUGHT), GIVEN], set()),
        ([USER, used({"type": "redacted_thinking", "data": "x"}), GIVEN], set()),
        ([RESULT], set()),
        ([{"role": "user", "content": ["plain"]}, {"role": "assistant", "content": ["plain"]}], set()),
    ],
)
def test_which_calls_came_without_thinking(messages, found):
    assert unthought(messages) == found


FUNCTION = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    "tool", ["web_search", "web_search_preview", "file_search", "image_generation", "code_interpreter"]
)
def test_a_tool_that_the_provider_runs_is_known_by_its_type(tool):
    assert hosted([FUNCTION, {"type": tool}])


@pytest.mark.parametrize(
    "tools", [None, [], [FUNCTION], [{"type": "custom", "name": "f"}], [{"name": "f", "input_schema": {}}]]
)
def test_the_callers_own_tools_are_not_hosted(tools):
    assert not hosted(tools)
