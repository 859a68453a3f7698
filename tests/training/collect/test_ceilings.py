import pandas as pd
import pytest

from contract.errors import InvalidInput
from training.logs import read_logs


def by_arm(rows):
    return {(row["prompt_id"], row["arm"]): row for row in rows}


def test_missing_usage_is_unknown_and_charged_at_the_worst_case(collected, items, llm):
    llm.script = {"What is 1 +": ["no usage"]}
    report, rows = collected(items(1), max_output_tokens=500, limits={"concurrency": 1, "max_tokens": 10_000})
    row = by_arm(rows)["p1", "direct"]
    assert all(pd.isna(row[name]) for name in ("output_tokens", "thinking_tokens", "input_tokens", "tokens_are"))
    assert row["score"] == 0.0
    assert (report.without_usage, report.output_tokens, report.charged_tokens) == (1, 100, 600)


def test_usage_of_zeros_is_missing_usage(collected, items, llm):
    llm.told = lambda call: {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    report, rows = collected(items(40), max_output_tokens=100, limits={"max_tokens": 1_000, "concurrency": 3})
    assert "ceiling" in report.stopped
    assert (len(llm.calls), report.without_usage, report.charged_tokens) == (10, 10, 1_000)
    assert all(pd.isna(row[name]) for row in rows for name in ("output_tokens", "input_tokens", "tokens_are"))


def test_hidden_tokens_beside_the_output_count_against_the_ceiling(collected, items, llm, tmp_path):
    llm.told = lambda call: {
        "prompt_tokens": 20, "completion_tokens": llm.visible, "total_tokens": 20 + call["tokens"],
        "completion_tokens_details": {"reasoning_tokens": call["hidden"]},
    }  # fmt: skip
    report, rows = collected(items(16), max_output_tokens=100, limits={"max_tokens": 1_000, "concurrency": 4})
    assert "ceiling" in report.stopped
    assert report.charged_tokens == llm.billed == sum(row["output_tokens"] for row in rows) <= 1_000
    assert read_logs([tmp_path / "logs.parquet"]).report.quarantined == {}


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_token_ceiling_is_never_passed(collected, items, llm, concurrency):
    report, rows = collected(items(16), max_output_tokens=100, limits={"max_tokens": 1_050, "concurrency": concurrency})
    assert "ceiling" in report.stopped
    assert 1_050 - 100 < llm.billed <= 1_050
    assert report.output_tokens == llm.billed == sum(row["output_tokens"] for row in rows)
    assert report.not_asked == report.asks - len(rows)
    calls = len(llm.calls)
    assert "ceiling" in collected(items(16), max_output_tokens=100, limits={"max_tokens": 1_050})[0].stopped
    assert len(llm.calls) == calls  # the ceiling counts all runs of the journal
    resumed, _ = collected(items(16), max_output_tokens=100)
    assert (resumed.answered, resumed.stopped) == (32, None)
    assert set(llm.asked().values()) == {1}


def test_a_ceiling_holds_where_tries_fail_or_say_nothing(collected, items, llm):
    llm.always = "no usage"
    llm.script = {"What is 1 +": ["ends early"] * 3}
    report, _ = collected(items(40), max_output_tokens=100, limits={"max_tokens": 1_000, "concurrency": 3})
    assert "ceiling" in report.stopped
    assert llm.billed <= 1_000
    assert len(llm.calls) == 10  # each is charged its worst case


def test_the_dollar_ceiling_is_never_passed(collected, items, llm):
    price = (1.0, 10.0)
    report, _ = collected(items(40), max_output_tokens=100, prices=price, limits={"max_usd": 0.01, "concurrency": 4})
    assert "ceiling" in report.stopped
    assert report.cost_usd == pytest.approx((20 * len(llm.calls) + 10 * llm.billed) / 1e6)
    assert 0.008 < report.cost_usd <= 0.01


@pytest.mark.parametrize(
    ("limits", "more", "message"),
    [
        ({"max_tokens": 1000}, {}, "--max-output-tokens"),
        ({"max_usd": 1.0}, {"max_output_tokens": 100}, "price of m is unknown"),
        ({"api_key_env": "NOT_SET_ANYWHERE"}, {}, "NOT_SET_ANYWHERE is not set"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_anything_is_written(collected, items, tmp_path, limits, more, message):
    with pytest.raises(InvalidInput, match=message):
        collected(items(1), limits=limits, **more)
    assert list(tmp_path.iterdir()) == []
