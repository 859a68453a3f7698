"""/docs.json is a contract: schemathesis sends what it allows, and what it does not, and holds every answer against it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.routes import ROUTES

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
FULL = os.environ.get("SOAK") == "full"
PROBES = {"/livez", "/readyz", "/metrics"}


def test_every_route_is_described_and_nothing_else(http):
    described = http.get("/docs.json").json()["paths"]
    assert described.keys() == (ROUTES.keys() - {"/docs.json"}) | PROBES
    for path in described.keys() - PROBES:
        assert described[path].keys() == {method.lower() for method in ROUTES[path].methods}


def test_errors_are_described_in_the_shape_and_with_the_numbers_of_their_route(http):
    paths = http.get("/docs.json").json()["paths"]

    def schema(path, status):
        return paths[path]["post"]["responses"][str(status)]["content"]["application/json"]["schema"]["$ref"].rsplit(
            "/", 1
        )[1]

    assert [schema("/predict", status) for status in (400, 408, 413, 429, 500, 503)] == ["Error"] * 6
    assert [schema("/v1/systemone", status) for status in (422, 408, 413, 429, 500, 529)] == ["SystemOneRefusal"] * 6
    assert schema("/outcomes", 409) == "Error"
    assert schema("/admin/reload", 409) == "Error"
    assert paths["/gateways/portkey"]["post"]["responses"].keys() == {"200", "401", "403"}
    assert schema("/gateways/portkey", 401) == "Error"
    assert paths["/predict"]["post"]["responses"]["429"]["headers"].keys() == {"Retry-After"}


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/predict", "POST"), ("/model", "GET, HEAD, POST"), ("/docs.json", "GET, HEAD"), ("/livez", "GET, HEAD")],
)
def test_a_wrong_method_is_told_the_right_ones(http, path, allowed):
    answer = http.delete(path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == sorted(allowed.split(", "))


@pytest.mark.timeout(7200)
@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is not installed")
def test_the_running_service_keeps_its_contract(http, served, tmp_path):
    phases, examples = ("examples,coverage,fuzzing", "1000") if FULL else ("examples,fuzzing", "6")
    done = subprocess.run(
        [SCHEMATHESIS, "--config-file", Path(__file__).with_name("schemathesis.toml"), "--no-color", "run", f"{served.url}/docs.json",
         "--phases", phases, "--max-examples", examples, "--seed", "7", "--continue-on-failure", "--generation-database", "none"],
        cwd=tmp_path, capture_output=True, text=True, timeout=7200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in served.log.read_text(errors="replace")
