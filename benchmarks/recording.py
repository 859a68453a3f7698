"""What recording costs an answer: the same requests to services that record before they answer, after, and not at all, as JSON.

    python benchmarks/recording.py [--rounds 5] [--store postgresql://user@host/database] [--out benchmarks/results/recording.json]

Three services run side by side, `durability` off, async and sync (and, with --store, sync to PostgreSQL), each with an empty store of its
own. They are asked in turn, round by round, so that a busy machine slows them alike; what counts are the ratios. Prompts have about
64 tokens and are all different.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import load
from load import prompt
from provenance import RESULTS, provenance, write

REQUESTS, WARM = 400, 60
CONCURRENCY = (1, 8)


@contextlib.contextmanager
def service(folder: Path, **environment: str) -> Iterator[str]:
    with load.service(folder, **environment) as served:
        yield f"http://127.0.0.1:{served.port}"


def asked(url: str, first: int, n: int, concurrency: int) -> tuple[list[float], float]:
    """Return the milliseconds of each of n requests, and the seconds that all took."""

    def one(http: httpx.Client, number: int) -> float:
        start = time.perf_counter()
        http.post("/predict", json={"prompt": prompt(number)}).raise_for_status()
        return (time.perf_counter() - start) * 1e3

    with httpx.Client(base_url=url, timeout=60) as http, ThreadPoolExecutor(concurrency) as pool:
        start = time.perf_counter()
        times = list(pool.map(lambda number: one(http, number), range(first, first + n)))
        return times, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--store", help="address of an empty PostgreSQL database, for a fourth service")
    parser.add_argument("--out", type=Path, default=RESULTS / "recording.json")
    options = parser.parse_args()
    began = provenance()
    kinds = {name: {"THINKWORTH_DURABILITY": name} for name in ("off", "async", "sync")}
    if options.store:
        kinds["sync, PostgreSQL"] = {"THINKWORTH_DURABILITY": "sync", "THINKWORTH_STORE_URL": options.store}
    figures: dict[str, dict[str, dict[str, float]]] = {}
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            name: stack.enter_context(service(place / str(i), **environment))
            for i, (name, environment) in enumerate(kinds.items())
        }
        for url in urls.values():
            asked(url, 0, WARM, 1)
        next_prompt = WARM
        for concurrency in CONCURRENCY:
            rounds: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
            for _ in range(options.rounds):
                for name, url in urls.items():
                    times, seconds = asked(url, next_prompt, REQUESTS, concurrency)
                    next_prompt += REQUESTS
                    cuts = statistics.quantiles(times, n=20)
                    rounds[name].append({"p50_ms": cuts[9], "p95_ms": cuts[18], "requests_per_s": REQUESTS / seconds})
            figures[f"concurrency {concurrency}"] = {
                name: {key: round(statistics.median(one[key] for one in some), 2) for key in some[0]}
                | {"p50_over_off": round(statistics.median(a["p50_ms"] / b["p50_ms"] for a, b in zip(some, rounds["off"], strict=True)), 3)}
                for name, some in rounds.items()
            }  # fmt: skip
    write({**began, "rounds": options.rounds, "requests_a_round": REQUESTS, "medians_of_rounds": figures}, options.out)


if __name__ == "__main__":
    main()
