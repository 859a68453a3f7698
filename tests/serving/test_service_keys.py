"""A service of two workers with API keys, access log on: who is let in, keys that change while it runs, and what no log ever holds."""

import json
import time

import httpx
import pytest

from serving.access.keys import hashed

from .conftest import serving
from .test_service import SECRET, assert_refused

LONG_WAIT_S = 60.0
HOLDERS = {"gateway": "predict,outcomes", "analyst": "audit", "slow": "predict", "prometheus": "metrics"}
SLOW = {"requests_per_second": 0.001, "burst": 3}


def key_of(name):
    return f"tw_{name}".ljust(46, "x")


def entry(name, scopes, key=None, **more):
    return {"name": name, "hash": hashed(key or key_of(name)), "scopes": scopes.split(","), **more}


ENTRIES = [entry(name, scopes, **(SLOW if name == "slow" else {})) for name, scopes in HOLDERS.items()]


def bearer(name):
    return {"Authorization": f"Bearer {key_of(name)}"}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.yaml"


@pytest.fixture(scope="module")
def keyed(keys_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keyed")
    keys_file.write_text(json.dumps({"keys": ENTRIES}))
    (folder / "bentoml.yaml").write_text(
        "services:\n  thinkworth:\n    workers: 2\n    logging: {access: {enabled: true}}\n"
    )
    with serving(
        folder,
        THINKWORTH_API_KEYS_FILE=str(keys_file),
        THINKWORTH_STORE_FOLDER=str(folder / "store"),
        THINKWORTH_LIMITS='{"messages": 5, "tools": 2, "batch": 10, "body_kib": 64}',
        BENTOML_CONFIG=str(folder / "bentoml.yaml"),
    ) as server:
        yield server


@pytest.fixture(scope="module")
def http(keyed):
    alone = httpx.Limits(max_keepalive_connections=0)  # each request on a connection of its own, to either worker
    with httpx.Client(base_url=keyed.url, timeout=60, limits=alone) as client:
        yield client


@pytest.fixture
def ask(http):
    """Sends a request, with the key of a name."""

    def send(path="/predict", *, method="POST", name=None, **more):
        more.setdefault("headers", bearer(name) if name else {})
        if method == "POST" and "content" not in more:
            more.setdefault("json", {"prompt": "What is 1 + 9900?"})
        return http.request(method, path, **more)

    return send


def test_a_key_is_let_in_where_its_scopes_lead(ask):
    assert ask(name="gateway").json()["verdict"] in ("use", "maybe", "avoid")
    assert assert_refused(ask(), 401)["type"] == "no_api_key"
    assert assert_refused(ask(name="nobody"), 401)["type"] == "unknown_api_key"
    error = assert_refused(ask(name="analyst"), 403)
    assert (error["type"], error["limit"]) == ("scope_missing", ["predict"])
    assert ask("/outcomes", name="slow").status_code == 403
    assert ask("/v1/systemone").json()["error"].keys() == {"message", "field"}
    assert ask("/audit/", method="GET").status_code == 401
    assert ask("/audit/decisions.csv", method="GET", name="analyst").text.startswith("decision_id,")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs.json"])
def test_probes_need_no_key(ask, path):
    assert ask(path, method="GET").status_code == 200


def test_metrics_count_names(ask):
    proxied = {"X-Forwarded-For": "10.0.0.7"}
    assert_refused(ask("/metrics", method="GET", headers=proxied), 401)
    found = ask("/metrics", method="GET", headers=proxied | bearer("prometheus")).text
    assert 'thinkworth_access_total{became="admitted",key="gateway"}' in found
    assert 'thinkworth_access_total{became="scope_missing",key="analyst"}' in found
    assert "tw_" not in found


def test_a_key_that_asks_too_often_waits_and_others_do_not(ask):
    statuses = [ask(name="slow").status_code for _ in range(2 * SLOW["burst"] + 2)]  # each worker counts for itself
    assert set(statuses) == {200, 429}
    assert SLOW["burst"] <= statuses.count(200) <= 2 * SLOW["burst"]
    while (refused := ask(name="slow")).status_code == 200:
        pass
    assert assert_refused(refused, 429)["type"] == "rate_limited"
    assert int(refused.headers["retry-after"]) > 100
    assert ask(name="gateway").status_code == 200


def test_every_answer_has_the_headers_of_an_answer_to_a_machine(ask):
    for answer in (
        ask(name="gateway"), ask(), ask("/metrics", method="GET"), ask("/readyz", method="GET"), ask("/nowhere", name="gateway"),
        ask(name="gateway", content=b"{"), ask("/", method="GET"),
    ):  # fmt: skip
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("path", "body", "field", "limit"),
    [
        ("/predict", {"messages": [{"role": "user", "content": SECRET}] * 6}, "messages", 5),
        ("/predict", {"prompt": SECRET, "tools": [{}] * 3}, "tools", 2),
        ("/predict_batch", {"requests": [{"prompt": SECRET}] * 11}, "requests", 10),
        (
            "/predict_batch",
            {"requests": [{"prompt": SECRET}, {"prompt": SECRET, "tools": [{}] * 3}]},
            "requests.1.tools",
            2,
        ),
    ],
)
def test_what_is_too_large_is_refused_with_the_limit(ask, path, body, field, limit):
    error = assert_refused(ask(path, name="gateway", json=body), 400)
    assert (error["type"], error["field"], error["limit"]) == ("too_large", field, limit)


