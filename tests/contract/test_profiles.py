"""Profiles: the shipped ones are those of the design, and a wrong file says what is wrong."""

import pytest
import yaml

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.profiles import DEFAULT_PROFILE, Profile, load_profiles

GOOD = {"tokens_per_point": 100, "max_thinking_tokens": 10}


def write(path, content):
    file = path / "profiles.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return file


def error_of(path):
    with pytest.raises(InvalidInput) as caught:
        load_profiles(path)
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value


def test_the_shipped_profiles_are_those_of_the_design():
    profiles = load_profiles(ROOT / "data" / "profiles.yaml")
    assert {
        name: (p.tokens_per_point, p.max_thinking_tokens, p.max_latency_s, p.margin) for name, p in profiles.items()
    } == {
        "latency_critical": (2_000, 1_024, 5, 0.02),
        "balanced": (20_000, 8_192, 30, 0.02),
        "quality_critical": (100_000, 32_768, None, 0.02),
    }
    assert DEFAULT_PROFILE in profiles
    assert {p.maybe_arm for p in profiles.values()} == {"small_budget"}
    assert {p.seconds_per_point for p in profiles.values()} == {None}


def test_defaults_of_a_profile():
    profile = Profile(**GOOD)
    assert (profile.margin, profile.maybe_arm, profile.max_latency_s) == (0.02, "small_budget", None)


def test_the_order_of_the_file_is_kept(tmp_path):
    path = write(tmp_path, "profiles:\n" + "".join(f"  {n}: {GOOD}\n" for n in ("zebra", "ant", 7)))
    assert [*load_profiles(path)] == ["zebra", "ant", "7"]


def test_an_unknown_key_is_named_beside_the_known_ones(tmp_path):
    error = error_of(write(tmp_path, {"profiles": {"mine": GOOD | {"max_tokens": 3}}}))
    assert "max_tokens" in error.message
    assert error.field == "max_tokens"
    for name in Profile.model_fields:
        assert name in error.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokens_per_point", 0),
        ("tokens_per_point", -1),
        ("tokens_per_point", float("nan")),
        ("tokens_per_point", "many"),
        ("tokens_per_point", None),
        ("seconds_per_point", 0),
        ("max_thinking_tokens", 0),
        ("max_thinking_tokens", 1.5),
        ("max_latency_s", 0),
        ("margin", -0.1),
        ("margin", 1),
        ("maybe_arm", "perhaps"),
    ],
)
def test_a_value_out_of_range_is_named(tmp_path, key, value):
    assert error_of(write(tmp_path, {"profiles": {"mine": GOOD | {key: value}}})).field == key


@pytest.mark.parametrize("key", [*GOOD])
def test_a_missing_key_is_named(tmp_path, key):
    assert error_of(write(tmp_path, {"profiles": {"mine": {k: v for k, v in GOOD.items() if k != key}}})).field == key


@pytest.mark.parametrize(
    "content", ["profiles: [", "a: b: c", "\t- x", "profiles: {mine: }}", "!!python/object:os.x {}"]
)
def test_bad_yaml_is_refused(tmp_path, content):
    error = error_of(write(tmp_path, content))
    assert "not valid YAML" in error.message
    assert error.field == "profiles"


@pytest.mark.parametrize("content", ["", "3", "[]", "other: {}", "profiles:", "profiles: {}", "profiles: [a]"])
def test_a_file_without_profiles_is_refused(tmp_path, content):
    assert error_of(write(tmp_path, content)).field == "profiles"


@pytest.mark.parametrize("value", [None, 3, "text", [1]])
def test_a_profile_that_is_no_mapping_is_refused(tmp_path, value):
    error_of(write(tmp_path, {"profiles": {"mine": value}}))


def test_a_missing_file_names_the_option(tmp_path):
    assert "--profiles" in error_of(tmp_path / "nowhere.yaml").message
    error_of(tmp_path)


def test_a_profile_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Profile(**GOOD).margin = 0.5
