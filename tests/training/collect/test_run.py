import pandas as pd
import pytest

from contract.locate import find
from contract.profiles import load_profiles
from contract.records import Attempt
from training.collect import run as running
from training.collect.spending import Pace
from training.labels import label
from training.logs import read_logs

MISBEHAVIOUR = [
    ("429", "429 RateLimitError"), ("500", "500 InternalServerError"), ("hang", "no byte in time"),
    ("hang half-way", "no byte in time"), ("drop", "connection lost"), ("cut", "connection lost"),
    ("ends early", "cut stream"), ("malformed", "no answer in the body"), ("not JSON", "malformed body"),
]  # fmt: skip


def by_arm(rows):
    return {(row["prompt_id"], row["arm"]): row for row in rows}


def test_rows_are_what_was_asked_and_answered(collected, items, llm):
    report, rows = collected(items(2, task="sums", language="en"))
    assert (report.asks, report.answered, report.pairs, report.scored_pairs, report.retried) == (4, 4, 2, 2, 0)
    row = by_arm(rows)["p1", "reasoning"]
    told = {
        name: row[name] for name in ("source", "model", "attempt", "thinking_setting", "score", "score_kind", "task")
    }
    assert told == {
        "source": "sums", "model": "m", "attempt": 1, "thinking_setting": "reasoning_effort=medium", "score": 1.0,
        "score_kind": "numeric", "task": "sums",
    }  # fmt: skip
    tokens = {n: row[n] for n in ("output_tokens", "thinking_tokens", "input_tokens", "cached_tokens", "tokens_are")}
    assert tokens == {
        "output_tokens": 100, "thinking_tokens": 90, "input_tokens": 20, "cached_tokens": 4, "tokens_are": "recorded"
    }  # fmt: skip
    assert (row["finish_reason"], row["language"], row["pair_kind"], row["flag"]) == ("stop", "en", "toggle", None)
    assert row["request_id"].startswith("req-")
    assert row["latency_s"] >= 0
    assert pd.isna(row["cost_usd"])  # of a server of one's own nothing is known
    assert by_arm(rows)["p1", "direct"]["score"] == 0.0
    for row in rows:
        Attempt(**{k: None if not isinstance(v, str) and pd.isna(v) else v for k, v in row.items()})


def test_the_table_labels(collected, items, tmp_path):
    collected(items(4), attempts=2, budgets=(1024,))
    read = read_logs([tmp_path / "logs.parquet"])
    assert (read.report.kept, read.report.quarantined, read.report.pairs) == (24, {}, 4)
    labelled = label(read.table, load_profiles(find("data/profiles.yaml")))
    assert labelled.set_index("prompt_id").label_balanced.to_dict() == {
        "p1": "use", "p2": "maybe", "p3": "use", "p4": "maybe"
    }  # fmt: skip
    assert set(labelled.attempts_reasoning) == {2}  # the ladder is no part of the pair


@pytest.mark.parametrize(("how", "reason"), MISBEHAVIOUR)
def test_every_ask_is_answered_once_whatever_a_try_does(collected, items, llm, how, reason):
    llm.script = {"What is 1 +": [how], "What is 2 +": [how, how]}
    report, rows = collected(items(3), limits={"timeout_s": 1.0} if "hang" in how else None)
    assert (report.answered, report.failed, report.retried) == (6, {}, 3)
    assert report.failed_tries == {reason: 3}
    assert len({(row["prompt_id"], row["arm"]) for row in rows}) == len(rows) == 6
    assert sum(llm.asked().values()) == 9
    assert {row["score"] for row in rows if row["arm"] == "reasoning"} == {1.0}


def test_retry_after_is_honoured(collected, items, llm):
    llm.script = {"What is 1 +": ["429"]}
    _, rows = collected(items(1), limits={"concurrency": 1})
    first, second = (call["at"] for call in llm.calls[:2])
    assert second - first >= 1.0
    assert all(row["latency_s"] < 1.0 for row in rows)  # that of the try that succeeded


def test_tokens_that_failed_tries_report_belong_to_the_attempt(collected, items, llm):
    llm.script = {"What is 1 +": ["cut", "cut"]}
    report, rows = collected(items(1), limits={"concurrency": 1})
    row = by_arm(rows)["p1", "direct"]
    assert (row["output_tokens"], row["thinking_tokens"], row["input_tokens"]) == (10 + 5 + 5, 0, 20)
    assert report.output_tokens == 10 + 5 + 5 + 100


@pytest.mark.parametrize(("how", "reason"), [("401", "401 AuthenticationError"), ("404", "404 NotFoundError")])
def test_nothing_works_stops_the_run(collected, items, llm, how, reason):
    llm.always = how
    report, rows = collected(items(50))
    assert reason in report.stopped
    assert rows == []
    assert len(llm.calls) <= 2 * running.ALIKE + 4  # both arms, and those in flight beside them


def test_a_run_that_once_worked_is_not_stopped_by_failures(collected, items, llm):
    llm.script = {f"What is {i} +": ["400", "400"] for i in range(2, 9)}
    report, _ = collected(items(9), limits={"concurrency": 1})
    assert (report.stopped, report.answered, sum(report.failed.values())) == (None, 4, 14)


