"""Microseconds of processor time that the door costs a request, by how many keys there are, as JSON.

    python benchmarks/access.py [--rounds 7] [--out benchmarks/results/access.json]

The request has the headers of a Python client and the last of the keys, which is the dearest where a comparison would end early. `admit` is the
check alone, `middleware` with the headers of the answer and nothing behind it; each is the least of the rounds.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write

from contract.settings import Settings
from serving.access.door import Door
from serving.access.keys import hashed
from serving.access.middleware import AtTheDoor

CALLS = 5000
KEYS = (0, 1, 10, 100, 1000)
HEADERS = [
    (b"host", b"gateway.example:3000"), (b"user-agent", b"python-httpx/0.28"), (b"accept", b"*/*"), (b"accept-encoding", b"gzip, deflate"),
    (b"connection", b"keep-alive"), (b"content-type", b"application/json"), (b"content-length", b"300"),
]  # fmt: skip


def key_of(i: int) -> str:
    return f"tw_{i}".ljust(46, "x")


def request(n: int) -> dict[str, Any]:
    own = [(b"authorization", f"Bearer {key_of(n - 1)}".encode())] if n else []
    return {
        "type": "http", "path": "/predict", "raw_path": b"/predict", "method": "POST", "query_string": b"", "headers": HEADERS + own,
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 3000),
    }  # fmt: skip


def door_of(n: int, rate: float | None) -> Door:
    lines = "\n".join(f"k{i} {hashed(key_of(i))} predict" for i in range(n))
    return Door(Settings(api_keys=lines or None, key_requests_per_second=rate))


def least_us(call: Callable[[], None], rounds: int) -> float:
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(CALLS):
            call()
        found.append((time.process_time() - began) / CALLS * 1e6)
    return round(min(found), 2)


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


def through_us(app: Any, scope: dict[str, Any], rounds: int) -> float:
    async def sent(_: Any) -> None:
        pass

    async def once() -> float:
        began = time.process_time()
        for _ in range(CALLS):
            await app(dict(scope), None, sent)
        return (time.process_time() - began) / CALLS * 1e6

    return round(min(asyncio.run(once()) for _ in range(rounds)), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "access.json")
    options = parser.parse_args()
    rows = []
    for n in KEYS:
        door, limited, scope = door_of(n, None), door_of(n, 1e6), request(n)
        rows.append({
            "keys": n, "admit_us": least_us(lambda d=door, s=scope: d.admit(s), options.rounds),
            "admit_with_rate_us": least_us(lambda d=limited, s=scope: d.admit(s), options.rounds),
            "middleware_us": through_us(AtTheDoor(nothing, lambda d=door: d), scope, options.rounds),
        })  # fmt: skip
        print(rows[-1])
    result = {"nothing_us": through_us(nothing, request(0), options.rounds), "by_keys": rows}
    write(provenance() | result, options.out)


if __name__ == "__main__":
    main()
