"""Scores of the log's own and of a file, through a whole import."""

import json
from dataclasses import replace

from training.importers import importer
from training.importers.blocks import Told
from training.importers.call import Mark
from training.importers.keys import answer_keys, answer_name
from training.importers.run import import_log
from training.importers.scores import parse_scale

TOLD = Told(source="traffic")


def test_scores_of_the_log_on_a_scale(run, call):
    told = replace(TOLD, scale=parse_scale("1..5"), score="stars")
    done = run(
        call(1, marks=[Mark("stars", 4), Mark("tone", 99)]),
        call(2, marks=[Mark("stars", 9)]),
        call(3, marks=[Mark("tone", 3)]),
        told=told,
    )
    assert done.rows["score"].fillna(-1).tolist() == [0.75, -1]
    assert done.rows["score_kind"].fillna("-").tolist() == ["stars", "-"]
    assert done.why[0]["reason"] == "score 9 is outside the scale 1..5"
    assert done.report.unscored == 1


def test_several_scores_need_a_name(run, call):
    done = run(call(1, marks=[Mark("stars", 1), Mark("tone", 1)]), call(2))
    assert done.bad == [(1, "several scores")]
    assert "several scores: name the one that counts with --score" in done.report.text()


def test_scores_of_a_file_win(run, tmp_path, call):
    path = tmp_path / "scores.csv"
    path.write_text("request_id,score,score_kind,defect\nr1,0.25,judge,True\nr2,1,judge,\nr9,1,,\nr3,7,,\nr4,1,,\n")
    calls = [
        call(1, marks=[Mark("stars", 1)]),
        call(2, marks=[Mark("stars", 1), Mark("tone", 0)]),
        call(3, marks=[Mark("stars", 1)]),
        call(4, parameters={}),
    ]
    done = run(*calls, scores=path)
    assert done.rows["score"].tolist() == [0.25, 1.0, 1.0]
    assert done.rows["score_kind"].tolist() == ["judge", "judge", "stars"]
    assert done.rows["defect"].fillna(False).tolist() == [True, False, False]
    assert sorted(done.bad) == [(4, "arm undecidable"), (5, "score is outside the scale")]
    assert done.report.scores_without_row == 2
    assert "scores of no row" in done.report.text()


def test_a_score_whose_request_has_two_answers_goes_to_neither(run, call, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("request_id,score\na,1\nb,0.5\nc,1\n")
    one, other = ({"request_id": "a", "attempt_of": "a", "answer_id": answer} for answer in ("x", "y"))
    done = run(call(1, **one), call(2, **other), call(3, request_id="b"), call(4, request_id="b"), scores=path)
    x, y = (answer_name("a", key) for key in answer_keys(["x", "y"]))
    assert done.rows["request_id"].tolist() == [x, y, "b"]
    assert done.rows["score"].fillna(-1).tolist() == [-1, -1, 0.5]
    assert done.bad == [(4, "duplicate")]
    assert (done.report.scores_of_several, done.report.scores_without_row, done.report.unscored) == (1, 1, 2)
    assert "scores of several" in done.report.text()


def test_answers_to_one_request_are_scored_by_the_ids_of_the_table_in_any_order(run, call, tmp_path):
    """The log has a request of its own that is named as an answer, and calls that nothing says to be retries."""
    a = [{"request_id": "a", "attempt_of": "a", "answer_id": answer} for answer in ("x", "y", "z")]
    b = [{"request_id": "a#2", "answer_id": answer} for answer in ("x", "y")]
    calls = [call(line, model=f"m{line}", **values) for line, values in enumerate([*a, *b], 1)]
    first = run(*calls).rows
    assert first["request_id"].is_unique
    graded = first.assign(score=[0.0, 0.25, 0.5, 0.75, 1.0])[["request_id", "score"]]
    graded.to_csv(tmp_path / "graded.csv", index=False)
    done = run(*reversed(calls), scores=tmp_path / "graded.csv")
    assert dict(zip(done.rows["model"], done.rows["score"], strict=True)) == {
        "m1": 0.0, "m2": 0.25, "m3": 0.5, "m4": 0.75, "m5": 1.0,
    }  # fmt: skip
    assert (done.report.scores_of_several, done.report.scores_without_row, done.report.unscored) == (0, 0, 0)
    one = run(calls[1], scores=tmp_path / "graded.csv")  # alone it has its request's id, and its own score all the same
    assert one.rows[["request_id", "score"]].to_numpy().tolist() == [["a", 0.25]]


def test_a_score_of_an_answer_wins_over_marks_that_would_quarantine_it(run, call, tmp_path):
    marks = [Mark("stars", 1), Mark("tone", 0)]
    name = answer_name("a", answer_keys(["x"])[0])
    (tmp_path / "scores.csv").write_text(f"request_id,score\n{name},0.25\n")
    calls = [call(1, request_id="a", answer_id="x", marks=marks), call(2, request_id="a", answer_id="y")]
    done = run(*calls, scores=tmp_path / "scores.csv")
    assert done.rows["score"].fillna(-1).tolist() == [0.25, -1]


def test_a_score_of_two_answers_leaves_those_of_the_table(tmp_path):
    row = {"prompt": "a", "model": "m", "request_id": "a"}
    rows = [{**row, "arm": "direct", "score": 0.25}, {**row, "arm": "reasoning"}]
    (tmp_path / "table.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (tmp_path / "scores.csv").write_text("request_id,score\na,1\n")
    out = tmp_path / "out.jsonl"
    import_log(importer("canonical"), [str(tmp_path / "table.jsonl")], out, TOLD, scores=tmp_path / "scores.csv")
    assert [json.loads(line)["score"] for line in out.read_text().splitlines()] == [0.25, None]
