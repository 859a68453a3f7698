"""Seconds and peak memory of `thinkworth label` on simulated rows, as JSON.

    python benchmarks/label_scale.py [--rows 1000000] [--format parquet|jsonl|csv]

The rows are random numbers, not a log: 2 models, both arms, 2 attempts, prompts of about 200 characters.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

from training.files import write_table

ROWS_PER_PROMPT = 8


def simulated(rows: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    prompt, within = np.divmod(np.arange(rows), ROWS_PER_PROMPT)
    reasoning = within % 2 == 1
    chance = random.random(prompt.max() + 1)[prompt]
    thinking = np.where(reasoning, random.lognormal(6.5, 1.0, rows), 0).astype(int)
    texts = [
        f"Simulated prompt {number}: " + "how many apples are left in the basket? " * 4
        for number in range(prompt.max() + 1)
    ]
    return pd.DataFrame(
        {
            "source": "simulated",
            "prompt_id": np.array([f"p{number}" for number in range(prompt.max() + 1)], dtype=object)[prompt],
            "prompt": np.array(texts, dtype=object)[prompt],
            "model": np.where(within >= ROWS_PER_PROMPT // 2, "model-a", "model-b"),
            "arm": np.where(reasoning, "reasoning", "direct"),
            "attempt": (within // 2) % 2 + 1,
            "score": (random.random(rows) < np.clip(chance + 0.1 * reasoning, 0, 1)).astype(float),
            "output_tokens": thinking + random.integers(1, 400, rows),
            "thinking_tokens": thinking,
            "latency_s": random.random(rows) * 10,
            "timestamp": "2026-11-01T12:00:00Z",
            "pair_kind": "toggle",
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=["parquet", "jsonl", "csv"], default="parquet")
    options, before = parser.parse_args(), provenance()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / f"log.{options.format}"
        write_table(simulated(options.rows), log)
        command = [Path(sys.executable).with_name("thinkworth"), "label", log, "--out", Path(folder) / "labels.parquet"]
        begun = time.perf_counter()
        answer = subprocess.run([*map(str, command), "--json"], check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
    figure = {
        **before,
        "rows": options.rows,
        "format": options.format,
        "seconds": round(seconds, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        "labelled": json.loads(answer.stdout)["rows"],
    }
    write(figure, RESULTS / f"label_scale_{options.format}.json")


if __name__ == "__main__":
    main()
