"""What a run would ask and cost, before anything is asked."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from contract.records import Arm
from training.collect.judge import messages
from training.collect.libraries import litellm
from training.collect.plan import Ask, Settings
from training.collect.prices import Prices
from training.collect.prompts import Item
from training.collect.run import Judge

VISIBLE_TOKENS = 200
"""Assumed length of the visible answer; only a run can tell."""

EXPECTED_ON = 200
"""Prompts that the bundle is asked about; the others are taken to be like them."""


@dataclass(frozen=True)
class Estimate:
    """Calls, tokens and dollars of a run; likely ones from a bundle's expectation, worst ones where all calls run to the cap.

    Attributes:
        asks: of the model; judgements: of the judge.
        input_tokens: of both; counted_by: the tokeniser, or "characters / 4".
        likely_output_tokens: None where no bundle tells how much the model thinks.
        worst_output_tokens: None where nothing caps a call.
        likely_usd, worst_usd: None where a price or the tokens are unknown.
    """

    asks: int
    judgements: int
    input_tokens: int
    counted_by: str
    likely_output_tokens: int | None
    worst_output_tokens: int | None
    likely_usd: float | None
    worst_usd: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as JSON takes it."""
        return asdict(self)

    def text(self) -> str:
        """Return the estimate for a reader at a terminal."""
        likely, worst = (
            f"{'unknown' if tokens is None else f'{tokens:,}':>12} tokens, {'unknown' if usd is None else f'{usd:.4f}'} dollars"
            for tokens, usd in (
                (self.likely_output_tokens, self.likely_usd), (self.worst_output_tokens, self.worst_usd)
            )
        )  # fmt: skip
        return "\n".join(
            (
                f"asks           {self.asks:>12,}", f"judgements     {self.judgements:>12,}",
                f"input          {self.input_tokens:>12,} tokens, counted by {self.counted_by}",
                f"output, likely {likely}; {VISIBLE_TOKENS} visible ones assumed for an answer, thinking as the bundle expects",
                f"output, worst  {worst}",
                "Nothing was asked.",
            )
        )  # fmt: skip


def estimate(
    plan: Sequence[Ask], settings: Settings, prices: Prices, *, judge: Judge | None, thinking: Callable[[Item], float] | None,
    cap: int | None,
) -> Estimate:  # fmt: skip
    """Return what a plan would cost.

    Args:
        plan: all asks.
        settings: of the run.
        prices: of the model.
        judge: the judge, if one grades.
        thinking: a bundle's expectation of the thinking tokens of a prompt.
        cap: the most output tokens of a call.
    """
    items = list({ask.item.prompt_id: ask.item for ask in plan}.values())
    per_prompt = len(plan) // len(items)
    counts, counted_by = _input_tokens(items, settings.model)
    given = per_prompt * sum(counts)
    likely = (
        None if thinking is None else _likely(plan, len(items), [thinking(item) for item in items[:EXPECTED_ON]], cap)
    )
    worst = None if cap is None else cap * len(plan)
    usd = [None if tokens is None else prices.of(given, tokens) for tokens in (likely, worst)]
    judgements = 0
    if judge is not None:
        judgements = len(items) + len(judge.twice)
        read = round(judgements * fmean(counts)) + per_prompt * judgements * VISIBLE_TOKENS
        read += judgements * _tokens(messages(judge.rubric, "", []), judge.rubric.model)[0]
        said = [judgements * VISIBLE_TOKENS, judgements * judge.rubric.max_output_tokens]
        usd = [_sum(own, judge.asker.prices.of(read, more)) for own, more in zip(usd, said, strict=True)]
        given += read
        likely, worst = (None if own is None else own + more for own, more in zip((likely, worst), said, strict=True))
    return Estimate(len(plan), judgements, given, counted_by, likely, worst, *usd)


def bundle_expectation() -> Callable[[Item], float] | None:
    """Return the thinking tokens that the bundle in use expects of a prompt, or None where there is no bundle."""
    from contract.bundle import in_use
    from contract.errors import ThinkworthError
    from contract.scorer import Scorer

    try:
        scorer = Scorer.load(in_use())
    except ThinkworthError:
        return None
    return lambda item: max(scorer.score(item.content).scores.extra_tokens, 0.0)


def _likely(plan: Sequence[Ask], prompts: int, thinking: Sequence[float], cap: int | None) -> int:
    """Return the likely output tokens of a plan, each call within its budget and its cap."""
    total = 0.0
    for ask in (ask for ask in plan if ask.item is plan[0].item):  # every prompt is asked alike
        budget = ask.mode.thinking_budget
        expected = [0.0 if ask.mode.arm is Arm.DIRECT else t if budget is None else min(t, budget) for t in thinking]
        total += fmean(min(VISIBLE_TOKENS + t, cap or float("inf")) for t in expected)
    return round(total * prompts)


def _input_tokens(items: Sequence[Item], model: str) -> tuple[list[int], str]:
    counts = [_tokens(item.conversation, model) for item in items]
    return [count for count, _ in counts], " and ".join(sorted({by for _, by in counts}))


def _tokens(conversation: list[dict[str, Any]], model: str) -> tuple[int, str]:
    try:
        return int(litellm().token_counter(model=model, messages=conversation)), "LiteLLM's tokeniser"
    except Exception:  # a conversation or a model that it cannot count
        return len(str(conversation)) // 4, "characters / 4"


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
