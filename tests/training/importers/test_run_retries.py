"""Events that were exported twice, calls that failed before one answered, and requests that were answered twice."""

import pandas as pd
import pyarrow.parquet as pq

from training.importers import blocks
from training.importers.call import Usage


def test_an_event_exported_twice_is_one(run, call):
    done = run(call(1), call(2), call(3, request_id="r1"), call(4, request_id="r1"))
    assert done.rows["request_id"].tolist() == ["r1", "r2"]
    assert done.bad == [(3, "duplicate"), (4, "duplicate")]
    assert done.why[0]["reason"] == "duplicate of line 1 of traffic.jsonl"


def test_the_first_good_row_of_an_event_stays(run, call):
    done = run(call(1, usage=Usage(output_tokens=-1)), call(2, request_id="r1"))
    assert (len(done.rows), done.bad) == (1, [(1, "output_tokens is under 0")])


def test_calls_without_an_id_repeat_each_other_only_at_the_same_time(run, call):
    at = {"request_id": None, "started": "2026-11-01T08:00:00Z"}
    done = run(
        call(1, **at), call(2, **at), call(3, **at | {"model": "n"}), call(4, request_id=None), call(5, request_id=None)
    )
    assert done.bad == [(2, "duplicate")]
    assert len(done.rows) == 4


def test_duplicates_are_found_across_blocks(run, monkeypatch, call, failure):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    tries = [failure(line, attempt_of="q", usage=Usage(output_tokens=10)) for line in range(10, 15)]
    calls = [call(line, request_id=f"r{line % 5}") for line in range(10)]
    done = run(*calls, *tries, call(20, attempt_of="q", usage=Usage(output_tokens=1)), *calls)
    assert done.rows["request_id"].tolist() == ["r0", "r1", "r2", "r3", "r4", "r20"]
    assert done.rows["output_tokens"].iloc[-1] == 51
    assert done.report.quarantined == {"duplicate": 15}
    assert pq.ParquetFile(done.out).num_row_groups > 2


def test_retries_are_one_attempt(run, call, failure):
    done = run(
        failure(1, attempt_of="q", started="2026-11-01T08:00:00Z", ended="2026-11-01T08:00:01Z",
                usage=Usage(output_tokens=40, thinking_tokens=30, input_tokens=10, cost_usd=0.25)),
        failure(2, attempt_of="q", started="2026-11-01T08:00:02Z"),
        call(3, attempt_of="q", started="2026-11-01T10:00:03+02:00", ended="2026-11-01T08:00:05Z", finish_reason="stop",
             usage=Usage(output_tokens=100, thinking_tokens=60, input_tokens=10, cost_usd=0.5)),
        call(4, attempt_of="another", usage=Usage(output_tokens=7)),
    )  # fmt: skip
    first = done.rows.iloc[0]
    assert first[["request_id", "finish_reason"]].tolist() == ["r3", "stop"]
    # input_tokens say how long the prompt is, however often it was sent
    assert first[["output_tokens", "thinking_tokens", "input_tokens", "cost_usd"]].tolist() == [140, 90, 10, 0.75]
    assert (first["timestamp"], first["latency_s"]) == (pd.Timestamp("2026-11-01T08:00:00Z"), 5.0)
    assert pd.isna(first["cached_tokens"])
    assert done.rows["output_tokens"].tolist() == [140, 7]
    assert (done.report.failed, done.report.retries, done.bad) == (2, 2, [])


def test_tries_that_share_the_id_of_their_request_are_all_added_and_each_once(run, call, failure):
    first, second = (
        failure(
            line, request_id="q", attempt_of="q", usage=Usage(output_tokens=40), started=f"2026-11-01T08:00:0{line}Z"
        )
        for line in (1, 2)
    )
    done = run(first, second, second, call(4, attempt_of="q", usage=Usage(output_tokens=100)))
    assert done.rows["output_tokens"].tolist() == [180]
    assert (done.report.retries, done.report.quarantined) == (2, {"duplicate": 1})


def test_what_the_attempt_does_not_know_stays_unknown(run, call, failure):
    done = run(
        failure(1, attempt_of="q", usage=Usage(output_tokens=40, cost_usd=1)), call(2, attempt_of="q", latency_s=2)
    )
    assert done.rows[["output_tokens", "cost_usd", "latency_s", "timestamp"]].isna().all(axis=None)
    assert done.report.retries == 1


def test_the_answer_may_come_before_the_failures_in_the_log(run, call, failure):
    done = run(
        call(1, attempt_of="q", usage=Usage(output_tokens=1)), failure(2, attempt_of="q", usage=Usage(output_tokens=2))
    )
    assert done.rows["output_tokens"].tolist() == [3]


def test_several_answers_are_no_retries(run, call, failure):
    done = run(call(1, attempt_of="q"), failure(2, attempt_of="q"), call(3, attempt_of="q"))
    assert done.rows["request_id"].tolist() == ["r1", "r3"]
    assert done.bad == [(2, "request failed")]
    assert (done.report.failed, done.report.retries) == (1, 0)


def test_an_answer_that_was_quarantined_counts_as_one(run, call, failure):
    done = run(failure(1, attempt_of="q"), call(2, attempt_of="q", messages=None), call(3, attempt_of="q"))
    assert sorted(done.bad) == [(1, "request failed"), (2, "no text")]
    done = run(
        failure(1, attempt_of="q"), call(2, attempt_of="q", usage=Usage(output_tokens=-1)), call(3, attempt_of="q")
    )
    assert sorted(done.bad) == [(1, "request failed"), (2, "output_tokens is under 0")]


def test_a_request_whose_calls_all_failed(run, call, failure):
    done = run(call(1), failure(2, attempt_of="q"), failure(3, attempt_of="q"), failure(4))
    assert done.bad == [(2, "request failed"), (3, "request failed"), (4, "request failed")]
    assert (done.report.failed, done.report.imported) == (3, 1)


def test_a_failure_exported_twice_is_added_once(run, call, failure):
    tries = [failure(line, request_id="x", attempt_of="q", usage=Usage(output_tokens=40)) for line in (1, 2)]
    done = run(*tries, call(3, attempt_of="q", request_id="x", usage=Usage(output_tokens=1)))
    assert done.rows["output_tokens"].tolist() == [41]
    assert done.bad == [(2, "duplicate")]


def test_a_duplicate_answer_is_no_second_answer(run, call, failure):
    again = {"request_id": "x", "attempt_of": "q", "usage": Usage(output_tokens=1)}
    done = run(failure(1, attempt_of="q", usage=Usage(output_tokens=2)), call(2, **again), call(3, **again))
    assert done.rows["output_tokens"].tolist() == [3]
