"""How often each key may ask: token buckets, in memory, of one process."""

from collections import OrderedDict
from typing import NamedTuple

MOST_BUCKETS = 4096


class Bucket(NamedTuple):
    """How many requests may come at a moment; below zero it owes some."""

    tokens: float
    at: float


def taken(bucket: Bucket, n: int, rate: float, burst: int, now: float) -> tuple[Bucket, float]:
    """Return the bucket after n requests and 0, or as it is and the seconds until they may come.

    A group larger than `burst` comes when the bucket is full, and what it took beyond that is owed: the rate holds over time, and no group waits for ever.

    Args:
        bucket: as it was.
        n: requests that come together.
        rate: requests a second that it is filled with.
        burst: requests that it holds.
        now: seconds of a clock that never goes back.
    """
    tokens = min(float(burst), bucket.tokens + max(0.0, now - bucket.at) * rate)
    missing = min(n, burst) - tokens
    if missing > 1e-9:
        return Bucket(tokens, now), missing / rate
    return Bucket(tokens - n, now), 0.0


class Buckets:
    """Buckets by name, the least used forgotten beyond `most`; for one thread."""

    def __init__(self, most: int = MOST_BUCKETS) -> None:
        self._most = most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, n: int, rate: float, burst: int, now: float) -> float:
        """Take n requests of a name and return 0, or take nothing and return the seconds until they may come."""
        bucket, wait_s = taken(self._buckets.get(name, Bucket(burst, now)), n, rate, burst, now)
        self._buckets[name] = bucket
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return wait_s
