import pytest

from training.collect.asking import Asker
from training.collect.estimate import VISIBLE_TOKENS, bundle_expectation, estimate
from training.collect.judge import Rubric
from training.collect.plan import Settings, asks
from training.collect.prices import Prices
from training.collect.providers import Provider
from training.collect.run import Judge
from training.collect.spending import Cost, Meter, Pace
from training.collect.tally import Tally

SETTINGS = Settings(
    model="m", direct={"reasoning_effort": "none"}, reasoning={"reasoning_effort": "medium"}, params={}, source="s",
    budget={"thinking_budget": "$budget"}, budgets=(100,), attempts=2,
)  # fmt: skip
NOTHING = Tally("g")
PRICES = Prices("m", given=(1.0, 10.0), known=False)


def test_calls_tokens_and_dollars(items):
    plan = asks(items(3), SETTINGS)
    found = estimate(plan, NOTHING, SETTINGS, PRICES, judge=None, thinking=lambda item: 1000.0, cap=2000)
    assert (found.answered, found.asks, found.judgements) == (0, 18, 0)
    assert found.likely_output_tokens == 6 * (VISIBLE_TOKENS + 0 + VISIBLE_TOKENS + 1000 + VISIBLE_TOKENS + 100)
    assert found.worst_output_tokens == 18 * 2000
    assert found.likely_usd == pytest.approx((found.input_tokens + 10 * found.likely_output_tokens) / 1e6)
    assert found.counted_by == "LiteLLM's tokeniser"
    assert 18 * 5 < found.input_tokens < 18 * 30


def test_what_is_unknown_stays_unknown(items):
    plan = asks(items(1), SETTINGS)
    found = estimate(plan, NOTHING, SETTINGS, Prices("m", given=None, known=False), judge=None, thinking=None, cap=None)
    assert (found.likely_output_tokens, found.worst_output_tokens, found.likely_usd) == (None, None, None)
    assert "unknown tokens, unknown dollars" in found.text()


def test_only_what_is_left_is_counted(items):
    """Two of three prompts are answered but for one attempt at the ladder."""
    plan = asks(items(3), SETTINGS)
    left = [*plan[5:6], *plan[12:]]
    tally = Tally("g", answers={ask.key: {} for ask in plan if ask not in left})
    found = estimate(plan, tally, SETTINGS, PRICES, judge=None, thinking=lambda item: 1000.0, cap=2000)
    assert (found.answered, found.asks, found.worst_output_tokens) == (11, 7, 14_000)
    assert found.likely_output_tokens == 7 * VISIBLE_TOKENS + 2 * 1000 + 3 * 100
    one = estimate(plan[:1], NOTHING, SETTINGS, PRICES, judge=None, thinking=None, cap=None).input_tokens
    assert found.input_tokens == 7 * one
    assert "11 by an earlier run" in found.text()


def test_nothing_is_left(items):
    plan = asks(items(2), SETTINGS)
    tally = Tally("g", answers={ask.key: {} for ask in plan})
    found = estimate(plan, tally, SETTINGS, PRICES, judge=None, thinking=lambda item: 1000.0, cap=2000)
    assert (found.answered, found.asks, found.input_tokens, found.likely_usd, found.worst_usd) == (12, 0, 0, 0.0, 0.0)


def judge_of(twice):
    provider = Provider("j", base_url="http://x", key=None, timeout_s=1, prices=PRICES)
    asker = Asker(provider, Meter(Cost()), Pace(None), 0, 100, 100)
    return Judge(Rubric(model="j", rubric="r", scale=(0, 1), max_output_tokens=100), asker, frozenset(twice))


def test_what_is_judged_is_not_judged_again(items):
    """All is answered; the first prompt is judged once, the second twice, the others not; three are to be judged twice."""
    plan = asks(items(4), SETTINGS)
    scores = {ask.key: (1.0, None) for ask in plan[:12]}
    again = {ask.key: (1.0, None) for ask in plan[6:12]}
    tally = Tally("g", answers={ask.key: {} for ask in plan}, scores=scores, again=again)
    judge = judge_of({"p1", "p2", "p3"})
    found = estimate(plan, tally, SETTINGS, PRICES, judge=judge, thinking=lambda item: 0.0, cap=500)
    assert (found.answered, found.asks, found.judgements, found.worst_output_tokens) == (24, 0, 4, 400)


def test_a_judge_is_counted(items):
    plan = asks(items(4), SETTINGS)
    judge = judge_of({"p1"})
    alone = estimate(plan, NOTHING, SETTINGS, PRICES, judge=None, thinking=lambda item: 0.0, cap=500)
    found = estimate(plan, NOTHING, SETTINGS, PRICES, judge=judge, thinking=lambda item: 0.0, cap=500)
    assert (found.asks, found.judgements) == (24, 5)
    assert found.worst_output_tokens == alone.worst_output_tokens + 5 * 100
    assert found.input_tokens > alone.input_tokens + 5 * 6 * VISIBLE_TOKENS
    assert found.worst_usd > alone.worst_usd


def test_the_bundle_in_use_says_how_much_is_thought(items, tmp_path, monkeypatch):
    thinking = bundle_expectation()
    assert 0 <= thinking(items(1)[0]) < 100_000
    monkeypatch.setenv("THINKWORTH_BUNDLE", str(tmp_path))
    assert bundle_expectation() is None
