"""Without keys the service answers its own machine alone, whichever command started it."""

import click
import pytest

from contract.errors import InvalidInput
from contract.settings import Settings
from serving.access.places import address_of, is_loopback, refuse_open
from serving.access.starting import refuse_open_start

OWN = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "localhost", "LOCALHOST"]
OTHERS = [
    "0.0.0.0",
    "::",
    "10.0.0.7",
    "192.168.1.2",
    "fe80::1",
    "::ffff:10.0.0.1",
    "gateway.example",
    "",
    "localhost.evil.example",
]
KEYED = Settings(api_keys="")


@pytest.mark.parametrize("host", OWN)
def test_this_machine_needs_no_keys(host):
    assert is_loopback(host)
    refuse_open(host, Settings())


@pytest.mark.parametrize("host", OTHERS)
def test_any_other_address_does(host):
    assert not is_loopback(host)
    with pytest.raises(InvalidInput) as refused:
        refuse_open(host, Settings())
    for remedy in ("thinkworth keys new", "api_keys_file", "127.0.0.1", "allow_anonymous"):
        assert remedy in refused.value.message
    refuse_open(host, KEYED)
    refuse_open(host, Settings(allow_anonymous=True))


@pytest.mark.parametrize(
    ("host", "address"),
    [("localhost", "127.0.0.1"), ("LocalHost", "127.0.0.1"), ("10.0.0.7", "10.0.0.7"), ("::1", "::1"), ("[::1]", "::1"), ("::", "::"), ("0:0:0:0:0:0:0:1", "::1")],
)  # fmt: skip
def test_what_is_listened_on_is_an_address(host, address):
    assert address_of(host) == address


@pytest.mark.parametrize("host", ["gateway.example", "localhost.evil.example", "127.0.0.1:3000", "127.1", "[::1", "[]"])
def test_another_name_is_refused_with_the_remedy(host):
    with pytest.raises(InvalidInput) as refused:
        address_of(host)
    assert refused.value.message.startswith(f"{host} is no IP address to listen on; give ")
    assert (refused.value.field, "localhost (127.0.0.1)" in refused.value.message) == ("host", True)


def started(*arguments):
    """What `bentoml serve` would be told, with the options that it has."""

    @click.command()
    @click.option("--host")
    @click.option("--development", is_flag=True)
    def serve(**_):
        refuse_open_start()

    return serve.main(list(arguments), standalone_mode=False)


@pytest.mark.parametrize("arguments", [[], ["--host", "0.0.0.0"], ["--host", "10.0.0.7"]])
def test_bentoml_is_not_let_serve_everybody(arguments, monkeypatch):
    with pytest.raises(click.ClickException, match="anybody could use this service"):
        started(*arguments)
    monkeypatch.setenv("THINKWORTH_ALLOW_ANONYMOUS", "true")
    started(*arguments)


@pytest.mark.parametrize("arguments", [["--host", "127.0.0.1"], ["--development"]])
def test_bentoml_serves_this_machine(arguments):
    started(*arguments)


def test_what_was_started_by_a_program_is_looked_at_later():
    refuse_open_start()


def test_keys_and_none_contradict_each_other():
    with pytest.raises(ValueError, match="set one of the two"):
        Settings(allow_anonymous=True, api_keys="x")


def test_serve_is_refused_before_anything_is_bound(thinkworth):
    said = thinkworth("serve", "--host", "0.0.0.0", "--port", 3977)
    assert said.code == 2
    assert "thinkworth keys new" in said.err
    assert said.out == ""


def test_serve_says_at_once_that_the_key_of_sessions_cannot_be_used(thinkworth, monkeypatch, tmp_path):
    keys = tmp_path / "keys.yaml"
    assert thinkworth("keys", "new", "--name", "analyst", "--scope", "audit", "--file", keys).code == 0
    (tmp_path / "session.key").write_text("short")
    monkeypatch.setenv("THINKWORTH_API_KEYS_FILE", str(keys))
    monkeypatch.setenv("THINKWORTH_SESSION_KEY_FILE", str(tmp_path / "session.key"))
    monkeypatch.setenv("THINKWORTH_STORE_FOLDER", str(tmp_path))
    monkeypatch.setenv("THINKWORTH_BUNDLE", str(tmp_path / "nowhere"))  # else it would start
    said = thinkworth("serve")
    assert said.code == 2
    assert f"session_key_file {tmp_path}/session.key has 5 bytes; at least 16 are needed" in said.err
