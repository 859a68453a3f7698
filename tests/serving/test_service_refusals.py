"""What the service refuses over HTTP: in one shape, never with the request in the answer or in the log.

It comes after test_service.py: its last test reads the log of both.
"""

import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .test_service import SECRET, assert_not_logged, assert_refused

LIMIT = 1_048_576
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


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_through_a_proxy_of_this_machine_there_is_advice_and_nothing_else(http, header):
    proxied = {header: "for=10.0.0.7"}
    assert http.post("/predict", json={"prompt": "What is 1 + 9900?"}, headers=proxied).status_code == 200
    for method, path in (("POST", "/outcomes"), ("GET", "/metrics"), ("HEAD", "/metrics"), ("POST", "/admin/reload")):
        answer = http.request(method, path, headers=proxied)
        assert answer.status_code == 403
        if method != "HEAD":
            error = assert_refused(answer, 403)
            assert (error["type"], "make a key with the scope" in error["message"]) == ("forbidden", True)


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
