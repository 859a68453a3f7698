import json

import pytest

from contract.errors import InvalidInput
from training.collect.judge import (
    Rubric,
    agreement,
    in_order,
    judged_again,
    load_rubric,
    messages,
    read_grades,
)

RUBRIC = Rubric(model="j", rubric="Short and right.", scale=(1, 5))
KEYS = [json.dumps([f"p{n}", arm, "x", 1]) for n in range(40) for arm in ("direct", "reasoning")]


def test_the_judge_sees_prompt_rubric_and_answers_and_nothing_else():
    (message,) = messages(RUBRIC, "What is {2} + 2?", ["4", "five"])
    assert message["role"] == "user"
    for part in ("What is {2} + 2?", "Short and right.", '<answer number="1">\n4\n', '<answer number="2">\nfive\n'):
        assert part in message["content"]
    assert '{"1": 5.0, "2": 5.0}' in message["content"]


@pytest.mark.parametrize(
    ("reply", "scores"),
    [
        ('{"1": 5, "2": 1}', [1.0, 0.0]), ('Well:\n```json\n{"1": 3, "2": 2.0}\n```', [0.5, 0.25]),
        ('{"1": 9, "2": 5}', [None, 1.0]), ('{"2": 5}', [None, 1.0]), ('{"1": "5", "2": true}', [None, None]),
        ("both fine", [None, None]), ("", [None, None]), ('{"grades": {"1": 5, "2": 5}}', [1.0, 1.0]),
        ('first {"1": 1, "2": 1}, then {"1": 5, "2": 5}', [1.0, 1.0]), ('{"1": NaN, "2": 5}', [None, 1.0]),
    ],
)  # fmt: skip
def test_grades_become_scores_and_what_is_unreadable_none(reply, scores):
    found = read_grades(RUBRIC, reply, 2)
    assert [graded.score for graded in found] == scores
    assert all((graded.reason is None) == (graded.score is not None) for graded in found)


def test_the_order_is_random_the_same_each_time_and_another_one_the_second_time():
    firsts = []
    for n in range(40):
        pair = KEYS[2 * n : 2 * n + 2]
        once = in_order(pair, again=False)
        assert in_order(pair[::-1], again=False) == once
        assert in_order(pair, again=True) == once[::-1]
        firsts.append(json.loads(once[0])[1])
    assert 10 < firsts.count("direct") < 30
    assert in_order(KEYS[:1], again=True) == KEYS[:1]
    assert in_order(KEYS, again=True) != in_order(KEYS, again=False)


def test_a_share_of_the_prompts_is_judged_twice():
    prompt_ids = [f"p{n}" for n in range(40)]
    chosen = judged_again(prompt_ids, 0.1)
    assert len(chosen) == 4
    assert judged_again(prompt_ids[::-1], 0.1) == chosen
    assert judged_again(prompt_ids, 0) == frozenset()
    assert judged_again(["a"], 0.1) == {"a"}
    assert judged_again(prompt_ids, 1) == set(prompt_ids)


def test_agreement():
    assert agreement([]) == (0, None, None)
    assert agreement([(0.5, 0.5), (0.0, 1.0)]) == (2, 0.5, 0.5)


def test_a_rubric_is_read(tmp_path):
    path = tmp_path / "rubric.yaml"
    path.write_text("model: gpt-5.1\nrubric: |\n  Be right.\nscale: [0, 10]\nrepeats: 0.2\nparams: {temperature: 0}\n")
    rubric = load_rubric(path)
    assert (rubric.model, rubric.scale, rubric.repeats, rubric.params) == ("gpt-5.1", (0, 10), 0.2, {"temperature": 0})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: m\nscale: [0, 1]\n", "rubric"), ("model: m\nrubric: r\nscale: [1, 0]\n", "scale"),
        ("model: m\nrubric: r\nscale: [0]\n", "scale"), ("model: m\nrubric: r\nscale: [0, 1]\nrepeat: 1\n", "repeat"),
        ("model: m\nrubric: r\nscale: [0, 1]\nparams: {max_tokens: 9}\n", "params sets max_tokens"),
        ("model: m\nrubric: r\nscale: [0, 1]\nparams: {api_key: sk-1}\n", "params sets api_key, which looks like a credential"),
        ("model: m\nrubric: r\nscale: [0, 1]\nrepeats: 2\n", "repeats"), ("", "is empty"), ("[", "not valid YAML"),
    ],
)  # fmt: skip
def test_a_rubric_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=message):
        load_rubric(tmp_path / "r.yaml")
