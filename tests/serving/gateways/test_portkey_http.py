"""POST /gateways/portkey over real HTTP, and the real gateway of Portkey in front of a model."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from contract.locate import ROOT
from serving.gateways import portkey
from serving.schemas import Answer

GUIDE = (ROOT / "docs" / "gateways" / "portkey.md").read_text(encoding="utf-8")
CONFIG, SENT, GOT = map(json.loads, re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL))
GATEWAY = Path(
    os.environ.get("PORTKEY_GATEWAY", ROOT / ".venv" / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js")
)  # fmt: skip
SECRET = "heliotrope-77-marmalade"


def test_the_body_of_the_guide_is_answered_as_it_shows(http):
    reply = http.post("/gateways/portkey", json=SENT, headers={"x-thinkworth-profile": "balanced"}).json()
    assert reply["verdict"] is True
    assert reply["data"].keys() == GOT["data"].keys()
    assert {name: reply["data"][name] for name in ("verdict", "arm", "thinking_budget", "effort")} == {
        name: GOT["data"][name] for name in ("verdict", "arm", "thinking_budget", "effort")
    }
    told = http.post("/outcomes", json={"request_id": "req-1", "arm": "direct", "output_tokens": 3}).json()
    assert told["outcomes"][0]["decision_id"] == reply["data"]["decision_id"]


def test_the_answer_of_the_guide_is_what_these_parameters_give(http):
    answer = Answer.model_validate(
        http.post("/predict", json={"prompt": "What is 1 + 9900?"}).json() | {"params": {"reasoning_effort": "none"}}
    )
    reply = portkey.reply(portkey.read(json.dumps(SENT).encode(), {}), answer).model_dump()
    assert {**reply, "data": {**reply["data"], "decision_id": "...", "revision": "..."}} == GOT


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
LEAST, OFF = {"type": "enabled", "budget_tokens": 1024}, {"type": "disabled"}


@pytest.mark.parametrize(
    ("turn", "kind", "thinking"),
    [
        ([{**CALL, "content_blocks": [THOUGHT]}, {"role": "tool", "tool_call_id": "t", "content": "9901"}], "chatComplete", LEAST),
        ([CALL, {"role": "tool", "tool_call_id": "t", "content": "9901"}], "chatComplete", OFF),
        ([{"role": "assistant", "content": [THOUGHT, USE]},
          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "9901"}]}], "messages", LEAST),
        ([{"role": "assistant", "content": "{"}], "messages", OFF),
    ],
)  # fmt: skip
def test_claude_goes_on_with_a_turn_as_it_began(http, turn, kind, thinking):
    messages = [{"role": "user", "content": "What is 1 + 9900?"}, *turn]
    body = {"model": "claude-sonnet-4-5", "max_tokens": 8000, "messages": messages}
    sent = {**SENT, "request": {"json": body}, "provider": "anthropic", "requestType": kind}
    reply = http.post("/gateways/portkey", json=sent).json()
    assert reply["transformedData"]["request"]["json"] == body | {"thinking": thinking}
    assert reply["data"]["arm"] == ("reasoning" if thinking is LEAST else "direct")


PROOF = "Prove that for every prime p > 3, p^2 - 1 is divisible by 24, then find all integer solutions of x^2 - 24y^2 = 1 with x < 10000."


@pytest.mark.parametrize(
    ("before", "arm"), [([], "reasoning"), ([{"role": "assistant", "content": "The proof:"}], "direct")]
)
def test_claude_is_not_made_to_think_beside_a_prefill(http, before, arm):
    body = {"model": "claude-sonnet-4", "max_tokens": 20000, "messages": [{"role": "user", "content": PROOF}, *before]}
    sent = {**SENT, "request": {"json": body}, "provider": "anthropic", "requestType": "messages"}
    reply = http.post("/gateways/portkey", json=sent).json()
    assert reply["data"]["arm"] == arm
    assert reply["transformedData"]["request"]["json"]["thinking"]["type"] == (
        "enabled" if arm == "reasoning" else "disabled"
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"{", b"[]", b"", b'{"request": {"json": {"messages": [{"role": "x", "content": "heliotrope-77-marmalade"}]}}}',
        json.dumps({**SENT, "request": {"json": {"prompt": SECRET * 50_000}}}).encode(),
        json.dumps({**SENT, "request": {"json": {"messages": []}}}).encode(),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_goes_on_as_it_was(http, served, raw):
    reply = http.post("/gateways/portkey", content=raw)
    assert reply.status_code == 200
    assert reply.json()["verdict"] is True
    assert reply.json()["transformedData"] is None
    assert reply.json()["data"]["applied"] is False
    assert SECRET not in reply.text
    assert SECRET.encode() not in served.log.read_bytes()


def test_an_unknown_profile_is_told_and_passes(http):
    reply = http.post("/gateways/portkey", json=SENT, headers={"x-thinkworth-profile": "none-such"})
    assert reply.status_code == 200
    assert "profile" in reply.json()["data"]["why"]


# The real gateway


class Answering(BaseHTTPRequestHandler):
    """Answers a POST with what `self.server.answer` makes of its body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.server.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def answering(answer):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.answer = answer
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    log, port = tmp_path_factory.mktemp("portkey") / "server.log", free_port()
    with log.open("wb") as out:
        process = subprocess.Popen(
            [shutil.which("node"), GATEWAY, f"--port={port}", "--headless"], stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def asked():
    return []


@pytest.fixture
def complete(gateway, asked):
    """What sends a body through the gateway, with a webhook, to a model."""
    said = {"role": "assistant", "content": "ok"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    completion = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-5.1", "usage": usage}
    completion["choices"] = [{"index": 0, "finish_reason": "stop", "message": said}]

    def model(raw):
        asked.append(json.loads(raw))
        return json.dumps(completion).encode()

    with answering(model) as address:

        def complete(webhook, body):
            config = json.loads(json.dumps(CONFIG).replace("http://127.0.0.1:3000/gateways/portkey", webhook))
            config["before_request_hooks"][0]["checks"][0]["parameters"]["timeout"] = (
                60_000  # a test's machine may be slow
            )
            headers = {"x-portkey-config": json.dumps({**config, "custom_host": f"{address}/v1"})}
            reply = httpx.post(
                f"{gateway}/v1/chat/completions", json=body, headers=headers, timeout=120, trust_env=False
            )
            assert reply.status_code == 200, reply.text
            return reply.json()["hook_results"]["before_request_hooks"][0]["checks"][0]

        yield complete


BODY = SENT["request"]["json"] | {
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
}

needs_portkey = pytest.mark.skipif(
    not GATEWAY.is_file() or shutil.which("node") is None, reason=f"no Portkey gateway at {GATEWAY} (or $PORTKEY_GATEWAY), or no node"
)  # fmt: skip


@needs_portkey
def test_the_gateway_asks_the_service_and_the_model_gets_all_of_the_body(complete, served, asked):
    check = complete(f"{served.url}/gateways/portkey", BODY)
    assert check["verdict"] is True
    assert check["data"]["responseData"]["verdict"] == "avoid"
    (sent,) = asked
    assert {**sent, **BODY} == sent


@needs_portkey
def test_the_model_gets_the_parameters_of_the_decision(complete, asked, http):
    decision = http.post("/predict", json={"prompt": "What is 1 + 9900?"}).json()

    def thinkworth(raw):
        answer = Answer.model_validate(decision | {"params": {"reasoning_effort": "none"}})
        return portkey.reply(portkey.read(raw, {}), answer).model_dump_json().encode()

    with answering(thinkworth) as address:
        assert complete(f"{address}/gateways/portkey", BODY)["transformed"] is True
        complete(f"{address}/gateways/portkey", {**BODY, "reasoning_effort": "high"})
    assert asked == [{**BODY, "reasoning_effort": "none"}, {**BODY, "reasoning_effort": "high"}]


@needs_portkey
def test_without_thinkworth_the_request_goes_on(complete, asked):
    complete(f"http://127.0.0.1:{free_port()}/gateways/portkey", BODY)
    assert asked == [BODY]
