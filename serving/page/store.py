"""Reads the store for the page: in a few threads of its own, each question for some seconds at most."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from contract.errors import StoreDown
from contract.store.opening import reading

THREADS = 4
QUESTION_S = 10.0
"""Seconds that all questions of one page may take."""

STEPS = 2_000
"""Steps of SQLite's machine between two looks at the clock: well under a millisecond, and fewer than a question takes."""

Answer = TypeVar("Answer")


class Store:
    """The decision store as the page uses it; safe to call from several tasks."""

    def __init__(self, engine: Callable[[], sa.Engine], question_s: float = QUESTION_S) -> None:
        self.engine = engine
        self.question_s = question_s
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="page")

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Return what a function returns that may wait for the store, without holding up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def read(self, ask: Callable[[sa.Connection], Answer]) -> Answer:
        """Return what a function reads, all of one moment.

        Raises:
            StoreDown: the store does not answer, or not in time.
        """
        try:
            with reading(self.engine()) as connection, _in_time(connection, self.question_s):
                return ask(connection)
        except SQLAlchemyError as error:
            raise self._down(error) from error

    def write(self, tell: Callable[[sa.Connection], Answer]) -> Answer:
        """Return what a function returns that writes, in one transaction.

        Raises:
            StoreDown: the store does not answer.
        """
        try:
            with self.engine().begin() as connection:
                return tell(connection)
        except SQLAlchemyError as error:
            raise self._down(error) from error

    def _down(self, error: SQLAlchemyError) -> StoreDown:
        return StoreDown(
            f"the decision store did not answer within {self.question_s:g} s ({type(error).__name__}); ask for fewer days, or see "
            f"/readyz for how the store is"
        )


@contextmanager
def _in_time(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """End questions that take longer; the database does, not a thread that waits for it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{seconds * 1000:.0f}"})  # fmt: skip
        yield
        return
    until, driver = time.monotonic() + seconds, _driver(connection)
    driver.set_progress_handler(lambda: time.monotonic() > until, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, STEPS)


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection
