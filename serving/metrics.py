"""What /metrics tells of the record and of who asks, beside BentoML's own figures."""

from collections.abc import Callable
from functools import cache


class Metrics:
    """Counters of one process; BentoML adds up those of all workers."""

    def __init__(self) -> None:
        # imported here: before BentoML has set up a worker, prometheus_client would count for one process only
        from prometheus_client import Counter

        self._records = Counter(
            "thinkworth_records",
            "Records by what became of them: recorded, spilled, replayed, dropped, unconfirmed",
            ["event"],
        )
        self._outcomes = Counter("thinkworth_outcomes", "Outcomes by what became of them", ["status"])

    def count(self, event: str, n: int) -> None:
        """Count records that were written to the store, spilled to the journal, replayed from it, dropped, or answered for unwritten."""
        self._records.labels(event).inc(n)

    def outcomes(self, status: str, n: int) -> None:
        """Count outcomes of a status."""
        self._outcomes.labels(status).inc(n)


def access_counter() -> Callable[[str, str], None]:
    """Return what counts a request under the name of its key and what became of it; called once a process."""
    from prometheus_client import Counter

    counter = Counter(
        "thinkworth_access",
        "Requests by the name of the API key and what became of them at the door: admitted, or the type of the error",
        ["key", "became"],
    )
    labelled = cache(counter.labels)  # names are those of the operator's file, and `unknown`
    return lambda key, became: labelled(key, became).inc()
