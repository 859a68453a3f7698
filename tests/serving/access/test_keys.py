"""API keys as they are kept: read from files and variables, compared by hash, and never shown."""

import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from contract.errors import Forbidden, InvalidInput, Unauthorised
from serving.access import keys as module
from serving.access.authorise import ANYBODY, authorise, presented_keys
from serving.access.keys import LEAST_CHARACTERS, Keys, all_keys, given_keys, hashed, new_key, read_keys

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEY = "tw_" + "k" * 43
HASH = hashed(KEY)


def bearer(key):
    return [(b"host", b"x"), (b"authorization", f"Bearer {key}".encode())]


def test_a_new_key_is_known_by_its_hash_alone():
    key, entry = new_key("gateway", ["predict", "outcomes"])
    other, _ = new_key("gateway", ["predict"])
    assert key != other
    assert len(key) >= 43
    assert key.isascii()
    assert key not in entry.model_dump_json()
    assert entry.hash == hashed(key)
    assert Keys([entry]).of(key.encode()) is entry
    assert Keys([entry]).of(other.encode()) is None


def test_every_entry_is_compared_to_the_end_wherever_the_right_one_stands(monkeypatch):
    made = [new_key(f"k{i}", ["predict"]) for i in range(5)]
    keys, compared = Keys(entry for _, entry in made), []
    monkeypatch.setattr(module.hmac, "compare_digest", lambda a, b: compared.append(1) or a == b)
    for presented in (made[0][0], made[4][0], KEY):
        compared.clear()
        keys.of(presented.encode())
        assert len(compared) == 5
    assert hmac is module.hmac


def test_a_hash_of_a_word_lets_nobody_in():
    (entry,) = given_keys(f"word {hashed('hunter2')} predict")
    assert Keys([entry]).of(b"hunter2") is None
    assert Keys([entry]).of(b"x" * 5000) is None
    assert len("hunter2") < LEAST_CHARACTERS


YAML = f"keys:\n  - {{name: gateway, hash: '{HASH}', scopes: [predict], expires: 2027-01-01, burst: 5}}\n"
TOML = f'[[keys]]\nname = "gateway"\nhash = "{HASH}"\nscopes = ["predict"]\nexpires = 2027-01-01T00:00:00Z\nburst = 5\n'
LINES = f"# ours\n\ngateway {HASH} predict expires=2027-01-01 burst=5\n"
LIST = [{"name": "gateway", "hash": HASH, "scopes": ["predict"], "expires": "2027-01-01", "burst": 5}]


