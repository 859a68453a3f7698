"""From the command's options to a run, its table and its report."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from contract.errors import InvalidInput
from training.collect.asking import Asker
from training.collect.estimate import Estimate, bundle_expectation, estimate
from training.collect.graders import Grader
from training.collect.journal import Journal, recorded
from training.collect.judge import Rubric, judged_again
from training.collect.libraries import litellm
from training.collect.plan import Ask, Settings
from training.collect.prices import Prices
from training.collect.prompts import Item
from training.collect.providers import Provider
from training.collect.report import Report, report
from training.collect.rows import table
from training.collect.run import Judge, Run
from training.collect.spending import Cost, Meter, Pace
from training.collect.tally import Tally
from training.files import write_table

EVERY_S, SHARE = 60.0, 0.01
"""The table is written about every so many seconds of a run, but for no more than this share of its time: calls wait."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How a run asks, which may differ when it is resumed.

    Attributes:
        api_key_env: the environment variable that holds the key; None leaves it to LiteLLM.
        timeout_s: seconds without a byte after which a try has failed.
        retries: tries after the first.
        concurrency: calls in flight.
        requests_per_minute: of all calls; None for as many as there are.
        max_tokens: ceiling on output tokens in all; max_usd: on dollars.
    """

    api_key_env: str | None
    timeout_s: float
    retries: int
    concurrency: int
    requests_per_minute: float | None
    max_tokens: int | None
    max_usd: float | None


@dataclass(frozen=True)
class Session:
    """A plan with all that carries it out."""

    plan: list[Ask]
    settings: Settings
    grader: Grader
    rubric: Rubric | None
    limits: Limits
    left_out: int = 0

    def estimate(self, out: Path) -> Estimate:
        """Return what is left to ask and what it would cost; nothing is asked or written.

        Raises:
            InvalidInput: see `run`.
        """
        asker, judge = self._askers(Meter(Cost()))
        tally = self._tally(recorded(_journal_of(out), self.settings.digest_of(self._items)))
        return estimate(
            self.plan, tally, self.settings, asker.prices, judge=judge, thinking=bundle_expectation(), cap=asker.cap
        )

    def run(self, out: Path) -> Report:
        """Ask what the journal beside `out` has no answer to, grade what it has no grade of, and return the report.

        The table is written at the end, however the run ends, and now and then before: a kill leaves rows too.

        Raises:
            InvalidInput: the journal is another run's or in use, a place cannot be written, a key is not set, or a
                ceiling is given where nothing says what a call may cost.
        """
        journal_path = _journal_of(out)
        self._askers(Meter(Cost()))  # what is wrong here needs no journal
        with Journal(journal_path, self.settings.digest_of(self._items)) as journal:
            tally = self._tally(journal.records)
            run = self._run(journal, tally)
            pieces = sum(ask.key not in tally.answers for ask in self.plan) + len(run.to_grade())
            with _bar(pieces, tally) as moved:
                run.settled = self._settling(tally, out, moved)
                asyncio.run(_closing(run))
            self._write(tally, out)
            return report(self.plan, tally, judged=self.rubric is not None, left_out=self.left_out, stopped=run.stopped)

    @cached_property
    def _items(self) -> list[Item]:
        return list(dict.fromkeys(ask.item for ask in self.plan))

    def _tally(self, records: Iterable[Mapping[str, Any]]) -> Tally:
        references = [] if self.rubric else [item.reference for item in self._items]  # a judge does not see them
        return Tally.of(records, self.grader.name(references))

    def _settling(self, tally: Tally, out: Path, moved: Callable[[], None]) -> Callable[[], None]:
        """Return what moves the bar, and writes the table where that was long ago."""
        due = time.monotonic() + EVERY_S

        def settled() -> None:
            nonlocal due
            moved()
            if (start := time.monotonic()) >= due:
                self._write(tally, out)
                end = time.monotonic()
                due = end + max(EVERY_S, (end - start) / SHARE)

        return settled

    def _write(self, tally: Tally, out: Path) -> None:
        if tally.answers:
            write_table(table(self.plan, tally, self.grader.kind), out)

    def _run(self, journal: Journal, tally: Tally) -> Run:
        meter = Meter(tally.charged, max_tokens=self.limits.max_tokens, max_usd=self.limits.max_usd)
        asker, judge = self._askers(meter)
        grade = None if judge else self.grader.grade
        return Run(self.plan, self.settings, asker, grade, judge, journal, tally, self.limits.concurrency)

    def _askers(self, meter: Meter) -> tuple[Asker, Judge | None]:
        settings, limits, rubric = self.settings, self.limits, self.rubric
        pace = Pace(limits.requests_per_minute)
        prices = Prices(settings.model, given=settings.prices, known=settings.base_url is None)
        cap = settings.limit or (None if settings.base_url else _most_output(settings.model))
        asker = self._asker(
            settings.model, settings.base_url, limits.api_key_env, prices, meter, pace, settings.max_output_tokens, cap
        )
        if rubric is None:
            return asker, None
        prices = Prices(rubric.model, given=rubric.prices, known=rubric.base_url is None)
        limit = rubric.max_output_tokens
        judge = self._asker(rubric.model, rubric.base_url, rubric.api_key_env, prices, meter, pace, limit, limit)
        twice = judged_again(list(dict.fromkeys(ask.item.prompt_id for ask in self.plan)), rubric.repeats)
        return asker, Judge(rubric, judge, twice)

    def _asker(
        self, model: str, base_url: str | None, key_name: str | None, prices: Prices, meter: Meter, pace: Pace,
        sent: int | None, cap: int | None,
    ) -> Asker:  # fmt: skip
        limits = self.limits
        if cap is None and (limits.max_tokens is not None or limits.max_usd is not None):
            what = f"what a call of {model} may cost at most is unknown, so no ceiling can be kept"
            raise InvalidInput(f"{what}; give --max-output-tokens", field="max-output-tokens")
        if limits.max_usd is not None and prices.of(1, 1) is None:
            what = f"the price of {model} is unknown, so --max-cost-usd cannot be kept"
            raise InvalidInput(f"{what}; give its prices, or --max-tokens instead", field="max-cost-usd")
        key = _key(key_name)
        provider = Provider(model, base_url=base_url, key=key, timeout_s=limits.timeout_s, prices=prices)
        return Asker(provider, meter, pace, limits.retries, sent, cap)


def _journal_of(out: Path) -> Path:
    """Return where the journal of a table is, or refuse a table that is no run's."""
    path = out.with_name(f"{out.name}.journal.jsonl")
    if out.exists() and not path.exists():
        raise InvalidInput(f"{out} exists and is no table of a run (no {path.name}); name another --out")
    return path


async def _closing(run: Run) -> None:
    """Run, and close LiteLLM's connections in the loop that opened them."""
    try:
        await run.asker.provider.warm_up()
        await run.run()
    finally:
        await litellm().close_litellm_async_clients()


@contextmanager
def _bar(asks: int, tally: Tally) -> Iterator[Callable[[], None]]:
    """Yield what moves a bar on standard error, with the cost so far; silent where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return

    def cost(_: object) -> str:
        return f"{tally.tokens:,} tokens" + ("" if tally.usd is None else f", ${tally.usd:.4f}")

    with typer.progressbar(length=asks, label="asking", file=sys.stderr, item_show_func=cost) as bar:
        yield lambda: bar.update(1)


def _most_output(model: str) -> int | None:
    """Return the most output tokens of a model that LiteLLM knows."""
    try:
        most = litellm().get_model_info(model).get("max_output_tokens")
    except Exception:  # its ways to say that it does not know a model are many
        return None
    return int(most) if most else None


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name)
    if not key:
        raise InvalidInput(f"the environment variable {name} is not set; it is to hold the API key", field=name)
    return key
