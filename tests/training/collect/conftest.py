"""A server that answers like an OpenAI-compatible one, and misbehaves where a test says so."""

import json
import re
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from contract.prompt import Prompt
from training.collect import asking
from training.collect.graders import Grader, grader
from training.collect.plan import Settings, asks
from training.collect.prompts import Item
from training.collect.session import Limits, Session

# LiteLLM's own: pydantic's model_fields read off an instance, and its warning of a TypedDict when a module is first needed.
NOISE = (
    "ignore:Accessing the 'model_.*fields' attribute on the instance:DeprecationWarning",
    "ignore:Items? .* on TypedDict class:UserWarning",
)
REFUSALS = {"400": 400, "401": 401, "404": 404, "429": 429, "500": 500}


def pytest_collection_modifyitems(items):
    """Keep LiteLLM's warnings from failing the tests of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for noise in NOISE:
                item.add_marker(pytest.mark.filterwarnings(noise))


class FakeModel:
    """Adds what "What is A + B?" asks for; without thinking it gets wrong what is `hard`, and it bills what it is told.

    `script` gives the behaviours of the next requests by a word of the prompt, each used once; `always` that of all.
    `calls` has every request: its body, headers, behaviour, and the output tokens that it was billed. `told`, a function
    of a call, replaces the usage that is sent.
    """

    def __init__(self):
        self.script, self.always, self.calls = {}, "ok", []
        self.hidden_direct, self.delay_s, self.visible, self.thinking = 0, 0.0, 10, 90
        self.told = None
        self.grade = lambda answers: json.dumps(
            {str(i): 10 if "wrong" not in a else 2 for i, a in enumerate(answers, 1)}
        )
        self.lock, self.over = threading.Lock(), threading.Event()

    @property
    def billed(self):
        return sum(call["tokens"] for call in self.calls)

    def asked(self):
        """How often each prompt was asked in each arm."""
        return Counter((call["prompt"], call["arm"]) for call in self.calls if not call["judge"])

    def take(self, body, headers):
        prompt = body["messages"][-1]["content"]
        judge = "<rubric>" in prompt
        effort, thinking = body.get("reasoning_effort"), body.get("thinking") or {}
        arm = "direct" if effort == "none" else "reasoning"
        with self.lock:
            word = next((word for word, left in self.script.items() if left and word in prompt), None)
            how = self.script[word].pop(0) if word is not None else self.always
            hidden = self.hidden_direct if arm == "direct" else thinking.get("budget_tokens", self.thinking)
            call = {"body": body, "headers": headers, "prompt": prompt, "arm": arm, "how": how, "judge": judge}
            call |= {"hidden": 0 if judge else hidden, "at": time.monotonic()}
            call["tokens"] = 0 if how in REFUSALS or how == "drop" else self.visible + call["hidden"]
            call["answer"] = self.judgement(prompt) if judge else self.answer(prompt, arm)
            self.calls.append(call)
        return call

    def answer(self, prompt, arm):
        numbers = re.findall(r"\d+", prompt)
        right = sum(map(int, numbers))
        return f"It is {right}." if arm == "reasoning" or "hard" not in prompt else f"A wrong guess: {right + 1}."

    def judgement(self, prompt):
        return self.grade(re.findall(r"<answer number=\"\d+\">\n(.*?)\n</answer>", prompt, re.DOTALL))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        model = self.server.model
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        call = model.take(body, dict(self.headers))
        time.sleep(model.delay_s)
        how = call["how"]
        try:
            if how in REFUSALS:
                error = {"error": {"message": f"said {how} to {self.headers['Authorization']}", "code": f"e{how}"}}
                return self.reply(REFUSALS[how], json.dumps(error), {"Retry-After": "1"} if how == "429" else {})
            if how == "malformed":
                return self.reply(200, "<html>busy</html>", {})
            if how == "hang":
                model.over.wait(30)
            if how in ("hang", "drop"):
                self.close_connection = True
                return None
            return self.stream(call)
        except OSError:  # the client is gone
            self.close_connection = True

    def reply(self, status, text, headers):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def stream(self, call):
        how, usage = call["how"], self.usage(call)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.event({"role": "assistant", "content": ""})
        half = len(call["answer"]) // 2
        so_far = {**usage, "completion_tokens": 5, "total_tokens": 25}
        self.event({"content": call["answer"][:half]}, usage=so_far if how == "cut" else None)
        if how == "cut":  # half-way, with usage so far
            self.close_connection = True
            return
        if how == "hang half-way":
            self.server.model.over.wait(30)
            self.close_connection = True
            return
        if how == "not JSON":
            self.chunk(b"data: {oops\n\n")
        self.event({"content": call["answer"][half:]})
        if how == "ends early":
            self.chunk(b"")
            return
        for _ in range(200 if how == "loop" else 0):
            self.event({"content": " and again"})
        self.event({}, finish={"length": "length", "loop": "length", "odd finish": 7}.get(how, "stop"))
        if how != "no usage":
            self.chunk(b"data: " + json.dumps({**self.head, "choices": [], "usage": usage}).encode() + b"\n\n")
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def usage(self, call):
        if self.server.model.told:
            return self.server.model.told(call)
        usage = {"prompt_tokens": 20, "completion_tokens": call["tokens"], "total_tokens": 20 + call["tokens"]}
        return {
            **usage, "completion_tokens_details": {"reasoning_tokens": call["hidden"]},
            "prompt_tokens_details": {"cached_tokens": 4},
        }  # fmt: skip

    @property
    def head(self):
        return {"id": f"req-{id(self)}", "object": "chat.completion.chunk", "created": 1, "model": "m-2025-01-01"}

    def event(self, delta, finish=None, usage=None):
        value = {**self.head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        if usage:
            value["usage"] = usage
        self.chunk(f"data: {json.dumps(value)}\n\n".encode())

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that hangs up is no news
        pass


@pytest.fixture
def llm():
    """A fake model; its `url` is what --base-url takes."""
    model = FakeModel()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.model, model.handler, model.url = model, _Handler, f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield model
    model.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def sums(count, **more):
    """Prompts that ask for a sum; every second one is hard."""
    found = []
    for i in range(1, count + 1):
        text = f"What is {i} + 40{' (hard)' if i % 2 else ''}?"
        item = Item(prompt_id=f"p{i}", digest=Prompt.from_text(text).digest, prompt=text, reference=str(i + 40))
        found.append(replace(item, **more))
    return found


@pytest.fixture
def items():
    """A function that makes so many prompts."""
    return sums


@pytest.fixture
def settings():
    """A function that returns the settings of a run, with a ladder that it may be asked at."""
    ladder = {"thinking": {"type": "enabled", "budget_tokens": "$budget"}}
    given = {
        "model": "m", "direct": {"reasoning_effort": "none"}, "reasoning": {"reasoning_effort": "medium"}, "budget": ladder,
        "params": {}, "source": "s",
    }  # fmt: skip
    return lambda **more: Settings(**{**given, **more})


@pytest.fixture
def collected(llm, tmp_path, monkeypatch):
    """A function that runs a plan against the fake model and returns the session's report and the table's rows."""
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.01)

    def collected(prompts, *, grader_spec="numeric", grade=None, rubric=None, out="logs.parquet", limits=None, **more):
        settings = Settings(
            **{
                "model": "m", "base_url": llm.url, "direct": {"reasoning_effort": "none"},
                "reasoning": {"reasoning_effort": "medium"}, "params": {}, "source": "sums",
                "budget": {"reasoning_effort": "medium", "thinking": {"type": "enabled", "budget_tokens": "$budget"}},
                **more,
            }
        )  # fmt: skip
        settled = {
            "api_key_env": None, "timeout_s": 30.0, "retries": 4, "concurrency": 4, "requests_per_minute": None,
            "max_tokens": None, "max_usd": None, **(limits or {}),
        }  # fmt: skip
        chosen = Grader("mine", grade) if grade else grader(grader_spec) if rubric is None else None
        chosen = chosen or Grader("judge:j", lambda *_: None, rubric.digest)
        session = Session(asks(prompts, settings), settings, chosen, rubric, Limits(**settled))
        report = session.run(tmp_path / out)
        written = out.endswith(".parquet") and (tmp_path / out).exists()
        rows = pd.read_parquet(tmp_path / out).to_dict("records") if written else []
        return report, rows

    return collected


KEY = "sk-a-key-nobody-may-see"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with eight prompts and a row that holds none, and keys in the environment."""
    rows = [{"prompt": item.prompt, "prompt_id": item.prompt_id, "reference": item.reference} for item in sums(8)]
    text = "".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": ""}])
    (tmp_path / "sums.jsonl").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-one-that-stays-here")
    return tmp_path


@pytest.fixture
def command(folder, llm):
    """A function that returns the command's words."""

    def command(*arguments):
        given = ["collect", "sums.jsonl", "--model", "m", "--base-url", llm.url, "--api-key-env", "MY_KEY"]
        return [*given, "--grader", "numeric", *map(str, arguments)]

    return command


@pytest.fixture
def run(command, thinkworth, monkeypatch):
    """A function that runs the command in this process, and returns code, output and errors."""
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.01)
    return lambda *arguments: thinkworth(*command(*arguments))


@pytest.fixture
def journal(tmp_path):
    """A function that returns the whole records of the journal."""

    def journal(kind=None):
        path = tmp_path / "logs.parquet.journal.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        records = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return [record for record in records if kind in (None, record["kind"])]

    return journal
