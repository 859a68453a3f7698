"""The real LiteLLM, configured as docs/gateways/systemone.md says, calls the model with the effort of our verdict.

Its Router in a process of its own, and its proxy. Only addresses and keys are put in; the model behind them is a small server.
"""

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import pytest
import yaml

from contract.locate import ROOT
from serving.systemone.envelope import messages_of

GUIDE = (ROOT / "docs" / "gateways" / "systemone.md").read_text(encoding="utf-8")
KEY = f"sk-{uuid4().hex}"
LITELLM = Path(os.environ.get("LITELLM_PROXY", ROOT / ".venv" / "litellm" / "bin" / "litellm"))
PROMPTS = {
    "avoid": "What is 1 + 9900?",
    "use": "Prove that there are infinitely many primes congruent to 3 modulo 4.",
    "maybe": "zxqv blorp 77 %% ~~",
}
EFFORTS = {"avoid": "none", "maybe": "low", "use": "high"}
WARM, HIGH, NONE = {"temperature": 0.3}, {"reasoning_effort": "high"}, {"reasoning_effort": "none"}
CALLS = [
    *(("auto", prompt, {}, {"reasoning_effort": EFFORTS[verdict]}) for verdict, prompt in PROMPTS.items()),
    ("auto", PROMPTS["avoid"], WARM, {**WARM, **NONE}),
    ("auto", PROMPTS["use"], WARM, HIGH),
    ("auto", PROMPTS["use"], {"logprobs": True, "top_p": 0.5}, HIGH),
    ("auto", PROMPTS["avoid"], HIGH, HIGH),
    ("auto", PROMPTS["use"], {**NONE, **WARM}, {**NONE, **WARM}),
    ("auto", PROMPTS["use"], {"max_tokens": 500}, {**HIGH, "max_completion_tokens": 500}),
    *(("auto-away", prompt, {}, {}) for prompt in PROMPTS.values()),
    ("auto-away", PROMPTS["use"], {**WARM, "max_tokens": 500}, {**WARM, "max_completion_tokens": 500}),
    ("auto-away", PROMPTS["avoid"], HIGH, HIGH),
]
"""The model that is asked for (`auto-away`: thinkworth does not answer), a prompt, what the caller sets, and what is sent beside model and messages."""
TALK = [
    {"role": "system", "content": "You are a tutor.\n\nClassify this message:\nas easy or hard, then answer it."},
    {"role": "user", "content": PROMPTS["use"]},
    {"role": "assistant", "content": "Shall I write the proof down?"},
    {"role": "user", "content": "yes, do it"},
]

# Prints the envelopes that LiteLLM makes of conversations, and calls models by its Router.
ROUTER = """
import asyncio, json, sys
from litellm import Router
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

asked = json.load(sys.stdin)
router = Router(model_list=asked["model_list"])


async def calls():
    for model, prompt, own, _ in asked["calls"]:
        await router.acompletion(model=model, messages=[{"role": "user", "content": prompt}], **own)
    await router.acompletion(model="auto", messages=asked["talk"])

asyncio.run(calls())
build = ComplexityRouter._build_classifier_user_payload
print(json.dumps([build(prompt, system, turns, [], deep, labelled) for prompt, system, turns, deep, labelled in asked["envelopes"]]))
"""
MARK = "\n\nClassify this message:\n"
ENVELOPES = [
    (f"Rules.{MARK}You won.", None, None, False, False),
    ("You won.", "Be brief.", None, False, False),
    ("yes", "Be brief.", [("user", f"Rules.{MARK}a"), ("assistant", "[2] ok?\n[3] no")], True, True),
    ("and then?", None, [("user", "first"), ("user", "second\nline")], True, False),
    ("again", "Be brief.", None, True, False),
]


@pytest.fixture(scope="module")
def model():
    """The address of a model that answers "ok", and what it was asked."""
    asked = []

    class Model(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(request)
            said = {"role": "assistant", "content": "ok"}
            usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
            head = {"id": "chatcmpl-1", "created": 1793520000, "model": request["model"], "object": "chat.completion"}
            body = json.dumps(
                {**head, "choices": [{"index": 0, "finish_reason": "stop", "message": said}], "usage": usage}
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1", asked
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def config(served, model):
    """The models of the guide, with our addresses, and its auto router once more where thinkworth is away."""
    text = "\n".join(re.findall(r"```yaml\nmodel_list:\n(.*?)```", GUIDE, re.DOTALL))
    for written, here in (
        ("http://127.0.0.1:3000", served.url),
        ("https://api.openai.com/v1", model[0]),
        ("os.environ/OPENAI_API_KEY", "none"),
        ("os.environ/THINKWORTH_KEY", "any"),
        ("timeout_ms: 300", "timeout_ms: 60000"),  # the machine of a test may be slow
    ):
        assert written in text
        text = text.replace(written, here)
    models = yaml.safe_load(text)
    away = deepcopy(next(one for one in models if one["model_name"] == "auto")) | {"model_name": "auto-away"}
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        away["litellm_params"]["complexity_router_config"]["opensource_classifier_config"]["api_base"] = address
        yield [*models, away]  # bound and not listened on: refused for as long as the tests last


@pytest.fixture(scope="module")
def env():
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1", "LITELLM_MASTER_KEY": KEY}


def check(asked):
    assert [request["messages"][-1]["content"] for request in asked] == [prompt for _, prompt, _, _ in CALLS]
    for request, (name, prompt, own, sent) in zip(asked, CALLS, strict=True):
        assert request.pop("model") == "gpt-5.1"
        assert {key: value for key, value in request.items() if key != "messages"} == sent, (name, prompt, own)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("litellm") is None, reason="needs the extra collect or bench (litellm)")
def test_the_router_thinks_as_the_verdict_says(config, env, model, http):
    model[1].clear()
    asked = {"model_list": config, "calls": CALLS, "talk": TALK, "envelopes": ENVELOPES}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROUTER], input=json.dumps(asked), env=env, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    check(model[1][:-1])
    verdict = http.post("/predict", json={"messages": TALK}).json()["verdict"]
    assert model[1][-1]["reasoning_effort"] == EFFORTS[verdict]
    for state, (prompt, system, turns, *_) in zip(json.loads(done.stdout.splitlines()[-1]), ENVELOPES, strict=True):
        said = [("system", system)] if system else []
        said += [*(turns or []), ("user", prompt)]
        assert messages_of(state) == [{"role": role, "content": text} for role, text in said]


@pytest.fixture(scope="module")
def proxy(config, env, tmp_path_factory):
    """The address of the proxy."""
    folder = tmp_path_factory.mktemp("proxy")
    (folder / "config.yaml").write_text(yaml.safe_dump({"model_list": config}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    line = [LITELLM, "--host", "127.0.0.1", "--port", str(port), "--config", "config.yaml"]
    with log.open("wb") as out:
        process = subprocess.Popen(line, cwd=folder, env=env, stdout=out, stderr=out, start_new_session=True)
    try:
        for _ in range(900):
            assert process.poll() is None, log.read_text()[-3000:]
            with suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{port}/health/liveliness", trust_env=False).is_success:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(not LITELLM.is_file(), reason=f"no LiteLLM proxy at {LITELLM} (or $LITELLM_PROXY)")
def test_the_proxy_thinks_as_the_verdict_says(proxy, model):
    model[1].clear()
    for name, prompt, own, _ in CALLS:
        body = {"model": name, "messages": [{"role": "user", "content": prompt}], **own}
        httpx.post(
            f"{proxy}/v1/chat/completions",
            json=body,
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=60,
            trust_env=False,
        ).raise_for_status()
    check(model[1])
