"""The dashboard, the alerts and the docs by themselves; test_served.py asks a service for what they name."""

import re

import pytest

from contract.locate import ROOT
from serving.metrics import METRICS

from .boards import BOARD, PANELS, QUESTIONS, RULES, selectors

DOCS = ROOT / "docs" / "observability.md"


def test_a_question_is_taken_apart():
    asked, grouped = selectors('sum by (a) (rate(x_total{b="1"}[5m])) / on () group_left () sum(y)')
    assert [name for name, _ in asked] == ["x_total", "y"]
    assert grouped == {"a"}
    with pytest.raises(ValueError, match="."):
        selectors("sum(rate(x_total[5m])")


def test_the_dashboard_is_one_that_grafana_takes():
    assert BOARD["schemaVersion"] >= 39
    assert len(PANELS) == len(BOARD["panels"])
    assert {variable["name"] for variable in BOARD["templating"]["list"]} == {"datasource", "job"}
    places = set()
    for panel in BOARD["panels"]:
        where = panel["gridPos"]
        assert panel["type"] in {"row", "stat", "timeseries"}
        assert where["x"] + where["w"] <= 24
        cells = {
            (x, y)
            for x in range(where["x"], where["x"] + where["w"])
            for y in range(where["y"], where["y"] + where["h"])
        }
        assert not cells & places, f"{panel['title']} lies on another"
        places |= cells
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert 'job=~"$job"' in target["expr"]
    (job,) = (variable for variable in BOARD["templating"]["list"] if variable["name"] == "job")
    assert re.fullmatch(r"label_values\((\w+), job\)", job["definition"])[1] in METRICS


def test_every_metric_is_on_the_dashboard():
    asked = {name for _, expression in QUESTIONS for name, _ in selectors(expression)[0]}
    for name in METRICS:
        assert any(one.startswith(name) for one in asked), name


def test_an_alert_says_what_to_do():
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 5
    for rule in RULES:
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_the_docs_have_a_row_for_every_metric():
    rows = re.findall(
        r"^\| `(thinkworth_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE
    )
    told = {name: (kind, labels.strip(), text.strip()) for name, kind, labels, text in rows}
    expected = {}
    for name, metric in METRICS.items():
        labels = (*metric.labels, "pid") if metric.over == "liveall" else metric.labels
        shown = ", ".join(f"`{label}`" for label in labels)
        expected[name + ("_total" if metric.kind == "counter" else "")] = (metric.kind, shown, metric.text)
    assert told == expected
