"""What became of the asks of a run: the same whether it went through at once or was resumed."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from contract.records import Arm
from training.collect.judge import Agreement, agreement
from training.collect.plan import Ask
from training.collect.rows import NOT_OFF
from training.collect.tally import Tally


@dataclass(frozen=True)
class Report:
    """The account of a run, earlier runs of its journal included.

    Attributes:
        asks: of the plan; answered: those that are rows now; not_asked: those that are neither answered nor failed.
        failed: asks (and judgements) without an answer, by reason.
        tries: calls made; retried: those after a failed one; failed_tries: failed ones by reason.
        unscored: answers without a score, by reason.
        graded_anew: graded answers that another grader, or another version of it, had graded before.
        without_usage: answers of which the server reported no tokens.
        output_tokens, cost_usd: reported by the server, of failed tries and the judge too; None where no price is known.
        charged_tokens, charged_usd: what counted against the ceilings, unreported calls at their worst case.
        judge_tokens, judge_usd: the judge's part of what was charged.
        prompts, pairs: prompts of the plan, and those answered in both arms; scored_pairs: those scored in both.
        hidden_direct: direct answers that thought all the same: their rows are flagged.
        judge: how far the judge agrees with itself, where one judged.
        left_out: rows of the prompts' file that hold no prompt.
        stopped: why the run ended before its plan.
    """

    asks: int
    answered: int
    not_asked: int
    failed: Mapping[str, int]
    tries: int
    retried: int
    failed_tries: Mapping[str, int]
    unscored: Mapping[str, int]
    graded_anew: int
    without_usage: int
    output_tokens: int
    cost_usd: float | None
    charged_tokens: int
    charged_usd: float | None
    judge_tokens: int
    judge_usd: float | None
    prompts: int
    pairs: int
    scored_pairs: int
    hidden_direct: int
    judge: Agreement | None
    left_out: int
    stopped: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return {**asdict(self), "judge": self.judge and self.judge._asdict()}

    def text(self) -> str:
        """Return the report for a reader at a terminal."""
        dollars = "unknown" if self.cost_usd is None else f"{self.cost_usd:.4f}"
        numbers: dict[str, int | str] = {
            "asks": self.asks, "answered": self.answered, "not asked": self.not_asked, "retried": self.retried,
            "without usage": self.without_usage, "output tokens": self.output_tokens, "dollars": dollars,
            "pairs": self.pairs, "scored pairs": self.scored_pairs,
        }  # fmt: skip
        lines = [_line(name, value) for name, value in numbers.items()]
        if self.charged_tokens != self.output_tokens:
            lines.append(_line("charged tokens", self.charged_tokens) + "  unreported calls at their worst case")
        if self.hidden_direct:
            lines.append(_line("flagged", self.hidden_direct) + f"  direct answers whose {NOT_OFF}: check --direct")
        for title, counts in (
            ("failed", self.failed),
            ("failed tries", self.failed_tries),
            ("unscored", self.unscored),
        ):
            lines.append(_line(title, sum(counts.values())))
            lines += [f"  {count:>10,}  {reason}" for reason, count in counts.items()]
        if self.graded_anew:
            lines.append(_line("graded anew", self.graded_anew) + "  answers that another grader had graded before")
        if self.judge is not None:
            paid = "unknown, and not in the sum above" if self.judge_usd is None else f"{self.judge_usd:.4f}"
            lines += [_line("judge's tokens", self.judge_tokens) + f"  dollars {paid}", _self_agreement(self.judge)]
        if self.left_out:
            lines.append(_line("left out", self.left_out) + "  rows without a prompt")
        return "\n".join(lines)


def report(plan: Sequence[Ask], tally: Tally, *, judged: bool, left_out: int = 0, stopped: str | None = None) -> Report:
    """Return the account of a plan and what became of it."""
    answers = {ask.key: tally.answers[ask.key] for ask in plan if ask.key in tally.answers}
    rows = [answer["row"] for answer in answers.values()]
    scores = {key: tally.score(key) for key in answers}
    unscored = Counter(str(reason) for score, reason in scores.values() if score is None)
    failed = sum(ask.key in tally.failures for ask in plan)
    twice = [(tally.scores[key][0], score) for key, (score, _) in tally.again.items() if key in tally.scores]
    return Report(
        asks=len(plan), answered=len(answers), not_asked=len(plan) - len(answers) - failed,
        failed=dict(Counter(tally.failures.values()).most_common()),
        tries=tally.tries, retried=tally.tries - tally.asked, failed_tries=dict(tally.failed_tries.most_common()),
        unscored=dict(unscored.most_common()),
        graded_anew=len(answers.keys() & tally.scores.keys() & tally.other_grades), without_usage=sum(row["output_tokens"] is None for row in rows),
        output_tokens=tally.tokens, cost_usd=tally.usd,
        charged_tokens=tally.charged.output_tokens, charged_usd=tally.charged.usd,
        judge_tokens=tally.judge.output_tokens, judge_usd=tally.judge.usd,
        prompts=len({ask.item.prompt_id for ask in plan}), pairs=_pairs(plan, answers),
        scored_pairs=_pairs(plan, {key for key, (score, _) in scores.items() if score is not None}),
        hidden_direct=sum(str(row["flag"]).startswith(NOT_OFF) for row in rows),
        judge=agreement([(a, b) for a, b in twice if a is not None and b is not None]) if judged else None,
        left_out=left_out, stopped=stopped,
    )  # fmt: skip


def _pairs(plan: Sequence[Ask], keys: Collection[str]) -> int:
    """Return of how many prompts both arms are among the keys."""
    there = {(ask.item.prompt_id, ask.mode.arm) for ask in plan if ask.key in keys and ask.mode.pair_kind == "toggle"}
    return sum(count == len(Arm) for count in Counter(prompt_id for prompt_id, _ in there).values())


def _line(name: str, value: int | str) -> str:
    return f"{name:<14} {value if isinstance(value, str) else f'{value:,}':>12}"


def _self_agreement(found: Agreement) -> str:
    if found.equal is None or found.mean_difference is None:
        return "judge          no answer was judged twice"
    words = f"graded {found.answers:,} answers twice: {found.equal:.0%} alike"
    return f"judge          {words}, mean difference {found.mean_difference:.3f}"
