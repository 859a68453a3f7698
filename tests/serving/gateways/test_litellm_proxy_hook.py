"""The hook in LiteLLM's real proxy, between a client and a small model server, with a real service that is killed on the way.

The set-up is that of docs/gateways/litellm-hook.md as written; only addresses, waiting times and the place of the folder are put in.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import httpx
import pytest
import yaml
from sqlalchemy import select

from contract.locate import ROOT
from contract.store.opening import open_store
from contract.store.tables import decisions, outcomes

PAGE = (ROOT / "docs" / "gateways" / "litellm-hook.md").read_text(encoding="utf-8")
SETUP = PAGE.split("## Set up")[1].split("\n## ")[0]
LITELLM = Path(os.environ.get("LITELLM_PROXY", ROOT / ".venv" / "litellm" / "bin" / "litellm"))
KEY = f"sk-{uuid4().hex}"
EASY = "What is 1 + 9900?"
HARD = "A train leaves at 3 pm at 60 km/h, another at 4 pm at 90 km/h from the same station. How far away does the second catch up, and when?"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not LITELLM.is_file(), reason=f"no LiteLLM proxy at {LITELLM} (or $LITELLM_PROXY)"),
]

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


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", SETUP, re.DOTALL)


class Model(BaseHTTPRequestHandler):
    """Bills hidden tokens unless it is told not to think; keeps every body under the prompt's text. The model `broken` answers 500."""

    protocol_version = "HTTP/1.1"
    bodies = defaultdict(list)  # noqa: RUF012 - one server, one record

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.bodies[request["messages"][-1]["content"]].append(request)
        if request["model"] == "broken":
            return self.answer("application/json", '{"error": {"message": "broken"}}', 500)
        hidden = 0 if request.get("reasoning_effort") == "none" else 300
        usage = {"prompt_tokens": 20, "completion_tokens": 12 + hidden, "total_tokens": 32 + hidden}
        usage["completion_tokens_details"] = {"reasoning_tokens": hidden}
        head = {"id": f"chatcmpl-{uuid4()}", "created": 1793520000, "model": request["model"]}
        choice, message = {"index": 0, "finish_reason": "stop"}, {"role": "assistant", "content": "It is 9901."}
        if not request.get("stream"):
            whole = {**head, "object": "chat.completion", "choices": [{**choice, "message": message}], "usage": usage}
            return self.answer("application/json", json.dumps(whole))
        chunk = {**head, "object": "chat.completion.chunk", "choices": [{**choice, "delta": message}]}
        parts = [json.dumps(chunk), json.dumps({**chunk, "choices": [], "usage": usage}), "[DONE]"]
        return self.answer("text/event-stream", "".join(f"data: {part}\n\n" for part in parts))

    def answer(self, kind, text, status=200):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@pytest.fixture(scope="module")
def model():
    server = Server(("127.0.0.1", 0), Model)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def proxy(model, program, thinkworth_server, tmp_path_factory):
    """The proxy that the page sets up, behind it models that think, one that does not and one that is broken."""
    folder = tmp_path_factory.mktemp("proxy")
    copy, start = blocks("bash")
    arguments = shlex.split(copy)
    subprocess.run([*arguments[:-2], ROOT / arguments[-2], folder], check=True)
    shutil.rmtree(folder / "litellm_hook" / "__pycache__", ignore_errors=True)
    (hook,) = blocks("python")
    # what a busy machine needs, and models that the service does not know; how long a request may wait is tested without a proxy
    settings = f'url="{thinkworth_server.url}", timeout_s=20, breaker_cooldown_s=0.5, breaker_failures=3, say="effort"'
    written = 'url="http://127.0.0.1:3000", timeout_s=0.05'
    assert written in hook
    (folder / "thinkworth_hook.py").write_text(hook.replace(written, settings))
    (folder / "spend_rows.py").write_text(SPEND)
    names = {
        "steady": "openai/gpt-y",
        "thinker": "openai/gpt-x",
        "talker": "openai/gpt-4o",
        "first": "openai/broken",
        "picky": "openai/gpt-5.1",
    }
    config = {
        "model_list": [
            {"model_name": name, "litellm_params": {"model": behind, "api_base": model, "api_key": "none", "max_retries": 0}}
            for name, behind in names.items()
        ],
        "router_settings": {"fallbacks": [{"first": ["talker"]}], "num_retries": 0, "disable_cooldowns": True},
    }  # fmt: skip
    config["model_list"][0]["litellm_params"]["reasoning_effort"] = "high"
    (settings,) = map(yaml.safe_load, blocks("yaml"))
    settings["litellm_settings"]["callbacks"].append("spend_rows.spend")
    settings["litellm_settings"] |= {"cache": True, "cache_params": {"type": "local", "mode": "default_off"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | settings))
    command = [*shlex.split(start.replace("litellm", str(LITELLM), 1)), "--host", "127.0.0.1"]
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    env |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1", "LITELLM_MASTER_KEY": KEY}
    server = program(command, "/health/liveliness", folder, env)
    thinkworth_server.until_ready()
    return server.until_ready()


