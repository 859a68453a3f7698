"""What a swap costs: seconds of a reload, answers meanwhile, memory after many, and what watching costs at rest, as JSON.

    python benchmarks/hot_swap.py [--swaps 30] [--workers 2] [--out benchmarks/results/hot_swap.json]

One service alternates between two bundles (the shipped one, and it with another price of tokens) while two clients ask without a pause.
The same clients ask as long without a swap, before and after: what counts are the ratios.
"""

import argparse
import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from provenance import RESULTS, provenance, write

from contract.locate import ROOT

REST_S = 30


@contextlib.contextmanager
def service(folder: Path, workers: int) -> Iterator[tuple[str, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"THINKWORTH_STORE_FOLDER": str(folder / "store"), "THINKWORTH_BUNDLE": str(folder / "current")}
    command = [Path(sys.executable).with_name("thinkworth"), "serve", "--port", str(port), "--workers", str(workers)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | own, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while len(list(folder.glob("store/serving/*/workers/*.json"))) < workers:
            time.sleep(0.1)
        yield url, process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


class Clients:
    """Two threads that ask; `ms` has how long each answer took, `revisions` what it named."""

    def __init__(self, url: str) -> None:
        self.url, self.ms, self.revisions, self.stop = url, list[float](), set[str](), threading.Event()

    def __enter__(self) -> "Clients":
        self.threads = [threading.Thread(target=self.ask, args=(i,)) for i in range(2)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def ask(self, first: int) -> None:  # noqa: D102
        with httpx.Client(base_url=self.url, timeout=60) as client:
            for n in itertools.count(first, 2):
                if self.stop.is_set():
                    return
                begun = time.perf_counter()
                answer = client.post("/predict", json={"prompt": f"Question {n}: what is {n} times {n + 7}, and why?"})
                self.ms.append((time.perf_counter() - begun) * 1000)
                assert answer.status_code == 200, answer.text
                self.revisions.add(answer.json()["revision"])

    def figures(self) -> dict[str, float]:  # noqa: D102
        cut = statistics.quantiles(self.ms, n=100)
        return {"n": len(self.ms), "p50_ms": round(cut[49], 2), "p95_ms": round(cut[94], 2), "p99_ms": round(cut[98], 2), "max_ms": round(max(self.ms), 1)}  # fmt: skip


def of_workers(folder: Path) -> tuple[list[float], float]:
    """Return the resident MB of each worker, and the CPU seconds of all."""
    mb, cpu = [], 0.0
    for path in folder.glob("store/serving/*/workers/*.json"):
        process = Path(f"/proc/{path.stem.partition('-')[0]}")
        mb.append(int((process / "status").read_text().split("VmRSS:")[1].split()[0]) / 1024)
        cpu += sum(map(int, (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
    return [round(one) for one in mb], cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS / "hot_swap.json")
    options = parser.parse_args()
    figure = {**provenance(), "workers": options.workers, "swaps": options.swaps}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, price in (("one", 20_000), ("two", 200)):
            shutil.copytree(ROOT / "models" / "default", folder / name)
            manifest = json.loads((folder / name / "manifest.json").read_text())
            manifest["profiles"]["balanced"]["tokens_per_point"] = price
            (folder / name / "manifest.json").write_text(json.dumps(manifest | {"revision": f"thinkworth/{name}"}))
        (folder / "current").write_text("one")
        with service(folder, options.workers) as (url, _):
            with Clients(url) as before:
                time.sleep(15)
            memory, cpu = of_workers(folder)
            begun = time.monotonic()
            time.sleep(REST_S)
            at_rest = (of_workers(folder)[1] - cpu) / (time.monotonic() - begun) / options.workers
            seconds = []
            with Clients(url) as during:
                for i in range(options.swaps):
                    (folder / "current").write_text("two" if i % 2 == 0 else "one")
                    begun = time.perf_counter()
                    httpx.post(f"{url}/admin/reload", timeout=60).raise_for_status()
                    seconds.append(time.perf_counter() - begun)
            assert len(during.revisions) == 2
            with Clients(url) as after:
                time.sleep(15)
            figure |= {
                "reload_s": {"median": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)},
                "answers": {"before": before.figures(), "swapping without a pause": during.figures(), "after": after.figures()},
                "worker_mb": {"before": memory, "after": of_workers(folder)[0]},
                "cpu_share_of_a_worker_at_rest": round(at_rest, 4),
            }  # fmt: skip
    write(figure, options.out)


if __name__ == "__main__":
    main()
