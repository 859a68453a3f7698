"""A report is read by its shape: nothing that it says is lost, and nothing it lacks is an error."""

from serving.page import charts, parts, views
from serving.page.figures import Figure
from serving.page.words import chance, fixed, number, p_value


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
    assert finance.figures == [Figure("saved", 2.0, 1, 3, 9, None, "usd")]
    assert [bool(section) for section in rest] == [False, False, False]
    drift, later, word = parts.others(report)
    assert drift.tables[0].columns == ["column", "stability index", "more"]
    assert drift.tables[0].rows == [["task", 0.1, "1, 2"]]
    assert drift.tables[0].words == [True, False, True]
    assert drift.figures == [Figure("alarm", False)]
    assert later.sections[0].figures == [Figure("deepest", None, evidence="modelled")]
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


def test_where_evidence_differs_and_what_nothing_is_known_of():
    def figure(value, half=None, kind="explored"):
        ends = (None, None) if half is None else (value - half, value + half)
        return {"value": value, "lower": ends[0], "upper": ends[1], "n": 4, "evidence": kind}

    figures = {
        "a_explored": figure(1.0, 0.1), "a_modelled": figure(1.2, kind="modelled"), "b_explored": figure(1.0, 0.3), "b_modelled": figure(1.2, kind="modelled"),
        "a_observed_pairs": figure(None, kind="observed_pairs"), "c_explored": figure(None), "c_modelled": figure(None, kind="modelled"),
    }  # fmt: skip
    found = parts.section({"figures": figures}, "T")
    assert found.differing == ["a"]
    assert found.evidences == ["explored", "modelled"]
    assert [one.title for one in found.compared] == ["a", "b"]
    assert found.figures == [Figure("c", None, n=4)]


def test_rows_of_evidence_that_says_nothing_are_named_and_not_shown():
    rows = [
        {
            "scenario": "x",
            "evidence": kind,
            "score_change": value,
            "score_lower": value,
            "score_upper": value,
            "usd": None,
            "n": n,
        }
        for kind, value, n in (("observed_pairs", None, 0), ("explored", 0.25, 1200), ("modelled", -120.0, 7))
    ]
    table = parts.section({"rows": rows}, "T").tables[0]
    assert table.evidence == ["explored", "modelled"]
    assert table.columns == ["scenario", "change of score", "n"]
    assert table.unknown == ["anything by observed pairs", "usd"]
    assert table.digits == [0, 1, 0]


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
    assert table.columns == ["scenario", "change of score", "n"]
    assert table.rows == [["x", Figure("", 0.1, 0.0, 0.2), 5]]
    assert table.unknown == ["score"]


def test_a_cell_that_is_a_figure_is_downloaded_as_plain_columns():
    rows = [
        {"arm": "direct", "gain": {"value": 0.25, "lower": 0.1, "upper": 0.5, "n": 7}, "cost": {"value": 2, "unit": "usd"}},
        {"arm": "reasoning", "gain": None, "cost": 3, "why": {"a": 1, "b": 2}},
    ]  # fmt: skip
    table = parts.section({"rows": rows}, "T").tables[0]
    assert table.rows[0] == ["direct", Figure("", 0.25, 0.1, 0.5, 7), Figure("", 2, unit="usd"), None]
    assert table.source == [
        {"arm": "direct", "gain": 0.25, "gain_lower": 0.1, "gain_upper": 0.5, "gain_n": 7, "cost": 2, "why": None},
        {"arm": "reasoning", "gain": None, "gain_lower": None, "gain_upper": None, "gain_n": None, "cost": 3, "why": "a: 1; b: 2"},
    ]  # fmt: skip


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
    expected = [{"day": "2026-09-01", "series": "explored", "value": 0.1, "lower": 0.0, "upper": 0.2}]
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
    assert [p_value(None), p_value(0.0), p_value(0.0009), p_value(0.0456), number(1e-9, "p-value")] == [
        "–",
        "< .001",
        "< .001",
        "0.046",
        "< .001",
    ]
    assert [fixed(-0.0001, 3), fixed(1234.56, 1), fixed(None, 1), fixed(True, 1)] == ["0.000", "1,234.6", "–", "yes"]


def test_no_probability_that_is_estimated_is_certain():
    told = [chance(value) for value in (None, 0.0, 0.0049, 0.005, 0.5, 0.994, 0.995, 0.99999, 1.0)]
    assert told == ["–", "< 0.01", "< 0.01", "0.01", "0.50", "0.99", "> 0.99", "> 0.99", "> 0.99"]
    assert number(0.998, "probability") == "> 0.99"


def test_a_chart_of_one_day_has_one_tick_and_its_intervals():
    rows = [{"day": "2026-09-01", "arm": arm, "n": 9, "mean": 0.5, "lower": 0.4, "upper": 0.6} for arm in charts.ARMS]
    band, line = charts.means(rows, "score", ".2f")["layer"]
    assert (band["mark"]["type"], line["encoding"]["x"]["type"]) == ("rule", "ordinal")
    area, rule, line = charts.means([*rows, {**rows[0], "day": "2026-09-02"}], "score", ".2f")["layer"]
    assert (area["mark"]["type"], rule["mark"]["type"], line["encoding"]["x"]["type"]) == ("area", "rule", "temporal")


def test_an_interval_of_few_decisions_does_not_flatten_the_others():
    rows = [
        {"day": "2026-09-01", "series": "explored", "value": 0.25, "lower": -7.0, "upper": 7.5},
        {"day": "2026-09-02", "series": "explored", "value": -1.5, "lower": None, "upper": None},
    ]
    drawn = charts.bands(rows, "points", "+.2f")
    assert [(row["low"], row["high"], row["lower"]) for row in drawn["data"]["values"]] == [
        (-1.0, 1.0, -7.0),
        (None, None, None),
    ]
    assert drawn["layer"][0]["encoding"]["y"]["field"] == "low"


def test_a_slice_says_what_is_wrong_only_where_it_is_misrouted():
    row = {
        "title": "task t: overthinking",
        "kind": "overthinking",
        "evidence": "explored",
        "found": "search",
        "misrouted": False,
    }
    unsure = views.shown_slice(row | {"net_benefit_lower": -0.1, "net_benefit_upper": 0.2})
    assert (unsure["title"], unsure["policy_arm"], unsure["how"], unsure["finding"]) == (
        "task t",
        "reasoning",
        "confirmed",
        "not shown to be wrong",
    )
    assert views.shown_slice(row | {"net_benefit_lower": 0.1, "net_benefit_upper": 0.2})["finding"] == "policy right"
    modelled = row | {"evidence": "modelled", "net_benefit_lower": -0.2, "net_benefit_upper": -0.1}
    assert views.shown_slice(modelled)["finding"] == "modelled, never called"
