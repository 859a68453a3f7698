import pandas as pd
import pytest

from training.collect.judge import Rubric


def test_a_judge_is_blind_and_agrees_with_itself(collected, items, llm):
    rubric = Rubric(model="j", rubric="Right sums are good.", scale=(0, 10), repeats=0.5, base_url=llm.url)
    report, rows = collected(items(6), rubric=rubric, attempts=2)
    questions = [call["prompt"] for call in llm.calls if call["judge"]]
    assert len(questions) == 6 + 3
    for word in ("direct", "reasoning", "effort", "thinking", "budget", "sums.jsonl"):
        assert not any(word in question.lower() for question in questions)
    firsts = {
        question.split('<answer number="1">\n')[1].split("\n")[0][:5] for question in questions if "hard" in question
    }
    assert firsts == {"A wro", "It is"}  # now one arm stands first, now the other
    assert {(row["arm"], "hard" in row["prompt"]): row["score"] for row in rows} == {
        ("direct", True): 0.2, ("direct", False): 1.0, ("reasoning", True): 1.0, ("reasoning", False): 1.0
    }  # fmt: skip
    assert report.judge._asdict() == {"answers": 12, "equal": 1.0, "mean_difference": 0.0}
    assert {row["score_kind"] for row in rows} == {"judge:j"}
    assert report.judge_tokens == 9 * 10
    assert report.output_tokens == llm.billed
    assert "dollars unknown, and not in the sum above" in report.text()


def test_a_judge_that_cannot_be_read_scores_nothing(collected, items, llm):
    llm.grade = lambda answers: "both are fine"
    rubric = Rubric(model="j", rubric="r", scale=(0, 10), base_url=llm.url)
    report, rows = collected(items(2), rubric=rubric)
    assert report.unscored == {"the judge's reply is no JSON object": 4}
    assert all(pd.isna(row["score"]) for row in rows)
    assert report.judge.answers == 0


def test_what_a_judge_missed_is_judged_when_resumed(collected, items, llm):
    rubric = Rubric(model="j", rubric="r", scale=(0, 10), base_url=llm.url, repeats=0)
    llm.script = {"<rubric>": ["400"]}
    first, _ = collected(items(3), rubric=rubric, limits={"concurrency": 1})
    assert (first.failed, first.unscored) == ({"400 BadRequestError": 1}, {"not graded yet": 2})
    asked = llm.asked()
    second, _ = collected(items(3), rubric=rubric, limits={"concurrency": 1})
    assert (second.failed, second.unscored) == ({}, {})
    assert llm.asked() == asked
    assert sum(call["judge"] for call in llm.calls) == 4


def test_the_judge_s_dollars_count_too(collected, items, llm):
    rubric = Rubric(model="j", rubric="r", scale=(0, 10), base_url=llm.url, repeats=0, prices=(100.0, 1000.0))
    report, _ = collected(items(2), rubric=rubric, prices=(1.0, 10.0))
    own = sum(20 * 1.0 + call["tokens"] * 10.0 for call in llm.calls if not call["judge"]) / 1e6
    assert report.judge_usd == pytest.approx(2 * (20 * 100.0 + 10 * 1000.0) / 1e6)
    assert report.cost_usd == report.charged_usd == pytest.approx(own + report.judge_usd)


def test_another_rubric_judges_anew_and_the_model_is_not_asked_again(collected, items, llm):
    rubric = Rubric(model="j", rubric="r", scale=(0, 10), base_url=llm.url, repeats=0)
    llm.script = {"<rubric>": ["400"]}
    first, _ = collected(items(2), rubric=rubric, limits={"concurrency": 1})
    assert first.failed == {"400 BadRequestError": 1}
    asked = llm.asked()
    llm.grade = lambda answers: '{"1": 5, "2": 5}'
    second, rows = collected(items(2), rubric=rubric.model_copy(update={"rubric": "Better words."}))
    assert (second.failed, second.unscored, second.graded_anew) == ({}, {}, 2)
    assert {row["score"] for row in rows} == {0.5}
    assert second.judge_tokens == 3 * 10  # both judges' bills
    judgements = sum(call["judge"] for call in llm.calls)
    third, rows = collected(items(2))  # no judge at all
    assert (third.failed, third.unscored, {row["score_kind"] for row in rows}) == ({}, {}, {"numeric"})
    assert (llm.asked(), sum(call["judge"] for call in llm.calls)) == (asked, judgements)


def test_what_does_not_decide_grades_is_no_other_judge():
    rubric = Rubric(model="j", rubric="r", scale=(0, 10), params={"a": 1, "b": 2})
    same = {"api_key_env": "MINE", "prices": (1.0, 2.0), "repeats": 1, "params": {"b": 2, "a": 1}}
    assert rubric.model_copy(update=same).digest == rubric.digest
    other = [{"model": "k"}, {"rubric": "s"}, {"scale": (0, 5)}, {"params": {}}, {"max_output_tokens": 9}]
    assert rubric.digest not in {rubric.model_copy(update=change).digest for change in other}