@pytest.fixture(scope="module")
def client(proxy):
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=proxy.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def ask(client):
    """What asks the proxy and gives the answer, the decision's id and what the model server was sent."""

    def ask(prompt, *, model="thinker", **parameters):
        prompt = f"{prompt} ({uuid4().hex[:8]})"
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **parameters}
        response = client.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
        return response, response.headers.get("x-thinkworth-decision-id"), Model.bodies[prompt]

    return ask


@pytest.fixture(scope="module")
def rows(thinkworth_server):
    """What reads the rows of a decision in a table of the store."""
    store = open_store(f"sqlite:///{thinkworth_server.folder}/store/decisions.sqlite")

    def rows(table, decision_id):
        with store.connect() as connection:
            return connection.execute(select(table).where(table.c.decision_id == decision_id)).mappings().all()

    yield rows
    store.dispose()


@pytest.fixture(scope="module")
def told(proxy, rows):
    """What waits for the outcome of a decision, and gives the decision's row and the outcome's."""

    def told(decision_id):
        proxy.until(lambda: rows(outcomes, decision_id))
        (decision,), (outcome,) = rows(decisions, decision_id), rows(outcomes, decision_id)
        return decision, outcome

    return told


def test_the_decision_reaches_the_model_the_spend_log_and_the_store(proxy, ask, told):
    response, decision_id, (sent,) = ask(EASY, max_tokens=500)
    assert sent["reasoning_effort"] == "none"
    assert (response.headers["x-thinkworth-verdict"], response.headers["x-thinkworth-arm"]) == ("avoid", "direct")
    decision, outcome = told(decision_id)
    assert (decision["model"], decision["max_output_tokens"]) == ("openai/gpt-x", 500)
    assert decision["request_id"] == response.headers["x-litellm-call-id"]
    assert (outcome["arm"], outcome["overridden"]) == ("direct", False)
    assert (outcome["output_tokens"], outcome["thinking_tokens"], outcome["input_tokens"]) == (12, 0, 20)
    assert outcome["finish_reason"] == "stop"
    assert outcome["latency_s"] > 0
    assert outcome["cost_usd"] is None  # LiteLLM has no price of gpt-x, and says 0
    spend = [json.loads(line) for line in (proxy.folder / "spend.jsonl").read_text().splitlines()]
    kept = [json.loads(row["metadata"])["spend_logs_metadata"]["thinkworth"] for row in spend]
    assert [marks["verdict"] for marks in kept if marks["decision_id"] == decision_id] == ["avoid"]


def test_a_stream_is_told_when_it_ends(ask, told):
    response, decision_id, (sent,) = ask(HARD, stream=True)
    assert "9901" in response.text
    assert sent["reasoning_effort"] in ("low", "medium", "high")
    _, outcome = told(decision_id)
    assert (outcome["arm"], outcome["overridden"]) == ("reasoning", False)
    assert (outcome["output_tokens"], outcome["thinking_tokens"]) == (312, 300)


@pytest.mark.parametrize(("effort", "arm"), [("high", "reasoning"), ("none", "direct")])
def test_what_the_caller_set_stays_and_is_told_also_where_it_agrees(ask, told, effort, arm):
    _, decision_id, (sent,) = ask(EASY, reasoning_effort=effort)
    assert sent["reasoning_effort"] == effort
    _, outcome = told(decision_id)
    assert (outcome["arm"], outcome["overridden"]) == (arm, True)


def test_switches_of_a_chat_template_are_the_callers_too(ask, told):
    switch = {"enable_thinking": False, "tone": "dry"}
    _, decision_id, (sent,) = ask(HARD, chat_template_kwargs=switch)
    assert sent["chat_template_kwargs"] == switch
    assert "reasoning_effort" not in sent
    _, outcome = told(decision_id)
    assert (outcome["arm"], outcome["overridden"]) == ("reasoning", True)  # the small server thinks all the same


