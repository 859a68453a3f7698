"""README's "Train on your own logs" works as written, with a real proxy, database and tracking server.

Only addresses and the place of the program `litellm` are put in; the model behind all of it is a small server.
"""

import csv
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import pandas as pd
import pytest
import yaml

from contract.locate import ROOT
from training.config import TrainConfig

SECTION = re.search(
    r"## Train on your own logs\n(.*?)\n## ", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
).group(1)
BIN = Path(sys.executable).parent
LITELLM = Path(os.environ.get("LITELLM_PROXY", ROOT / ".venv" / "litellm" / "bin" / "litellm"))
SUMS = [f"What is {a} + {7 * a}{' (hard)' if a % 3 else ''}?" for a in range(1, 15)]
LONG = f"{'A long text. ' * 500}What is 2 + 2?"
KEY = f"sk-{uuid4().hex}"
JSON = ("metadata", "request_tags", "messages", "response", "proxy_server_request")

pytestmark = pytest.mark.slow
needs_litellm = pytest.mark.skipif(not LITELLM.is_file(), reason=f"no LiteLLM proxy at {LITELLM} (or $LITELLM_PROXY)")

# What LiteLLM would write to its database, which it cannot reach where Prisma's engine cannot be downloaded.
SPEND = """
import json

from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy.spend_tracking.spend_tracking_utils import get_logging_payload


class Spend(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        with open("spend.jsonl", "a") as log:
            log.write(json.dumps(get_logging_payload(kwargs, response_obj, start_time, end_time), default=str) + "\\n")


spend = Spend()
"""

# A program that is traced into the server of MLFLOW_TRACKING_URI: each prompt of the file in both arms, with feedback.
TRACED = """
import json, sys

sys.modules["litellm"] = None  # MLflow would take ten seconds to look up what the calls cost
import mlflow, openai

mlflow.set_experiment("chat")
mlflow.openai.autolog()
client = openai.OpenAI(base_url=sys.argv[1], api_key="none")
for prompt, right in json.load(sys.stdin):
    for effort in ("none", "high"):
        asked = [{"role": "user", "content": prompt}]
        answer = client.chat.completions.create(model="model-a", messages=asked, reasoning_effort=effort)
        value = float(right in answer.choices[0].message.content)
        mlflow.log_feedback(trace_id=mlflow.get_last_active_trace_id(), name="correctness", value=value)
"""


def lines(*words):
    """The commands of the section's bash blocks that hold all these words."""
    blocks = re.findall(r"```bash\n(.*?)```", SECTION, re.DOTALL)
    found = [line for block in blocks for line in block.replace("\\\n", " ").strip().splitlines()]
    return [line for line in found if all(word in line for word in words)]


def block(language):
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(scope="module")
def run(thinkworth, mlflow_database):
    """What runs a command of README in a folder, with other addresses put in: thinkworth's own in this process, seconds faster."""

    def run(line, cwd, **places):
        for written, here in places.values():
            assert written in line
            line = line.replace(written, here)
        if not (cwd / "mlflow.db").exists():
            mlflow_database(cwd)
        variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{cwd}/mlflow.db", "LITELLM_API_KEY": KEY}
        # collect in a process of its own: LiteLLM is bound to the event loop that first used it, and other tests use it here
        own = line.startswith(".venv/bin/thinkworth collect")
        if line.startswith(".venv/bin/thinkworth ") and not own and not set(line) & set("|&;<>()$`*?"):
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(cwd)
                patch.setattr("training.metrics.RESAMPLES", 30)
                patch.setattr(
                    "training.config.load_config", lambda _: TrainConfig(iterations=20, components=8)
                )  # a tenth of the trees
                for name, value in variables.items():
                    patch.setenv(name, value)
                done = thinkworth(*shlex.split(line)[1:])
            assert done.code == 0, (line, done.out, done.err[-2000:])
            return done.out
        line, env = re.sub(r"(?<![/\w])\.venv/bin/", f"{BIN}/", line), os.environ | variables
        done = subprocess.run(line, shell=True, cwd=cwd, env=env, capture_output=True, text=True, timeout=500)
        assert done.returncode == 0, (line, done.stdout, done.stderr[-2000:])
        return done.stdout

    return run


def right(prompt):
    return str(sum(map(int, re.findall(r"\d+", prompt))))


