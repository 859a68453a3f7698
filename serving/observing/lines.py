"""Lines of the log: one a decision where that is wanted, written by a thread of their own; what finds no room is dropped and counted."""

import contextlib
import json
import logging
import queue
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Literal

LINES = 10_000
"""Lines that may wait to be written."""

CLOSE_S = 5.0
"""Seconds that the end of a service waits for room for its last line, and for its lines to be written."""

Format = Literal["text", "json"]

logger = logging.getLogger("thinkworth")


class Formatter(logging.Formatter):
    """A line of JSON, or one of text: time, level, message and fields."""

    def __init__(self, how: Format) -> None:
        super().__init__()
        self.how = how

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; of an exception its type alone, as its message may hold what was asked."""
        fields: dict[str, Any] = getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0]:
            fields = {**fields, "exception": record.exc_info[0].__name__}
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        level, message = record.levelname.lower(), record.getMessage()
        if self.how == "json":
            return json.dumps({"time": time, "level": level, "message": message, **fields})
        told = "".join(f" {name}={json.dumps(value)}" for name, value in fields.items())
        return f"{time} [{record.levelname}] {message}{told}"


class Lines:
    """What writes lines to standard output; with `json` also those that the package's own logger is given."""

    def __init__(self, how: Format, dropped: Callable[[], None], *, room: int = LINES, stream: Any = None) -> None:
        """Take the format, and what is told of each line that finds no room."""
        waiting: queue.Queue[Any] = queue.Queue(room)
        self._handler = _Bounded(waiting, dropped)
        to = logging.StreamHandler(stream or sys.stdout)
        to.setFormatter(Formatter(how))
        self._listener = _Listener(waiting, to)
        self._listener.start()
        if how == "json":
            logger.addHandler(self._handler)
            logger.propagate = False  # else BentoML's handler writes it once more, as text

    def write(self, message: str, fields: dict[str, Any]) -> None:
        """Hand a line to the writer."""
        record = logging.LogRecord(logger.name, logging.INFO, "", 0, message, None, None)
        record.__dict__["fields"] = fields
        self._handler.enqueue(record)

    def close(self) -> None:
        """Write what waits."""
        logger.removeHandler(self._handler)
        logger.propagate = True
        self._listener.stop()


class _Bounded(QueueHandler):
    def __init__(self, waiting: "queue.Queue[Any]", dropped: Callable[[], None]) -> None:
        super().__init__(waiting)
        self._waiting, self._dropped = waiting, dropped

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return it as it is: the writer formats it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped()


class _Listener(QueueListener):
    def __init__(self, waiting: "queue.Queue[Any]", to: logging.Handler) -> None:
        super().__init__(waiting, to)
        self._waiting = waiting

    def stop(self) -> None:
        """Ask the writer to end, and wait for it; not for ever, as standard output may hang."""
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=CLOSE_S)
        if self._thread:
            self._thread.join(CLOSE_S)
