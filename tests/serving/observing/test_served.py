"""A service of two workers: its metrics add up, its traces go on from the caller's, its lines name decisions, and none holds a prompt."""

import json
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import promql_parser
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from serving.metrics import METRICS, Metrics

from .boards import OF_PROMETHEUS, PANELS, QUESTIONS, selectors
from .conftest import samples_of

CANARY = "heliotrope-77-marmalade"
MADE_UP = "quince-31-gazebo"
"""A name that no list has."""

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def until(found, seconds=30):
    """Return what is found, once it is; a worker tells its gauges each second, and spans leave in groups."""
    for _ in range(int(seconds * 4)):
        if value := found():
            return value
        time.sleep(0.25)
    pytest.fail("it did not come")


def decided_by_worker(watched):
    """Return how many decisions each worker has counted, by its process."""
    counts = {}
    for file in watched.figures.glob("counter_*.db"):
        families = MultiProcessCollector.merge([str(file)])
        samples = [s for family in families for s in family.samples if s.name == "thinkworth_decisions_total"]
        counts[file.stem] = sum(sample.value for sample in samples)
    return counts


def test_counts_of_all_workers_add_up(watched):
    def ask(i):
        return watched.post("/predict", json={"prompt": f"What is {i} + {i}?"}).json()

    before, asked = watched.total("thinkworth_decisions_total"), 0
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            answers = list(pool.map(ask, range(asked, asked + 16)))
            asked += len(answers)
            shares = list(decided_by_worker(watched).values())
            if len(shares) == 2 and min(shares) > 0:
                break
    assert min(shares) > 0, shares
    assert watched.total("thinkworth_decisions_total") - before == asked
    assert watched.total("thinkworth_request_seconds_count", route="/predict", status="200") >= asked
    assert watched.total("thinkworth_readings_total") == watched.total("thinkworth_decisions_total")


@pytest.mark.parametrize(
    ("model", "family"), [("openai/gpt-5-2025-08-07", "gpt-5"), (MADE_UP, "other"), (None, "none")]
)
def test_what_a_decision_is_told_by(watched, model, family):
    body = {"prompt": "Prove that 2 is prime.", "profile": "quality_critical", "model": model}
    answer = watched.post("/predict", json=body).json()
    labels = {"profile": "quality_critical", "model": family, "verdict": answer["verdict"], "arm": answer["arm"]}
    before = watched.total("thinkworth_decisions_total", **labels)
    watched.post("/predict", json=body)
    assert watched.total("thinkworth_decisions_total", **labels) == before + 1


def test_a_batch_counts_each_of_its_decisions_and_one_request(watched):
    def totals():
        route = {"route": "/predict_batch"}
        names = ("thinkworth_decisions_total", "thinkworth_reading_seconds_count")
        return [watched.total(name) for name in names] + [watched.total("thinkworth_request_seconds_count", **route)]

    before = totals()
    watched.post("/predict_batch", json={"requests": [{"prompt": f"batch {i}"} for i in range(3)]})
    assert [now - then for now, then in zip(totals(), before, strict=True)] == [3, 3, 1]


def test_no_label_holds_what_a_caller_wrote(watched):
    watched.post(f"/{MADE_UP}", content=CANARY)
    watched.post(f"/predict?{MADE_UP}", json={"prompt": CANARY, "profile": MADE_UP})
    watched.post(
        "/predict", json={"prompt": CANARY, "model": MADE_UP, "request_id": MADE_UP, "conversation_id": MADE_UP}
    )
    watched.post("/predict", json={CANARY: 1}, headers={"X-Request-Timeout-Ms": MADE_UP})
    text = watched.text()
    assert MADE_UP not in text
    assert CANARY not in text
    assert watched.total("thinkworth_request_seconds_count", route="other", status="404") >= 1


def test_errors_count_by_type(watched):
    before = watched.total("thinkworth_errors_total", type="unknown_profile")
    assert watched.post("/predict", json={"prompt": "a", "profile": "none"}).status_code == 400
    assert watched.total("thinkworth_errors_total", type="unknown_profile") == before + 1


