"""What a challenger beside the champion costs an answer: the same requests to services without a shadow and with one, as JSON.

    python benchmarks/shadow.py [--rounds 5] [--requests 150] [--out benchmarks/results/shadow.json]

Two services run side by side, durability async, each with an empty store of its own; the challenger is the shipped bundle under another
revision. They are asked in turn, round by round, so that a busy machine slows them alike; what counts are the ratios. `scored` and
`dropped` are the challenger's, of all requests of the service.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx
from provenance import RESULTS, provenance, write
from recording import WARM, asked, service

from contract.locate import ROOT

CONCURRENCY = (1, 8)


def challenger(folder: Path) -> Path:
    """Return the shipped bundle under another revision."""
    shutil.copytree(ROOT / "models" / "default", folder)
    manifest = folder / "manifest.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**told, "revision": "thinkworth/challenger"}), encoding="utf-8")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--out", type=Path, default=RESULTS / "shadow.json")
    options = parser.parse_args()
    began, figures, n = provenance(), {}, options.requests
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kinds = {"without": {}, "shadow": {"THINKWORTH_SHADOW": str(challenger(place / "challenger"))}}
        urls = {
            name: stack.enter_context(service(place / name, THINKWORTH_DURABILITY="async", **environment))
            for name, environment in kinds.items()
        }
        for url in urls.values():
            asked(url, 0, WARM, 1)
        first = WARM
        for concurrency in CONCURRENCY:
            rounds: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
            for _ in range(options.rounds):
                for name, url in urls.items():
                    times, seconds = asked(url, first, n, concurrency)
                    first += n
                    cuts = statistics.quantiles(times, n=20)
                    rounds[name].append({"p50_ms": cuts[9], "p95_ms": cuts[18], "requests_per_s": n / seconds})
            figures[f"concurrency {concurrency}"] = {
                name: {key: round(statistics.median(one[key] for one in some), 2) for key in some[0]}
                | {f"{key}_over_without": round(statistics.median(a[key] / b[key] for a, b in zip(some, rounds["without"], strict=True)), 3)
                   for key in some[0]}
                for name, some in rounds.items()
            }  # fmt: skip
        time.sleep(1)
        figures["challenger"] = httpx.get(f"{urls['shadow']}/readyz").json()["shadow"]
    write({**began, "rounds": options.rounds, "requests_a_round": n, "medians_of_rounds": figures}, options.out)


if __name__ == "__main__":
    main()
