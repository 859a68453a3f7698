"""Scores kept apart from their calls."""

from training.importers.call import Mark, Other, Place
from training.importers.marks import Marks


def test_scores_are_taken_by_kind_and_id():
    marks = Marks()
    marks.add("trace", "1", Place("scores", 1), Mark("tone", 0.5, "EVAL"))
    marks.add("observation", "1", Place("scores", 2), Mark("tone", "good"))
    assert marks.take("trace", "1") == (Mark("tone", 0.5, "EVAL"),)
    assert marks.take("trace", "2") == ()
    assert (marks.of("observation", "1"), marks.of("observation", "2")) == (True, False)
    assert (marks.of_any("trace"), marks.of_any("session")) == (True, False)
    assert list(marks.left_over("left")) == [Other(Place("scores", 2), "left")]


def test_a_score_replaces_the_one_of_its_identity_only():
    marks = Marks()
    for line, (value, identity) in enumerate([(0, "a"), (1, "b"), (2, "a"), (3, None), (4, None)], 1):
        marks.add("trace", "1", Place("scores", line), Mark("tone", value), identity=identity)
    assert [mark.value for mark in marks.take("trace", "1")] == [1, 2, 3, 4]
