"""The service over real HTTP: what it answers, what it refuses and how, and what it never says."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECRET = "heliotrope-77-marmalade"
LIMIT = 1_048_576
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
    assert 'endpoint="/predict"' in metrics.text


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


# What it refuses

S = f'"{SECRET}"'
BAD = {
    "empty prompt": ('{"prompt": ""}', "empty_prompt"),
    "blank prompt": ('{"prompt": " \\n\\t\\u00a0\\u2003"}', "empty_prompt"),
    "blank message": ('{"messages": [{"role": "user", "content": " "}]}', "empty_prompt"),
    "both": (f'{{"prompt": {S}, "messages": [{{"role": "user", "content": {S}}}]}}', "prompt_or_messages"),
    "neither": ("{}", "prompt_or_messages"),
    "null prompt": ('{"prompt": null, "messages": null}', "prompt_or_messages"),
    "unknown key": (f'{{"prompt": {S}, "temperature": 1}}', "unknown_key"),
    "prompt as key": (f'{{"prompt": {S}, "{"long " * 20}{SECRET}": 1}}', "unknown_key"),
    "surrogate key": (f'{{"prompt": {S}, "\\ud800": 1}}', "unknown_key"),
    "profile": (f'{{"prompt": {S}, "profile": {S}}}', "unknown_profile"),
    "provider": (f'{{"prompt": {S}, "provider": {S}}}', "unknown_provider"),
    "no messages": ('{"messages": []}', "empty_messages"),
    "no content": ('{"messages": [{"role": "user"}]}', "missing_content"),
    "null content": ('{"messages": [{"role": "user", "content": null}]}', "missing_content"),
    "number content": (f'{{"messages": [{{"role": "user", "content": 5, "x": {S}}}]}}', "missing_content"),
    "object content": (f'{{"messages": [{{"role": "user", "content": {{"text": {S}}}}}]}}', "missing_content"),
    "no parts": ('{"messages": [{"role": "user", "content": []}]}', "missing_content"),
    "bad part": (f'{{"messages": [{{"role": "user", "content": [{S}, 1]}}]}}', "missing_content"),
    "no role": (f'{{"messages": [{{"content": {S}}}]}}', "unknown_role"),
    "bad role": (f'{{"messages": [{{"role": {S}, "content": {S}}}]}}', "unknown_role"),
    "list role": (f'{{"messages": [{{"role": [{S}], "content": {S}}}]}}', "unknown_role"),
    "upper role": (f'{{"messages": [{{"role": "User", "content": {S}}}]}}', "unknown_role"),
    "message a string": (f'{{"messages": [{S}]}}', "wrong_type"),
    "messages a string": (f'{{"messages": {S}}}', "wrong_type"),
    "messages an object": (f'{{"messages": {{"role": "user", "content": {S}}}}}', "wrong_type"),
    "prompt a list": (f'{{"prompt": [{S}]}}', "wrong_type"),
    "prompt a number": ('{"prompt": 5}', "wrong_type"),
    "explain a string": (f'{{"prompt": {S}, "explain": "yes"}}', "wrong_type"),
    "tools a string": (f'{{"prompt": {S}, "tools": {S}}}', "wrong_type"),
    "profile a number": (f'{{"prompt": {S}, "profile": 1}}', "wrong_type"),
    "long request_id": (f'{{"prompt": {S}, "request_id": "{SECRET * 20}"}}', "out_of_range"),
    "empty model": (f'{{"prompt": {S}, "model": ""}}', "out_of_range"),
    "not JSON": (SECRET, "invalid_json"),
    "cut JSON": (f'{{"prompt": {S}', "invalid_json"),
    "two values": (f'{{"prompt": {S}}} {{"prompt": {S}}}', "invalid_json"),
    "raw control": (f'{{"prompt": "{SECRET}\x01"}}', "invalid_json"),
    "array": (f"[{S}]", "invalid_json"),
    "string": (S, "invalid_json"),
    "null": ("null", "invalid_json"),
    "nothing": ("", "invalid_json"),
    "spaces": ("  \n", "invalid_json"),
    "too deep": (f'{{"prompt": {S}, "tools": [{{"x": {"[" * 100}{"]" * 100}}}]}}', "too_deep"),
    "far too deep": (f'{{"prompt": {S}, "tools": {"[" * 300_000}', "too_deep"),
    "deep objects": ('{"a":' * 10_000, "too_deep"),
    "deep with surrogate": ('{"prompt": "\\ud800", "tools": ' + "[" * 300_000, "too_deep"),
    "UTF-16": (f'{{"prompt": {S}}}'.encode("utf-16"), "invalid_json"),
    "UTF-16 without mark": (f'{{"prompt": {S}}}'.encode("utf-16-le"), "invalid_json"),
    "UTF-32": (f'{{"prompt": {S}}}'.encode("utf-32"), "invalid_json"),
    "Latin-1": (f'{{"prompt": "{SECRET} é"}}'.encode("latin-1"), "invalid_json"),
    "not UTF-8": (b'{"prompt": "%s \xff\xfe"}' % SECRET.encode(), "invalid_json"),
    "overlong UTF-8": (b'{"prompt": "%s \xc0\xaf"}' % SECRET.encode(), "invalid_json"),
    "raw surrogate": (b'{"prompt": "%s \xed\xa0\x80"}' % SECRET.encode(), "invalid_json"),
    "raw and escaped surrogate": (b'{"prompt": "%s \xed\xa0\x80 \\ud800"}' % SECRET.encode(), "invalid_json"),
    "null byte after": (f'{{"prompt": {S}}}\x00', "invalid_json"),
    "gzip": (b"\x1f\x8b\x08\x00" + SECRET.encode(), "invalid_json"),
}
NUMBERS = {
    "NaN": "invalid_json", "Infinity": "invalid_json", "-Infinity": "invalid_json", "1e400": "wrong_type",
    "-1e400": "wrong_type", "-1": "out_of_range", "true": "wrong_type", "false": "wrong_type", '"5"': "wrong_type",
    "1.5": "wrong_type", "[]": "wrong_type", "01": "invalid_json", "9" * 12: "out_of_range", "9" * 400: "out_of_range",
    "9" * 5000: "invalid_json",
}  # fmt: skip
INTEGERS = ["max_thinking_tokens", "max_latency_ms", "max_output_tokens", "cached_tokens"]


def sent(body):
    return body if isinstance(body, bytes) else body.encode()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_in_the_one_shape_and_never_logged(http, served, name):
    body, kind = BAD[name]
    error = assert_refused(http.post("/predict", content=sent(body)), 400)
    assert error["type"] == kind
    assert_not_logged(served)


@pytest.mark.parametrize("name", [name for name in BAD if BAD[name][1] not in ("invalid_json", "too_deep")])
def test_a_bad_request_in_a_batch_is_refused_in_the_one_shape(http, served, name):
    body, kind = BAD[name]
    batch = b'{"requests": [{"prompt": "%s"}, %s]}' % (SECRET.encode(), sent(body))
    error = assert_refused(http.post("/predict_batch", content=batch), 400)
    assert error["type"] == kind
    assert error["field"].startswith("requests.1")
    assert_not_logged(served)


@pytest.mark.parametrize(
    "body",
    ["{}", '{"requests": []}', '{"requests": null}', '{"requests": {}}', f'{{"requests": [{S}]}}', f'{{"prompt": {S}}}',
     json.dumps({"requests": [{"prompt": SECRET}] * 257}), json.dumps({"requests": [{"prompt": SECRET}], "x": 1})],
)  # fmt: skip
def test_a_bad_batch_is_refused_in_the_one_shape(http, served, body):
    assert_refused(http.post("/predict_batch", content=body), 400)
    assert_not_logged(served)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number[:12])
@pytest.mark.parametrize("field", INTEGERS)
def test_a_bad_number_is_refused(http, served, field, number):
    error = assert_refused(http.post("/predict", content=f'{{"prompt": {S}, "{field}": {number}}}'), 400)
    assert error["type"] == NUMBERS[number]
    if error["type"] != "invalid_json":
        assert error["field"] == field
    if error["type"] == "out_of_range":
        assert isinstance(error["limit"], int)
    assert_not_logged(served)


@pytest.mark.parametrize(
    "tools",
    [f"{'1' * 5000}.5", "1e400", "1" * 4300, "-0", '"\\u0000"', '"\\udc00"', "NaN", "1" * 5000],
    ids=lambda tools: tools[:12],
)
def test_odd_values_inside_tools_are_answered_or_refused_and_never_logged(http, served, tools):
    body = f'{{"prompt": {S}, "tools": [{{"x": {tools}}}]}}'
    for path, content in (("/predict", body), ("/predict_batch", f'{{"requests": [{body}]}}')):
        answer = http.post(path, content=content)
        if answer.status_code != 200:
            assert_refused(answer, 400)
    assert_not_logged(served)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "text/plain; charset=utf-16", "application/json; charset=latin-1", "multipart/form-data",
     "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/vnd.bentoml+pickle", "x" * 500],
)  # fmt: skip
def test_the_content_type_changes_nothing(http, served, content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    good = http.post("/predict", content=f'{{"prompt": {S}}}', headers=headers)
    assert good.status_code == 200, good.text
    for body in ("cut JSON", "profile", "bad role", "prompt a list", "nothing", "UTF-16"):
        assert_refused(http.post("/predict", content=sent(BAD[body][0]), headers=headers), 400)
    assert_not_logged(served)


@pytest.mark.parametrize("path", ["/predict", "/predict_batch"])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [LIMIT + 1, 3 * LIMIT, 20 * LIMIT])
def test_a_body_over_the_limit_is_refused_readably(served, path, chunked, size):
    body = (b'{"prompt": "%s' % SECRET.encode()).ljust(size - 2, b"x") + b'"}'
    content = (body[at : at + 65_536] for at in range(0, size, 65_536)) if chunked else body
    with httpx.Client(base_url=served.url, timeout=120) as client:
        error = assert_refused(client.post(path, content=content), 413)
        assert (error["type"], error["limit"]) == ("body_too_large", LIMIT)
        assert client.post("/predict", json={"prompt": "hello"}).status_code == 200
    assert_not_logged(served)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_the_limit_is_answered(http, chunked):
    body = b'{"prompt": "'.ljust(LIMIT - 2, b"x") + b'"}'
    answer = http.post("/predict", content=iter([body[:5], body[5:]]) if chunked else body)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/predict", 405), ("PUT", "/predict", 405), ("DELETE", "/predict", 405), ("OPTIONS", "/predict", 405),
     ("GET", "/predict_batch", 405), ("DELETE", "/model", 405), ("POST", "/livez", 405), ("GET", "/nowhere", 404), ("POST", "/predict/", 404),
     ("POST", f"/{SECRET}", 404), ("GET", f"/predict/{SECRET}", 404), ("GET", "/%ff%00", 404)],
)  # fmt: skip
def test_a_wrong_route_or_method_has_the_one_shape(http, served, method, path, status):
    body = None if method == "GET" else f'{{"prompt": {S}}}'
    error = assert_refused(http.request(method, path, content=body, params={"q": SECRET}), status)
    assert error["type"] == {404: "not_found", 405: "method_not_allowed"}[status]
    assert_not_logged(served)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["prompt", "messages", "tools", "model", "profile", "provider", *INTEGERS, "request_id", "explain", "x"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.dictionaries(st.sampled_from(KEYS), json_values, max_size=4).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
    | st.binary(max_size=20).map(lambda noise: b'{"prompt": "%s%s"}' % (SECRET.encode(), noise)),
    path=st.sampled_from(["/predict", "/predict_batch"]),
)
def test_no_body_at_all_gets_a_bare_error_or_into_the_log(http, served, body, path):
    answer = http.post(path, content=body)
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["error"].keys() == {"type", "message", "field", "limit"}
    assert_not_logged(served)


def test_the_log_has_no_traceback_after_all_that(http, served):
    assert_refused(http.post("/predict", content=b'{"prompt": '), 400)
    assert "Traceback" not in served.log.read_text(errors="replace")