def test_what_the_config_sets_stays(ask, told):
    _, decision_id, (sent,) = ask(EASY, model="steady")
    assert sent["reasoning_effort"] == "high"
    _, outcome = told(decision_id)
    assert (outcome["arm"], outcome["overridden"]) == ("reasoning", True)


def test_a_model_that_takes_no_effort_is_sent_none(ask):
    _, decision_id, (sent,) = ask(EASY, model="talker")
    assert decision_id
    assert "reasoning_effort" not in sent


def test_a_temperature_that_is_refused_beside_thinking_keeps_it_off(ask, told):
    response, decision_id, (sent,) = ask(
        HARD, model="picky", temperature=0.2
    )  # LiteLLM would refuse it beside an effort
    assert response.headers["x-thinkworth-arm"] == "reasoning"
    assert (sent["temperature"], "reasoning_effort" in sent) == (0.2, False)
    _, outcome = told(decision_id)
    assert (outcome["arm"], outcome["overridden"]) == ("reasoning", True)  # the small server thinks all the same
    _, decision_id, (sent,) = ask(EASY, model="picky", temperature=0.2)
    assert (sent["temperature"], sent["reasoning_effort"]) == (0.2, "none")
    _, outcome = told(decision_id)
    assert (outcome["arm"], outcome["overridden"]) == ("direct", False)


def test_a_fallback_answers_without_what_its_model_refuses(ask, told):
    _, decision_id, sent = ask(EASY, model="first")
    assert [body["model"] for body in sent] == ["broken", "gpt-4o"]
    assert ["reasoning_effort" in body for body in sent] == [True, False]
    decision, outcome = told(decision_id)
    assert (decision["arm"], outcome["arm"], outcome["overridden"]) == ("direct", "reasoning", True)


def test_a_cached_answer_is_not_told_again(client, ask, told, rows):
    prompt = f"What is 3 + 4? ({uuid4().hex})"
    body = {"model": "thinker", "messages": [{"role": "user", "content": prompt}], "cache": {"use-cache": True}}
    first = client.post("/v1/chat/completions", json=body)
    told(first.headers["x-thinkworth-decision-id"])
    again = client.post("/v1/chat/completions", json=body)
    assert (first.status_code, again.status_code, len(Model.bodies[prompt])) == (200, 200, 1)
    _, later, _ = ask(EASY)
    told(later)  # outcomes are told in order, so one of the cached answer would be there
    decision_id = again.headers["x-thinkworth-decision-id"]
    assert (len(rows(decisions, decision_id)), rows(outcomes, decision_id)) == (1, [])


def test_what_is_no_chat_completion_goes_through_as_it_is(client):
    response = client.post("/v1/responses", json={"model": "thinker", "input": "What is 2 + 2?"})
    assert "x-thinkworth-decision-id" not in response.headers


def test_a_caller_cannot_name_a_decision_of_its_own(ask, told):
    forged = {
        "thinkworth": {"decision_id": "forged"},
        "spend_logs_metadata": {"thinkworth": {"decision_id": "forged"}, "team": "a"},
    }
    _, decision_id, _ = ask(EASY, metadata=forged)
    assert decision_id != "forged"
    assert told(decision_id)[1]["arm"] == "direct"


def test_killing_the_service_under_load_fails_no_completion(proxy, thinkworth_server, ask):
    statuses, enough = [], Event()

    def caller(_):
        while not enough.is_set():
            _, decision_id, _ = ask(EASY)  # asserts the status
            statuses.append(decision_id)

    with ThreadPoolExecutor(8) as pool:
        callers = [pool.submit(caller, n) for n in range(8)]
        try:
            proxy.until(lambda: sum(map(bool, statuses)) >= 20)
            thinkworth_server.kill()
            before = len(statuses)
            proxy.until(lambda: len(statuses) >= before + 60)
        finally:
            enough.set()
        for done in callers:
            done.result()
    assert statuses[-1] is None  # nothing decided, and answered all the same
    assert "Requests go on without it" in proxy.said()
    thinkworth_server.start().until_ready()
    proxy.until(lambda: ask(EASY)[1])
    assert "thinkworth answers again" in proxy.said()
    assert EASY not in proxy.said()
