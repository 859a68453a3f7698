"""A report is read by its shape: nothing that it says is lost, and nothing it lacks is an error."""

from serving.page import parts
from serving.page.words import number


def test_sections_figures_tables_and_notes_are_told_apart():
    report = {
        "format": 1,
        "readings": {"finance": {"title": "Money", "text": "in dollars", "figures": {"saved": {"value": 2.0, "lower": 1, "upper": 3, "n": 9, "unit": "usd"}}}},
        "drift": {"tables": {"worst": {"title": "Worst", "rows": [{"column": "task", "psi": 0.1, "more": [1, 2]}]}}, "alarm": False},
        "later": {"deeper": {"deepest": {"value": None, "evidence": "modelled"}}},
        "empty": {}, "nothing": None, "word": "as it is",
    }  # fmt: skip
    finance, *rest = parts.readings(report)
    assert finance.title == "Money"
    assert finance.notes == ["in dollars"]
    assert finance.figures == [parts.Figure("saved", 2.0, 1, 3, 9, None, "usd")]
    assert [bool(section) for section in rest] == [False, False, False]
    drift, later, word = parts.others(report)
    assert drift.tables[0].columns == ["column", "psi", "more"]
    assert drift.tables[0].rows == [["task", 0.1, "1, 2"]]
    assert drift.tables[0].words == [True, False, True]
    assert drift.figures == [parts.Figure("alarm", False)]
    assert later.sections[0].figures == [parts.Figure("deepest", None, evidence="modelled")]
    assert word.notes == ["Word: as it is"]


def test_kinds_of_evidence_stand_beside_each_other():
    figures = {
        f"saved_{kind}": {"value": i, "evidence": kind}
        for i, kind in enumerate(("observed_pairs", "explored", "modelled"))
    }
    found = parts.section({"figures": figures | {"spent": {"value": 9, "evidence": "observed"}}}, "T")
    assert found.evidences == ["observed_pairs", "explored", "modelled"]
    assert [(one.title, [figure.value for figure in one.by.values()]) for one in found.compared] == [
        ("saved", [0, 1, 2])
    ]
    assert [figure.title for figure in found.figures] == ["spent"]


def test_a_name_that_ends_like_its_evidence_is_whole_unless_it_may_be_compared():
    figures = {
        "profile_not_recorded": {"value": 3, "evidence": "recorded"},
        "seconds_observed": {"value": 1, "evidence": "observed"},
    }
    found = parts.section({"figures": figures}, "T")
    assert [figure.title for figure in found.figures] == ["profile not recorded", "seconds observed"]


def test_bounds_beside_a_column_are_its_interval():
    rows = [
        {
            "scenario": "x",
            "score_change": 0.1,
            "score_lower": 0.0,
            "score_upper": 0.2,
            "n": 5,
            "score": None,
            "lower": None,
            "upper": None,
        }
    ]
    table = parts.section({"rows": rows}, "T").tables[0]
    assert table.columns == ["scenario", "score change", "n", "score"]
    assert table.rows == [["x", parts.Figure("", 0.1, 0.0, 0.2), 5, None]]


def test_what_choices_gained_by_day_is_found_wherever_it_is():
    days = [
        {
            "day": "2026-09-01",
            "gained_explored": 0.1,
            "gained_explored_lower": 0.0,
            "gained_explored_upper": 0.2,
            "score_direct": 1,
            "gained_observed_pairs": None,
        }
    ]
    expected = [{"day": "2026-09-01", "series": "gained explored", "value": 0.1, "lower": 0.0, "upper": 0.2}]
    assert parts.bands_by_day({"trend": {"tables": {"days": {"rows": days}}}}) == expected
    assert parts.bands_by_day({"trend": days}) == expected
    assert parts.bands_by_day({"trend": {"title": "nothing"}}) == parts.bands_by_day({}) == []


def test_figures_in_words():
    told = [
        number(None),
        number(float("nan")),
        number(0),
        number(0.5, "share"),
        number(1234.5, "usd"),
        number(-0.5, "usd"),
        number(2.345, "s"),
    ]
    assert told == ["–", "–", "0", "50.0 %", "$1,234.50", "-$0.50000", "2.35 s"] or told[-1] == "2.34 s"
    assert [number(1_234_567, "tokens"), number(True), number(0.12345), number("word")] == [
        "1,234,567",
        "yes",
        "0.123",
        "word",
    ]
