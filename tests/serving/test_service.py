"""The service over real HTTP: what it answers, and what it never says."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

SECRET = "heliotrope-77-marmalade"
FIELDS = {
    "decision_id", "request_id", "verdict", "thinking_budget", "effort", "probabilities", "expected", "task",
    "familiarity", "model_known", "truncated", "profile", "reasons", "arm", "p_reasoning", "params", "enforced",
    "neighbours", "revision",
}  # fmt: skip
PROMPTS = [
    "What is 1 + 9900?",
    "hello",
    "Review this distributed architecture for failure modes: two queues, one leader, retries without idempotency keys.",
    "Alice is older than Bob, Carol is younger than Bob but older than Dan. Who sits between Bob and Dan by age?",
    "Translate to French: where is the station?",
    "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ=",
    "今天天气怎么样？",
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
]


def same(answer):
    return {key: value for key, value in answer.items() if key != "decision_id"}


def assert_refused(answer, status=None):
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    assert status is None or answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() == {"type", "message", "field", "limit"}
    assert isinstance(error["type"], str)
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["field"] is None or isinstance(error["field"], str)
    assert SECRET not in answer.text
    return error


def assert_not_logged(served):
    assert SECRET.encode() not in served.log.read_bytes()


# What it answers


@pytest.mark.parametrize(
    "request_",
    [
        {"prompt": PROMPTS[3]},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPTS[3]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": PROMPTS[3]}, {"type": "image_url"}]}]},
    ],
    ids=["prompt", "messages", "parts"],
)
def test_an_answer_has_every_field(http, request_):
    answer = http.post("/predict", json={**request_, "request_id": "req-é-1"}).json()
    assert answer.keys() == FIELDS
    assert answer["request_id"] == "req-é-1"
    assert answer["verdict"] in {"use", "maybe", "avoid"}
    assert answer["probabilities"].keys() == {"use", "maybe", "avoid"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert answer["expected"].keys() == {"gain", "extra_tokens", "net_benefit", "cost_usd", "latency_s"}
    for name in ("gain", "extra_tokens", "net_benefit"):
        assert isinstance(answer["expected"][name], float)
    assert isinstance(answer["thinking_budget"], int)
    assert 0 <= answer["familiarity"] <= 1
    assert answer["effort"] in {"none", "low", "medium", "high"}
    assert answer["arm"] in {"direct", "reasoning"}
    assert 0 <= answer["p_reasoning"] <= 1
    assert answer["profile"] == "balanced"
    assert answer["truncated"] is answer["model_known"] is False
    assert isinstance(answer["enforced"], bool)
    assert answer["revision"] == http.get("/model").json()["revision"]


def test_the_full_request_is_taken(http):
    answer = http.post(
        "/predict",
        json={
            "prompt": PROMPTS[3], "messages": None, "tools": [{"name": "search"}], "model": "claude-sonnet-4-5",
            "profile": "quality_critical", "provider": "anthropic", "max_thinking_tokens": 300,
            "max_latency_ms": 20000, "max_output_tokens": 4096, "conversation_id": "c", "cached_tokens": 0,
            "request_id": None, "explain": True,
        },
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    assert answer.json()["profile"] == "quality_critical"
    assert answer.json()["thinking_budget"] <= 300
    assert answer.json()["request_id"] is None
    assert answer.json()["expected"]["cost_usd"] > 0
    assert answer.json()["expected"]["latency_s"] > 0


def test_a_repeated_request_has_the_same_answer_under_another_decision_id(http):
    one, other = (http.post("/predict", json={"prompt": PROMPTS[3]}).json() for _ in range(2))
    assert same(one) == same(other)
    assert one["decision_id"] != other["decision_id"]


def test_batch_single_and_offline_agree_to_the_bit(http, tmp_path):
    requests = [{"prompt": prompt, "request_id": str(i)} for i, prompt in enumerate(PROMPTS * 3)]
    requests.append({"messages": [{"role": "user", "content": PROMPTS[3]}], "profile": "latency_critical"})
    single = [same(http.post("/predict", json=request).json()) for request in requests]
    reply = http.post("/predict_batch", json={"requests": requests})
    assert reply.json().keys() == {"answers"}
    batch = [same(answer) for answer in reply.json()["answers"]]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    subprocess.run(
        [Path(sys.executable).with_name("thinkworth"), "predict", "--input", "in.jsonl", "--output", "out.jsonl"],
        cwd=tmp_path, check=True, timeout=300,
    )  # fmt: skip
    offline = [same(json.loads(line)) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [answer["request_id"] for answer in batch] == [request.get("request_id") for request in requests]
    assert single == batch
    assert single == offline


def test_concurrent_requests_get_their_own_answers(http, served):
    requests = [
        {"prompt": f"{PROMPTS[i % len(PROMPTS)]} Also: what is {i} * {i + 7}?", "request_id": f"r{i}"}
        for i in range(32)
    ]
    alone = [same(http.post("/predict", json=request).json()) for request in requests]
    assert len({json.dumps(answer["probabilities"]) for answer in alone}) > 16

    def ask(request):
        return same(httpx.post(f"{served.url}/predict", json=request, timeout=120).json())

    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(ask, requests)) == alone


@pytest.mark.parametrize(
    "prompt",
    [
        "naïve café, Ünïcödé — ½ ≠ ⅓", "null \x00 and \x01 \x1f controls", "🙂👩‍👩‍👧‍👦🏳️‍🌈" * 20,
        "מה שלום העולם? كم يساوي ٣ + ٤؟ \u202e\u2066", "[CLS] [SEP] [PAD] [MASK] <|endoftext|>",
        "\u200b\ufeff\u2028\uffff", "a\u0301" * 300, "}{][\"'\\", "\ud800", "x \udfff y",
    ],
    ids=["latin", "null", "emoji", "rtl", "special tokens", "zero width", "combining", "brackets", "surrogate", "low surrogate"],
)  # fmt: skip
@pytest.mark.parametrize("escaped", [True, False])
def test_any_text_is_answered_and_never_logged(http, served, prompt, escaped):
    body = json.dumps({"prompt": f"{prompt} {SECRET}", "request_id": "é"}, ensure_ascii=escaped)
    answer = http.post("/predict", content=body.encode("utf-8", "surrogatepass"))
    if not escaped and any("\ud800" <= character <= "\udfff" for character in prompt):
        assert_refused(answer, 400)  # lone surrogates are no UTF-8
    else:
        assert answer.status_code == 200, answer.text
        assert answer.json()["request_id"] == "é"
        assert SECRET not in answer.text
    assert_not_logged(served)


def test_a_lone_surrogate_alone_is_answered(http):
    for body in (b'{"prompt": "\\ud800"}', b'{"messages": [{"role": "user", "content": "\\uD800"}]}'):
        assert http.post("/predict", content=body).status_code == 200
    assert http.post("/predict_batch", content=b'{"requests": [{"prompt": "\\ud800"}]}').status_code == 200


@pytest.mark.parametrize("unit", ["word ", "x", "?", "`", "1 + ", "a\n", "é"])
def test_a_huge_prompt_is_answered_as_truncated(http, served, unit):
    prompt = SECRET + unit * (900_000 // len(json.dumps(unit, ensure_ascii=False).encode()[1:-1]))
    answer = http.post("/predict", content=json.dumps({"prompt": prompt}, ensure_ascii=False).encode())
    assert answer.status_code == 200, answer.text
    assert answer.json()["truncated"] is True
    assert_not_logged(served)


def test_a_byte_order_mark_is_no_part_of_the_json(http):
    answer = http.post("/predict", content=b"\xef\xbb\xbf" + json.dumps({"prompt": PROMPTS[0]}).encode())
    assert same(answer.json()) == same(http.post("/predict", json={"prompt": PROMPTS[0]}).json())


# The other routes


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_model_is_described(http, served, method):
    model = http.request(method, "/model", content=SECRET.encode() if method == "POST" else None).json()
    assert model["revision"].startswith("thinkworth/")
    assert model["metrics"]
    assert model["training_data_digest"]
    assert {"latency_critical", "balanced", "quality_critical"} <= model["profiles"].keys()
    assert_not_logged(served)


def test_health_and_metrics(http):
    http.post("/predict", json={"prompt": "hello"})
    assert http.get("/livez").status_code == 200
    assert http.get("/readyz").status_code == 200
    metrics = http.get("/metrics")
    assert metrics.status_code == 200
    assert 'thinkworth_request_seconds_count{route="/predict",status="200"}' in metrics.text


@pytest.mark.parametrize(
    "path", ["/model", "/metrics", "/v1/models", "/docs.json", "/livez", "/readyz", "/", "/predict", "/nowhere"]
)
def test_head_is_answered_as_get_is_without_a_body(http, path):
    get, head, after = http.get(path), http.head(path), http.get("/livez")
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert after.status_code == 200  # of the same connection: nothing was left in it


def test_the_api_is_documented_with_an_example_that_works(http):
    paths = http.get("/docs.json").json()
    assert {"/predict", "/predict_batch", "/model", "/livez", "/readyz", "/metrics"} <= paths["paths"].keys()

    def examples(node):
        if isinstance(node, dict):
            if isinstance(node.get("example"), dict):
                yield node["example"]
            for value in node.values():
                yield from examples(value)
        elif isinstance(node, list):
            for value in node:
                yield from examples(value)

    found = [example for example in examples(paths) if "prompt" in example]
    assert found
    assert http.post("/predict", json=found[0]).status_code == 200
