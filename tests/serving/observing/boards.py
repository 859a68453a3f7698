"""What the dashboard and the alerts ask Prometheus for, taken apart."""

import json

import promql_parser
import yaml

from contract.locate import ROOT

DASHBOARD = ROOT / "deploy" / "grafana" / "thinkworth.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
OF_PROMETHEUS = {"job", "instance"}
"""Labels that a scrape adds."""

BOARD = json.loads(DASHBOARD.read_text(encoding="utf-8"))
PANELS = {panel["id"]: panel for panel in BOARD["panels"]}
QUESTIONS = [
    (panel["title"], target["expr"].replace("$__rate_interval", "5m"))
    for panel in BOARD["panels"]
    for target in panel.get("targets", ())
]
RULES = [rule for group in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
QUESTIONS += [(rule["alert"], rule["expr"]) for rule in RULES]


def selectors(expression):
    """Return the metrics that a question asks for, each with the labels that it is matched by, and the labels it is grouped by."""
    asked, grouped = [], set()

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            asked.append((node.name, [(m.name, m.value, m.op) for m in node.matchers.matchers]))
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier:
            grouped.update(modifier.labels)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return asked, grouped
