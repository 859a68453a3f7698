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
    path = write(tmp_path, "profiles:\n" + "".join(f"  {n}: {GOOD}\n" for n in ("zebra", "ant", "'7'")))
    assert [*load_profiles(path)] == ["zebra", "ant", "7"]


@pytest.mark.parametrize(
    ("name", "said"), [("7", "7"), ("1.5", "1.5"), ("yes", "true"), ("~", "null"), ("'  '", "empty")]
)
def test_the_name_of_a_profile_is_a_text(tmp_path, name, said):
    error = error_of(write(tmp_path, f"profiles:\n  {name}: {GOOD}\n"))
    assert f"the name of a profile is {said}; " in error.message
    assert error.field == "profiles"


def test_a_name_given_twice_is_refused_rather_than_the_first_forgotten(tmp_path):
    error = error_of(write(tmp_path, f"profiles:\n  mine: {GOOD}\n  yours: {GOOD}\n  mine: {GOOD}\n"))
    assert "line 4, column 3: the key mine occurs twice" in error.message


def test_a_key_given_twice_is_refused(tmp_path):
    error = error_of(write(tmp_path, "profiles:\n  mine:\n    margin: 0.1\n    margin: 0.2\n"))
    assert "the key margin occurs twice" in error.message


def test_a_key_may_be_written_over_what_is_merged(tmp_path):
    text = f"profiles:\n  mine: &mine {GOOD}\n  yours:\n    <<: *mine\n    margin: 0.5\n"
    profiles = load_profiles(write(tmp_path, text))
    assert profiles["yours"] == Profile(**GOOD, margin=0.5)


def test_a_misspelt_key_is_named_rather_than_the_one_it_leaves_missing(tmp_path):
    wrong = {"tokens_per_points": 100, "max_thinking_tokens": 10}
    error = error_of(write(tmp_path, {"profiles": {"mine": wrong}}))
    assert "mine: unknown key tokens_per_points (did you mean tokens_per_point?)" in error.message
    assert f"known keys: {', '.join(Profile.model_fields)}" in error.message
    assert (error.field, error.limit) == ("tokens_per_points", [*Profile.model_fields])


def test_a_misspelt_top_level_key_is_named(tmp_path):
    error = error_of(write(tmp_path, {"profile": {"mine": GOOD}}))
    assert "unknown key profile (did you mean profiles?); known keys: profiles" in error.message


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
@pytest.mark.parametrize(
    "key", ["tokens_per_point", "seconds_per_point", "max_thinking_tokens", "max_latency_s", "margin"]
)
def test_a_number_is_finite(tmp_path, key, value):
    fields = GOOD | {key: "VALUE"}
    text = yaml.safe_dump({"profiles": {"mine": fields}}).replace("VALUE", value)
    error = error_of(write(tmp_path, text))
    assert error.field == key
    assert "should be a finite number" in error.message


@pytest.mark.parametrize("key", ["tokens_per_point", "max_thinking_tokens", "max_latency_s", "seconds_per_point"])
def test_yes_is_no_number(tmp_path, key):
    error = error_of(write(tmp_path, {"profiles": {"mine": GOOD | {key: True}}}))
    assert f"mine: {key} is true; give a number" in error.message
    assert error.field == key


def test_a_message_says_file_value_limit_and_remedy(tmp_path):
    path = write(tmp_path, {"profiles": {"mine": GOOD | {"margin": 1.5}}})
    error = error_of(path)
    assert error.message == f"{path}: mine: margin is 1.5: input should be less than 1; correct the file"
    assert error.limit == 1


@pytest.mark.parametrize("content", [b"\xff\xfep\x00", b"profiles:\n  caf\xe9: 1\n"])
def test_a_file_that_is_not_utf_8_is_refused(tmp_path, content):
    path = tmp_path / "profiles.yaml"
    path.write_bytes(content)
    error = error_of(path)
    assert f"not UTF-8 at byte {content.index(max(content))}; save it as UTF-8" in error.message


@pytest.mark.parametrize("content", ["", "# all of it is a comment\n", "---\n"])
def test_an_empty_file_is_said_to_be_empty(tmp_path, content):
    assert (
        "is empty; a mapping of keys to values is needed; give a profiles file"
        in error_of(write(tmp_path, content)).message
    )


@pytest.mark.parametrize(
    ("content", "said"), [("3", "3"), ("[]", "a list"), ("word", '"word"'), ("two words", "a text of 9")]
)
def test_a_file_that_is_no_mapping_is_said_to_be_none(tmp_path, content, said):
    assert f"holds {said}" in error_of(write(tmp_path, content)).message


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
    "content",
    [
        "profiles: [",
        "a: b: c",
        "\t- x",
        "profiles: {mine: }}",
        "!!python/object:os.x {}",
        "a: 1\n---\nb: 2",
        "a: \0",
        "a: *nowhere",
        "? [a]\n: 3",
        "a: 2024-13-45",
        "a: !!bool 3",
        "a: !!int ''",
        "a: !!timestamp x",
        "[" * 20_000,
    ],
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
    assert error_of(write(tmp_path, {"profiles": {"mine": value}})).field == "mine"


def test_a_missing_file_names_the_option(tmp_path):
    assert "--profiles" in error_of(tmp_path / "nowhere.yaml").message
    error_of(tmp_path)


def test_a_profile_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Profile(**GOOD).margin = 0.5
