"""Records that wait for a thread, in the order they came: bounded in requests and in bytes."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from threading import Condition

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

Done = Future[list[Told] | None]
Item = tuple[Sequence[Record], Done]


class Waiting:
    """A queue of requests' records; safe to use from several threads."""

    def __init__(self, requests: int = REQUESTS, limit_bytes: int = LIMIT_BYTES) -> None:
        """Take how many requests may wait, and how much their records may hold."""
        self.requests, self.limit_bytes = requests, limit_bytes
        self.bytes = 0
        self._items: deque[tuple[Item, int]] = deque()
        self._changed = Condition()
        self._closed = False

    def __len__(self) -> int:
        """Return how many requests wait."""
        return len(self._items)

    def put(self, item: Item) -> bool:
        """Add a request's records at the end; return whether there was room, which a closed queue has not."""
        size = sum(map(estimated_bytes, item[0]))
        with self._changed:
            if self._closed or len(self._items) >= self.requests or self.bytes + size > self.limit_bytes:
                return False
            self._items.append((item, size))
            self.bytes += size
            self._changed.notify()
        return True

    def take(self) -> list[Item]:
        """Wait for requests and return the first of them, GROUP at most; none once the queue is closed and all are taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            taken = [self._items.popleft() for _ in range(min(len(self._items), GROUP))]
            self.bytes -= sum(size for _, size in taken)
        return [item for item, _ in taken]

    def close(self) -> None:
        """Take nothing more; whoever waits for requests gets the rest."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def estimated_bytes(record: Record) -> int:
    """Return about how much memory a record holds."""
    return ROW_BYTES + sum(len(value) for value in record.row.values() if isinstance(value, str | bytes))
