"""`thinkworth outcomes`: what logs say of decisions, by the ids in their metadata."""

import json

import pandas as pd
import pytest
import sqlalchemy as sa

from contract.store import tables
from contract.store.opening import migrate, open_store
from training import commands_outcomes

ROW = {"prompt": "What is 1 + 1?", "model": "m", "source": "gateway"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("THINKWORTH_STORE_FOLDER", str(tmp_path / "store"))
    engine = open_store(f"sqlite:///{tmp_path / 'store' / 'decisions.sqlite'}")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def log(tmp_path):
    def write(*rows, name="log.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps({**ROW, **row}) + "\n" for row in rows))
        return path

    return write


def told(store):
    with store.connect() as connection:
        return [
            dict(row)
            for row in connection.execute(sa.select(tables.outcomes).order_by(tables.outcomes.c.outcome_id)).mappings()
        ]


def test_rows_with_an_id_are_recorded_and_the_rest_is_counted(thinkworth, store, log):
    path = log(
        {"decision_id": "d-1", "arm": "direct", "score": 0.5, "output_tokens": 12, "defect": False, "latency_s": 0.25},
        {"decision_id": "d-1", "arm": "reasoning", "score": 1, "thinking_tokens": 80, "output_tokens": 100},
        {"request_id": "r-2", "arm": "direct", "cost_usd": 0.01},
        {"arm": "direct", "score": 1},
        {"request_id": "r-3", "arm": "direct"},
        {"request_id": "r-4", "arm": "direct", "score": 7},
    )
    said = thinkworth("outcomes", path, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out) == {"without_id": 1, "quarantined": 1, "says_nothing": 1, "unknown": 3, "late": 0}
    first, second, third = told(store)
    assert (first["decision_id"], first["arm"], first["score"], first["output_tokens"], first["defect"], first["latency_s"]) == ("d-1", "direct", 0.5, 12, False, 0.25)  # fmt: skip
    assert (second["arm"], second["attempt"], second["thinking_tokens"]) == ("reasoning", 0, 80)
    assert (third["request_id"], third["cost_usd"], third["score"], third["source"]) == ("r-2", 0.01, None, "gateway")


@pytest.mark.parametrize("block", [1000, 2])
def test_a_log_that_is_recorded_again_tells_nothing_new(thinkworth, store, log, monkeypatch, block):
    monkeypatch.setattr(commands_outcomes, "BLOCK", block)
    path = log(*({"decision_id": f"d-{n % 3}", "arm": "direct", "score": n / 10} for n in range(6)))
    assert "6 unknown" in thinkworth("outcomes", path).out
    assert [row["attempt"] for row in told(store)] == [0, 0, 0, 1, 1, 1]  # within a decision, not within the prompt
    assert "6 repeated" in thinkworth("outcomes", path).out
    assert len(told(store)) == 6


def test_parquet_and_csv_say_the_same(thinkworth, store, log, tmp_path):
    path = log({"decision_id": "d-1", "arm": "direct", "score": 0.5, "output_tokens": 12})
    frame = pd.read_json(path, lines=True)
    frame.to_parquet(tmp_path / "log.parquet")
    frame.to_csv(tmp_path / "log.csv", index=False)
    thinkworth("outcomes", path)
    for name in ("log.parquet", "log.csv"):
        assert "1 repeated" in thinkworth("outcomes", tmp_path / name).out


def test_a_log_without_ids_is_refused_with_what_to_log(thinkworth, store, log):
    said = thinkworth("outcomes", log({"arm": "direct", "score": 1}))
    assert said.code == 1
    assert "none of 1 rows has a decision_id or a request_id" in said.err


def test_an_id_that_is_none_of_ours_is_refused(thinkworth, store, log):
    said = thinkworth("outcomes", log({"decision_id": "d" * 37, "arm": "direct", "score": 1}))
    assert (said.code, "37 characters; limit 36" in said.err) == (2, True)
    assert told(store) == []
