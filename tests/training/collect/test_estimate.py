import pytest

from training.collect.asking import Asker
from training.collect.estimate import VISIBLE_TOKENS, bundle_expectation, estimate
from training.collect.judge import Rubric
from training.collect.plan import Settings, asks
from training.collect.prices import Prices
from training.collect.providers import Provider
from training.collect.run import Judge
from training.collect.spending import Cost, Meter, Pace

SETTINGS = Settings(
    model="m", direct={"reasoning_effort": "none"}, reasoning={"reasoning_effort": "medium"}, params={}, source="s",
    budget={"thinking_budget": "$budget"}, budgets=(100,), attempts=2,
)  # fmt: skip
PRICES = Prices("m", given=(1.0, 10.0), known=False)


def test_calls_tokens_and_dollars(items):
    plan = asks(items(3), SETTINGS)
    found = estimate(plan, SETTINGS, PRICES, judge=None, thinking=lambda item: 1000.0, cap=2000)
    assert (found.asks, found.judgements) == (18, 0)
    assert found.likely_output_tokens == 6 * (VISIBLE_TOKENS + 0 + VISIBLE_TOKENS + 1000 + VISIBLE_TOKENS + 100)
    assert found.worst_output_tokens == 18 * 2000
    assert found.likely_usd == pytest.approx((found.input_tokens + 10 * found.likely_output_tokens) / 1e6)
    assert found.counted_by == "LiteLLM's tokeniser"
    assert 18 * 5 < found.input_tokens < 18 * 30


def test_what_is_unknown_stays_unknown(items):
    plan = asks(items(1), SETTINGS)
    found = estimate(plan, SETTINGS, Prices("m", given=None, known=False), judge=None, thinking=None, cap=None)
    assert (found.likely_output_tokens, found.worst_output_tokens, found.likely_usd) == (None, None, None)
    assert "unknown tokens, unknown dollars" in found.text()


def test_a_judge_is_counted(items):
    plan = asks(items(4), SETTINGS)
    provider = Provider("j", base_url="http://x", key=None, timeout_s=1, prices=PRICES)
    asker = Asker(provider, Meter(Cost()), Pace(None), 0, 100, 100)
    judge = Judge(Rubric(model="j", rubric="r", scale=(0, 1), max_output_tokens=100), asker, frozenset({"p1"}))
    alone = estimate(plan, SETTINGS, PRICES, judge=None, thinking=lambda item: 0.0, cap=500)
    found = estimate(plan, SETTINGS, PRICES, judge=judge, thinking=lambda item: 0.0, cap=500)
    assert (found.asks, found.judgements) == (24, 5)
    assert found.worst_output_tokens == alone.worst_output_tokens + 5 * 100
    assert found.input_tokens > alone.input_tokens + 5 * 6 * VISIBLE_TOKENS
    assert found.worst_usd > alone.worst_usd


def test_the_bundle_in_use_says_how_much_is_thought(items, tmp_path, monkeypatch):
    thinking = bundle_expectation()
    assert 0 <= thinking(items(1)[0]) < 100_000
    monkeypatch.setenv("THINKWORTH_BUNDLE", str(tmp_path))
    assert bundle_expectation() is None
