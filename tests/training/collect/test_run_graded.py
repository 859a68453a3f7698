import os
import signal
import sys
import time
from dataclasses import replace

import pandas as pd

from training.collect import session


def scores(rows):
    return {(row["prompt_id"], row["arm"]): row["score"] for row in rows}


def test_an_answer_is_on_disk_before_it_is_graded(collected, items, journal):
    def grade(prompt, answer, reference):
        kept = [record["answer"] for record in journal("answer")]
        assert answer in kept
        return 1.0

    report, rows = collected(items(3), grade=grade)
    assert (report.unscored, len(rows)) == ({}, 6)
    assert all("score" not in record["row"] for record in journal("answer"))


def test_an_answer_that_was_being_graded_at_ctrl_c_is_kept_and_graded_later(collected, items, llm, journal):
    def interrupted(prompt, answer, reference):
        if "2 +" in prompt:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
        return 1.0

    first, rows = collected(items(3), grade=interrupted, limits={"concurrency": 1})
    assert (first.stopped, first.answered, first.not_asked) == ("interrupted", 3, 3)
    assert first.unscored == {"not graded yet": 1}
    assert sum(row["score_kind"] is None for row in rows) == 1
    second, rows = collected(items(3), grade=lambda *_: 0.5)
    assert (second.unscored, second.answered, second.graded_anew) == ({}, 6, 0)
    assert sorted(row["score"] for row in rows) == [0.5] * 4 + [1.0] * 2
    assert set(llm.asked().values()) == {1}


def test_another_grader_grades_anew_and_nothing_is_asked_again(collected, items, llm, journal):
    _, before = collected(items(3))
    asked = len(llm.calls)
    report, rows = collected(items(3), grader_spec="regex:It is")
    assert (len(llm.calls), report.graded_anew, report.unscored) == (asked, 6, {})
    assert {row["score_kind"] for row in rows} == {"regex:It is"}
    assert "graded anew               6" in report.text()
    lines = len(journal())
    report, rows = collected(items(3))  # the first one's grades are still there
    assert scores(rows) == scores(before)
    assert (len(journal()), report.graded_anew) == (lines, 6)


def test_a_grader_that_was_edited_grades_anew(collected, items, llm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def graded_by(body):
        (tmp_path / "edited_grader.py").write_text(f"def grade(prompt, answer, reference):\n    return {body}\n")
        sys.modules.pop("edited_grader", None)
        return collected(items(2), grader_spec="python:edited_grader:grade")

    report, rows = graded_by("reference.no_such_method()")
    assert report.unscored == {"the grader raised AttributeError": 4}
    report, rows = graded_by("float(reference in answer)")
    assert (report.unscored, report.graded_anew, len(llm.calls)) == ({}, 4, 4)
    assert sum(scores(rows).values()) == 3
    assert graded_by("float(reference in answer)")[0].graded_anew == 4


def test_a_corrected_reference_grades_anew(collected, items, llm):
    _, before = collected([replace(item, reference="0") for item in items(2)])
    report, after = collected(items(2))
    assert (set(scores(before).values()), sum(scores(after).values())) == ({0.0}, 3)
    assert (report.graded_anew, len(llm.calls)) == (4, 4)


def test_what_a_ceiling_left_unasked_does_not_keep_the_rest_from_being_graded_anew(collected, items, llm):
    limits = {"max_tokens": 500, "concurrency": 1}
    first, _ = collected(items(8), max_output_tokens=100, limits=limits)
    asked = len(llm.calls)
    second, rows = collected(items(8), max_output_tokens=100, limits=limits, grade=lambda *_: 0.25)
    assert "ceiling" in first.stopped
    assert "ceiling" in second.stopped
    assert (len(llm.calls), second.unscored, set(scores(rows).values())) == (asked, {}, {0.25})


def test_rows_are_in_the_table_while_a_run_goes_on(collected, items, llm, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "EVERY_S", 0.0)
    monkeypatch.setattr(session, "SHARE", 1e9)
    answer, there = llm.answer, []

    def counting(prompt, arm):
        table = tmp_path / "logs.parquet"
        there.append(pd.read_parquet(table).score.notna().sum() if table.exists() else 0)
        return answer(prompt, arm)

    llm.answer = counting
    collected(items(3), limits={"concurrency": 1})
    assert there == [0, 1, 2, 3, 4, 5]
