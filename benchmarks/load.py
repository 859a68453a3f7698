"""Load for the benchmarks of the service: started services, prompts of a length, and a client that costs a tenth of a millisecond a request."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import yaml

from contract.encoder import Encoder
from contract.locate import ROOT

WORDS = [
    "river",
    "stone",
    "market",
    "window",
    "paper",
    "engine",
    "garden",
    "letter",
    "number",
    "silver",
    "kitchen",
    "planet",
    "doctor",
    "bridge",
    "winter",
    "coffee",
]


class Served(NamedTuple):
    """A running service: its port, and the id of its first process."""

    port: int
    pid: int
    ready_s: float

    def memory_mib(self) -> list[float]:
        """Return the resident memory of each process of it, the largest first."""
        first = psutil.Process(self.pid)
        family = [first, *first.children(recursive=True)]
        return sorted((process.memory_info().rss / 2**20 for process in family), reverse=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def service(
    folder: Path, *, core: int | None = None, command: Sequence[str] = (), **environment: str
) -> Iterator[Served]:
    """Start a service, thinkworth's where no other command is given, on one core where one is named, and wait until it is ready."""
    port = free_port()
    command = command or [str(Path(sys.executable).with_name("thinkworth")), "serve"]
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    own = {**os.environ, "THINKWORTH_STORE_FOLDER": str(folder), "BENTOML_DO_NOT_TRACK": "True", **environment}
    own["BENTOML_HOME"] = str(folder / "bentoml")
    start = time.perf_counter()
    process = subprocess.Popen(
        [*pinned, *command, "--port", str(port)], cwd=ROOT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            if process.poll() is not None or time.perf_counter() - start > 120:
                raise SystemExit(f"{' '.join(command)} did not come up")
            time.sleep(0.02)
        yield Served(port, process.pid, time.perf_counter() - start)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def asked(port: int, bodies: Sequence[bytes], concurrency: int, *, path: str = "/predict") -> tuple[list[float], float]:
    """Send bodies over so many connections; return the milliseconds of each, in order, and the seconds that all took.

    Raises:
        SystemExit: an answer was no 200.
    """
    return asyncio.run(_asked(port, bodies, concurrency, path))


async def _asked(port: int, bodies: Sequence[bytes], concurrency: int, path: str) -> tuple[list[float], float]:
    times = [0.0] * len(bodies)
    left = iter(range(len(bodies)))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        for i in left:
            head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(bodies[i])}\r\n\r\n"
            start = time.perf_counter()
            writer.write(head.encode() + bodies[i])
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{path} answered {answer.splitlines()[0].decode()}")
            length = next(line for line in answer.lower().splitlines() if line.startswith(b"content-length"))
            await reader.readexactly(int(length.split(b":")[1]))
            times[i] = (time.perf_counter() - start) * 1e3
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(concurrency)))
    return times, time.perf_counter() - start


class Prompts:
    """Prompts of the taxonomy, in English, each asked once: a number in brackets makes every one a new one."""

    def __init__(self, encoder: Encoder) -> None:
        families = yaml.safe_load((ROOT / "data" / "taxonomy.yaml").read_text(encoding="utf-8"))["families"]
        texts = [text for family in families for text in family["prompts"]]
        self._by_tokens = [(len(encoder.window(text)[0]), text) for text in texts]
        self._n = 0

    def texts(self, n: int, tokens: int | None = None) -> list[str]:
        """Return n new prompts of about so many tokens (an eighth more or less); of all lengths, as they come, without one."""
        fit = [text for found, text in self._by_tokens if tokens is None or abs(found - tokens) <= tokens / 8]
        step = 7919 if tokens is None else 1  # through all families in turn
        new = [f"{fit[(self._n + i) * step % len(fit)]} ({self._n + i})" for i in range(n)]
        self._n += n
        return new


def bodies(texts: Sequence[str]) -> list[bytes]:
    """Return the bodies of `/predict`."""
    return [json.dumps({"prompt": text}).encode() for text in texts]


def prompt(n: int) -> str:
    """Return the n-th of prompts of some 64 tokens, all different."""
    return f"Question {n}: " + " ".join(WORDS[(n * 7 + i * (n % 5 + 1)) % len(WORDS)] for i in range(56)) + "?"