@pytest.mark.parametrize(("name", "text"), [("keys.yaml", YAML), ("keys.toml", TOML), ("keys", YAML)])
def test_a_file_of_keys_is_yaml_or_toml(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (entry,) = read_keys(tmp_path / name)
    assert (entry.name, entry.scopes, entry.burst) == ("gateway", ("predict",), 5)
    assert entry.expires == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("given", [LINES, LIST, json.dumps(LIST), json.dumps(LIST[0])])
def test_the_setting_is_lines_or_json_or_a_list(given):
    (entry,) = given_keys(given)
    assert (entry.name, entry.hash, entry.burst, entry.expires) == (
        "gateway",
        HASH,
        5,
        datetime(2027, 1, 1, tzinfo=UTC),
    )


def test_a_file_without_keys_is_one_that_lets_nobody_in(tmp_path):
    (tmp_path / "keys.yaml").write_text("keys: []\n")
    assert read_keys(tmp_path / "keys.yaml") == ()
    with pytest.raises(Unauthorised):
        authorise(bearer(KEY), ["predict"], Keys(), NOW)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("keys:\n", "`keys` is null"),
        ("keys: [", "not valid YAML"),
        ("keyz: []\n", "known keys: keys"),
        (YAML.replace(HASH, KEY), "keys.0: hash: it is no hash"),
        (YAML.replace(HASH, HASH.upper()), "it is no hash"),
        (YAML.replace("[predict]", "[]"), "keys.0: scopes"),
        (YAML.replace("[predict]", "[predct]"), "'predict', 'outcomes', 'audit', 'admin' or 'metrics'"),
        (YAML.replace("gateway", "two words"), "keys.0: name"),
        (YAML.replace("burst", "brust"), "did you mean burst?"),
        (YAML.replace("2027-01-01", "soon"), "keys.0: expires"),
        (YAML + YAML.removeprefix("keys:\n"), "the name of the key gateway occurs twice"),
        (YAML + YAML.removeprefix("keys:\n").replace("gateway", "other"), "the hash of the key gateway occurs twice"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_said_without_key_or_hash(tmp_path, text, told):
    (tmp_path / "keys.yaml").write_text(text)
    with pytest.raises(InvalidInput) as refused:
        read_keys(tmp_path / "keys.yaml")
    assert told in refused.value.message
    assert KEY not in refused.value.message
    assert HASH not in refused.value.message
    assert HASH[7:] not in refused.value.message


@pytest.mark.parametrize(
    "given", ["gateway", f"gateway {KEY}", f"gateway {HASH} predict 5", "[{", f"gateway {KEY} predict", "[1]"]
)
def test_what_is_wrong_in_the_setting_is_said_without_the_key(given):
    with pytest.raises(InvalidInput) as refused:
        given_keys(given)
    assert refused.value.message.startswith("api_keys")
    assert KEY not in refused.value.message


def test_keys_of_both_places_count_together_and_each_once():
    first, second = given_keys(LINES), given_keys(f"other {hashed(KEY + 'x')} audit")
    assert [key.name for key in all_keys(first, second).entries] == ["gateway", "other"]
    with pytest.raises(InvalidInput, match="occurs twice"):
        all_keys(first, first)


# Who asks


@pytest.fixture(scope="module")
def known():
    return Keys(
        given_keys(f"gateway {HASH} predict,outcomes\nold {hashed(KEY + 'old')} predict expires={NOW.isoformat()}")
    )


def test_without_keys_one_that_is_presented_is_not_looked_at():
    assert authorise(bearer("whatever"), ["admin"], None, NOW) is ANYBODY
    assert ANYBODY.name == "anonymous"


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", f"Bearer {KEY}".encode())],
        [(b"authorization", f"bearer  {KEY} ".encode())],
        [(b"x-api-key", KEY.encode())],
        [(b"authorization", b"Basic dXNlcjpwYXNz"), (b"x-api-key", KEY.encode())],
        [(b"authorization", b"Bearer sk-of-the-provider-0123456789012345678901"), (b"x-api-key", KEY.encode())],
    ],
)
def test_a_key_is_presented_as_bearer_or_in_its_header(known, headers):
    caller = authorise(headers, ["predict"], known, NOW)
    assert caller.name == "gateway"


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ([], "no_api_key"), ([(b"authorization", b"Basic dXNlcjpwYXNz")], "no_api_key"), ([(b"authorization", b"Bearer ")], "no_api_key"),
        ([(b"x-api-key", b"")], "no_api_key"), (bearer(KEY + "y"), "unknown_api_key"), (bearer(KEY[:-1]), "unknown_api_key"),
        (bearer(HASH), "unknown_api_key"), ([(b"x-api-key", b"\xff" * 43)], "unknown_api_key"), (bearer(KEY + "old"), "expired_api_key"),
    ],
)  # fmt: skip
def test_whoever_has_no_key_is_refused(known, headers, kind):
    with pytest.raises(Unauthorised) as refused:
        authorise(headers, ["predict"], known, NOW)
    assert refused.value.type == kind
    assert KEY not in refused.value.message


def test_a_key_does_what_its_scopes_say_and_no_more(known):
    assert authorise(bearer(KEY), ["audit", "outcomes"], known, NOW).name == "gateway"
    assert authorise(bearer(KEY), [], known, NOW).name == "gateway"
    with pytest.raises(Forbidden, match="gateway has the scopes predict, outcomes; audit is needed") as refused:
        authorise(bearer(KEY), ["audit"], known, NOW)
    assert (refused.value.status, refused.value.type, refused.value.limit) == (403, "scope_missing", ["audit"])


def test_a_key_lives_to_the_moment_it_expires(known):
    assert authorise(bearer(KEY + "old"), [], known, NOW - timedelta(seconds=1)).name == "old"


def test_only_so_many_keys_of_a_request_are_looked_up():
    assert len(presented_keys([(b"x-api-key", b"a")] * 100)) == 4
