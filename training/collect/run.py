"""A run: several asks at a time, each answer on disk before it is graded."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.collect import judge as judging
from training.collect.asking import Asker, CeilingReached, Spent
from training.collect.graders import Grade, Graded, graded
from training.collect.journal import Journal
from training.collect.plan import Ask, Settings, by_prompt
from training.collect.prompts import Item
from training.collect.providers import Failed
from training.collect.rows import row_of
from training.collect.tally import Tally, judge_key

ALIKE = 3
"""Where all asks of the first this many prompts fail for one reason, nothing works, and the run stops."""


@dataclass(frozen=True)
class Judge:
    """A rubric, who is asked, and which prompts are judged twice."""

    rubric: judging.Rubric
    asker: Asker
    twice: frozenset[str]


@dataclass
class Run:
    """Grades what the tally has no grade of, and asks what it has no answer to.

    Attributes:
        plan: all asks; those of one prompt stand together.
        grade: the grader; None where a judge grades.
        judge: the judge; None where a grader does.
        settled: called after each ask, answered or not, and each answer of an earlier run that is graded.
        stopped: why the run ended before its plan, or None.
    """

    plan: Sequence[Ask]
    settings: Settings
    asker: Asker
    grade: Grade | None
    judge: Judge | None
    journal: Journal
    tally: Tally
    concurrency: int
    settled: Callable[[], None] = lambda: None
    stopped: str | None = None
    _open: Counter[str] = field(default_factory=Counter)
    _by_prompt: dict[str, list[Ask]] = field(default_factory=dict)
    _grading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _first: dict[tuple[bool, str], str | None] = field(default_factory=dict)

    async def run(self) -> None:
        """Ask until all is answered, a ceiling is reached, nothing works, or it is cancelled.

        Raises:
            InvalidInput: the journal can no longer be written.
        """
        self._by_prompt = by_prompt(self.plan)
        for ask in self.plan:
            self._open[ask.item.prompt_id] += ask.key not in self.tally.answers
        try:
            for ask in self.to_grade():  # first: it costs nothing, and a ceiling may keep the rest from being asked
                await self._grade(ask)
                self.settled()
            await self._ask_all()
        except asyncio.CancelledError:
            self.stopped = "interrupted"

    def to_grade(self) -> list[Ask]:
        """Return the asks whose answers a grader has still to grade; a judge grades whole prompts as it goes."""
        if self.grade is None:
            return []
        return [ask for ask in self.plan if ask.key in self.tally.answers and ask.key not in self.tally.scores]

    async def _ask_all(self) -> None:
        work = self._work()
        workers = [asyncio.create_task(self._worker(work)) for _ in range(self.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _work(self) -> Iterator[Ask | Item]:
        """Yield what is left: asks, and prompts whose answers are all there and not yet judged."""
        for asks in self._by_prompt.values():
            left = [ask for ask in asks if ask.key not in self.tally.answers]
            yield from left
            if not left:
                yield asks[0].item

    async def _worker(self, work: Iterator[Ask | Item]) -> None:
        for piece in work:
            if self.stopped:
                return
            if isinstance(piece, Item):
                await self._judge(piece)
                continue
            await self._ask(piece)
            prompt_id = piece.item.prompt_id
            self._open[prompt_id] -= 1
            if not self._open[prompt_id]:
                await self._judge(piece.item)

    async def _ask(self, ask: Ask) -> None:
        """Ask, write down, and then grade; what fails is written down too."""
        spent = Spent()
        try:
            reply = await self.asker.ask(ask.item.conversation, ask.mode.parameters, spent)
        except (Failed, CeilingReached, asyncio.CancelledError) as error:
            self._failed(ask.key, ask.item, error, spent, of_judge=False)
        else:
            self._first[False, ask.item.prompt_id] = None
            row = row_of(ask, reply, spent, self.settings)
            self._write(kind="answer", key=ask.key, row=row, answer=reply.answer, spent=spent.record(judge=False))
            await self._grade(ask)
        self.settled()

    async def _grade(self, ask: Ask) -> None:
        """Grade an answer that is written down, where no judge does."""
        if self.grade is None:
            return
        item, answer = ask.item, self.tally.answers[ask.key]["answer"]
        async with self._grading:  # a grader need not be safe for threads
            result = await asyncio.to_thread(graded, self.grade, item.content.transcript, answer, item.reference)
        self._write_grades(item, {ask.key: result}, again=False, spent=None)

    async def _judge(self, item: Item) -> None:
        """Have the answers to a prompt judged, and on a share of the prompts judged again in another order."""
        if self.judge is None:
            return
        keys = [ask.key for ask in self._by_prompt[item.prompt_id] if ask.key in self.tally.answers]
        for again, scores in ((False, self.tally.scores), (True, self.tally.again)):
            wanted = not again or item.prompt_id in self.judge.twice
            if wanted and not self.stopped and any(key not in scores for key in keys):
                await self._judge_once(self.judge, item, judging.in_order(keys, again=again), again)

    async def _judge_once(self, judge: Judge, item: Item, keys: Sequence[str], again: bool) -> None:
        spent = Spent()
        answers = [self.tally.answers[key]["answer"] for key in keys]
        question = judging.messages(judge.rubric, item.content.transcript, answers)
        try:
            reply = await judge.asker.ask(question, judge.rubric.params, spent)
        except (Failed, CeilingReached, asyncio.CancelledError) as error:
            self._failed(judge_key(item.prompt_id), item, error, spent, of_judge=True)
            return
        self._first[True, item.prompt_id] = None
        grades = judging.read_grades(judge.rubric, reply.answer, len(keys))
        self._write_grades(item, dict(zip(keys, grades, strict=True)), again=again, spent=spent)

    def _failed(
        self, key: str, item: Item, error: Failed | CeilingReached | asyncio.CancelledError, spent: Spent, *, of_judge: bool
    ) -> None:  # fmt: skip
        """Write a failure down, and stop where a ceiling is reached or nothing works.

        Raises:
            CancelledError: it was given.
        """
        if isinstance(error, CeilingReached):
            self.stopped = self.stopped or f"the ceiling is reached: {error}"
        record = {"key": key, "grader": self.tally.grader if of_judge else None, "spent": spent.record(judge=of_judge)}
        if not isinstance(error, Failed):
            if spent.tries:  # what they cost counts against the ceilings of the next run
                reason = "ceiling reached" if isinstance(error, CeilingReached) else "interrupted"
                self._write(kind="failure", reason=reason, detail="", **record)
            if isinstance(error, asyncio.CancelledError):
                raise error
            return
        failed_before = key in self.tally.failures
        self._write(kind="failure", reason=error.reason, detail=error.detail, **record)
        if not failed_before:
            self._stop_where_nothing_works(item, error, of_judge=of_judge)

    def _stop_where_nothing_works(self, item: Item, error: Failed, *, of_judge: bool) -> None:
        """Stop where the first prompts all failed alike; not what failed in an earlier run, or it would never go on."""
        self._first.setdefault((of_judge, item.prompt_id), error.reason)
        first = [reason for (judge, _), reason in self._first.items() if judge is of_judge]
        if first == [error.reason] * ALIKE and not self.stopped:
            who = "judge" if of_judge else "model"
            words = f"all asks of the {who} for the first {ALIKE} prompts failed alike: {error.reason}"
            self.stopped = f"{words}; the {who}'s own words are in {self.journal.path}"

    def _write_grades(self, item: Item, scores: Mapping[str, Graded], *, again: bool, spent: Spent | None) -> None:
        self._write(
            kind="grades", grader=self.tally.grader, again=again, prompt_id=item.prompt_id, scores=scores,
            spent=spent and spent.record(judge=True),
        )  # fmt: skip

    def _write(self, **record: Any) -> None:
        self.journal.append(record)
        self.tally.add(record)
