"""Both of LiteLLM's logs as the real proxy writes them, in front of a small server that stands for a model."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import httpx
import pandas as pd
import pytest

from training.importers import importer
from training.importers.blocks import Told
from training.importers.report import ImportReport
from training.importers.run import import_log

CHECKOUT = Path(__file__).parents[3]
LITELLM = Path(os.environ.get("LITELLM_PROXY", CHECKOUT / ".venv" / "litellm" / "bin" / "litellm"))
QUESTION = "How many primes lie between 90 and 110?"
LONG = "A long text. " * 500  # LiteLLM stores the first 2,048 characters

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LITELLM.is_file(), reason=f"no LiteLLM proxy at {LITELLM} (or $LITELLM_PROXY)"),
]

# The row of LiteLLM_SpendLogs is made by LiteLLM itself, as it is before it goes to its database.
CALLBACK = """
import json
from pathlib import Path

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload

HERE = Path(__file__).parent


def note(name, record):
    with (HERE / name).open("a") as log:
        log.write(json.dumps(record, default=str) + chr(10))


class Logger(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        if data.get("user") == "hooked":
            data["reasoning_effort"] = "high"
            data["metadata"]["spend_logs_metadata"] = {"thinkworth": {"decision_id": "d-1", "p_reasoning": 0.5}}
        return data

    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        note("payloads.jsonl", kwargs["standard_logging_object"])
        note("spend.jsonl", get_logging_payload(kwargs, response_obj, start_time, end_time))

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        note("payloads.jsonl", kwargs["standard_logging_object"])


logger = Logger()
"""


class Model(BaseHTTPRequestHandler):
    """A model that fails at the first request of a prompt that asks it to, and thinks where an effort is named."""

    protocol_version = "HTTP/1.1"
    refused: ClassVar[set[str]] = set()

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
            self._answer(200, {"object": "list", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}})
            return
        prompt = request["messages"][-1]["content"]
        if "fail once" in prompt and prompt not in self.refused:
            self.refused.add(prompt)
            self._answer(500, {"error": {"message": "overloaded", "type": "server_error"}})
            return
        hidden = {"none": 0, "low": 100, "medium": 300, "high": 780}.get(request.get("reasoning_effort"), 0)
        usage = {
            "prompt_tokens": 20,
            "completion_tokens": 12 + hidden,
            "total_tokens": 32 + hidden,
            "completion_tokens_details": {"reasoning_tokens": hidden},
        }
        self._answer(
            200,
            {
                "id": f"chatcmpl-{time.monotonic_ns()}",
                "object": "chat.completion",
                "created": 1793520000,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "5"}, "finish_reason": "stop"}],
                "usage": usage,
            },
        )

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps({"model": "m", **body}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def proxy(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a running proxy, and the folder that it logs to."""
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "logging_callback.py").write_text(CALLBACK)
    model = {"model": "openai/gpt-x", "api_base": upstream, "api_key": "none", "max_retries": 0}
    config = {
        "model_list": [
            {"model_name": "gpt-x", "litellm_params": model, "model_info": {"supports_reasoning": True}},
            {"model_name": "gpt-x-low", "litellm_params": {**model, "reasoning_effort": "low"}},
            {"model_name": "embedder", "litellm_params": {**model, "model": "openai/embedder"}},
        ],
        "litellm_settings": {"callbacks": ["logging_callback.logger"]},
        "router_settings": {"num_retries": 2},
        "general_settings": {"store_prompts_in_spend_logs": True, "master_key": "sk-test"},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment = {**known, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    command = [str(LITELLM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: answers(f"{address}/health/liveliness", process), folder / "proxy.log")
            yield address, folder
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "the proxy ended"
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.TransportError:
        return False


def wait_until(done: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 180
    while not done():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def logs(proxy: tuple[str, Path]) -> Path:
    """The folder of the logs, after some requests."""
    address, folder = proxy
    headers = {"Authorization": "Bearer sk-test"}
    with httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False) as client:

        def ask(path: str = "/v1/chat/completions", **body: Any) -> None:
            client.post(path, json=body).raise_for_status()

        def chat(text: str, model: str = "gpt-x", **body: Any) -> None:
            ask(model=model, messages=[{"role": "user", "content": text}], **body)

        chat(QUESTION, reasoning_effort="none")
        chat(QUESTION, reasoning_effort="high")
        chat("Please fail once.", reasoning_effort="medium")
        for text in ("Please fail once, in a session.", "Another question of the session."):
            chat(text, reasoning_effort="medium", litellm_session_id="session-1")
        chat("What does the deployment say?", model="gpt-x-low")
        chat("What does the hook say?", user="hooked")
        chat(LONG, reasoning_effort="low")
        chat("Hello there.")
        ask("/v1/embeddings", model="embedder", input="some text")
    wait_until(
        lambda: lines(folder / "payloads.jsonl") == 12 and lines(folder / "spend.jsonl") == 10, folder / "proxy.log"
    )
    return folder


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def imported(name: str, log: Path, out: Path) -> tuple[ImportReport, dict[tuple[str, str], dict[str, Any]]]:
    """The report, and the rows by prompt and arm."""
    report = import_log(importer(name), [str(log)], out, Told(source="litellm"))
    rows = pd.read_parquet(out).to_dict("records")
    return report, {(row["prompt"], row["arm"]): row for row in rows}


def test_the_payloads_give_every_attempt(logs: Path, tmp_path: Path) -> None:
    report, rows = imported("litellm-payload", logs / "payloads.jsonl", tmp_path / "out.parquet")
    found = {key: (row["thinking_setting"], row["output_tokens"], row["thinking_tokens"]) for key, row in rows.items()}
    assert found == {
        (QUESTION, "direct"): ("reasoning_effort=none", 12, 0),
        (QUESTION, "reasoning"): ("reasoning_effort=high", 792, 780),
        ("Please fail once.", "reasoning"): ("reasoning_effort=medium", 312, 300),
        ("Please fail once, in a session.", "reasoning"): ("reasoning_effort=medium", 312, 300),
        ("Another question of the session.", "reasoning"): ("reasoning_effort=medium", 312, 300),
        ("What does the deployment say?", "reasoning"): ("reasoning_effort=low", 112, 100),
        ("What does the hook say?", "reasoning"): ("reasoning_effort=high", 792, 780),
        (LONG, "reasoning"): ("reasoning_effort=low", 112, 100),
    }
    assert {row["model"] for row in rows.values()} == {"gpt-x"}
    assert {row["input_tokens"] for row in rows.values()} == {20}
    assert {row["finish_reason"] for row in rows.values()} == {"stop"}
    assert report.quarantined == {"arm undecidable": 1}
    assert report.other == {"aembedding": 1}
    assert report.pairs == 1
    hooked = rows["What does the hook say?", "reasoning"]
    assert (hooked["decision_id"], hooked["p_reasoning"]) == ("d-1", 0.5)


def test_a_try_that_failed_belongs_to_the_one_that_answered(logs: Path, tmp_path: Path) -> None:
    report, rows = imported("litellm-payload", logs / "payloads.jsonl", tmp_path / "out.parquet")
    assert (report.failed, report.retries) == (2, 2)
    payloads = [json.loads(line) for line in (logs / "payloads.jsonl").read_text().splitlines()]
    for text in ("Please fail once.", "Please fail once, in a session."):
        tries = [payload for payload in payloads if payload["messages"][0]["content"] == text]
        assert [payload["status"] for payload in tries] == ["failure", "success"]
        row = rows[text, "reasoning"]
        assert row["timestamp"].timestamp() == pytest.approx(tries[0]["startTime"], abs=1e-5)
        assert row["latency_s"] == pytest.approx(tries[1]["endTime"] - tries[0]["startTime"], abs=1e-4)


def test_the_spend_logs_give_what_their_rows_hold(logs: Path, tmp_path: Path) -> None:
    report, rows = imported("litellm-spend", logs / "spend.jsonl", tmp_path / "out.parquet")
    found = {key: (row["thinking_setting"], row["output_tokens"], row["thinking_tokens"]) for key, row in rows.items()}
    assert found == {
        (QUESTION, "direct"): ("reasoning_effort=none", 12, 0),
        (QUESTION, "reasoning"): ("reasoning_effort=high", 792, 780),
        ("Please fail once.", "reasoning"): ("reasoning_effort=medium", 312, 300),
        ("Please fail once, in a session.", "reasoning"): ("reasoning_effort=medium", 312, 300),
        ("Another question of the session.", "reasoning"): ("reasoning_effort=medium", 312, 300),
        ("What does the hook say?", "reasoning"): ("reasoning_effort=high", 792, 780),
    }
    # what the deployment adds is in no column, and of the last nothing said it
    assert report.quarantined == {"arm undecidable": 2, "prompt was shortened by LiteLLM": 1}
    assert report.other == {"aembedding": 1}
    assert (report.failed, report.pairs) == (0, 1)


def test_both_logs_tell_the_same_of_what_both_hold(logs: Path, tmp_path: Path) -> None:
    _, payloads = imported("litellm-payload", logs / "payloads.jsonl", tmp_path / "payloads.parquet")
    _, spend = imported("litellm-spend", logs / "spend.jsonl", tmp_path / "spend.parquet")
    retried = [key for key in spend if "fail once" in key[0]]  # only the payloads hold the first try's time
    frames = [pd.DataFrame([rows[key] for key in spend if key not in retried]) for rows in (spend, payloads)]
    pd.testing.assert_frame_equal(*frames)
