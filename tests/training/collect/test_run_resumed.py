import json

import pandas as pd
import pytest

from contract.errors import InvalidInput
from training.logs import read_logs


def test_client_errors_are_not_tried_again_and_are_kept_with_their_reason(collected, items, llm, tmp_path):
    llm.script = {"What is 3 +": ["400", "400"]}
    report, rows = collected(items(4))
    assert report.failed == {"400 BadRequestError": 2}
    assert (report.answered, report.not_asked, report.pairs, report.retried, len(rows)) == (6, 0, 3, 0, 6)
    failures = [r for r in records(tmp_path) if r["kind"] == "failure"]
    assert all("said 400" in failure["detail"] for failure in failures)
    again, rows = collected(items(4))
    assert (again.failed, again.answered, len(rows)) == ({}, 8, 8)
    assert set(llm.asked().values()) == {1, 2}
    assert sum(llm.asked().values()) == 10


def test_a_finished_journal_has_nothing_to_do(collected, items, llm, tmp_path):
    _, before = collected(items(3))
    (tmp_path / "logs.parquet").unlink()
    report, after = collected(items(3))
    assert len(llm.calls) == 6
    assert [{k: str(v) for k, v in row.items()} for row in after] == [
        {k: str(v) for k, v in row.items()} for row in before
    ]
    assert report.tries == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "n"}, 'model was "m", now "n"'),
        ({"attempts": 2}, "attempts was 1, now 2"),
        ({"params": {"temperature": 1}}, "params was {}, now"),
    ],
)
def test_other_settings_do_not_resume(collected, items, llm, change, message):
    collected(items(1))
    with pytest.raises(InvalidInput, match=message):
        collected(items(1), **change)
    with pytest.raises(InvalidInput, match="prompts was"):
        collected(items(2))
    assert len(llm.calls) == 2


def test_a_journal_that_holds_what_no_column_can_hold_gives_a_table_all_the_same(collected, items, llm, tmp_path):
    collected(items(2), prices=(1.0, 2.0))
    odd = {"finish_reason": 7, "request_id": ["a"], "output_tokens": 10**30, "input_tokens": -1, "cost_usd": "much"}
    told = records(tmp_path)
    for record in told:
        if record["kind"] == "answer" and record["row"]["prompt_id"] == "p1":
            record["row"] |= odd
    (tmp_path / "logs.parquet.journal.jsonl").write_text("".join(json.dumps(record) + "\n" for record in told))
    report, rows = collected(items(2), prices=(1.0, 2.0))
    assert (report.answered, len(rows), len(llm.calls)) == (4, 4, 4)
    for row in rows:
        assert {pd.isna(row[name]) for name in (*odd, "tokens_are")} == {row["prompt_id"] == "p1"}
    assert read_logs([tmp_path / "logs.parquet"]).report.quarantined == {}


def test_a_table_that_is_none_of_ours_is_not_replaced(collected, items, tmp_path, llm):
    (tmp_path / "logs.parquet").write_bytes(b"a thesis")
    with pytest.raises(InvalidInput, match="exists and is no table of a run"):
        collected(items(1))
    assert (tmp_path / "logs.parquet").read_bytes() == b"a thesis"
    assert llm.calls == []


def records(folder, out="logs.parquet"):
    return [json.loads(line) for line in (folder / f"{out}.journal.jsonl").read_text().splitlines()]
