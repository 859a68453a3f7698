"""What messages say of earlier thinking, in OpenAI's form and in Anthropic's."""

import pytest

from serving.dialects.calls import Earlier, earlier, hosted

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
        ([USER, {**CALL, "reasoning_content": "hm"}, RESULT], {"last_call"}),  # a text that no Claude is sent
        ([USER, {**CALL, "thinking_blocks": [THOUGHT]}, RESULT], set()),
        ([USER, {**CALL, "reasoning_details": [{"type": "reasoning.text"}]}, RESULT], set()),
        ([USER, {**CALL, "content_blocks": [THOUGHT]}, RESULT], set()),
        ([USER, CALL, RESULT, {**CALL, "reasoning_content": "hm"}, RESULT], {"last_call", "all_calls"}),
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
    assert earlier(messages).unthought == found


BLOCKS = {**CALL, "thinking_blocks": [THOUGHT]}


@pytest.mark.parametrize(
    "turn",
    [
        [BLOCKS, RESULT],
        [BLOCKS, RESULT, CALL, RESULT],  # it thought once in this turn, as it does without interleaved thinking
        [CALL, RESULT, BLOCKS, RESULT],
        [BLOCKS, RESULT, {"role": "user", "content": "And now?"}],  # LiteLLM sends both as one message
        [{**CALL, "thinking_blocks": [{"type": "thinking"}]}, RESULT],  # as the hook tells it
        [{**CALL, "content_blocks": [THOUGHT, USE]}, RESULT],
        [{**CALL, "reasoning_details": [{"type": "reasoning.text"}]}, RESULT],
        [used(THOUGHT), GIVEN],
        [used({"type": "redacted_thinking", "data": "x"}), GIVEN],
        [{"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "It"}]}],
        [BLOCKS, RESULT, {"role": "assistant", "content": "It"}],
    ],
)
def test_a_turn_that_began_with_thinking_and_goes_on(turn):
    found = earlier([USER, *turn])
    assert (found.mid_thought, found.prefilled, "last_call" in found.unthought) == (True, False, False)


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [USER],
        [USER, BLOCKS, RESULT, ANSWER, USER],  # that turn is over
        [USER, {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Rain."}]}, USER],
        [USER, BLOCKS, RESULT, ANSWER, USER, CALL, RESULT],  # so is the one that thought
        [USER, {**CALL, "reasoning_content": "hm"}, RESULT],
    ],
)
def test_no_turn_that_began_with_thinking_goes_on(messages):
    found = earlier(messages)
    assert (found.mid_thought, found.prefilled) == (False, False)


@pytest.mark.parametrize("before", [[USER], [USER, CALL, RESULT], [USER, BLOCKS, RESULT, ANSWER, USER]])
def test_a_text_of_the_assistants_to_go_on_with(before):
    found = earlier([*before, {"role": "assistant", "content": "{"}])
    assert (found.mid_thought, found.prefilled) == (False, True)


def test_nothing_is_said_of_no_messages():
    assert earlier(None) == earlier([]) == Earlier()


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