def test_a_body_and_headers_over_the_limit_of_the_settings(ask):
    error = assert_refused(ask(name="gateway", json={"prompt": "x" * 65_536}), 413)
    assert error["limit"] == 65_536
    error = assert_refused(ask(headers=bearer("gateway") | {"X": "x" * 33_000}), 431)
    assert error["type"] == "headers_too_large"


def test_keys_change_while_it_runs_in_every_worker(ask, keys_file):
    new = entry("gateway", "predict", key_of("rotated"))
    both = [*ENTRIES, new | {"name": "gateway-2"}]
    _until(ask, keys_file, both, lambda: ask(name="rotated").status_code == 200)
    assert ask(name="gateway").status_code == 200
    _until(ask, keys_file, both[1:], lambda: ask(name="gateway").status_code == 401)
    assert ask(name="rotated").status_code == 200
    keys_file.write_text("keys: [")
    _until(ask, keys_file, None, lambda: ask("/readyz", method="GET").json()["access"]["file"] == "stale")
    told = ask("/readyz", method="GET").json()["access"]
    assert "not valid YAML" in told["why"]
    assert str(keys_file.parent) not in told["why"]
    assert ask(name="rotated").status_code == 200
    _until(ask, keys_file, ENTRIES, lambda: ask(name="gateway").status_code == 200)


def _until(ask, keys_file, entries, holds):
    """Write keys and wait until that holds on each of twelve connections in a row: of two workers both have answered."""
    if entries is not None:
        keys_file.write_text(json.dumps({"keys": entries}))
    end = time.monotonic() + LONG_WAIT_S
    while not all(holds() for _ in range(12)):
        assert time.monotonic() < end, "a worker does not take the keys"
        time.sleep(0.1)


def test_no_log_ever_holds_a_prompt_a_header_a_query_or_a_key(ask, keyed):
    canary = SECRET
    bodies = [
        json.dumps({"prompt": canary}), json.dumps({"messages": [{"role": "user", "content": canary}]}), f'{{"prompt": "{canary}', canary,
        json.dumps({"prompt": canary, canary: 1}), json.dumps({"prompt": canary, "profile": canary}),
        json.dumps({"messages": [{"role": canary, "content": canary}]}), json.dumps({"requests": [{"prompt": canary}, {}]}),
        json.dumps({"request_id": "r", "arm": canary}), "[" * 1000 + canary,
    ]  # fmt: skip
    for path in ("/predict", "/predict_batch", "/outcomes"):
        for body in bodies:
            for headers in (bearer("gateway"), {"X-API-Key": canary * 2}, {"Authorization": f"Bearer {canary * 2}"}):
                headers = headers | {"X-Canary": canary, "Cookie": canary}
                assert ask(path, content=body, headers=headers, params={"q": canary}).status_code < 500
    for path in ("/metrics", "/model", "/readyz", "/audit/decisions", "/docs.json", "/nowhere"):
        ask(path, method="GET", headers=bearer("analyst") | {"Referer": canary}, params={"q": canary, "sort": canary})
    ask("/audit/login", content=f"key={canary * 2}&next=/{canary}", headers={"Sec-Fetch-Site": "same-origin"})
    ask(headers=bearer("gateway"), content=(canary * 5000).encode())
    log = keyed.log.read_text(errors="replace")
    assert log.count("path=/predict") > 20, "the access log is on, and has its lines"
    assert canary not in log
    assert "tw_" not in log
    assert not any(hashed(key_of(name))[7:] in log for name in HOLDERS)
