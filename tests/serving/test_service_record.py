"""The record over HTTP: decisions, outcomes, and what /readyz and /metrics tell of them."""

import json
import re
import sqlite3
import time

import pytest

from .test_service import assert_refused


@pytest.fixture
def rows(store_folder, served):
    def ask(sql, *values):
        with sqlite3.connect(store_folder / "decisions.sqlite") as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    return ask


def test_an_acknowledged_decision_is_in_the_store(http, rows):
    answer = http.post("/predict", json={"prompt": "What is 1 + 9900?", "request_id": "in-the-store"}).json()
    (row,) = rows("SELECT * FROM decisions WHERE request_id = ?", "in-the-store")
    assert (row["decision_id"], row["verdict"], row["revision"]) == (
        answer["decision_id"],
        answer["verdict"],
        answer["revision"],
    )
    assert rows("SELECT * FROM bundles WHERE revision = ?", answer["revision"])
    assert rows("SELECT * FROM prompts") == []


def test_a_batch_is_recorded_whole_and_a_refused_one_not_at_all(http, rows):
    requests = [{"prompt": f"What is {i} + 1?", "request_id": f"batch-{i}"} for i in range(5)]
    answers = http.post("/predict_batch", json={"requests": requests}).json()["answers"]
    found = rows("SELECT decision_id FROM decisions WHERE request_id LIKE 'batch-%' ORDER BY request_id")
    assert [row["decision_id"] for row in found] == [answer["decision_id"] for answer in answers]
    bad = [{"prompt": "a", "request_id": "half"}, {"prompt": "b", "profile": "none"}]
    assert_refused(http.post("/predict_batch", json={"requests": bad}))
    assert not rows("SELECT * FROM decisions WHERE request_id = 'half'")


def test_outcomes_are_taken_one_or_many(http, rows):
    decision_id = http.post("/predict", json={"prompt": "What is 2 + 2?", "request_id": "out-1"}).json()["decision_id"]
    told = {
        "decision_id": decision_id,
        "arm": "direct",
        "score": 1,
        "output_tokens": 3,
        "latency_s": 0.5,
        "cost_usd": 0.001,
    }
    assert http.post("/outcomes", json=told).json() == {
        "outcomes": [{"decision_id": decision_id, "status": "new", "late": False, "candidates": 1}], "counts": {"new": 1},
    }  # fmt: skip
    many = [told, {"request_id": "out-1", "arm": "direct", "defect": False}, {"request_id": "out-1", "arm": "direct", "score": 0.5}, {"request_id": "never-seen", "arm": "reasoning", "score": 0}]  # fmt: skip
    assert http.post("/outcomes", json={"outcomes": many}).json()["counts"] == {
        "repeated": 1, "completed": 1, "contradictory": 1, "unknown": 1,
    }  # fmt: skip
    assert len(rows("SELECT * FROM outcomes WHERE decision_id = ?", decision_id)) == 3


@pytest.mark.parametrize(
    ("body", "type_", "field"),
    [
        ({"arm": "direct", "score": 1}, "inconsistent", None),
        ({"request_id": "r", "arm": "direct"}, "inconsistent", None),
        ({"request_id": "r", "score": 1}, "missing_key", "arm"),
        ({"request_id": "r\x00", "arm": "direct", "score": 1}, "inconsistent", None),
        ({"request_id": "r", "arm": "both", "score": 1}, "wrong_type", "arm"),
        ({"request_id": "r", "arm": "direct", "score": 1.5}, "out_of_range", "score"),
        ({"request_id": "r", "arm": "direct", "score": True}, "wrong_type", "score"),
        ({"request_id": "r", "arm": "direct", "output_tokens": 1, "thinking_tokens": 2}, "inconsistent", None),
        ({"request_id": "r", "arm": "direct", "tokens": 1}, "unknown_key", "tokens"),
        ({"outcomes": []}, "out_of_range", "outcomes"),
        ({"outcomes": [{"request_id": "r", "arm": "direct", "score": 1}, {"request_id": "r", "arm": "direct", "score": 2}]}, "out_of_range", "outcomes.1.score"),
    ],
)  # fmt: skip
def test_outcomes_that_cannot_be_taken_are_refused_whole(http, rows, body, type_, field):
    before = rows("SELECT count(*) AS n FROM outcomes")
    error = assert_refused(http.post("/outcomes", json=body), 400)
    assert (error["type"], error["field"]) == (type_, field)
    assert rows("SELECT count(*) AS n FROM outcomes") == before


def test_ready_tells_how_the_record_is(http):
    answer = http.get("/readyz")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    told = answer.json()
    assert told["ready"] is True
    assert told["recording"] == {
        "store": "up",
        "why": None,
        "durability": "sync",
        "journal_records": 0,
        "dropped": 0,
        "unconfirmed": 0,
    }
    assert http.get("/livez").status_code == 200


def test_metrics_count_what_is_recorded(http):
    def recorded():
        found = re.search(
            r'^thinkworth_records_total\{event="recorded"\} (\S+)$', http.get("/metrics").text, re.MULTILINE
        )
        return float(found[1]) if found else 0.0

    before = recorded()
    http.post("/predict_batch", json={"requests": [{"prompt": "a b c"}] * 3})
    assert recorded() == before + 3
    http.post("/outcomes", json={"request_id": "counted", "arm": "direct", "score": 0})
    assert 'thinkworth_outcomes_total{status="unknown"}' in http.get("/metrics").text


def test_ids_are_values_and_nothing_else(http, rows):
    hostile = "x'); DROP TABLE decisions; --"
    answer = http.post(
        "/predict", json={"prompt": "What is 3 + 3?", "request_id": hostile, "model": "m\x00'; --"}
    ).json()
    assert rows("SELECT decision_id FROM decisions WHERE request_id = ?", hostile) == [
        {"decision_id": answer["decision_id"]}
    ]
    told = http.post("/outcomes", json={"request_id": hostile, "arm": "direct", "score": 1}).json()
    assert told["outcomes"][0]["decision_id"] == answer["decision_id"]


def test_a_challenger_says_the_same_of_the_same_bundle_beside_the_decision(http, rows):
    answer = http.post("/predict", json={"prompt": "What is 3 + 3?", "max_thinking_tokens": 900}).json()
    for _ in range(400):
        (row,) = rows("SELECT shadow FROM decisions WHERE decision_id = ?", answer["decision_id"])
        if row["shadow"]:
            break
        time.sleep(0.05)
    said = json.loads(row["shadow"])["thinkworth/challenger"]
    assert {name: said[name] for name in ("verdict", "arm", "thinking_budget")} == {
        name: answer[name] for name in ("verdict", "arm", "thinking_budget")
    }
    assert said["net_benefit"] == pytest.approx(answer["expected"]["net_benefit"], abs=1e-6)
    told = http.get("/readyz").json()["shadow"]
    assert told["revisions"] == ["thinkworth/challenger"]
    assert told["scored"] > 0
    assert told["failed"] == 0
    assert 'thinkworth_shadow_total{event="agreed"}' in http.get("/metrics").text