class Model(BaseHTTPRequestHandler):
    """Adds what it is asked to; without thinking it gets wrong what is `hard`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt, effort = request["messages"][-1]["content"], request.get("reasoning_effort")
        hidden = {"none": 0, "medium": 300, "high": 780}[effort]
        said = "My guess is 0." if effort == "none" and "hard" in prompt else f"It is {right(prompt)}."
        usage = {"prompt_tokens": 20, "completion_tokens": 12 + hidden, "total_tokens": 32 + hidden}
        usage["completion_tokens_details"] = {"reasoning_tokens": hidden}
        head = {"id": f"chatcmpl-{uuid4()}", "created": 1793520000, "model": request["model"]}
        choice = {"index": 0, "finish_reason": "stop"}
        message = {"role": "assistant", "content": said}
        if not request.get("stream"):
            whole = {**head, "object": "chat.completion", "choices": [{**choice, "message": message}], "usage": usage}
            return self.answer("application/json", json.dumps(whole))
        chunk = {**head, "object": "chat.completion.chunk", "choices": [{**choice, "delta": message}]}
        parts = [json.dumps(chunk), json.dumps({**chunk, "choices": [], "usage": usage}), "[DONE]"]
        return self.answer("text/event-stream", "".join(f"data: {part}\n\n" for part in parts))

    def answer(self, kind, text):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def model():
    """The address of the small server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def started(line, url, cwd, env):
    """Run a program until the block ends, which begins when its address answers; gives a wait for what it is to do."""
    log = cwd / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(line, shell=True, cwd=cwd, env=env, stdout=out, stderr=out, start_new_session=True)

    def wait_until(done):
        for _ in range(900):
            assert process.poll() is None, log.read_text()[-3000:]
            with suppress(httpx.TransportError):
                if done():
                    return
            time.sleep(0.2)
        pytest.fail(log.read_text()[-3000:])

    try:
        wait_until(lambda: httpx.get(url, trust_env=False).is_success)
        yield wait_until
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def proxied(model, tmp_path_factory):
    """The folder of a proxy that README's lines set up, after some requests: 14 in both arms and 2 in one."""
    folder = tmp_path_factory.mktemp("litellm")
    (callback,) = block("python")
    (folder / "thinkworth_log.py").write_text(callback)
    (folder / "spend_rows.py").write_text(SPEND)
    behind = {"model": "openai/gpt-x", "api_base": model, "api_key": "none"}
    config = {
        "model_list": [{"model_name": "gpt-x", "litellm_params": behind, "model_info": {"supports_reasoning": True}}]
    }
    for part in block("yaml"):
        config |= yaml.safe_load(part)
    config["litellm_settings"]["callbacks"].append("spend_rows.spend")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    port = free_port()
    (line,) = lines("litellm --config")
    line = line.replace("litellm --config", f"{LITELLM} --host 127.0.0.1 --port {port} --config")
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1", "LITELLM_MASTER_KEY": KEY}
    grades = []
    address = f"http://127.0.0.1:{port}"
    client = httpx.Client(base_url=address, headers={"Authorization": f"Bearer {KEY}"}, timeout=60, trust_env=False)
    with started(line, f"{address}/health/liveliness", folder, env) as wait_until, client:
        both = [(prompt, effort) for prompt in SUMS for effort in ("none", "high")]
        for prompt, effort in [*both, (LONG, "high"), ("What is 3 + 3?", "none")]:
            body = {"model": "gpt-x", "messages": [{"role": "user", "content": prompt}], "reasoning_effort": effort}
            said = client.post("/v1/chat/completions", json=body).raise_for_status().json()
            grades.append((said["id"], 5 if right(prompt) in said["choices"][0]["message"]["content"] else 1))
        logs = [folder / name for name in ("payloads.jsonl", "spend.jsonl")]
        wait_until(lambda: all(log.exists() and len(log.read_text().splitlines()) == len(grades) for log in logs))
    with (folder / "graded.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("request_id", "score"), *grades])
    return folder


def spend_logs(address, rows):
    """Make LiteLLM's table and fill it: a column a key, of the types that LiteLLM's schema has."""
    psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")
    kinds = {**dict.fromkeys(JSON, "jsonb"), "spend": "double precision"}
    kinds |= dict.fromkeys(("startTime", "endTime", "completionStartTime"), "timestamp(3)")
    kinds |= dict.fromkeys(("total_tokens", "prompt_tokens", "completion_tokens", "request_duration_ms"), "integer")
    columns = ", ".join(f'"{name}" {kinds.get(name, "text")}' for name in rows[0])
    with psycopg.connect(address) as connection:
        connection.execute(f'CREATE TABLE "LiteLLM_SpendLogs" ({columns})')
        fill = 'INSERT INTO "LiteLLM_SpendLogs" SELECT * FROM jsonb_populate_record(NULL::"LiteLLM_SpendLogs", %s)'
        for row in rows:
            stored = {name: json.loads(row[name]) if isinstance(row[name], str) else row[name] for name in JSON}
            connection.execute(fill, [json.dumps({**row, **stored})])


def check_litellm(run, folder, report):
    """What both of LiteLLM's logs give: every request, scored, each prompt whole."""
    rows = pd.read_parquet(folder / "data" / "logs.parquet")
    assert set(rows.prompt) == {*SUMS, LONG, "What is 3 + 3?"}
    assert len(rows) == 2 * len(SUMS) + 2
    assert "quarantined                  0" in report
    assert set(rows.thinking_tokens[rows.arm == "reasoning"]) == {780}
    wrong = rows.prompt.str.contains("hard") & (rows.arm == "direct")
    assert rows.score.tolist() == [0.0 if bad else 1.0 for bad in wrong]
    run(lines("thinkworth label")[0], folder)
    labels = pd.read_parquet(folder / "data" / "labels.parquet").set_index("prompt").label_balanced
    assert labels["What is 1 + 7 (hard)?"] == "use"
    assert labels[["What is 3 + 21?", "What is 3 + 3?"]].tolist() == ["avoid", "unscored"]


@needs_litellm
def test_litellm_from_its_database(run, proxied, postgres):
    spend_logs(postgres, [json.loads(row) for row in (proxied / "spend.jsonl").read_text().splitlines()])
    (line,) = lines("import litellm-spend")
    check_litellm(
        run, proxied, run(line, proxied, database=("postgresql://reader:password@localhost:5432/litellm", postgres))
    )


@needs_litellm
def test_litellm_by_the_callback(run, proxied):
    (line,) = lines("import litellm-payload")
    check_litellm(run, proxied, run(line, proxied))


@pytest.fixture(scope="module")
def tracking(model, tmp_path_factory, mlflow_database):
    """The address of an MLflow server that a traced program logged to."""
    folder = tmp_path_factory.mktemp("mlflow")
    address = f"http://127.0.0.1:{free_port()}"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    env = {**os.environ, **quiet, "MLFLOW_TRACKING_URI": address, "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false"}
    port = address.rpartition(":")[2]
    line = f"{sys.executable} -m mlflow server --backend-store-uri {mlflow_database(folder)} --workers 1 --port {port}"
    with started(line, f"{address}/health", folder, env):
        asked = json.dumps([(prompt, right(prompt)) for prompt in SUMS])
        program = [sys.executable, "-c", TRACED, model]
        done = subprocess.run(program, cwd=folder, env=env, input=asked, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield address


@pytest.fixture(scope="module")
def imported(run, tracking, tmp_path_factory, few_families):
    """A folder with the log that README's line imports from the tracking server, and a taxonomy of few families."""
    folder = tmp_path_factory.mktemp("imported")
    few_families(folder)
    (line,) = lines("import mlflow")
    run(line, folder, server=("http://localhost:5000", tracking))
    return folder


def test_mlflow_to_a_bundle(run, imported):
    rows = pd.read_parquet(imported / "data" / "logs.parquet")
    assert (len(rows), rows.score.notna().all()) == (2 * len(SUMS), True)
    run(lines("thinkworth label")[0], imported)
    labels = pd.read_parquet(imported / "data" / "labels.parquet")
    assert labels.label_balanced.value_counts().to_dict() == {"use": 10, "avoid": 4}
    for line in (*lines("thinkworth train"), *lines("thinkworth predict")):
        said = run(line, imported)
    manifest = json.loads((imported / "models" / "mine" / "manifest.json").read_text())
    assert json.loads(said)["revision"] == manifest["revision"]


def test_collect_by_a_dry_run_and_a_run(run, model, imported):
    (example,) = map(json.loads, block("json"))
    prompts = [example, *({"prompt": prompt, "reference": right(prompt)} for prompt in SUMS)]
    (imported / "prompts.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    dry, real = lines("thinkworth collect")
    server = ("http://localhost:4000/v1", model)
    before = sorted(imported.rglob("*"))
    assert "Nothing was asked." in run(dry, imported, server=server)
    assert sorted(imported.rglob("*")) == before
    run(real, imported, server=server)
    rows = pd.read_parquet(imported / "data" / "shadow.parquet")
    assert (len(rows), rows.score.notna().sum()) == (2 * len(prompts), 2 * len(prompts))
    run(lines("thinkworth label")[1], imported)
    labels = pd.read_parquet(imported / "data" / "labels.parquet")
    assert labels.source.value_counts().to_dict() == {"prompts": len(prompts), "mlflow": len(SUMS)}


def test_every_command_is_run_here():
    run_here = (
        "make .venv/dev", "litellm --config", "import litellm-spend", "import litellm-payload", "import mlflow",
        "thinkworth label", "thinkworth train", "thinkworth predict", "thinkworth collect",
    )  # fmt: skip
    assert [line for line in lines() if not any(word in line for word in run_here)] == []
