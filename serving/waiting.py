"""Records that wait for a thread, in the order they came: bounded in requests and in bytes."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cached_property
from threading import Condition
from typing import Any

from contract.store.outcomes import Told
from contract.store.records import Record

REQUESTS = 4096
"""Requests whose records may wait."""

LIMIT_BYTES = 64 * 2**20
"""What the records that wait may hold, by `estimated_bytes`: with texts of prompts kept, 4,096 batches would be gigabytes."""

ROW_BYTES = 4096
"""What a row is taken to hold beside its texts and embeddings: some fifty numbers, names and reasons."""

GROUP = 512
"""Requests taken together at most."""

LINGER_S = 0.05
"""Seconds that records which nobody waits for may wait for more: a transaction costs as much as ten rows of it."""

Done = Future[list[Told] | None]
Item = tuple[Sequence[Record], Done]


class Later(Sequence[Record]):
    """Records of a request that are made when the thread they wait for looks at them, not before its answer."""

    def __init__(self, make: Callable[[], Sequence[Record]], n: int, size_bytes: int) -> None:
        """Take what makes them, how many they are at most, and about how much memory they, and what they are made of, hold."""
        self._make, self._n, self.size_bytes = make, n, size_bytes

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i: Any) -> Any:
        return self._made[i]

    def made(self) -> "Later":
        """Make them now."""
        _ = self._made
        return self

    @cached_property
    def _made(self) -> Sequence[Record]:
        return self._make()


class Waiting:
    """A queue of requests' records; safe to use from several threads."""

    def __init__(self, requests: int = REQUESTS, limit_bytes: int = LIMIT_BYTES) -> None:
        """Take how many requests may wait, and how much their records may hold."""
        self.requests, self.limit_bytes = requests, limit_bytes
        self.bytes = 0
        self._items: deque[tuple[Item, int, bool]] = deque()
        self._changed = Condition()
        self._hurried = 0  # of those that wait, how many somebody waits for
        self._closed = False

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._items)

    def put(self, item: Item, *, lingers: bool = False) -> bool:
        """Add a request's records at the end; return whether there was room, which a closed queue has not.

        Args:
            item: the records, and what is told what became of them.
            lingers: nobody waits for them: they may wait for more, LINGER_S at most.
        """
        size = estimated_bytes(item[0])
        with self._changed:
            if self._closed or len(self._items) >= self.requests or self.bytes + size > self.limit_bytes:
                return False
            self._items.append((item, size, lingers))
            self.bytes += size
            self._hurried += not lingers
            if len(self._items) == 1 or self._is_due():
                self._changed.notify()
        return True

    def take(self) -> list[Item]:
        """Wait for requests and return the first of them, GROUP at most; none once the queue is closed and all are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self._changed.wait_for(self._is_due, LINGER_S)
            taken = [self._items.popleft() for _ in range(min(len(self._items), GROUP))]
            self.bytes -= sum(size for _, size, _ in taken)
            self._hurried -= sum(not lingers for _, _, lingers in taken)
        return [item for item, _, _ in taken]

    def close(self) -> None:
        """Take nothing more; whoever waits for requests gets the rest."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_due(self) -> bool:
        return bool(self._hurried or self._closed or len(self._items) >= GROUP)


def estimated_bytes(records: Sequence[Record]) -> int:
    """Return about how much memory a request's records hold."""
    if isinstance(records, Later):
        return records.size_bytes
    texts = (value for record in records for value in record.row.values() if isinstance(value, str | bytes))
    return ROW_BYTES * len(records) + sum(map(len, texts))
