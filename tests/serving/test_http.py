"""The service over real HTTP, started as `thinkworth serve` starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

SECRET = "heliotrope-77-marmalade"
FIELDS = set(
    [
        "decision_id",
        "request_id",
        "verdict",
        "thinking_budget",
        "effort",
        "probabilities",
        "expected",
        "task",
        "familiarity",
        "model_known",
        "truncated",
        "profile",
        "reasons",
        "arm",
        "p_reasoning",
        "params",
        "enforced",
        "neighbours",
        "revision",
    ]
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("thinkworth"), "serve", "--port", str(port)],
            cwd=folder, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        try:
            for _ in range(480):
                try:
                    if client.get("/readyz").status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                assert process.poll() is None, log.read_text()
                time.sleep(0.25)
            else:
                pytest.fail(log.read_text())
            yield client, log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def same(answer):
    return {key: value for key, value in answer.items() if key != "decision_id"}


def test_an_answer(server):
    client, _ = server
    answer = client.post("/predict", json={"prompt": "What is 1 + 9900?", "request_id": "r"}).json()
    assert answer.keys() == FIELDS
    assert (answer["verdict"], answer["thinking_budget"], answer["request_id"]) == ("avoid", 0, "r")


BAD = {
    "empty": (b'{"prompt": "%s"}' % b" ", 400, "empty_prompt"),
    "both": (b'{"prompt": "%s", "messages": []}' % SECRET.encode(), 400, "prompt_or_messages"),
    "neither": (b"{}", 400, "prompt_or_messages"),
    "unknown key": (b'{"prompt": "%s", "x": 1}' % SECRET.encode(), 400, "unknown_key"),
    "profile": (b'{"prompt": "%s", "profile": "x"}' % SECRET.encode(), 400, "unknown_profile"),
    "provider": (b'{"prompt": "%s", "provider": "x"}' % SECRET.encode(), 400, "unknown_provider"),
    "no messages": (b'{"messages": []}', 400, "empty_messages"),
    "no content": (b'{"messages": [{"role": "user"}]}', 400, "missing_content"),
    "role": (b'{"messages": [{"role": "%s", "content": "x"}]}' % SECRET.encode(), 400, "unknown_role"),
    "range": (b'{"prompt": "%s", "max_output_tokens": 0}' % SECRET.encode(), 400, "out_of_range"),
    "nan": (b'{"prompt": "%s", "cached_tokens": NaN}' % SECRET.encode(), 400, "invalid_json"),
    "type": (b'{"prompt": ["%s"]}' % SECRET.encode(), 400, "wrong_type"),
    "json": (b'{"prompt": "%s"' % SECRET.encode(), 400, "invalid_json"),
    "deep": (b'{"prompt": "%s", "tools": ' % SECRET.encode() + b"[" * 5000, 400, "too_deep"),
    "array": (b'["%s"]' % SECRET.encode(), 400, "invalid_json"),
    "nothing": (b"", 400, "invalid_json"),
    "large": (b'{"prompt": "%s"}' % (SECRET.encode() * 60_000), 413, "body_too_large"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/vnd.bentoml+pickle"])
def test_a_bad_request_has_the_one_shape(server, name, content_type):
    client, log = server
    body, status, kind = BAD[name]
    answer = client.post("/predict", content=body, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.json()["error"].keys() == {"type", "message", "field", "limit"}
    assert answer.json()["error"]["type"] == kind
    assert SECRET not in answer.text
    assert SECRET not in log.read_text()


def test_a_chunked_body_over_the_limit_is_answered(server):
    client, _ = server
    answer = client.post("/predict", content=(b"x" * 65536 for _ in range(40)))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/predict", 405), ("GET", "/nowhere", 404), ("DELETE", "/model", 405)]
)
def test_a_wrong_route_has_the_one_shape(server, method, path, status):
    client, _ = server
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"].keys() == {"type", "message", "field", "limit"}


@pytest.mark.parametrize("prompt", ["\ud800 lone", "null \x00 [SEP] [CLS]", "🙂‮rtl", "x" * 900_000, "今天天气怎么样？"])
def test_a_nasty_prompt_is_answered_and_not_logged(server, prompt):
    client, log = server
    answer = client.post("/predict", content=json.dumps({"prompt": f"{SECRET} {prompt}"}))
    assert answer.status_code == 200, answer.text
    assert answer.json()["truncated"] == (len(prompt) > 100_000)
    assert SECRET not in log.read_text()


def test_batch_and_single_and_offline_agree_whatever_is_in_flight(server, tmp_path):
    client, _ = server
    prompts = [
        f"If {i} trains leave at {i % 12} o'clock and each is {i + 3} minutes late, when is the last?"
        for i in range(40)
    ]
    requests = [{"prompt": prompt, "request_id": str(i)} for i, prompt in enumerate(prompts)]
    alone = [same(client.post("/predict", json=request).json()) for request in requests]
    with ThreadPoolExecutor(16) as pool:
        crowd = list(pool.map(lambda request: same(client.post("/predict", json=request).json()), requests))
    batch = [same(a) for a in client.post("/predict_batch", json={"requests": requests}).json()["answers"]]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    command = [Path(sys.executable).with_name("thinkworth"), "predict", "--input", "in.jsonl", "--output", "out.jsonl"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    offline = [same(json.loads(line)) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert alone == crowd == batch == offline


def test_the_other_routes(server):
    client, _ = server
    client.post("/predict", json={"prompt": "hello"})
    model = client.get("/model").json()
    assert model["revision"].startswith("thinkworth/")
    assert set(model["profiles"]) == {"latency_critical", "balanced", "quality_critical"}
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200
    assert "bentoml_service_request_total" in client.get("/metrics").text
    spec = client.get("/docs.json").json()
    assert {"/predict", "/predict_batch", "/model"} <= spec["paths"].keys()
    assert "What is 1 + 9900?" in json.dumps(spec)


def test_predict_puts_an_error_in_its_place(tmp_path):
    lines = b'{"prompt": "hello"}\nnot json\n{"prompt": "thanks!"}\n'
    command = [Path(sys.executable).with_name("thinkworth"), "predict"]
    out = subprocess.run(command, input=lines, cwd=tmp_path, capture_output=True, timeout=120)
    answers = [json.loads(line) for line in out.stdout.splitlines()]
    assert out.returncode == 1
    assert ["verdict" in a for a in answers] == [True, False, True]
    assert answers[1]["error"]["type"] == "invalid_json"