@pytest.mark.parametrize("failing", [1, 5])
def test_prompts_that_are_always_refused_do_not_hold_up_the_rest(collected, items, llm, failing):
    llm.script = {f"What is {i} +": ["400"] * 99 for i in range(1, failing + 1)}
    for _ in range(3):
        report, rows = collected(items(7), limits={"concurrency": 1})
    assert (report.stopped, len(rows)) == (None, 2 * (7 - failing))
    assert report.failed == {"400 BadRequestError": 2 * failing}


def test_the_key_is_in_no_journal_whatever_its_variable_is_called(collected, items, llm, tmp_path, monkeypatch):
    monkeypatch.setenv("MINE", "open-sesame")
    llm.script = {"What is 1 +": ["401"]}
    collected(items(1), limits={"api_key_env": "MINE", "concurrency": 1})
    written = (tmp_path / "logs.parquet.journal.jsonl").read_text()
    assert "said 401 to Bearer ***" in written
    assert "open-sesame" not in written


def test_gives_up_after_its_retries(collected, items, llm):
    llm.script = {"What is 2 +": ["500"] * 10}
    report, rows = collected(items(3), limits={"retries": 2, "concurrency": 1})
    assert report.failed == {"500 InternalServerError": 2}
    assert llm.asked()["What is 2 + 40?", "direct"] == 3
    assert len(rows) == 4


def test_direct_answers_that_thought_are_flagged_and_left_out(collected, items, llm, tmp_path):
    llm.hidden_direct = 33
    report, rows = collected(items(2))
    assert report.hidden_direct == 2
    assert by_arm(rows)["p1", "direct"]["flag"] == "thinking was not off: 33 hidden tokens"
    assert by_arm(rows)["p1", "reasoning"]["flag"] is None
    read = read_logs([tmp_path / "logs.parquet"]).report
    assert (read.kept, sum(read.flagged.values())) == (2, 2)


def test_thinking_in_the_open_is_not_graded_and_flags_a_direct_answer(collected, items, llm):
    llm.answer = lambda prompt, arm: "<think>41? No, 99.</think>It is 41."
    report, rows = collected(items(1))
    assert [row["score"] for row in rows] == [1.0, 1.0]
    assert by_arm(rows)["p1", "direct"]["flag"] == "thinking was not off: it showed its thinking"
    assert report.hidden_direct == 1


def test_one_odd_value_of_the_server_does_not_keep_the_table_from_being_written(collected, items, llm):
    llm.script = {"What is 1 +": ["odd finish"]}
    llm.told = lambda call: {
        "prompt_tokens": 20,
        "completion_tokens": 10**30 if "What is 2 +" in call["prompt"] else 10,
    }
    report, rows = collected(items(3), limits={"concurrency": 1})
    assert (report.answered, report.without_usage, len(rows)) == (6, 2, 6)
    assert [row["finish_reason"] for row in rows] == [None, *["stop"] * 5]
    assert [pd.isna(row["output_tokens"]) for row in rows] == [row["prompt_id"] == "p2" for row in rows]


def test_ladder_rows_name_their_budget(collected, items, llm):
    report, rows = collected(items(1), budgets=(16, 64))
    ladder = {row["thinking_budget"]: row for row in rows if row["pair_kind"] == "budget"}
    assert {budget: (row["arm"], row["thinking_tokens"]) for budget, row in ladder.items()} == {
        16: ("reasoning", 16), 64: ("reasoning", 64)
    }  # fmt: skip
    assert ladder[64]["thinking_setting"] == "reasoning_effort=medium thinking=enabled budget_tokens=64"
    assert (report.asks, report.pairs) == (4, 1)


def test_parameters_of_one_s_own_reach_the_server_as_they_are(collected, items, llm):
    off = {"chat_template_kwargs": {"enable_thinking": False}}
    collected(items(1), direct=off, params={"temperature": 0.3, "top_k": 7}, max_output_tokens=77)
    body = next(call["body"] for call in llm.calls if "chat_template_kwargs" in call["body"])
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (body["temperature"], body["top_k"], body["max_tokens"], body["model"]) == (0.3, 7, 77, "m")
    assert "reasoning_effort" not in body


def test_no_key_of_the_environment_goes_to_another_address(collected, items, llm, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-you")
    monkeypatch.setenv("MINE", "sk-for-you")
    collected(items(1))
    assert {call["headers"]["authorization"] for call in llm.calls} == {"Bearer none"}
    collected(items(1), out="other.parquet", limits={"api_key_env": "MINE"})
    assert {call["headers"]["authorization"] for call in llm.calls[2:]} == {"Bearer sk-for-you"}


def test_every_try_waits_its_turn(collected, items, llm, monkeypatch):
    turns = []

    async def turn(self):
        turns.append(self)

    monkeypatch.setattr(Pace, "turn", turn)
    llm.script = {"What is 1 +": ["500"]}
    collected(items(2), limits={"requests_per_minute": 1})
    assert len(turns) == len(llm.calls) == 5


def test_unscored_answers_are_counted_with_their_reason(collected, items, llm):
    prompts = items(2, reference=None)
    report, rows = collected(prompts)
    assert report.unscored == {"no reference": 4}
    assert all(pd.isna(row["score"]) and row["score_kind"] is None for row in rows)
    assert (report.pairs, report.scored_pairs) == (2, 0)


@pytest.mark.parametrize("out", ["logs.jsonl", "deep/logs.csv"])
def test_other_formats_are_read_too(collected, items, tmp_path, out):
    collected(items(2), out=out)
    assert read_logs([tmp_path / out]).report.pairs == 2
