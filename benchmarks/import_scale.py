"""Seconds and peak memory of `thinkworth import litellm-payload` on made-up JSONL lines, as JSON.

    python benchmarks/import_scale.py [--megabytes 1000] [--out parquet|jsonl|csv]

The lines have the shape of LiteLLM's StandardLoggingPayload and random numbers: 2 models, both arms, prompts of 40 to
2,000 characters. Of 100 requests 2 failed once and were tried again, 1 was exported twice and 1 has no thinking parameter.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write

MEGABYTE = 10**6


def payload(number: int, tried: int, dice: random.Random) -> dict[str, Any]:
    thinks, started = number % 2 == 1, 1_793_520_000 + number * 3 + tried
    prompt = f"Made-up prompt {number // 2}: " + "how many apples are left in the basket? " * random.Random(
        number // 2
    ).randint(1, 50)
    hidden = int(dice.lognormvariate(6, 1)) if thinks else 0
    usage = {
        "prompt_tokens": len(prompt) // 4,
        "completion_tokens": hidden + dice.randint(1, 400),
        "completion_tokens_details": {"reasoning_tokens": hidden, "audio_tokens": None},
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    effort = {} if number % 100 == 50 else {"reasoning_effort": "high" if thinks else "none"}
    return {
        "id": f"chatcmpl-{number}-{tried}",
        "trace_id": f"trace-{number}",
        "call_type": "acompletion",
        "status": "success",
        "cache_hit": None,
        "custom_llm_provider": "openai",
        "startTime": started + 0.25,
        "endTime": started + 0.75 + hidden / 100,
        "model": f"model-{'ab'[number // 2 % 2]}",
        "model_group": "default",
        "messages": [{"role": "user", "content": prompt}],
        "model_parameters": {"temperature": 1, **effort},
        "response": {"choices": [{"finish_reason": "stop", "message": {"content": "no. " * 50}}], "usage": usage},
        "metadata": {"usage_object": usage, "requester_metadata": {}, "user_api_key_hash": "0" * 64},
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
        "response_cost": 0.001,
        "hidden_params": {"additional_headers": {f"x-ratelimit-{name}": "1000" for name in range(20)}},
    }


def lines(dice: random.Random) -> Iterator[str]:
    """Yield lines without end."""
    number = 0
    while True:
        line = payload(number, 0, dice)
        if number % 100 in (10, 11):
            yield json.dumps(
                {**payload(number, 1, random.Random(number)), "status": "failure", "messages": line["messages"]}
            )
        yield json.dumps(line)
        if number % 100 == 20:
            yield json.dumps(line)
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--out", choices=["parquet", "jsonl", "csv"], default="parquet")
    options, before = parser.parse_args(), provenance()
    with tempfile.TemporaryDirectory() as folder:
        log, out, size = Path(folder) / "payloads.jsonl", Path(folder) / f"logs.{options.out}", 0
        with log.open("w", encoding="utf-8") as handle:
            for line in lines(random.Random(0)):
                size += handle.write(f"{line}\n")
                if size >= options.megabytes * MEGABYTE:
                    break
        command = [
            Path(sys.executable).with_name("thinkworth"),
            "import",
            "litellm-payload",
            log,
            "--out",
            out,
            "--json",
        ]
        begun = time.perf_counter()
        answer = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - begun
    report = json.loads(answer.stdout)
    figure = {
        **before,
        "megabytes": options.megabytes,
        "out": options.out,
        "seconds": round(seconds, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
        **{name: report[name] for name in ("read", "imported", "quarantined", "retries", "pairs")},
    }
    write(figure, RESULTS / f"import_scale_{options.out}.json")


if __name__ == "__main__":
    main()