def test_gauges_of_both_workers(watched):
    until(lambda: watched.total("thinkworth_workers") == 2)
    pids = {s.labels["pid"] for s in watched.samples() if s.name == "thinkworth_worker_memory_bytes"}
    assert len(pids) == 2
    assert watched.total("thinkworth_store_up") == 1
    assert watched.total("thinkworth_waiting") == watched.total("thinkworth_journal_records") == 0
    assert until(lambda: watched.total("thinkworth_remembered_prompts")) >= 2


def test_every_metric_is_in_the_table(watched):
    names = {s.name for s in samples_of(watched.text()) if s.name.startswith("thinkworth_")}
    known = {name + suffix for name in METRICS for suffix in ("", "_total", "_bucket", "_sum", "_count")}
    assert names
    assert names <= known


# Traces


def spans_of(collector, **attributes):
    return [span for span in collector.spans() if attributes.items() <= told(span).items()]


def told(span):
    values = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        values[pair.key] = getattr(pair.value, kind)
    return values


def test_a_trace_goes_on_from_the_callers(watched, collector):
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    body = {
        "prompt": f"Tell me of {CANARY} and why it is so.", "model": "claude-sonnet-4-5", "conversation_id": "conv-9", "request_id": "traced",
    }  # fmt: skip
    answer = watched.post(f"/predict?q={CANARY}", json=body, headers=headers).json()
    (span,) = until(lambda: spans_of(collector, **{"thinkworth.request_id": "traced"}))
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.name) == (TRACE, CALLER, "POST /predict")
    found = told(span)
    for name in ("decision_id", "verdict", "arm", "revision", "profile"):
        assert found[f"thinkworth.{name}"] == answer[name]
    assert found["thinkworth.familiarity"] == pytest.approx(answer["familiarity"])
    assert found["thinkworth.remembered"] is False
    assert found["gen_ai.request.model"] == "claude-sonnet-4-5"
    assert found["gen_ai.conversation.id"] == "conv-9"
    assert (found["http.route"], found["http.response.status_code"]) == ("/predict", 200)
    inside = [one for one in collector.spans() if one.parent_span_id == span.span_id]
    assert [one.name for one in sorted(inside, key=lambda one: one.start_time_unix_nano)] == [
        "thinkworth.queue", "thinkworth.encoder", "thinkworth.heads", "thinkworth.decide", "thinkworth.record",
    ]  # fmt: skip
    for one in inside:
        assert (
            span.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano <= span.end_time_unix_nano
        )


def test_a_remembered_prompt_has_no_span_of_the_graphs_and_a_refused_one_its_error(watched, collector):
    for _ in range(3):  # each of the two workers remembers what it has read itself
        watched.post("/predict", json={"prompt": "remember me"})
    (span,) = until(lambda: spans_of(collector, **{"thinkworth.remembered": True})[:1])
    names = until(lambda: {one.name for one in collector.spans() if one.parent_span_id == span.span_id})
    assert names == {"thinkworth.decide", "thinkworth.record"}
    watched.post("/predict", json={"prompt": CANARY, "profile": "none"})
    (refused,) = until(lambda: spans_of(collector, **{"error.type": "unknown_profile"})[:1])
    assert told(refused)["http.response.status_code"] == 400


def test_an_unsampled_trace_is_left_alone(watched, collector):
    other = "1" * 32
    watched.post(
        "/predict", json={"prompt": "a", "request_id": "unsampled"}, headers={"traceparent": f"00-{other}-{CALLER}-00"}
    )
    watched.post("/predict", json={"prompt": "b", "request_id": "sampled-after"})
    until(lambda: spans_of(collector, **{"thinkworth.request_id": "sampled-after"}))
    assert not [span for span in collector.spans() if span.trace_id.hex() == other]


def test_no_span_holds_a_prompt(watched, collector):
    until(lambda: collector.bodies)
    assert not [body for body in collector.bodies if CANARY.encode() in body]


# Lines


