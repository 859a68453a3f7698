"""What the hook costs a request through LiteLLM's real proxy, as JSON: beside a proxy without it, and while thinkworth is away or hangs.

    python benchmarks/litellm_hook.py [--rounds 5] [--out benchmarks/results/litellm_hook.json]

Five proxies run side by side in front of one small model server that answers at once: without the hook, with it, with it and a deadline of
2 s, with it and nobody behind the address, with it and a server that never answers. They are asked in turn, round by round, so that a busy
machine slows them alike; what counts are the ratios. All other settings of the hook are the defaults. `decided` is the share of requests
that had a decision in time: what a decision costs is told by `patient` where the machine is too busy for the deadline of 50 ms. Then, without a proxy, questions of one client from an event loop that N tasks keep busy, 5 ms at a time: in
that loop itself, and in the hook's thread beside it. Needs the proxy (`make .venv/litellm/ready`, or LITELLM_PROXY).
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from load import free_port, prompt
from provenance import RESULTS, provenance, write

from contract.locate import ROOT

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or its import asks the network for prices

from serving.gateways.litellm_hook.aside import Aside
from serving.gateways.litellm_hook.wire import Service

REQUESTS, WARM = 100, 20
CONCURRENCY = (1, 8)
DEADLINE_S = 0.05
KEY = "sk-benchmark"
LITELLM = Path(os.environ.get("LITELLM_PROXY", ROOT / ".venv" / "litellm" / "bin" / "litellm"))


async def model_server(port: int) -> None:
    """Answer every request at once; those to `/hang/...` never."""
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "It is 4."}}
    usage = {"prompt_tokens": 70, "completion_tokens": 4, "total_tokens": 74}
    body = json.dumps(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-x", "choices": [message], "usage": usage}
    )
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0))
                if b" /hang" in head.split(b"\r\n")[0]:
                    await asyncio.sleep(3600)
                writer.write(answer)

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


@contextlib.contextmanager
def program(command: list[object], ready: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(1200):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(ready, trust_env=False).is_success:
                    break
            if process.poll() is not None:
                sys.exit((folder / "log").read_text(errors="replace")[-3000:])
            time.sleep(0.2)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def proxy(folder: Path, model: str, hook: str | None) -> Iterator[str]:
    folder.mkdir()
    settings: dict[str, object] = {}
    if hook:
        shutil.copytree(ROOT / "serving" / "gateways" / "litellm_hook", folder / "litellm_hook")
        text = f"from litellm_hook import ThinkworthHook\n\nhook = ThinkworthHook({hook})\n"
        (folder / "thinkworth_hook.py").write_text(text)
        settings = {"callbacks": ["thinkworth_hook.hook"]}
    behind = {"model": "openai/gpt-x", "api_base": model, "api_key": "none"}
    config = {"model_list": [{"model_name": "m", "litellm_params": behind}], "litellm_settings": settings}
    (folder / "config.yaml").write_text(json.dumps(config))
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1", "LITELLM_MASTER_KEY": KEY}
    command = [LITELLM, "--config", "config.yaml", "--host", "127.0.0.1", "--port", port]
    with program(command, f"http://127.0.0.1:{port}/health/liveliness", folder, environment):
        yield f"http://127.0.0.1:{port}"


def asked(url: str, first: int, n: int, concurrency: int) -> tuple[list[float], int]:
    """Return the milliseconds of each of n completions, and how many had a decision."""

    def one(http: httpx.Client, number: int) -> tuple[float, bool]:
        body = {"model": "m", "messages": [{"role": "user", "content": prompt(number)}]}
        start = time.perf_counter()
        response = http.post("/v1/chat/completions", json=body).raise_for_status()
        return (time.perf_counter() - start) * 1e3, "x-thinkworth-decision-id" in response.headers

    headers = {"Authorization": f"Bearer {KEY}"}
    with (
        httpx.Client(base_url=url, timeout=60, headers=headers, trust_env=False) as http,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        done = list(pool.map(lambda number: one(http, number), range(first, first + n)))
    return [ms for ms, _ in done], sum(decided for _, decided in done)


def measured(urls: dict[str, str], rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    for url in urls.values():
        asked(url, 0, WARM, 1)
    figures, number = {}, WARM
    for concurrency in CONCURRENCY:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in urls}
        for _ in range(rounds):
            for name, url in urls.items():
                times, decided = asked(url, number, REQUESTS, concurrency)
                number += REQUESTS
                cuts = statistics.quantiles(times, n=20)
                found[name].append(
                    {"p50_ms": cuts[9], "p95_ms": cuts[18], "max_ms": max(times), "decided": decided / REQUESTS}
                )
        figures[f"concurrency {concurrency}"] = {
            name: {key: round(statistics.median(one[key] for one in some), 2) for key in some[0]}
            | {
                "p50_over_without": round(statistics.median(a["p50_ms"] / b["p50_ms"] for a, b in zip(some, found["without"], strict=True)), 3),
                "p50_more_ms": round(statistics.median(a["p50_ms"] - b["p50_ms"] for a, b in zip(some, found["without"], strict=True)), 2),
            }
            for name, some in found.items()
        }  # fmt: skip
    return figures


async def busy_loop(model: str, questions: int = 100) -> dict[str, dict[str, dict[str, float]]]:
    """Return, by tasks that keep the loop busy, the share of questions answered within the deadline and the milliseconds each held up."""

    async def busy() -> None:
        while True:
            until = time.perf_counter() + 0.005
            while time.perf_counter() < until:
                pass
            await asyncio.sleep(0)

    figures: dict[str, dict[str, dict[str, float]]] = {}
    for tasks in (0, 1, 2, 8):
        running = [asyncio.create_task(busy()) for _ in range(tasks)]
        for where in ("in the loop", "beside it"):
            service, aside, times, answered = Service(model, api_key=None), Aside(), [], 0
            for n in range(questions):
                start = time.perf_counter()
                with contextlib.suppress(asyncio.TimeoutError):
                    asking = service.predict({"prompt": prompt(n)})
                    await (
                        aside.run(asking, DEADLINE_S) if where == "beside it" else asyncio.wait_for(asking, DEADLINE_S)
                    )
                    answered += 1
                times.append((time.perf_counter() - start) * 1e3)
            await (aside.run(service.close(), 5) if where == "beside it" else service.close())
            aside.close()
            figures.setdefault(f"{tasks} busy tasks", {})[where] = {
                "answered": answered / questions, "p50_ms": round(statistics.median(times), 2)
            }  # fmt: skip
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "litellm_hook.json")
    parser.add_argument("--model-server", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.model_server:
        asyncio.run(model_server(options.model_server))
    began, model_port, service_port = provenance(), free_port(), free_port()
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = subprocess.Popen([sys.executable, __file__, "--model-server", str(model_port)])
        stack.callback(model.terminate)
        service, model_url = f"http://127.0.0.1:{service_port}", f"http://127.0.0.1:{model_port}"
        command = [
            Path(sys.executable).with_name("thinkworth"),
            "serve",
            "--bundle",
            ROOT / "models" / "default",
            "--port",
            service_port,
        ]
        environment = {**os.environ, "THINKWORTH_STORE_FOLDER": str(place / "store")}
        stack.enter_context(program(command, f"{service}/readyz", place / "service", environment))
        hooks = {
            "without": None, "with": f'url="{service}"', "patient": f'url="{service}", timeout_s=2.0',
            "away": f'url="http://127.0.0.1:{free_port()}"', "hanging": f'url="{model_url}/hang"',
        }  # fmt: skip
        urls = {name: stack.enter_context(proxy(place / name, f"{model_url}/v1", hook)) for name, hook in hooks.items()}
        figures = measured(urls, options.rounds)
        busy = asyncio.run(busy_loop(model_url))
    proxies = {"rounds": options.rounds, "requests_a_round": REQUESTS, "medians_of_rounds": figures}
    write({**began, **proxies, "busy_loop": busy}, options.out)


if __name__ == "__main__":
    main()
