"""What a run would ask and cost, before anything is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from contract.records import Arm
from training.collect.judge import messages
from training.collect.libraries import litellm
from training.collect.plan import Ask, Mode, Settings, by_prompt
from training.collect.prices import Prices
from training.collect.prompts import Item
from training.collect.run import Judge
from training.collect.tally import Tally

VISIBLE_TOKENS = 200
"""Assumed length of the visible answer; only a run can tell."""

EXPECTED_ON = 200
"""Prompts that the bundle is asked about; the others are taken to be like them."""


@dataclass(frozen=True)
class Estimate:
    """Calls, tokens and dollars of a run; likely ones from a bundle's expectation, worst ones where all calls run to the cap.

    Attributes:
        answered: asks that an earlier run has the answers of; what follows is of the rest.
        asks: of the model; judgements: of the judge.
        input_tokens: of both; counted_by: the tokeniser, or "characters / 4".
        likely_output_tokens: None where no bundle tells how much the model thinks.
        worst_output_tokens: None where nothing caps a call.
        likely_usd, worst_usd: None where a price or the tokens are unknown.
    """

    answered: int
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
                *([f"answered       {self.answered:>12,} by an earlier run, not asked again"] if self.answered else ()),
                f"asks           {self.asks:>12,}", f"judgements     {self.judgements:>12,}",
                f"input          {self.input_tokens:>12,} tokens, counted by {self.counted_by}",
                f"output, likely {likely}; {VISIBLE_TOKENS} visible ones assumed for an answer, thinking as the bundle expects",
                f"output, worst  {worst}",
                "Nothing was asked.",
            )
        )  # fmt: skip


def estimate(
    plan: Sequence[Ask], tally: Tally, settings: Settings, prices: Prices, *, judge: Judge | None,
    thinking: Callable[[Item], float] | None, cap: int | None,
) -> Estimate:  # fmt: skip
    """Return what is left of a plan, and what it would cost.

    Args:
        plan: all asks.
        tally: of an earlier run's journal.
        settings: of the run.
        prices: of the model.
        judge: the judge, if one grades.
        thinking: a bundle's expectation of the thinking tokens of a prompt.
        cap: the most output tokens of a call.
    """
    left = [ask for ask in plan if ask.key not in tally.answers]
    asks = by_prompt(left if judge is None else plan)  # a judge reads all answers
    counts, counted_by = _input_tokens({p: own[0].item for p, own in asks.items()}, settings.model)
    given = sum(counts[ask.item.prompt_id] for ask in left)
    likely = None if thinking is None else _likely(left, thinking, cap)
    worst = None if cap is None else cap * len(left)
    usd = [None if tokens is None else prices.of(given, tokens) for tokens in (likely, worst)]
    judgements = 0
    if judge is not None:
        judged = [p for p in asks if any(ask.key not in tally.scores for ask in asks[p])]
        judged += [p for p in judge.twice if any(ask.key not in tally.again for ask in asks[p])]
        judgements = len(judged)
        read = sum(counts[p] + len(asks[p]) * VISIBLE_TOKENS for p in judged)
        read += judgements * _tokens(messages(judge.rubric, "", []), judge.rubric.model)[0]
        said = [judgements * VISIBLE_TOKENS, judgements * judge.rubric.max_output_tokens]
        usd = [_sum(own, judge.asker.prices.of(read, more)) for own, more in zip(usd, said, strict=True)]
        given += read
        likely, worst = (None if own is None else own + more for own, more in zip((likely, worst), said, strict=True))
    return Estimate(len(plan) - len(left), len(left), judgements, given, counted_by, likely, worst, *usd)


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


def _likely(left: Sequence[Ask], thinking: Callable[[Item], float], cap: int | None) -> int:
    """Return the likely output tokens of asks, each call within its budget and its cap."""
    expected = [thinking(asks[0].item) for asks in islice(by_prompt(left).values(), EXPECTED_ON)]

    def answer(mode: Mode) -> float:
        most = 0.0 if mode.arm is Arm.DIRECT else float("inf") if mode.thinking_budget is None else mode.thinking_budget
        return fmean(min(VISIBLE_TOKENS + min(tokens, most), cap or float("inf")) for tokens in expected)

    modes = {ask.mode.thinking_setting: ask.mode for ask in left}
    likely = {name: answer(mode) for name, mode in modes.items()}
    return round(sum(likely[ask.mode.thinking_setting] for ask in left))


def _input_tokens(items: Mapping[str, Item], model: str) -> tuple[dict[str, int], str]:
    counts = {prompt_id: _tokens(item.conversation, model) for prompt_id, item in items.items()}
    by = " and ".join(sorted({by for _, by in counts.values()}))
    return {prompt_id: count for prompt_id, (count, _) in counts.items()}, by or "LiteLLM's tokeniser"


def _tokens(conversation: list[dict[str, Any]], model: str) -> tuple[int, str]:
    try:
        return int(litellm().token_counter(model=model, messages=conversation)), "LiteLLM's tokeniser"
    except Exception:  # a conversation or a model that it cannot count
        return len(str(conversation)) // 4, "characters / 4"


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other
