"""Settings: one file, the environment wins, and what is unknown is refused with what is known."""

import pytest

from contract.errors import InvalidInput
from contract.settings import Exploration, Settings, load_settings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_set_is_the_defaults(folder):
    settings = load_settings({})
    assert settings == Settings()
    assert (settings.durability, settings.store_prompts, settings.exploration.rate) == ("sync", "off", 0)
    assert settings.store_address == f"sqlite:///{settings.folder}/decisions.sqlite"
    assert settings.digest_key == settings.folder / "digest.key"


def test_the_environment_wins_over_the_file(folder):
    (folder / "thinkworth.toml").write_text(
        'port = 4000\ndurability = "async"\n[exploration]\nrate = 0.1\navoid = 0.02\n'
    )
    settings = load_settings({"THINKWORTH_PORT": "5000"})
    assert (settings.port, settings.durability) == (5000, "async")
    assert settings.exploration == Exploration(rate=0.1, avoid=0.02)


def test_another_file_may_be_named(folder):
    (folder / "other.toml").write_text("port = 4001\n")
    assert load_settings({"THINKWORTH_CONFIG": "other.toml"}).port == 4001


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("0.05", Exploration(rate=0.05)),
        ('{"rate": 0.05, "use": 0}', Exploration(rate=0.05, use=0)),
        ("1", Exploration(rate=1)),
    ],
)
def test_exploration_is_a_rate_or_json(folder, text, wanted):
    assert load_settings({"THINKWORTH_EXPLORATION": text}).exploration == wanted


def test_a_verdict_without_a_rate_of_its_own_has_the_rate():
    rates = Exploration(rate=0.1, avoid=0.0)
    assert [rates.of(verdict) for verdict in ("use", "maybe", "avoid")] == [0.1, 0.1, 0.0]


def test_what_kubernetes_sets_beside_a_service_of_our_name_is_passed_over(folder):
    environment = {
        "THINKWORTH_PORT": "tcp://10.0.0.1:3000", "THINKWORTH_SERVICE_HOST": "10.0.0.1", "THINKWORTH_PORT_3000_TCP_ADDR": "10.0.0.1",
    }  # fmt: skip
    assert load_settings(environment) == Settings()


def test_an_empty_variable_sets_nothing(folder):
    assert load_settings({"THINKWORTH_STORE_URL": "", "THINKWORTH_MODELS": "x.yaml"}) == Settings()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"THINKWORTH_DURABILTY": "off"}, "did you mean THINKWORTH_DURABILITY?"),
        ({"THINKWORTH_DURABILITY": "maybe"}, "'sync', 'async' or 'off'"),
        ({"THINKWORTH_EXPLORATION": "often"}, "neither a rate nor JSON"),
        ({"THINKWORTH_EXPLORATION": "1.5"}, "exploration.rate is 1.5"),
        ({"THINKWORTH_EXPLORATION": '{"rats": 1}'}, "known keys: rate, use, maybe, avoid"),
        ({"THINKWORTH_PORT": "0"}, "port is"),
        ({"THINKWORTH_CONFIG": "nowhere.toml"}, "nowhere.toml: No such file or directory"),
        ({"THINKWORTH_REDACT": "no function"}, "redact is"),
        ({"THINKWORTH_REDACT": "m:f", "THINKWORTH_STORE_PROMPTS": "embeddings"}, "set store_prompts to text or off"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said(folder, environment, told):
    with pytest.raises(InvalidInput) as refused:
        load_settings(environment)
    assert told in refused.value.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"durabilty = 1\n", "did you mean durability?"),
        (b"port = \n", "is no TOML"),
        (b"port = 3000\nport = 3001\n", "is no TOML"),
        (b"\xff", "is not UTF-8 at byte 0"),
        (b"[exploration]\nrate = true\n", "exploration.rate is true; give a number"),
        (b'exploration = "x"\n', "exploration"),
    ],
)
def test_what_is_wrong_in_the_file_is_said(folder, text, told):
    (folder / "thinkworth.toml").write_bytes(text)
    with pytest.raises(InvalidInput) as refused:
        load_settings({})
    assert told in refused.value.message
    assert "thinkworth.toml" in refused.value.message
