"""System One over real HTTP: the answers of /predict, the protocol's errors, a decision that outcomes can be told of."""

import re
import subprocess

import pytest

from contract.locate import ROOT

GUIDE = (ROOT / "docs" / "gateways" / "systemone.md").read_text(encoding="utf-8")
SECRET = "heliotrope-77-marmalade"
TIER = {"type": "choice", "instructions": "Pick", "criteria": {"use": "yes", "maybe": None, "avoid": "no"}}
PROMPTS = (
    "What is 1 + 9900?",
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
    "zxqv blorp 77 %% ~~",
)


def ask(http, state, headers=None, **keys):
    body = {"model": "reasoning-gate", "state": state, "questions": {"tier": TIER}, **keys}
    return http.post("/v1/systemone", json=body, headers=headers)


def test_the_verdicts_are_those_of_predict(http):
    verdicts = set()
    for prompt in PROMPTS:
        alone = http.post("/predict", json={"prompt": prompt}).json()
        answer = ask(http, f"\nClassify this message:\n{prompt}").json()
        assert answer["answers"]["tier"]["choice"] == alone["verdict"]
        assert answer["answers"]["tier"]["probabilities"] == alone["probabilities"]
        assert {**answer["thinkworth"], "decision_id": ""} == {**alone, "decision_id": ""}
        verdicts.add(alone["verdict"])
    assert verdicts == {"use", "maybe", "avoid"}


def test_a_conversation_is_read_as_messages_are(http):
    messages = [
        {"role": "system", "content": "You are a careful tutor."},
        {"role": "user", "content": PROMPTS[1]},
        {"role": "assistant", "content": "Shall I write the proof down?"},
        {"role": "user", "content": "yes, do it"},
    ]
    state = (
        f"\nCaller system prompt, quoted as task context:\n{messages[0]['content']}\n"
        f"\nRecent conversation (context only, do not classify these):\n[1] user: {PROMPTS[1]}\n[2] assistant: {messages[2]['content']}\n"
        "\nConversation so far: ~40 tokens across the request\n\nClassify this message:\nyes, do it"
    )
    expected = http.post("/predict", json={"messages": messages}).json()["expected"]
    for told in (state, {"messages": messages}, messages):
        assert ask(http, told).json()["thinkworth"]["expected"] == expected


def test_profile_and_target_model(http):
    answer = ask(http, PROMPTS[0], model="thinkworth/latency_critical/gpt-5.1").json()
    assert (answer["model"], answer["thinkworth"]["profile"]) == (
        "thinkworth/latency_critical/gpt-5.1",
        "latency_critical",
    )
    refused = ask(http, PROMPTS[0], model="thinkworth/none-such")
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "model")
    listed = [model["id"] for model in http.get("/v1/models").json()["data"]]
    assert listed[0] == "thinkworth/balanced"
    assert all(ask(http, PROMPTS[0], model=name).status_code == 200 for name in listed)


def test_a_decision_is_recorded_under_the_callers_id(http):
    reply = ask(http, PROMPTS[0], headers={"x-litellm-call-id": "call-é".encode("latin-1")})
    decision = reply.json()["thinkworth"]
    assert reply.headers["x-thinkworth-decision-id"] == decision["decision_id"]
    assert decision["request_id"] == "call-é"
    for name in ("request_id", "decision_id"):
        told = http.post("/outcomes", json={name: decision[name], "arm": "direct", "output_tokens": 3}).json()
        assert told["outcomes"][0]["decision_id"] == decision["decision_id"]
        assert told["outcomes"][0]["status"] in ("new", "repeated")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 422, None),
        (b"[]", 422, None),
        (b"[" * 99, 422, None),
        (b'{"state": 3, "questions": {}}', 422, None),
        ({"state": " ", "questions": {"tier": TIER}}, 422, "state"),
        ({"state": [{"role": SECRET, "content": SECRET}], "questions": {"tier": TIER}}, 422, "state"),
        ({"state": SECRET, "questions": {"s": {"type": "score", "criteria": [SECRET]}}}, 422, "questions.s.type"),
        ({"state": SECRET, "questions": {"c": {"type": "choice", "criteria": {SECRET: SECRET}}}}, 422, "questions.c.criteria"),
        ({"state": "x" * 1_048_577, "questions": {"tier": TIER}}, 413, None),
    ],
)  # fmt: skip
def test_errors_have_the_protocols_shape_and_repeat_nothing(http, served, body, status, field):
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    reply = http.post("/v1/systemone", **sent)
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert error.keys() == {"message", "field"}
    assert field is None or error["field"] == field
    assert SECRET not in reply.text
    assert SECRET.encode() not in served.log.read_bytes()
    assert http.put("/v1/systemone").json()["error"].keys() == {"message", "field"}


def test_the_commands_of_the_guide_run(http, served):
    lines = [
        line for block in re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL) for line in block.strip().splitlines()
    ]
    for line in lines:
        line = line.replace("http://127.0.0.1:3000", served.url)
        done = subprocess.run(f"{line} --fail", shell=True, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    assert len(lines) == 2