def lines(watched):
    found = []
    for line in watched.log.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            found.append(json.loads(line))
    return found


def test_a_line_a_decision_and_none_holds_a_prompt(watched):
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
    answer = watched.post(
        "/predict", json={"prompt": CANARY, "model": "gpt-5", "request_id": "lined"}, headers=headers
    ).json()
    (line,) = until(lambda: [one for one in lines(watched) if one.get("decision_id") == answer["decision_id"]])
    expected = {
        name: answer[name] for name in ("verdict", "arm", "profile", "revision", "thinking_budget", "familiarity")
    }
    assert expected.items() <= line.items()
    assert (line["request_id"], line["model"], line["status"], line["route"], line["trace_id"]) == (
        "lined", "gpt-5", 200, "/predict", TRACE,
    )  # fmt: skip
    assert line["ms"] > 0
    watched.post("/predict", json={"prompt": CANARY, "profile": "none"})
    refused = until(lambda: [one for one in lines(watched) if one.get("error") == "unknown_profile"])[-1]
    assert (refused["status"], refused["message"]) == (400, "refused")
    assert CANARY not in watched.log.read_text(encoding="utf-8")


# The dashboard and the alerts

NOT_YET = {"thinkworth_access_total", "thinkworth_shadow_total"}
"""Told only where API keys or a challenger are on."""


def exported_by(samples):
    """Return the labels of each metric, and the values of each."""
    labels = {}
    for sample in samples:
        labels.setdefault(sample.name, {})
        for label, value in sample.labels.items():
            labels[sample.name].setdefault(label, set()).add(value)
    return labels


@pytest.fixture(scope="session")
def exported(watched):
    """What a served process tells, and of what it tells only with keys or a challenger what the same object tells."""
    watched.post("/predict", json={"prompt": "What is 1 + 9900?"})
    watched.post("/outcomes", json={"request_id": "r", "arm": "direct", "score": 1})
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.access("gateway", "admitted")
    for event in ("agreed", "disagreed"):
        metrics.shadowed(event)
    served, alone = (
        exported_by(samples) for samples in (watched.samples(), samples_of(generate_latest(registry).decode()))
    )
    return {**{name: alone[name] for name in NOT_YET}, **served}


@pytest.mark.parametrize(
    ("title", "expression"), QUESTIONS, ids=[f"{i} {title}" for i, (title, _) in enumerate(QUESTIONS)]
)
def test_what_is_asked_for_is_exported(exported, title, expression):
    asked, grouped = selectors(expression)
    assert asked
    for name, matchers in asked:
        assert name in exported, f"{title}: no service exports {name}"
        known = exported[name]
        for label, value, op in matchers:
            assert label in known.keys() | OF_PROMETHEUS, f"{title}: {name} has no label {label}"
            if op == promql_parser.MatchOp.Equal and name in ("thinkworth_errors_total", "thinkworth_readings_total"):
                assert value in known[label]
        if "histogram_quantile" in expression:
            assert name.endswith("_bucket")
    assert grouped <= set().union(*(exported[name].keys() for name, _ in asked)) | OF_PROMETHEUS


def test_each_legend_names_a_label_that_its_question_keeps(exported):
    for panel in PANELS.values():
        for target in panel.get("targets", ()):
            asked, grouped = selectors(target["expr"].replace("$__rate_interval", "5m"))
            kept = grouped or set(exported[asked[0][0]]) | OF_PROMETHEUS
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]


# Last: it ends a worker


def test_a_killed_workers_gauges_vanish_and_its_counts_stay(watched):
    pids = {s.labels["pid"] for s in watched.samples() if s.name == "thinkworth_worker_memory_bytes"}
    before = watched.total("thinkworth_decisions_total")
    killed = int(min(pids))
    os.kill(killed, signal.SIGKILL)

    def gone():
        now = {s.labels["pid"] for s in watched.samples() if s.name == "thinkworth_worker_memory_bytes"}
        return str(killed) not in now

    until(gone)
    assert watched.total("thinkworth_decisions_total") >= before
