"""What `thinkworth serve --host` listens on, and what it refuses before it announces anything."""

import errno
import os
import socket

import httpx
import pytest


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


V6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


@pytest.mark.parametrize(
    ("host", "shown", "asked"),
    [("localhost", "http://127.0.0.1:{}", "http://127.0.0.1:{}/predict"), pytest.param("::1", "http://[::1]:{}", "'http://[::1]:{}/predict'", marks=V6)],
)  # fmt: skip
def test_it_serves_where_it_says(serving, tmp_path, host, shown, asked):
    environment = {"THINKWORTH_HOST": host, "THINKWORTH_STORE_FOLDER": str(tmp_path / "store")}
    with serving(tmp_path, **environment) as server:
        port = server.url.rpartition(":")[2]
        url = shown.format(port)
        said = server.log.read_text(encoding="utf-8")
        assert f" on {url}\n" in said
        assert f"curl -s {asked.format(port)} -d" in said
        assert httpx.post(f"{url}/predict", json={"prompt": "What is 1 + 9900?"}).json()["verdict"] == "avoid"
        assert httpx.get(f"{url}/metrics").status_code == 200


@pytest.fixture
def refused(thinkworth, monkeypatch, tmp_path):
    """What calls the verb in this process, which BentoML never takes the place of."""
    monkeypatch.setenv("THINKWORTH_STORE_FOLDER", str(tmp_path))
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("it was let start"))

    def call(host, port):
        said = thinkworth("serve", "--host", host, "--port", port)
        assert (said.code, said.out) == (2, "")
        return said.err

    return call


@pytest.mark.parametrize("keys", [False, True])
def test_a_name_is_refused(refused, monkeypatch, keys):
    if keys:
        monkeypatch.setenv("THINKWORTH_API_KEYS", "")
    said = refused("gateway.example", 3977)
    assert "gateway.example is no IP address to listen on; give one of this machine's, localhost" in said


@pytest.mark.parametrize(
    ("family", "host", "shown"),
    [(socket.AF_INET, "localhost", "127.0.0.1"), pytest.param(socket.AF_INET6, "::1", "[::1]", marks=V6)],
)
def test_a_port_that_is_taken_is_refused(refused, family, host, shown):
    with socket.socket(family) as other:
        other.bind((host, 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"{shown}:{port}: {os.strerror(errno.EADDRINUSE)}; choose another with --port" in refused(host, port)


@pytest.mark.parametrize(
    ("host", "shown"), [("192.0.2.1", "192.0.2.1"), pytest.param("2001:db8::1", "[2001:db8::1]", marks=V6)]
)
def test_an_address_of_another_machine_is_refused(refused, monkeypatch, host, shown):
    monkeypatch.setenv("THINKWORTH_ALLOW_ANONYMOUS", "true")
    assert f"{shown}:3977: {os.strerror(errno.EADDRNOTAVAIL)}; choose another with --host" in refused(host, 3977)
